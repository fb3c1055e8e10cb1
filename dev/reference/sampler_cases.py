"""Writes the distributions that llama.cpp's samplers give on fixed logits.

Run with the Python that has llama-cpp-python (0.3.36 here), numpy and gguf:

    python dev/reference/sampler_cases.py > crates/engine/tests/data/sampler_cases.json

The logits are made from integers by `logits` below, and the test makes the same
ones, so that the file holds only parameters and results. Sequence breakers need a
vocabulary: a small byte-level one is written to a temporary GGUF file, and its
tokens and the tokens of every tail of every breaker go into the file too.
"""

import ctypes
import json
import random
import tempfile
from pathlib import Path

import gguf
import llama_cpp as llama
import numpy as np

MASK = 0xFFFFFFFF


def mix(x):
    """A hash of 32 bits; the test has the same one."""
    x = (x ^ (x >> 16)) * 0x7FEB352D & MASK
    x = (x ^ (x >> 15)) * 0x846CA68B & MASK
    return x ^ (x >> 16)


def logits(vocab_len, seed, scale):
    """Roughly normal values of standard deviation `scale`, exact in float32 for powers of 2."""
    values = []
    for token in range(vocab_len):
        parts = sum(mix(token * 3 + part + seed * 1000003 & MASK) >> 10 for part in range(3))
        values.append((parts - 6291454) / 2097152 * scale)
    values = np.array(values, dtype=np.float32)
    assert len(set(values.tolist())) == vocab_len, "ties are ordered differently"
    return values


def vocabulary():
    """Bytes, some words, and a GGUF file that llama.cpp can read them from."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters = {b: chr(b) for b in printable}
    for b in range(256):
        letters.setdefault(b, chr(256 + len([x for x in letters if x not in printable])))
    tokens = [letters[b] for b in range(256)]
    merges = []
    for left, right in [
        ("t", "h"), ("th", "e"), (" ", "the"), ("a", "n"), ("an", "d"), (" ", "and"),
        (":", "\n"), (".", "\n"), ("\n", "\n"), ("*", "*"), ("e", "n"), ("en", "d"),
        ("-", "-"), ("--", "-"), ("x", "--"),
    ]:
        left = "".join(letters[b] for b in left.encode())
        right = "".join(letters[b] for b in right.encode())
        merges.append(f"{left} {right}")
        tokens.append(left + right)
    back = {c: b for b, c in letters.items()}
    as_bytes = [bytes(back[c] for c in token) for token in tokens]
    return tokens, merges, as_bytes


def load_vocabulary(tokens, merges, folder):
    path = Path(folder) / "vocabulary.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("reference vocabulary")
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges(merges)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    params = llama.llama_model_default_params()
    params.vocab_only = True
    model = llama.llama_model_load_from_file(str(path).encode(), params)
    assert model, "llama.cpp does not read the vocabulary"
    return model, llama.llama_model_get_vocab(model)


def tokenize(vocab, text):
    out = (llama.llama_token * 1024)()
    count = llama.llama_tokenize(vocab, text, len(text), out, 1024, False, False)
    assert count >= 0
    return list(out[:count])


def chain_of(params, vocab_len, vocab):
    """llama.cpp's default chain for the parameters, in its order."""
    chain = []
    bias = params.get("logit_bias", {})
    if bias:
        entries = (llama.llama_logit_bias * len(bias))()
        for entry, (token, value) in zip(entries, bias.items()):
            entry.token, entry.bias = int(token), value
        chain.append(llama.llama_sampler_init_logit_bias(vocab_len, len(bias), entries))
    last_n = params.get("penalty_last_n", 64)
    penalties = (
        100_000 if last_n is None else last_n,
        params.get("repetition_penalty", 1.0),
        params.get("frequency_penalty", 0.0),
        params.get("presence_penalty", 0.0),
    )
    chain.append(llama.llama_sampler_init_penalties(vocab_len, *penalties))
    if params.get("dry_multiplier", 0.0) > 0:
        breakers = [text.encode() for text in params["dry_sequence_breakers"]]
        array = (ctypes.c_char_p * max(1, len(breakers)))(*breakers)
        last_n = params.get("dry_penalty_last_n")
        chain.append(llama.llama_sampler_init_dry(
            vocab,
            params["dry_multiplier"],
            params.get("dry_base", 1.75),
            params.get("dry_allowed_length", 2),
            4096 if last_n is None else last_n,
            array,
            len(breakers),
        ))
    if params.get("top_k", 0) > 0:
        chain.append(llama.llama_sampler_init_top_k(params["top_k"]))
    chain.append(llama.llama_sampler_init_typical(params.get("typical_p", 1.0), 1))
    chain.append(llama.llama_sampler_init_top_p(params.get("top_p", 1.0), 1))
    chain.append(llama.llama_sampler_init_min_p(params.get("min_p", 0.0), 1))
    chain.append(llama.llama_sampler_init_temp(params.get("temperature", 1.0)))
    return chain


def distribution(case, vocab):
    values = logits(case["vocab_len"], case["seed"], case["scale"])
    data = (llama.llama_token_data * len(values))()
    for token, (entry, value) in enumerate(zip(data, values)):
        entry.id, entry.logit, entry.p = token, float(value), 0.0
    array = llama.llama_token_data_array(data, len(values), -1, False)
    for sampler in chain_of(case["params"], len(values), vocab):
        for token in case.get("history", []):
            llama.llama_sampler_accept(sampler, token)
        llama.llama_sampler_apply(sampler, ctypes.byref(array))
        llama.llama_sampler_free(sampler)
    left = [(array.data[i].id, array.data[i].logit) for i in range(array.size)]
    left = [(token, logit) for token, logit in left if logit > -np.inf]
    weights = np.exp(np.array([x for _, x in left], dtype=np.float64) - max(x for _, x in left))
    weights /= weights.sum()
    found = sorted(zip((t for t, _ in left), weights), key=lambda pair: (-pair[1], pair[0]))
    return [(token, float(p)) for token, p in found if p > 1e-30]


def is_close_call(case, found):
    """Whether rounding decides which token is the last one of a share of probability.

    llama.cpp adds the probabilities in float32, so a share of thousands of tokens is
    only known to about a millionth.
    """
    params = case["params"]
    alone = len(params) == 1
    if not (alone and ("top_p" in params or "typical_p" in params)):
        return False
    share = params.get("top_p", params.get("typical_p"))
    values = logits(case["vocab_len"], case["seed"], case["scale"]).astype(np.float64)
    p = np.exp(values - values.max())
    p /= p.sum()
    surprise = -np.log(p)
    keys = surprise if "top_p" in params else np.abs(surprise - (p * surprise).sum())
    kept = np.array([token for token, _ in found])
    last = kept[np.argmax(keys[kept])]
    total = p[kept].sum()
    return total < share + 3e-6 or total - p[last] > share - 3e-6


def cases():
    rng = random.Random(7)
    small, large = dict(vocab_len=400, scale=2.0), dict(vocab_len=3000, scale=1.0)
    history = [rng.randrange(400) for _ in range(100)]
    history += history[20:50] + history[:10]
    yield "untruncated", small, {}, []
    for t in [0.0, 0.1, 0.8, 1.7]:
        yield f"temperature {t}", small, {"temperature": t}, []
    for k in [1, 5, 40, 399, 1000]:
        yield f"top-k {k}", small, {"top_k": k}, []
    for p in [0.05, 0.5, 0.9, 0.95, 0.999]:
        yield f"top-p {p}", small, {"top_p": p}, []
        yield f"top-p {p}, large", large, {"top_p": p}, []
    for p in [0.01, 0.05, 0.3, 1.0]:
        yield f"min-p {p}", small, {"min_p": p}, []
        yield f"min-p {p}, large", large, {"min_p": p}, []
    for p in [0.1, 0.5, 0.9, 0.99]:
        yield f"typical {p}", small, {"typical_p": p}, []
        yield f"typical {p}, large", large, {"typical_p": p}, []
    yield "bias", small, {"logit_bias": {"3": 4.0, "17": -2.5, "399": 9.0}}, []
    for r in [1.1, 1.3, 0.8]:
        yield f"repetition {r}", small, {"repetition_penalty": r}, history
    yield "repetition, short window", small, {"repetition_penalty": 1.2, "penalty_last_n": 8}, history
    yield "repetition, all", small, {"repetition_penalty": 1.2, "penalty_last_n": None}, history
    yield "frequency", small, {"frequency_penalty": 0.7}, history
    yield "presence", small, {"presence_penalty": 1.1}, history
    yield "penalties", small, {
        "repetition_penalty": 1.15, "frequency_penalty": 0.3, "presence_penalty": -0.4,
        "penalty_last_n": 100,
    }, history
    default = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
    yield "default", small, default, history
    yield "default, large", large, default, history
    yield "everything", small, default | {
        "typical_p": 0.9, "repetition_penalty": 1.1, "frequency_penalty": 0.1,
        "presence_penalty": 0.1, "logit_bias": {"5": 1.5}, "dry_multiplier": 0.8,
        "dry_sequence_breakers": [],
    }, history
    yield "greedy after typical", small, {"temperature": 0.0, "typical_p": 0.2}, []


def dry_cases(as_bytes, vocab):
    words = [" the", " and", "end", "a", "b", ".\n", ":\n", ":", "\n", "**", "x--", "---", "-"]
    rng = random.Random(11)
    model_size = dict(vocab_len=len(as_bytes), scale=2.0)
    breaker_sets = [[], ["\n", ":", '"', "*"], [":\n", "the end"], ["--", "nd"], ["---x"]]
    for index in range(30):
        vocabulary_of_case = rng.sample(words, rng.choice([2, 3, 5]))
        text = [rng.choice(vocabulary_of_case) for _ in range(rng.choice([5, 20, 60]))]
        text += text[-rng.randrange(1, 6):] + text[:rng.randrange(6)]
        history = tokenize(vocab, "".join(text).encode())
        yield f"dry {index}", model_size, {
            "dry_multiplier": rng.choice([0.8, 1.0, 2.5]),
            "dry_base": rng.choice([1.0, 1.5, 1.75, 3.0]),
            "dry_allowed_length": rng.choice([0, 1, 2, 2, 4]),
            "dry_penalty_last_n": rng.choice([None, None, 10, 30]),
            "dry_sequence_breakers": breaker_sets[index % len(breaker_sets)],
        }, history


def shortened(number):
    return float(f"{number:.8g}")


def main():
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    tokens, merges, as_bytes = vocabulary()
    with tempfile.TemporaryDirectory() as folder:
        model, vocab = load_vocabulary(tokens, merges, folder)
        written, tails = [], {}
        every = list(cases()) + list(dry_cases(as_bytes, vocab))
        for seed, (name, size, params, history) in enumerate(every, 1):
            # The first seed without ties, which are ordered differently, and close calls.
            while True:
                case = {"name": name, **size, "seed": seed, "params": params, "history": history}
                try:
                    found = distribution(case, vocab)
                    if not is_close_call(case, found):
                        break
                except AssertionError:
                    pass
                seed += 1000
            case["kept"] = len(found)
            case["top"] = [[token, shortened(p)] for token, p in found[:60]]
            case["seen"] = [[t, shortened(p)] for t, p in found[60:] if t in set(history)]
            written.append(case)
            for breaker in params.get("dry_sequence_breakers", []):
                for start in range(1, len(breaker)):
                    tails[breaker[start:]] = tokenize(vocab, breaker[start:].encode())
        llama.llama_model_free(model)
    lines = ",\n".join(json.dumps(case) for case in written)
    print('{"tokens": %s,' % json.dumps([token.hex() for token in as_bytes]))
    print('"tails": %s,' % json.dumps(tails))
    print('"cases": [\n%s\n]}' % lines)


if __name__ == "__main__":
    main()
