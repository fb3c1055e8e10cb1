#!/usr/bin/env python3
"""Times one experiment by mynah and by promptfoo on llama.cpp's server, side by side.

    python3 experiment.py --mynah PATH/TO/mynah --llama-server PATH --promptfoo PATH --model A.gguf

The experiment: 10 inputs x 2 variants x 25 seeds, up to 60 tokens each, temperature 0.8. promptfoo
asks the server with as many requests at once as the server has slots, and with the server's prompt
cache on; promptfoo's own cache of answers is off, since it would answer all repeats with one. What
is timed is the whole command, loading of the model included; the server is loaded beforehand, in
its favour.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

TEXTS = [
    "Call Anna on Monday about the invoice, then book the train to Lyon.",
    "The garden needs water, the fence needs paint, and the dog needs a walk.",
    "We met the new supplier; prices rise by four percent from March.",
    "Remember milk, bread, two lemons and candles for the cake.",
    "The printer on the second floor jams when the paper is damp.",
    "Ship version two on Friday unless the tests on Windows still fail.",
    "Grandmother's recipe: flour, butter, sugar, one egg, a pinch of salt.",
    "The lecture moved to room 12 and starts a quarter of an hour later.",
    "Three sensors report nonsense since the storm; replace the cable first.",
    "Pack the tent, the stove, a map, and dry socks for everybody.",
]
VARIANTS = ["Summarise as Markdown: {{text}}", "Summarise as VALID MARKDOWN: {{text}}"]
SEEDS, TOKENS = 25, 60


def timed(command, **options):
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, **options)
    return time.monotonic() - start, done


def mynah(args, folder, seed):
    inputs = os.path.join(folder, "notes.jsonl")
    with open(inputs, "w") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in TEXTS)
    command = [args.mynah, "try", VARIANTS[0], "--against", VARIANTS[1], "--inputs", inputs,
               "--check", "markdown", "-m", args.model, "--seeds", str(SEEDS), "-n", str(TOKENS),
               "--temperature", "0.8", "--seed", str(seed), "--json",
               "--database", os.path.join(folder, f"mynah-{seed}.db")]
    took, done = timed(command)
    if done.returncode:
        sys.exit(done.stderr)
    samples = json.loads(done.stdout)["models"][0]["samples"]
    assert len(samples) == len(TEXTS) * 2 * SEEDS, len(samples)
    return took, sum(sample["answer"]["tokens"] for sample in samples)


def promptfoo(args, folder, port):
    config = {
        "prompts": VARIANTS,
        "providers": [{
            "id": "openai:chat:local",
            "config": {"apiBaseUrl": f"http://127.0.0.1:{port}/v1", "apiKey": "none",
                       "temperature": 0.8, "max_tokens": TOKENS},
        }],
        "tests": [{"vars": {"text": text}, "assert": [{"type": "regex", "value": "(?m)^(#|[-*] )"}]}
                  for text in TEXTS],
        "evaluateOptions": {"repeat": SEEDS, "maxConcurrency": args.slots},
    }
    path = os.path.join(folder, "promptfooconfig.json")
    with open(path, "w") as file:
        json.dump(config, file)
    result = os.path.join(folder, "out.json")
    environment = dict(os.environ, PROMPTFOO_DISABLE_TELEMETRY="1", PROMPTFOO_DISABLE_UPDATE="1",
                       PROMPTFOO_CONFIG_DIR=folder, PROMPTFOO_DISABLE_REMOTE_GENERATION="1")
    took, done = timed([args.promptfoo, "eval", "-c", path, "-o", result, "--no-cache", "--no-progress-bar",
                        "--repeat", str(SEEDS), "-j", str(args.slots)], env=environment, cwd=folder)
    if not os.path.exists(result):
        sys.exit(done.stdout + done.stderr)
    with open(result) as file:
        results = json.load(file)["results"]["results"]
    assert len(results) == len(TEXTS) * 2 * SEEDS, len(results)
    errors = sum(1 for one in results if not (one.get("response") or {}).get("output"))
    tokens = sum(((one.get("response") or {}).get("tokenUsage") or {}).get("completion", 0) for one in results)
    return took, tokens, errors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["mynah", "llama-server", "promptfoo", "model"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    threads = str(os.cpu_count())
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(args.rounds):
            took, tokens = mynah(args, folder, round_)
            ours.append(took)
            print(f"mynah try: {took:.1f} s, {tokens} tokens, {tokens / took:.0f} tokens/s", flush=True)
            server = subprocess.Popen(
                [args.llama_server, "-m", args.model, "-t", threads, "-np", str(args.slots),
                 "-c", str(args.slots * 512), "--port", str(args.port)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                for _ in range(600):
                    try:
                        if urllib.request.urlopen(f"http://127.0.0.1:{args.port}/health").status == 200:
                            break
                    except OSError:
                        time.sleep(0.1)
                took, tokens, errors = promptfoo(args, folder, args.port)
            finally:
                server.terminate()
                server.wait()
            theirs.append(took)
            print(f"promptfoo + llama-server ({args.slots} slots): {took:.1f} s, {tokens} tokens, "
                  f"{tokens / took:.0f} tokens/s, {errors} errors", flush=True)
    print(f"mynah takes {statistics.median(ours) / statistics.median(theirs):.2f} of the time")


if __name__ == "__main__":
    main()
