"""Measures the learning of a vocabulary against Hugging Face's `tokenizers`, on the same text.

    pip install tokenizers
    cargo build --release
    python dev/bench/tokenizer.py TEXT [--size 8192] [--pattern qwen2] [--repeat 3] [--threads 2]

Both read the file into memory, take each line as a text, cut it with the same expression and learn
the same number of tokens; what is timed is everything after reading the file. Each run is a process
of its own, and the runs take turns. First the merges are compared; then medians, ranges and the most
memory that each held are printed, as a table and as JSON on the last line.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev" / "reference"))


def theirs(text, size, pattern, out):
    """One run of `tokenizers`, in this process; prints what was measured."""
    import resource

    from bpe_cases import PATTERNS
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    lines = Path(text).read_text(encoding="utf-8").splitlines(keepends=True)
    start = time.perf_counter()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[pattern]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    seconds = time.perf_counter() - start
    tokenizer.save(out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_rss_bytes": peak}))


def run(command, threads):
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(result.stdout)


def merges(path):
    model = json.loads(Path(path).read_text(encoding="utf-8"))["model"]
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--pattern", default="qwen2", choices=["gpt2", "llama3", "qwen2"])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--mynah", default=str(ROOT / "target" / "release" / "mynah"))
    parser.add_argument("--theirs", metavar="OUT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        theirs(args.text, args.size, args.pattern, args.theirs)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = {"mynah": f"{folder}/mynah.json", "tokenizers": f"{folder}/theirs.json"}
        options = ["--size", str(args.size), "--pattern", args.pattern]
        commands = {
            "mynah": [args.mynah, "corpus", "tokenizer", files["mynah"], "--text", args.text]
            + [*options, "--threads", str(args.threads), "--json"],
            "tokenizers": [sys.executable, __file__, args.text, *options, "--theirs", files["tokenizers"]],
        }
        measured = {name: [] for name in commands}
        for _ in range(args.repeat):
            for name, command in commands.items():
                measured[name].append(run(command, args.threads))
        ours, others = merges(files["mynah"]), merges(files["tokenizers"])
        if ours != others:
            at = next((i for i, (a, b) in enumerate(zip(ours, others)) if a != b), "the end")
            sys.exit(f"the merges differ at {at}: {len(ours)} and {len(others)}")
    report = {"text": args.text, "bytes": Path(args.text).stat().st_size, "threads": args.threads}
    print(f"{len(ours)} merges, the same; {report['bytes'] / 1e6:.1f} MB, {args.threads} threads")
    for name, runs in measured.items():
        seconds = [one["seconds"] for one in runs]
        peak = max(one["peak_rss_bytes"] for one in runs)
        median = statistics.median(seconds)
        report[name] = {"seconds": median, "least": min(seconds), "most": max(seconds), "peak": peak}
        span = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{name:<12}{median:8.2f} s  ({span})  {peak / 1e6:8.0f} MB")
    report["times"] = report["tokenizers"]["seconds"] / report["mynah"]["seconds"]
    print(f"mynah is {report['times']:.2f} times as fast")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
