"""Sentence vectors of a BERT folder by `transformers`: mean over tokens, then length one.

    python sentence_vectors.py MODEL_FOLDER OUT.json

needs transformers and torch. Each sentence goes through alone, with [CLS] and [SEP], cut to the
model's 256 tokens as sentence-transformers does.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

SENTENCES = [
    "The cat sat on the mat.",
    "A feline was resting on a rug.",
    "Interest rates rose by a quarter of a point on Tuesday.",
    "How do I reverse a linked list in place?",
    "Naïve café owners déjà vu — 東京 😀",
    "",
    "word " * 400,
]


@torch.no_grad()
def main():
    folder, out = map(Path, sys.argv[1:])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    lines = []
    for sentence in SENTENCES:
        ids = tokenizer(sentence, truncation=True, max_length=256, return_tensors="pt")["input_ids"]
        vector = torch.nn.functional.normalize(model(input_ids=ids).last_hidden_state[0].mean(0), dim=0)
        numbers = [float(f"{value:.6g}") for value in vector.tolist()]
        lines.append(json.dumps({"text": sentence, "ids": ids[0].tolist(), "vector": numbers}))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
