"""Checks that transformers and llama.cpp read a trained model and agree with mynah.

    pip install torch transformers llama-cpp-python
    python dev/reference/train_export.py my-model target/release/mynah

`my-model` is a folder that `mynah train --preset llama` wrote. Three things are compared: the
logits of a text by transformers (from the folder) and by llama.cpp (from the GGUF file), and the
tokens that each of the three writes after it when it always takes the most likely one.
"""

import subprocess
import sys
from pathlib import Path

import numpy
import torch
from llama_cpp import Llama
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT, TOKENS = "The people of the United States", 24


def main():
    folder, mynah = Path(sys.argv[1]), sys.argv[2]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(PROMPT)["input_ids"]
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0].numpy()
    (gguf,) = folder.glob("*.gguf")
    llama = Llama(str(gguf), logits_all=True, verbose=False, n_ctx=256)
    assert llama.tokenize(PROMPT.encode(), add_bos=True) == ids, "llama.cpp has other tokens"
    llama.eval(ids)
    got = numpy.array(llama.scores[: len(ids)])
    difference, spread = numpy.abs(got - expected).mean(), expected.std()
    same = (got.argmax(-1) == expected.argmax(-1)).mean()
    print(f"tokens: {ids}")
    print(f"logits: transformers and llama.cpp differ by {difference:.5f}, spread {spread:.3f}")
    print(f"the most likely token is the same at {same:.0%} of places")
    assert difference < 0.02 * spread and same > 0.8

    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), max_new_tokens=TOKENS, do_sample=False)
    texts = {"transformers": tokenizer.decode(out[0][len(ids):], skip_special_tokens=True)}
    done = llama.create_completion(PROMPT, max_tokens=TOKENS, temperature=0.0)
    texts["llama.cpp"] = done["choices"][0]["text"]
    command = [mynah, "run", str(folder), PROMPT, "--raw", "--temperature", "0"]
    command += ["--max-tokens", str(TOKENS), "--quiet"]
    texts["mynah"] = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for who, text in texts.items():
        print(f"{who:13}{text.strip()!r}")
    assert len({text.strip() for text in texts.values()}) == 1, "they write different texts"


if __name__ == "__main__":
    main()
