"""Makes a tiny random model of every architecture, with the logits `transformers` gives it.

    python make_tiny_models.py OUT_FOLDER [NAME ...]

needs transformers, torch, safetensors and numpy. For each case `OUT_FOLDER/NAME/` receives

- `config.json`, with the keys that published checkpoints of that architecture use;
- `model.safetensors`, with published tensor names;
- `expected.json`: token ids, and float32 logits (decoders) or hidden states (encoders) computed by
  `transformers` with eager attention from the two files above, read back.

Decoders: `logits_last` holds every logit of the last position, `logits_first8` the first eight of
each position. Encoders: for each sequence the mean and the first of the final hidden states, and
the first eight numbers of each position.

Norms and biases are random too, and `ablations` in `expected.json` says how far the logits move
(largest absolute difference) when one feature is left out: the script stops if any of them moves
less than 0.01, because a fixture that a wrong implementation passes is worth nothing. (The two
forms of GELU differ by 0.0005 at most, so there 0.001 is asked for. Compare decoders to 1e-3 and
encoders, whose outputs are normalised, to 1e-4.)
"""

import json
import re
import sys
from copy import deepcopy
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

LENGTH = 24
LARGEST_FOLDER = 300_000
SMALLEST_ABLATION, SMALLEST_GELU_ABLATION = 1e-2, 1e-3
# Rounding in float32, measured against the same model in float64.
LARGEST_ROUNDING = 1e-4

LLAMA = dict(
    model_type="llama", vocab_size=70, hidden_size=40, intermediate_size=56, num_hidden_layers=2,
    num_attention_heads=5, hidden_act="silu", max_position_embeddings=64, rms_norm_eps=1e-5,
    tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
)
GROUPED = dict(num_attention_heads=4, num_key_value_heads=2)
QWEN = LLAMA | dict(
    vocab_size=75, hidden_size=36, intermediate_size=52, num_attention_heads=6, num_key_value_heads=2,
    rms_norm_eps=1e-6,
)
PHI3 = LLAMA | GROUPED | dict(model_type="phi3", hidden_size=48, rope_theta=10000.0, pad_token_id=0)
LONGROPE = dict(
    type="longrope", short_factor=[1.0, 1.1, 1.3, 1.7, 2.1, 2.5], long_factor=[1.0, 1.6, 2.9, 4.7, 7.9, 12.0]
)
GEMMA = dict(
    vocab_size=67, hidden_size=40, intermediate_size=44, num_attention_heads=4, num_key_value_heads=2,
    head_dim=16, hidden_activation="gelu_pytorch_tanh", max_position_embeddings=64, rms_norm_eps=1e-6,
    rope_theta=10000.0, bos_token_id=2, eos_token_id=1, pad_token_id=0,
)
GEMMA3 = GEMMA | dict(
    model_type="gemma3_text", hidden_size=24, intermediate_size=36, num_attention_heads=4,
    num_key_value_heads=1, num_hidden_layers=7, head_dim=10, sliding_window=6, rope_theta=1000000.0,
    rope_local_base_freq=100.0, query_pre_attn_scalar=10, use_bidirectional_attention=False,
    layer_types=["sliding_attention"] * 5 + ["full_attention", "sliding_attention"],
)
FALCON = dict(
    model_type="falcon", vocab_size=66, hidden_size=36, num_hidden_layers=2, num_attention_heads=6,
    layer_norm_epsilon=1e-5, alibi=False, bias=False, multi_query=True, parallel_attn=True,
    new_decoder_architecture=False, bos_token_id=11, eos_token_id=11,
)
STABLELM = LLAMA | GROUPED | dict(
    model_type="stablelm", hidden_size=48, intermediate_size=52, layer_norm_eps=1e-5, rope_theta=10000.0,
    partial_rotary_factor=0.5, use_qkv_bias=False, qk_layernorm=False, use_parallel_residual=False,
)
BERT = dict(
    model_type="bert", vocab_size=80, hidden_size=36, num_hidden_layers=3, num_attention_heads=3,
    intermediate_size=76, hidden_act="gelu", max_position_embeddings=48, type_vocab_size=2,
    layer_norm_eps=1e-12, pad_token_id=0, position_embedding_type="absolute",
)
# `published` keys are those of nomic-embed-text-v1.5; transformers' own class has other names.
NOMIC = dict(
    model_type="nomic_bert", vocab_size=80, hidden_size=36, num_hidden_layers=3, num_attention_heads=3,
    intermediate_size=76, hidden_act="silu", max_position_embeddings=48, type_vocab_size=2,
    layer_norm_eps=1e-12, pad_token_id=0, rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
)
NOMIC_PUBLISHED = dict(
    model_type="nomic_bert", activation_function="swiglu", causal=False, layer_norm_epsilon=1e-12,
    mlp_fc1_bias=False, mlp_fc2_bias=False, n_embd=36, n_head=3, n_inner=76, n_layer=3, n_positions=48,
    parallel_block=False, prenorm=False, qkv_proj_bias=False, rotary_emb_base=1000, rotary_emb_fraction=1.0,
    rotary_emb_interleaved=False, rotary_scaling_factor=None, type_vocab_size=2, use_rms_norm=False,
    vocab_size=80, pad_vocab_size_multiple=1,
)

# name: (config, {ablation: keys to change, None removes one}). Every case also gets the general
# ablations of `general_ablations`. "dtype" is how the weights are stored.
CASES = {
    "llama": (LLAMA, {}),
    "llama-bf16": (LLAMA | dict(dtype="bfloat16"), {}),
    "llama-f16": (LLAMA | dict(dtype="float16"), {}),
    "llama-linear": (
        LLAMA | GROUPED | dict(rope_theta=10000.0, rope_scaling={"type": "linear", "factor": 2.5}, attention_bias=True),
        {"scaling": {"rope_scaling": None}},
    ),
    "llama-llama3": (
        LLAMA | GROUPED | dict(
            num_key_value_heads=1, head_dim=16, rope_theta=500.0, tie_word_embeddings=True,
            rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                              original_max_position_embeddings=64)),
        {"scaling": {"rope_scaling": None}},
    ),
    "llama-yarn": (
        LLAMA | GROUPED | dict(
            hidden_size=48, rope_theta=10000.0,
            rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16,
                              beta_fast=4.0, beta_slow=1.0)),
        {
            "scaling": {"rope_scaling": None},
            "ramp": {"rope_scaling": {"type": "linear", "factor": 4.0}},
            "attention factor": {"rope_scaling": dict(
                rope_type="yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=4.0, beta_slow=1.0,
                attention_factor=1.0)},
        },
    ),
    "mistral": (
        LLAMA | GROUPED | dict(model_type="mistral", head_dim=12, sliding_window=7, rope_theta=10000.0),
        {"window": {"sliding_window": None}, "window of 8": {"sliding_window": 8}},
    ),
    "mixtral": (
        LLAMA | GROUPED | dict(
            model_type="mixtral", intermediate_size=28, num_local_experts=4, num_experts_per_tok=2,
            rope_theta=1000000.0, sliding_window=None),
        {"second expert": {"num_experts_per_tok": 1}},
    ),
    "falcon-7b": (FALCON, {"exact gelu": {"activation": "gelu_new"}}),
    "falcon-40b": (FALCON | dict(new_decoder_architecture=True, num_kv_heads=2, ffn_hidden_size=76), {}),
    "falcon-11b": (
        FALCON | dict(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1, ffn_hidden_size=76),
        {},
    ),
    "phi": (
        LLAMA | dict(
            model_type="phi", num_attention_heads=4, num_key_value_heads=4, hidden_size=40, hidden_act="gelu_new",
            intermediate_size=76, layer_norm_eps=1e-5, partial_rotary_factor=0.4, rope_theta=10000.0,
            qk_layernorm=False),
        {"partial rotation": {"partial_rotary_factor": 1.0}, "tanh gelu": {"hidden_act": "gelu"}},
    ),
    "phi3": (
        PHI3 | dict(sliding_window=9, original_max_position_embeddings=64, rope_scaling=None),
        {"window": {"sliding_window": None}},
    ),
    "phi3-longrope-long": (
        PHI3 | dict(original_max_position_embeddings=16, rope_scaling=LONGROPE),
        {"scaling": {"rope_scaling": None},
         "attention factor": {"rope_scaling": LONGROPE | dict(attention_factor=1.0)}},
    ),
    "phi3-longrope-short": (
        PHI3 | dict(
            hidden_size=64, intermediate_size=36, partial_rotary_factor=0.75, original_max_position_embeddings=32,
            rope_scaling=LONGROPE, tie_word_embeddings=True),
        {"scaling": {"rope_scaling": None}, "partial rotation": {
            "partial_rotary_factor": 0.5, "rope_scaling": LONGROPE | {
                name: LONGROPE[name][:4] for name in ("short_factor", "long_factor")}}},
    ),
    "qwen2": (
        QWEN | dict(
            model_type="qwen2", tie_word_embeddings=True, rope_theta=1000000.0, use_sliding_window=False,
            sliding_window=5, max_window_layers=2),
        {},
    ),
    "qwen2-moe": (
        QWEN | dict(
            model_type="qwen2_moe", rope_theta=1000000.0, num_experts=6, num_experts_per_tok=2,
            moe_intermediate_size=20, shared_expert_intermediate_size=44, decoder_sparse_step=1,
            norm_topk_prob=False, mlp_only_layers=[], use_sliding_window=False, sliding_window=5),
        {"experts": {"num_experts_per_tok": 1}, "unnormalised weights": {"norm_topk_prob": True}},
    ),
    "qwen3": (
        QWEN | dict(
            model_type="qwen3", head_dim=10, rope_theta=1000000.0, attention_bias=False, use_sliding_window=False,
            sliding_window=None),
        {},
    ),
    "qwen3-moe": (
        QWEN | dict(
            model_type="qwen3_moe", head_dim=10, rope_theta=1000000.0, attention_bias=False, num_experts=5,
            num_experts_per_tok=3, moe_intermediate_size=22, norm_topk_prob=True, decoder_sparse_step=1,
            mlp_only_layers=[], use_sliding_window=False, sliding_window=None),
        {"experts": {"num_experts_per_tok": 2}, "normalised weights": {"norm_topk_prob": False}},
    ),
    "gemma": (GEMMA | dict(model_type="gemma", num_hidden_layers=2, num_key_value_heads=1, hidden_act="gelu"), {}),
    "gemma2": (
        GEMMA | dict(
            model_type="gemma2", num_hidden_layers=3, query_pre_attn_scalar=10, sliding_window=5,
            attn_logit_softcapping=4.0, final_logit_softcapping=3.0),
        {
            "attention cap": {"attn_logit_softcapping": None},
            "final cap": {"final_logit_softcapping": None},
            "window": {"sliding_window": 64},
            "attention scale": {"query_pre_attn_scalar": 16},
        },
    ),
    "gemma3": (
        GEMMA3, {"window": {"sliding_window": 64}, "local rope": {"rope_local_base_freq": 1000000.0},
                 "global rope": {"rope_theta": 100.0}},
    ),
    "gemma3-scaled": (
        GEMMA3 | dict(query_pre_attn_scalar=6, rope_scaling={"rope_type": "linear", "factor": 8.0}),
        {"scaling": {"rope_scaling": None}, "attention scale": {"query_pre_attn_scalar": 10}},
    ),
    "smollm3": (
        QWEN | dict(
            model_type="smollm3", num_hidden_layers=4, intermediate_size=28, rope_theta=2000000.0,
            no_rope_layer_interval=4, tie_word_embeddings=True, pad_token_id=0),
        {"layers without positions": {"no_rope_layers": [1, 1, 1, 1]}},
    ),
    "gpt2": (
        dict(
            model_type="gpt2", vocab_size=71, n_embd=30, n_layer=3, n_head=5, n_positions=48, n_inner=None,
            activation_function="gelu_new", layer_norm_epsilon=1e-5, bos_token_id=0, eos_token_id=0),
        {"tanh gelu": {"activation_function": "gelu"}},
    ),
    "stablelm": (
        STABLELM | dict(use_qkv_bias=True),
        {"partial rotation": {"partial_rotary_factor": 1.0}},
    ),
    "stablelm-parallel": (
        STABLELM | dict(use_parallel_residual=True, qk_layernorm=True),
        {"partial rotation": {"partial_rotary_factor": 1.0}},
    ),
    "olmo2": (
        LLAMA | GROUPED | dict(model_type="olmo2", hidden_size=40, rope_theta=500000.0, attention_bias=False), {},
    ),
    "bert": (BERT, {"exact gelu": {"hidden_act": "gelu_new"}}),
    "nomic-bert": (NOMIC, {"rope base": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}}),
}
ENCODERS = {"bert", "nomic_bert"}


def build(config):
    """Makes the model of a dictionary of keys, in float32, with eager attention."""
    # A copy, because transformers adds keys to `rope_scaling`.
    keys = {name: deepcopy(value) for name, value in config.items() if name not in ("model_type", "dtype")}
    config = AutoConfig.for_model(config["model_type"], **keys)
    config._attn_implementation = config._experts_implementation = "eager"
    if config.model_type in ENCODERS:
        return AutoModel.from_config(config, add_pooling_layer=False).eval()
    return AutoModelForCausalLM.from_config(config).eval()


def initialise(model, seed, stored_as):
    """Fills every weight at random; rounds it to `stored_as`."""
    generator = torch.Generator().manual_seed(seed)
    norms_add_one = model.config.model_type.startswith("gemma")
    for name, weight in sorted(model.named_parameters()):
        weight.data = 0.3 * torch.randn(weight.shape, generator=generator)
        if is_norm(name) and name.endswith("weight") and not norms_add_one:
            weight.data += 1.0
        elif re.search(r"embed|\bw[tp]e\b|lm_head", name):
            weight.data *= 2.0
        weight.data = weight.data.to(stored_as).float()


def is_norm(name):
    return re.search(r"norm|ln_|\bln\b|LayerNorm", name) is not None


def sequences(config):
    """Token ids: for decoders one sequence, for encoders one and a shorter one."""
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(3, config["vocab_size"], (LENGTH,), generator=generator)
    ids[0] = 1
    return [ids, ids[5:14]] if config["model_type"] in ENCODERS else [ids]


@torch.no_grad()
def outputs(model, config, every_position=None):
    """The model's last tensor, `[positions, vocabulary or hidden]`, for each sequence.

    With `every_position` all tokens claim to stand there.
    """
    found = []
    for ids in sequences(config):
        places = torch.arange(len(ids)) if every_position is None else torch.full((len(ids),), every_position)
        # The mask keeps transformers from reading equal positions as packed sequences.
        result = model(input_ids=ids[None], position_ids=places[None], attention_mask=torch.ones_like(ids)[None])
        found.append((result.logits if hasattr(result, "logits") else result.last_hidden_state)[0].double())
    return found


def distance(left, right):
    return max((a - b).abs().max().item() for a, b in zip(left, right))


def general_ablations(model, config):
    """Outputs with norms, biases or positions left out."""
    plain = 0.0 if config["model_type"].startswith("gemma") else 1.0
    resets = {
        "norm weights": lambda name: plain if is_norm(name) and name.endswith("weight") else None,
        "query and key norm": lambda name: plain if re.search(r"[qk]_(layer)?norm", name) else None,
        "norm biases": lambda name: 0.0 if is_norm(name) and name.endswith("bias") else None,
        "projection biases": lambda name: 0.0 if not is_norm(name) and name.endswith("bias") else None,
        "token type": lambda name: 0.0 if "token_type" in name else None,
    }
    for label, value_of in resets.items():
        changed = build(config)
        weights = dict(model.state_dict())
        touched = {name: value_of(name) for name in weights if value_of(name) is not None}
        weights.update({name: torch.full_like(weights[name], value) for name, value in touched.items()})
        if touched:
            changed.load_state_dict(weights)
            yield label, outputs(changed, config)
    yield "positions", outputs(model, config, every_position=3)


def smallest_routing_margin(model, config):
    """How far the last chosen expert is ahead of the first that is not, at the closest position."""
    chosen = config.get("num_experts_per_tok")
    if chosen is None:
        return None
    scores = []
    hooks = [
        module.register_forward_hook(lambda _, inputs, __, gate=module: scores.append(
            torch.nn.functional.linear(inputs[0].reshape(-1, gate.weight.shape[1]), gate.weight)))
        for name, module in model.named_modules() if re.search(r"mlp\.gate$", name)
    ]
    outputs(model, config)
    for hook in hooks:
        hook.remove()
    ranked = torch.cat(scores).sort(dim=-1, descending=True).values
    return (ranked[:, chosen - 1] - ranked[:, chosen]).min().item()


def digits(tensor):
    return [float(f"{value:.7g}") for value in tensor.tolist()]


def expected(config, results):
    """The part of `expected.json` that a test compares with."""
    ids = [ids.tolist() for ids in sequences(config)]
    if config["model_type"] not in ENCODERS:
        return {
            "input_ids": ids[0],
            "logits_last": digits(results[0][-1]),
            "logits_first8": [digits(row[:8]) for row in results[0]],
        }
    return {"sequences": [
        {
            "input_ids": ids[i],
            "mean": digits(rows.mean(0)),
            "first": digits(rows[0]),
            "hidden_first8": [digits(row[:8]) for row in rows],
        }
        for i, rows in enumerate(results)
    ]}


def make(name, folder):
    """Writes one fixture and returns the row of the table that describes it."""
    config, changes = CASES[name]
    stored_as = getattr(torch, config.get("dtype", "float32"))
    made = build(config)
    initialise(made, 20240 + list(CASES).index(name), stored_as)

    folder.mkdir(parents=True, exist_ok=True)
    made.to(stored_as).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    published = NOMIC_PUBLISHED if name == "nomic-bert" else config
    published = {"architectures": [type(made).__name__]} | {
        key: value for key, value in published.items() if key != "dtype"
    } | {"torch_dtype": str(stored_as).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(published, indent=1) + "\n")
    # The published metadata, and the order of names, whatever version wrote the file.
    save_file(dict(sorted(load_file(folder / "model.safetensors").items())), folder / "model.safetensors",
              metadata={"format": "pt"})

    loader = AutoModel if config["model_type"] in ENCODERS else AutoModelForCausalLM
    options = {"add_pooling_layer": False} if config["model_type"] in ENCODERS else {}
    if name == "nomic-bert":
        options["config"] = made.config
    model = loader.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **options).eval()
    model.config._experts_implementation = "eager"
    results = outputs(model, config)

    ablations = {}
    for label, change in changes.items():
        changed = {key: value for key, value in (config | change).items() if value is not None}
        ablated = build(changed)
        ablated.load_state_dict(model.state_dict())
        ablations[label] = distance(results, outputs(ablated, config))
    for label, ablated in general_ablations(model, config):
        ablations[label] = distance(results, ablated)

    facts = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}
    lines = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(value)}" for key, value in (
            {"made_with": facts} | expected(config, results)
            | {"ablations": {label: round(value, 4) for label, value in ablations.items()}}
        ).items()
    )
    (folder / "expected.json").write_text("{\n" + lines + "\n}\n")

    size = sum(file.stat().st_size for file in folder.iterdir())
    rounding = distance(results, outputs(model.double(), config))
    margin = smallest_routing_margin(model, config)
    weak = [label for label, moved in ablations.items()
            if moved < (SMALLEST_GELU_ABLATION if "gelu" in label else SMALLEST_ABLATION)]
    if size > LARGEST_FOLDER or rounding > LARGEST_ROUNDING or weak:
        raise SystemExit(f"{name} is no good fixture: {size} bytes, rounding {rounding}, {ablations}")
    spread = torch.cat(results).std().item()
    weakest = min(ablations, key=ablations.get)
    return (f"| {name} | {size / 1000:.0f} kB | {spread:.2f} | {rounding:.1e} | "
            f"{'' if margin is None else f'{margin:.3f}'} | {weakest}: {ablations[weakest]:.3f} | {len(ablations)} |")


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    folder, names = Path(sys.argv[1]), sys.argv[2:] or list(CASES)
    print("| model | size | spread of the outputs | against float64 | routing margin | weakest ablation | ablations |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        print(make(name, folder / name), flush=True)


if __name__ == "__main__":
    main()
