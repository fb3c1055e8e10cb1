"""Training speed beside PyTorch: the same models, the same batches, in turn, on the same threads.

    cargo build --release -p mynah-train --example training_speed
    python dev/bench/train.py --threads 2            # needs torch; prints a table in Markdown

Three sizes of the preset `llama`, batches of 32 sequences of 256 tokens, a vocabulary of 2,048.
PyTorch runs eager in f32, compiled in f32, and compiled with bfloat16 products (autocast), with its
own attention and fused AdamW. Every contestant is a process of its own; a round has each of them
once; the best round of each counts, as whatever else the machine does makes a round slower. The
loss of a new model, the logarithm of the vocabulary, is checked before anything is timed.
"""

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time

VOCABULARY, SEQUENCES, CONTEXT, HEAD_DIM = 2048, 32, 256, 64
# Depth, width, feed-forward: 0.9, 1.7 and 7.1 million weights in products.
SIZES = {"0.9M": (3, 128, 384), "1.7M": (3, 192, 512), "7.2M": (8, 256, 736)}
TORCH = {"eager f32": (False, False), "compile f32": (True, False), "compile bf16": (True, True)}


def torch_speed(size, threads, steps, compiles, bf16):
    """One line of JSON, as the example `training_speed` prints it."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    depth, width, feed = SIZES[size]
    heads = width // HEAD_DIM

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(nn.RMSNorm(width, 1e-5) for _ in range(2))
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.out = nn.Linear(width, width, bias=False)
            self.up = nn.Linear(width, 2 * feed, bias=False)
            self.down = nn.Linear(feed, width, bias=False)

        def forward(self, x, cos, sin):
            b, t, _ = x.shape
            q, k, v = (
                y.view(b, t, heads, HEAD_DIM).transpose(1, 2)
                for y in self.qkv(self.norms[0](x)).split(width, -1)
            )

            def turn(y):
                low, high = y.chunk(2, -1)
                return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)

            y = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
            gate, up = self.up(self.norms[1](x)).chunk(2, -1)
            return x + self.down(F.silu(gate) * up)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, width)
            nn.init.normal_(self.embedding.weight, std=0.02)
            self.layers = nn.ModuleList(Layer() for _ in range(depth))
            self.norm = nn.RMSNorm(width, 1e-5)
            pairs = HEAD_DIM // 2
            angle = torch.outer(
                torch.arange(CONTEXT), 10_000.0 ** (-2 * torch.arange(pairs) / HEAD_DIM)
            )
            self.register_buffer("cos", angle.cos())
            self.register_buffer("sin", angle.sin())

        def forward(self, tokens, targets):
            x = self.embedding(tokens)
            for layer in self.layers:
                x = layer(x, self.cos, self.sin)
            logits = F.linear(self.norm(x), self.embedding.weight)
            return F.cross_entropy(logits.view(-1, VOCABULARY).float(), targets.view(-1))

    model = Model()
    n = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, (0.9, 0.95), weight_decay=0.1, fused=True)
    step = torch.compile(model) if compiles else model
    i = torch.arange(SEQUENCES * (CONTEXT + 1)).view(SEQUENCES, -1)
    batch = (i * 37 + i * 7919 % 8) % VOCABULARY
    tokens, targets = batch[:, :-1].contiguous(), batch[:, 1:].contiguous()
    losses, times = [], []
    for _ in range(steps + 2):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = step(tokens, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())
        times.append(time.perf_counter() - start)
    # The first step compiles, the second warms up.
    median = statistics.median(times[2:])
    per_step = SEQUENCES * CONTEXT
    print(json.dumps({
        "weights_in_products": n,
        "tokens_per_second": per_step / median,
        "first_losses": losses[:2],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }))


def measured(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES))
    parser.add_argument("--example", default="target/release/examples/training_speed")
    parser.add_argument("--presets", nargs="*", default=["llama"])
    parser.add_argument("--only", nargs=2, metavar=("SIZE", "WHAT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        return torch_speed(args.only[0], args.threads, args.steps, *TORCH[args.only[1]])
    print("| weights in products | what | tokens/s (best of rounds) | peak memory, MB | GFLOP/s |")
    print("|---|---|---:|---:|---:|")
    for size in args.sizes:
        best = {}
        for _ in range(args.rounds):
            for preset in args.presets:
                sizes = [str(n) for n in SIZES[size]]
                command = [args.example, preset, *sizes, str(args.threads), str(args.steps)]
                keep(best, f"mynah {preset}", measured(command))
            for what in TORCH:
                command = [sys.executable, __file__, "--threads", str(args.threads)]
                command += ["--steps", str(args.steps), "--only", size, what]
                keep(best, f"PyTorch {what}", measured(command))
        for what, found in best.items():
            speed, memory = found["tokens_per_second"], found["peak_rss_mb"]
            gflops = f"{found['gflops']:.0f} of {found['peak_gflops']:.0f}" if "gflops" in found else ""
            print(f"| {found['weights_in_products']:,} | {what} | {speed:,.0f} | {memory:,.0f} | {gflops} |")
        torch_best = max(f["tokens_per_second"] for w, f in best.items() if w.startswith("PyTorch"))
        ours = best["mynah llama"]["tokens_per_second"]
        eager = best["PyTorch eager f32"]["tokens_per_second"]
        print(f"\n{size}: {ours / torch_best:.2f} x PyTorch's best, {ours / eager:.2f} x eager\n")


def keep(best, what, found):
    first = found["first_losses"][0]
    assert abs(first - math.log(VOCABULARY)) < 0.5, f"{what}: a new model's loss is {first}"
    if what not in best or best[what]["tokens_per_second"] < found["tokens_per_second"]:
        best[what] = found


if __name__ == "__main__":
    main()
