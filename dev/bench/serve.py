#!/usr/bin/env python3
"""Asks mynah and llama.cpp's server for many chats at once, in turn, and prints medians and ratios.

    python3 serve.py --mynah PATH/TO/mynah --llama-server PATH/TO/llama-server --model MODEL.gguf

Both servers load the same file and get 2 threads. For 1, 8 and 32 chats at once, each program is
started, asked one question so that everything is loaded, and then asked that many questions at once,
streamed. All chats have one system prompt of about 300 tokens and a question of their own; each
answer has exactly 96 tokens, the most likely ones, so that both programs do the same work. Rounds
follow one another, so that a slow minute of the machine hits both alike.

What is reported, over all rounds:

- tokens/s: tokens of all answers, over the time from the first request to the last token;
- first token: from sending a request to the first text of its answer, median and 95th percentile;
- overhead: how much longer 32 answers of 64 tokens to one prompt of 32 tokens take through the
  server, over 32 connections, than in the engine alone (`mynah bench --samples 32`), in the same
  rounds.

Needs nothing but Python's own library.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import threading
import time

SYSTEM = "You are a patient guide to a small museum of natural history. " + " ".join(
    f"In room {i + 1} visitors find {what}; tell them about it if they ask."
    for i, what in enumerate(
        ["the skeleton of a cave bear", "a wall of butterflies", "minerals from the Alps", "a stuffed dodo",
         "the jaw of a whale", "a piece of a meteorite", "fossils of ammonites", "a beehive behind glass",
         "the model of a volcano", "seeds of a hundred plants", "a map of the glaciers", "a room of owls"]))
QUESTIONS = ["the oldest object", "the largest animal", "something for children", "the meteorite", "the dodo",
             "how glaciers move", "why owls hunt at night", "what ammonites were"]
ANSWER_TOKENS = 96
BARE_PROMPT, BARE_TOKENS, BARE_STREAMS = 32, 64, 32


class Program:
    """A server while it runs."""

    def __init__(self, command):
        environment = {**os.environ, "MYNAH_OFFLINE": "1"}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start(args, name, n_chats):
    """Starts one of the servers and waits until it answers."""
    port = free_port()
    if name == "mynah":
        command = [args.mynah, "-q", "serve", "-m", args.model, "--port", str(port), "--threads", str(args.threads),
                   "--no-log"]
    else:
        # Room for every chat, and one cache for all of them, so that the system prompt is shared.
        command = [args.llama_server, "-m", args.model, "--port", str(port), "-t", str(args.threads),
                   "-tb", str(args.threads), "-np", str(n_chats), "-c", str(1024 * n_chats), "--no-webui"]
        command += args.llama_flags.split()
    program = Program(command)
    deadline = time.monotonic() + 120
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return program, port
        except OSError:
            pass
        if program.process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{name} did not start: {' '.join(command)}")
        time.sleep(0.05)


def ask(port, path, body, times):
    """Asks and reads a stream; appends the time to the first text, and the end, to `times`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    begun = time.perf_counter()
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(response.read().decode())
    first, n_tokens = None, None
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if event.get("usage"):
            n_tokens = event["usage"]["completion_tokens"]
        for choice in event["choices"]:
            if first is None and (choice.get("delta", {}).get("content") or choice.get("text")):
                first = time.perf_counter() - begun
    times.append((first, n_tokens, time.perf_counter()))


def at_once(port, path, bodies):
    """Asks everything at once; tokens a second, and the times to the first tokens."""
    times = []
    threads = [threading.Thread(target=ask, args=(port, path, body, times)) for body in bodies]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) != len(bodies):
        raise SystemExit("a request failed")
    n_tokens = sum(n for _, n, _ in times)
    return n_tokens / (max(end for *_, end in times) - begun), [first for first, *_ in times], n_tokens


def chat(i):
    """The request of chat `i`."""
    question = f"Visitor {i}: please tell me about {QUESTIONS[i % len(QUESTIONS)]}."
    return {
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
        "max_tokens": ANSWER_TOKENS, "temperature": 0, "stream": True, "ignore_eos": True,
        "stream_options": {"include_usage": True},
    }


def measure_chats(args, name, n_chats, results):
    """One round of one program."""
    program, port = start(args, name, n_chats)
    with program:
        ask(port, "/v1/chat/completions", chat(1000), [])
        speed, firsts, n_tokens = at_once(port, "/v1/chat/completions", [chat(i) for i in range(n_chats)])
        if n_tokens != n_chats * ANSWER_TOKENS:
            raise SystemExit(f"{name} wrote {n_tokens} tokens, not {n_chats * ANSWER_TOKENS}")
    found = results.setdefault((n_chats, name), {"speeds": [], "firsts": []})
    found["speeds"].append(speed)
    found["firsts"] += firsts


def measure_overhead(args, results):
    """The engine alone and through the server: tokens a second of the same work."""
    done = subprocess.run(
        [args.mynah, "bench", "-m", args.model, "--threads", str(args.threads), "--prompt", "1", "--generate", "1",
         "--samples", str(BARE_STREAMS), "--repeat", "1", "--json"],
        check=True, capture_output=True, text=True)
    results.setdefault("bare", []).append(json.loads(done.stdout)["samples_tps"])
    program, port = start(args, "mynah", BARE_STREAMS)
    with program:
        prompt = list(range(100, 100 + BARE_PROMPT))
        body = {"prompt": prompt, "max_tokens": BARE_TOKENS, "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05,
                "stream": True, "ignore_eos": True, "stream_options": {"include_usage": True}}
        ask(port, "/v1/completions", {**body, "prompt": [5] * 40}, [])
        bodies = [{**body, "seed": i} for i in range(BARE_STREAMS)]
        results.setdefault("served", []).append(at_once(port, "/v1/completions", bodies)[0])


def percentile(values, share):
    """The value below which this share lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(args, results):
    """A table for people; with --json, numbers for programs."""
    table = {}
    print(f"{'chats':>6}{'':14}{'tokens/s':>10}{'first token, ms':>18}{'95th':>8}")
    for n_chats in args.chats:
        for name in ("mynah", "llama-server"):
            found = results[n_chats, name]
            speed = statistics.median(found["speeds"])
            median, late = (1000 * percentile(found["firsts"], share) for share in (0.5, 0.95))
            table[f"{n_chats} {name}"] = {"tokens_per_s": speed, "first_ms": median, "first_95_ms": late,
                                          "speeds": found["speeds"]}
            print(f"{n_chats:>6}  {name:12}{speed:>10.1f}{median:>18.0f}{late:>8.0f}")
        ratio = table[f"{n_chats} mynah"]["tokens_per_s"] / table[f"{n_chats} llama-server"]["tokens_per_s"]
        print(f"{'':6}  ratio       {ratio:>10.2f}")
    if results.get("bare"):
        bare, served = statistics.median(results["bare"]), statistics.median(results["served"])
        table["overhead"] = {"bare": results["bare"], "served": results["served"], "share": bare / served - 1}
        print(f"{BARE_STREAMS} streams: {bare:.1f} tokens/s in the engine alone, {served:.1f} through the server: "
              f"{100 * (bare / served - 1):.1f} % longer")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(table, out, indent=1)


def main():
    """Measures what is asked for, round after round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mynah", required=True)
    parser.add_argument("--llama-server", required=True)
    parser.add_argument("--llama-flags", default="--kv-unified", help="more flags for llama-server")
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="a file for the numbers")
    args = parser.parse_args()
    results = {}
    for _ in range(args.rounds):
        for n_chats in args.chats:
            for name in ("mynah", "llama-server"):
                measure_chats(args, name, n_chats, results)
        measure_overhead(args, results)
    report(args, results)


if __name__ == "__main__":
    main()
