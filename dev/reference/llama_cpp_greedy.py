"""Greedy continuations by llama.cpp, and how sure each step was.

    python llama_cpp_greedy.py MODEL.gguf OUT.json [--chat im|gemma] [--no-exact]

needs llama-cpp-python, numpy and, for `exact_gaps`, what dequantised.py needs.

Each prompt is processed as one batch (cache of f16, flash attention off), then 200 tokens are
decoded one at a time; end-of-text tokens are followed like any other. `gaps` holds, for each step,
the logit of the chosen token minus the second best.

llama.cpp rounds activations to 8 bits, so its choice is not always the one that the weights imply.
`exact_gaps` is the same measure in float32 arithmetic on the dequantised weights (by `transformers`,
over llama.cpp's tokens): the logit of llama.cpp's choice minus the best of the others. Where it is
negative llama.cpp chose wrongly; where either is small a difference is no error.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from llama_cpp_model import LlamaCppModel

STEPS = 200
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village between two rivers,",
    "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "fn main() {\n    let numbers = vec![3, 1, 4, 1, 5, 9];\n    let sum: i32 =",
    "Die Hauptstadt von Österreich ist Wien, und die",
    "Il était une fois une petite fille qui",
    "El perro corre por la playa mientras",
    "日本の首都は",
    "人工智能是",
    "Москва — столица",
    "1, 1, 2, 3, 5, 8, 13, 21,",
    "12 * 7 = 84\n15 * 4 = 60\n9 * 11 = 99\n13 * 6 =",
    "Q: Why is the sky blue?\nA:",
    "| name | age | city |\n|---|---|---|\n| Ada | 36 | London |\n",
    "{\"title\": \"A short history of bread\", \"chapters\": [\"",
    "SELECT customer.name, COUNT(*) FROM orders JOIN",
    "Dear Professor Okonkwo,\n\nThank you for your letter of 3 March 1987, in which you ask about",
]
QUESTIONS = [
    "Explain in two sentences what a hash table is.",
    "Write a haiku about autumn rain.",
]
LONG = (
    "Read the following notes and write a summary.\n\n"
    + "".join(
        f"{day}: the gauge at the mill showed {level} cm; wind from the {wind}; {note}.\n"
        for day, level, wind, note in [
            ("Monday", 41, "west", "the lower meadow was dry and the sheep were moved there"),
            ("Tuesday", 44, "south-west", "light rain fell from four in the afternoon until dark"),
            ("Wednesday", 58, "south", "the stream covered the stepping stones for the first time this year"),
            ("Thursday", 97, "south", "two fence posts and the old footbridge were carried away"),
            ("Friday", 131, "west", "the miller closed the sluice, and the road to the village was under water"),
            ("Saturday", 122, "north-west", "the rain stopped, and a boat brought bread, lamp oil and the newspaper"),
            ("Sunday", 88, "north", "the church bell was rung to say that the road was open again"),
        ]
    ) * 2
    + "\nSummary:"
)
CHAT = {
    "im": "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "gemma": "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
}


def continuation(model, ids):
    """The greedy tokens after `ids`, and the gap at each step."""
    model.forget()
    logits = model.decode(ids)[-1]
    tokens, gaps = [], []
    for _ in range(STEPS):
        second, first = np.partition(logits, -2)[-2:]
        tokens.append(int(logits.argmax()))
        gaps.append(float(f"{first - second:.4f}"))
        logits = model.decode(tokens[-1:])[-1]
    return tokens, gaps


def exact_gaps(logits, tokens):
    """The same gaps in float32 on dequantised weights; `logits`: `[steps, vocabulary]`."""
    steps = np.arange(len(tokens))
    of_chosen = logits[steps, tokens]
    logits[steps, tokens] = -np.inf
    return [float(f"{gap:.4f}") for gap in of_chosen - logits.max(1)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--chat", choices=CHAT, default="im", help="form of the two chat prompts")
    parser.add_argument("--no-exact", action="store_true", help="leave out exact_gaps")
    arguments = parser.parse_args()

    model = LlamaCppModel(arguments.model)
    if not arguments.no_exact:
        import dequantised

        reference = dequantised.load(arguments.model)
    prompts = PROMPTS + [CHAT[arguments.chat].format(question) for question in QUESTIONS] + [LONG]
    cases = []
    for prompt in prompts:
        ids = model.tokenize(prompt, add_special=True, parse_special=True)
        tokens, gaps = continuation(model, ids)
        case = {"prompt": prompt, "prompt_ids": ids, "tokens": tokens, "gaps": gaps}
        if not arguments.no_exact:
            exact = dequantised.logits(reference, ids + tokens[:-1])[len(ids) - 1:].numpy()
            case["exact_gaps"] = exact_gaps(exact, tokens)
            wrong = sum(gap < 0 for gap in case["exact_gaps"])
            print(f"{prompt[:40]!r}: {len(ids)} tokens, smallest gap {min(gaps)}, {wrong} steps against float32")
        cases.append(case)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(f'{{"parse_special": true, "add_special": true, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
