#!/usr/bin/env python3
"""Runs mynah and its peers in turn on the same models and work, and prints medians and ratios.

    python3 peers.py --setup FOLDER [--with mistralrs openvino]
    python3 peers.py --peers FOLDER --mynah PATH/TO/mynah --model A.gguf [B.gguf ...]

`--setup` needs a Python package index, a C++ compiler and, on two cores, about half an
hour: it builds llama.cpp from the source archive of llama-cpp-python with native flags, and installs
the others from wheels. Everything lands in FOLDER, nothing elsewhere.

A round runs every program once, each in a process of its own; rounds follow one another, so that a
slow minute of the machine hits all programs alike. What is timed, in every program:

- prompt: 512 tokens in one batch, logits of the last one only, after a warm-up of one token;
- generating: 128 single-token steps from an empty cache, without sampling;
- busy: both again on 2 threads, while another process loops on the last core;
- memory: the largest resident set; for peers inside Python what the process held before loading the
  model is taken off;
- first token: a whole process, from start to end, that reads 16 tokens and computes one.

Shares are of the limits that `mynah bench --limits --json` measures before the first round: for
generating, bytes of weights read a token times tokens a second against memory bandwidth; for a
prompt, two operations a weight and token against the int8 peak. Attention is not counted.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path

LLAMA_CPP_PYTHON = "0.3.36"
MISTRALRS = "0.9.5"
OPENVINO_GENAI = "2026.4.1.0"
WORKS = ("prompt_tps", "generate_tps")
TITLES = {"prompt_tps": "prompt", "generate_tps": "generating"}


# ---- setup -------------------------------------------------------------------------------------


def setup(folder, others):
    """Builds llama.cpp and its Python binding; installs the other peers that are asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    python = environment(folder / "llama.cpp", "cmake", "ninja", "scikit-build-core", "numpy", "gguf")
    tools = {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    run(python, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation",
        "-d", folder, f"llama-cpp-python=={LLAMA_CPP_PYTHON}", env=tools)
    archive = next(folder.glob("llama_cpp_python-*.tar.gz"))
    with tarfile.open(archive) as sources:
        sources.extractall(folder, filter="data")
    source = folder / archive.name.removesuffix(".tar.gz")

    build = folder / "llama.cpp" / "build"
    run("cmake", "-S", source / "vendor" / "llama.cpp", "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
        "-DGGML_NATIVE=ON", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_OPENSSL=OFF",
        "-DLLAMA_USE_PREBUILT_UI=OFF", env=tools)
    run("ninja", "-C", build, "llama-completion", "llama-bench", "llama-server", "llama-perplexity", env=tools)
    # The binding itself is Python; it finds the libraries above by LLAMA_CPP_LIB_PATH.
    run(python, "-m", "pip", "install", "--no-build-isolation", source,
        env=tools | {"CMAKE_ARGS": "-DLLAMA_BUILD=OFF"})
    if "mistralrs" in others:
        environment(folder / "mistralrs", f"mistralrs=={MISTRALRS}")
    if "openvino" in others:
        environment(folder / "openvino", f"openvino-genai=={OPENVINO_GENAI}")


def environment(folder, *packages):
    """A virtual environment with `packages`; returns its interpreter."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--upgrade", "pip", *packages)
    return python


def run(*command, env=None):
    subprocess.run([str(part) for part in command], check=True, env=os.environ | (env or {}))


# ---- workers: one program, one model, in a process of its own ------------------------------------


def worker_llama_cpp(model, prompt, generate, threads):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))
    from llama_cpp_model import LlamaCppModel

    before = peak_rss()
    start = time.perf_counter()
    engine = LlamaCppModel(model, n_context=1024, threads=threads, flash_attention=-1)
    load_s = time.perf_counter() - start
    ids = [(i * 7919) % engine.n_vocabulary for i in range(prompt)]
    engine.decode(ids[:1])
    engine.forget()
    start = time.perf_counter()
    engine.decode(ids)
    prompt_s = time.perf_counter() - start
    engine.forget()
    start = time.perf_counter()
    for token in ids[:generate]:
        engine.decode([token])
    generate_s = time.perf_counter() - start
    return measured(prompt / prompt_s, generate / generate_s, load_s, before)


def worker_mistralrs(model, prompt, generate, threads):
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    from mistralrs import CompletionRequest, Runner, Which

    before = peak_rss()
    start = time.perf_counter()
    folder, file = os.path.split(os.path.abspath(model))
    runner = Runner(which=Which.GGUF(folder, file), prefix_cache_n=0)
    load_s = time.perf_counter() - start

    def usage(text, count):
        return runner.send_completion_request(
            CompletionRequest(prompt=text, model="default", max_tokens=count, temperature=0.0, ignore_eos=True)
        ).usage

    usage("one", 2)
    return measured(
        usage(" one" * prompt, 1).avg_prompt_tok_per_sec, usage("one", generate).avg_compl_tok_per_sec, load_s, before
    )


def worker_openvino(model, prompt, generate, threads):
    import openvino_genai

    before = peak_rss()
    start = time.perf_counter()
    pipeline = openvino_genai.LLMPipeline(model, "CPU", INFERENCE_NUM_THREADS=threads)
    load_s = time.perf_counter() - start

    def metrics(text, count):
        config = openvino_genai.GenerationConfig(
            max_new_tokens=count, do_sample=False, ignore_eos=True, apply_chat_template=False
        )
        return pipeline.generate([text], config).perf_metrics

    metrics("one", 2)
    reading, writing = metrics(" one" * prompt, 1), metrics("one", generate)
    prompt_tps = reading.get_num_input_tokens() / (reading.get_ttft().mean / 1000)
    return measured(prompt_tps, writing.get_throughput().mean, load_s, before)


WORKERS = {"llama.cpp": worker_llama_cpp, "mistralrs": worker_mistralrs, "openvino": worker_openvino}


def measured(prompt_tps, generate_tps, load_s, rss_before):
    return {
        "prompt_tps": prompt_tps, "generate_tps": generate_tps, "load_ms": load_s * 1000,
        "peak_rss_bytes": peak_rss() - rss_before,
    }


def peak_rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def facts(model):
    """What a token costs: bytes of weights read and multiplications, from the file's tensors."""
    from gguf import GGUFReader

    tensors = {tensor.name: tensor for tensor in GGUFReader(model).tensors}
    if "output.weight" in tensors:
        # Then the embedding table is only looked up.
        tensors.pop("token_embd.weight", None)
    return {
        "bytes_per_token": int(sum(tensor.n_bytes for tensor in tensors.values())),
        "weights_per_token": int(sum(tensor.n_elements for tensor in tensors.values() if len(tensor.shape) > 1)),
        "output_weights": int(tensors.get("output.weight", tensors.get("token_embd.weight")).n_elements),
    }


# ---- rounds --------------------------------------------------------------------------------------


class Bench:
    """The programs, and how to start each."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.programs = ["mynah", "llama.cpp", *arguments.others]

    def python(self, peer):
        return self.arguments.peers / peer / "bin" / "python"

    def command(self, program, model, threads):
        a = self.arguments
        work = ["--prompt", a.prompt, "--generate", a.generate, "--threads", threads]
        if program == "mynah":
            return [a.mynah, "bench", "--model", model, *work, "--repeat", 1, "--json"]
        return [self.python(program), __file__, "--worker", program, "--model", model, *work]

    def first_token_command(self, program, model, threads):
        if program == "mynah":
            return [self.arguments.mynah, "bench", "--model", model, "--prompt", 16, "--generate", 1,
                    "--threads", threads, "--repeat", 1, "--json"]
        return [self.arguments.peers / "llama.cpp/build/bin/llama-completion", "-m", model, "-p", " one" * 16,
                "-n", 1, "-t", threads, "-no-cnv", "--no-warmup", "--simple-io"]

    def start(self, command):
        env = os.environ | {"LLAMA_CPP_LIB_PATH": str(self.arguments.peers / "llama.cpp/build/bin")}
        command = [str(part) for part in command]
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        return done.stdout

    def measure(self, program, model, threads):
        """One run; an empty dictionary where the program cannot run the model."""
        try:
            return json.loads(self.start(self.command(program, model, threads)).strip().splitlines()[-1])
        except RuntimeError as error:
            if program in ("mynah", "llama.cpp"):
                raise
            print(f"{program} does not run {Path(model).name}: {error}", file=sys.stderr)
            self.programs.remove(program)
            return {}

    def first_token_ms(self, program, model, threads):
        start = time.perf_counter()
        self.start(self.first_token_command(program, model, threads))
        return (time.perf_counter() - start) * 1000

    def limits(self):
        return json.loads(self.start([self.arguments.mynah, "bench", "--limits", "--json"]))

    def facts(self, model):
        return json.loads(self.start([self.python("llama.cpp"), __file__, "--worker", "facts", "--model", model]))


class BusyNeighbour:
    """Another process that keeps the last core busy."""

    def __enter__(self):
        core = max(os.sched_getaffinity(0))
        self.process = subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"])
        time.sleep(0.3)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def rounds(bench, model):
    """All runs of one model: {program: {setting: {measure: [a value a round]}}}."""
    found = {}
    everyone, bench.programs = bench.programs, list(bench.programs)

    def note(program, setting, values):
        place = found.setdefault(program, {}).setdefault(setting, {})
        for name, value in values.items():
            place.setdefault(name, []).append(value)

    for number in range(bench.arguments.rounds):
        print(f"{Path(model).name}: round {number + 1} of {bench.arguments.rounds}", file=sys.stderr)
        for threads in bench.arguments.threads:
            for program in list(bench.programs):
                note(program, str(threads), bench.measure(program, model, threads))
            for program in ("mynah", "llama.cpp"):
                note(program, str(threads), {"first_token_ms": bench.first_token_ms(program, model, threads)})
        if not bench.arguments.no_busy:
            for program in ("mynah", "llama.cpp"):
                with BusyNeighbour():
                    note(program, "2 busy", bench.measure(program, model, 2))
    bench.programs = everyone
    return found


def median(found, program, setting, name):
    values = found.get(program, {}).get(setting, {}).get(name)
    return statistics.median(values) if values else None


# ---- tables --------------------------------------------------------------------------------------


def share(work, tokens_per_s, threads, fact, limits, prompt):
    """The part of the machine's limit that `tokens_per_s` is."""
    if work == "generate_tps":
        peak = limits["read_gbps"][str(threads)] * 1e9
        return tokens_per_s * fact["bytes_per_token"] / peak
    # The output matrix is applied to the last token only.
    weights = fact["weights_per_token"] - fact["output_weights"] * (1 - 1 / prompt)
    return tokens_per_s * 2 * weights / (limits["int8_gops"][str(threads)] * 1e9)


def table(model, found, fact, limits, bench):
    programs = ["mynah", "llama.cpp", *(other for other in bench.arguments.others if other in found)]
    extra = "".join(f" | {program}" for program in programs[2:])
    lines = [
        f"### {Path(model).stem}", "",
        f"| work | threads | mynah | llama.cpp | ratio | mynah's share of the limit | llama.cpp's{extra} |",
        "|---|---|---|---|---|---|---" + "|---" * len(programs[2:]) + "|",
    ]
    settings = [str(threads) for threads in bench.arguments.threads] + ["2 busy"] * (not bench.arguments.no_busy)
    for work in WORKS:
        for setting in settings:
            values = [median(found, program, setting, work) for program in programs]
            threads = int(setting.split()[0])
            shares = [
                f"{share(work, value, threads, fact, limits, bench.arguments.prompt):.0%}" if "busy" not in setting else ""
                for value in values[:2]
            ]
            others = "".join(" | " + ("" if value is None else f"{value:.1f}") for value in values[2:])
            lines.append(f"| {TITLES[work]}, tokens/s | {setting} | {values[0]:.1f} | {values[1]:.1f} | "
                         f"{values[0] / values[1]:.2f} | {shares[0]} | {shares[1]}{others} |")
    for name, title, unit, form in [("peak_rss_bytes", "peak memory, MB", 1e6, ".0f"), ("load_ms", "loading, ms", 1, ".0f"),
                                    ("first_token_ms", "process with one token, ms", 1, ".0f")]:
        for setting in settings[:len(bench.arguments.threads)]:
            values = [median(found, program, setting, name) for program in programs]
            others = "".join(" | " + ("" if value is None else f"{value / unit:{form}}") for value in values[2:])
            lines.append(f"| {title} | {setting} | {values[0] / unit:{form}} | {values[1] / unit:{form}} | "
                         f"{values[0] / values[1]:.2f} | | {others} |")
    if not bench.arguments.no_busy and "1" in settings:
        alone = median(found, "mynah", "1", "generate_tps")
        busy = median(found, "mynah", "2 busy", "generate_tps")
        lines += ["", f"Generating on 2 threads beside a busy core is {busy / alone:.2f} x one thread alone (mynah)."]
    return "\n".join(lines) + "\n"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", type=Path, metavar="FOLDER", help="build the peers there and stop")
    parser.add_argument("--with", dest="others", nargs="*", default=[], choices=["mistralrs", "openvino"],
                        help="peers beside llama.cpp")
    parser.add_argument("--peers", type=Path, help="the folder that --setup filled")
    parser.add_argument("--mynah", type=Path, help="the binary, built for release")
    parser.add_argument("--model", nargs="+", help="GGUF files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--no-busy", action="store_true", help="leave out the runs beside a busy core")
    parser.add_argument("--json", type=Path, help="also write every single measurement there")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.setup:
        setup(arguments.setup.resolve(), arguments.others)
        return
    if arguments.worker == "facts":
        print(json.dumps(facts(arguments.model[0])))
        return
    if arguments.worker:
        work = WORKERS[arguments.worker]
        print(json.dumps(work(arguments.model[0], arguments.prompt, arguments.generate, arguments.threads[0])))
        return

    arguments.peers = arguments.peers.resolve()
    bench = Bench(arguments)
    limits = bench.limits()
    report = {"processor": processor(), "load_average": os.getloadavg(), "limits": limits, "models": {}}
    print(f"{report['processor']}; median of {arguments.rounds} rounds; load average at the start "
          f"{report['load_average'][0]:.1f}\n\nLimits: {json.dumps(limits)}\n")
    for model in arguments.model:
        fact, found = bench.facts(model), rounds(bench, model)
        report["models"][Path(model).stem] = {"facts": fact, "runs": found}
        print(table(model, found, fact, limits, bench), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
