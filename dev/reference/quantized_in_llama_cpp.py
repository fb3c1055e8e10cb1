"""Checks that llama.cpp reads what `mynah quantize` writes, and sees the same numbers in it.

    python quantized_in_llama_cpp.py MYNAH MODEL

needs llama-cpp-python and numpy. For each recipe, MYNAH writes MODEL (a name or a file) in it and
continues a text greedily; llama.cpp loads the file, reads the same tokens and gives its own
probabilities of the 20 most likely ones at each place. The median and the largest difference of
their logarithms are printed. The two round activations differently, so the yardstick is MODEL
itself, in the first line. Exit status 1 if a recipe's median is more than three times as large, or
the token that MYNAH took is not llama.cpp's within that difference.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from llama_cpp_model import LlamaCppModel

RECIPES = (
    "f32 f16 bf16 q8_0 q6_k q5_k_m q5_k_s q5_1 q5_0 q4_k_m q4_k_s q4_1 q4_0 iq4_nl iq4_xs q3_k_l q3_k_m q3_k_s q2_k"
).split()
TEXT = "The history of the lighthouse begins with fires that were lit on the tops of hills. Later they stood on"
N_TOKENS = 24
N_TOP = 20


def differences(mynah: str, file: Path) -> tuple[np.ndarray, float]:
    """How far logarithms of probabilities are apart, and how far behind MYNAH's choices are."""
    command = [mynah, "run", "-m", file, "--raw", "--json", "--temperature", "0", "-n", N_TOKENS]
    command += ["--logprobs", N_TOP, "--cache-format", "f16", TEXT]
    answer = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout)
    model = LlamaCppModel(file, threads=2)
    prompt = model.tokenize(TEXT, add_special=True)
    tokens = answer["tokens"]
    logits = model.decode([*prompt, *tokens[:-1]], first_output=len(prompt) - 1).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    theirs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    apart, behind = [], 0.0
    for row, step, token in zip(theirs, answer["logprobs"], tokens, strict=True):
        apart += [abs(row[top["id"]] - top["logprob"]) for top in step["top"]]
        behind = max(behind, row.max() - row[token])
    return np.array(apart), behind


def main() -> int:
    mynah, source = sys.argv[1:]
    listed = subprocess.run([mynah, "show", "--json", source], check=True, capture_output=True)
    path = Path(source) if Path(source).exists() else Path(json.loads(listed.stdout)["path"])
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        yardstick, _ = differences(mynah, path)
        limit = 3 * np.median(yardstick)
        print(f"{'as it is':8}  median {np.median(yardstick):.4f}  largest {yardstick.max():.4f}")
        for recipe in RECIPES:
            file = Path(folder) / f"{recipe}.gguf"
            subprocess.run([mynah, "--quiet", "quantize", recipe, path, file], check=True)
            apart, behind = differences(mynah, file)
            good = np.median(apart) <= limit and behind <= 2 * apart.max()
            failed |= not good
            print(f"{recipe:8}  median {np.median(apart):.4f}  largest {apart.max():.4f}{'' if good else '  WRONG'}")
            file.unlink()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
