"""A GGUF file's weights in `transformers`, dequantised, computing in float32.

What the weights imply when activations are not rounded: neither llama.cpp nor mynah is this exact,
and each may be measured against it. Needs transformers, accelerate, torch and gguf.
"""

import torch
from transformers import AutoModelForCausalLM


def load(path):
    return AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()


@torch.no_grad()
def logits(model, ids):
    """Float32 logits `[positions, vocabulary]` of one sequence."""
    return model(torch.tensor([ids])).logits[0]
