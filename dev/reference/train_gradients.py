"""Writes fixtures/train/gradients.json: losses and gradients of small models by PyTorch, in f64.

    python dev/reference/train_gradients.py      # needs torch

The models are those of crates/train/src/model/tests.rs: their weights are one formula of their
place in the vector of weights, and their sequences hold documents that do not see each other. The
models are written here from the papers' formulas, with PyTorch's own operations.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

VOCABULARY, DEPTH, WIDTH, HEADS, KV_HEADS, HEAD_DIM, FEED, CONTEXT = 19, 2, 32, 4, 2, 8, 64, 13
Z_LOSS, EPS, BASE, EVERY = 0.01, 1e-5, 10_000.0, 13


def shapes(preset):
    """The tensors in their order: name, shape, whether it is a norm's."""
    qkv = (HEADS + 2 * KV_HEADS) * HEAD_DIM
    yield "embedding", (VOCABULARY, WIDTH), False
    for i in range(DEPTH):
        if preset == "nano":
            yield f"{i}.residual_mix", (2,), False
        yield f"{i}.attention_norm", (WIDTH,), True
        yield f"{i}.qkv", (qkv, WIDTH), False
        if preset == "nano":
            yield f"{i}.query_norm", (HEAD_DIM,), True
            yield f"{i}.key_norm", (HEAD_DIM,), True
        yield f"{i}.attention_out", (WIDTH, HEADS * HEAD_DIM), False
        yield f"{i}.feed_norm", (WIDTH,), True
        yield f"{i}.up", ((2 if preset == "llama" else 1) * FEED, WIDTH), False
        yield f"{i}.down", (WIDTH, FEED), False
    yield "output_norm", (WIDTH,), True


def weights(preset):
    made, at = {}, 0
    for name, shape, is_norm in shapes(preset):
        n = math.prod(shape)
        x = [((i * 2654435761 + 12345) % 2**32) / 2**32 - 0.5 for i in range(at, at + n)]
        x = torch.tensor(x, dtype=torch.float64)
        x = 1 + 0.4 * x if is_norm else 0.6 * x
        # What mynah has: f32.
        made[name] = x.float().double().reshape(shape).requires_grad_()
        at += n
    return made


def norm(x, weight):
    return F.rms_norm(x, (x.shape[-1],), weight, torch.tensor(EPS).float().item())


def turn(x, positions):
    pairs = HEAD_DIM // 2
    frequency = BASE ** (-2 * torch.arange(pairs, dtype=torch.float64) / HEAD_DIM)
    angle = (positions[:, None] * frequency)[:, None, :]
    low, high = x[..., :pairs], x[..., pairs:]
    return torch.cat([low * angle.cos() - high * angle.sin(),
                      high * angle.cos() + low * angle.sin()], -1)


def losses(preset, w, tokens, targets, starts):
    rows = len(tokens)
    place = torch.arange(rows)
    sequence, position = place // CONTEXT, place % CONTEXT
    sees = (sequence[:, None] == sequence) & (position <= position[:, None])
    sees &= position >= starts[:, None]
    x = first = w["embedding"][tokens]
    for i in range(DEPTH):
        if preset == "nano":
            keep, factor = w[f"{i}.residual_mix"]
            x = keep * x + factor * first
        qkv = norm(x, w[f"{i}.attention_norm"]) @ w[f"{i}.qkv"].T
        q, k, v = qkv.reshape(rows, -1, HEAD_DIM).split([HEADS, KV_HEADS, KV_HEADS], 1)
        if preset == "nano":
            q, k = norm(q, w[f"{i}.query_norm"]), norm(k, w[f"{i}.key_norm"])
        q, k = turn(q, position - starts), turn(k, position - starts)
        k, v = (y.repeat_interleave(HEADS // KV_HEADS, 1) for y in (k, v))
        q, k, v = (y.transpose(0, 1) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=sees)
        x = x + y.transpose(0, 1).reshape(rows, -1) @ w[f"{i}.attention_out"].T
        up = norm(x, w[f"{i}.feed_norm"]) @ w[f"{i}.up"].T
        if preset == "llama":
            gate, up = up.split(FEED, -1)
            y = F.silu(gate) * up
        else:
            y = F.relu(up) ** 2
        x = x + y @ w[f"{i}.down"].T
    logits = norm(x, w["output_norm"]) @ w["embedding"].T
    return F.cross_entropy(logits, targets, reduction="none"), logits.logsumexp(-1)


def main():
    rows = torch.arange(2 * CONTEXT)
    tokens, targets = rows * 7 % 19, (rows * 5 + 3) % 19
    starts = torch.where(rows % 13 < 4, 0, 4 + rows // 20 * 2)
    fixture = {}
    for preset in ("llama", "nano"):
        w = weights(preset)
        each, log_sums = losses(preset, w, tokens, targets, starts)
        (each.sum() + Z_LOSS * (log_sums**2).sum()).backward()
        gradient = torch.cat([x.grad.flatten() for x in w.values()])
        fixture[preset] = {
            "losses": [round(x, 7) for x in each.tolist()],
            "every": EVERY,
            "gradient": [float(f"{x:.6g}") for x in gradient[::EVERY].tolist()],
        }
    path = Path(__file__).parents[2] / "fixtures/train/gradients.json"
    path.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
