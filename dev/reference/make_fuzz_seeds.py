"""Writes the seeds of the fuzz targets that read GGUF or `tokenizer.json`: `python dev/reference/make_fuzz_seeds.py`.

Small files that are accepted, so that a fuzzer starts behind the first checks.
"""

import json
import struct
from pathlib import Path

SEEDS = Path(__file__).parents[2] / "fuzz" / "seeds"
F32, STRING, ARRAY, U32, I32 = 6, 8, 9, 4, 5
ALIGNMENT = 32


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def fact(key: str, value) -> bytes:
    match value:
        case str():
            return text(key) + struct.pack("<I", STRING) + text(value)
        case float():
            return text(key) + struct.pack("<If", F32, value)
        case int():
            return text(key) + struct.pack("<II", U32, value)
        case [str(), *_]:
            items = b"".join(map(text, value))
            return text(key) + struct.pack("<IIQ", ARRAY, STRING, len(value)) + items
        case [float(), *_]:
            items = struct.pack(f"<{len(value)}f", *value)
            return text(key) + struct.pack("<IIQ", ARRAY, F32, len(value)) + items
        case [int(), *_]:
            items = struct.pack(f"<{len(value)}i", *value)
            return text(key) + struct.pack("<IIQ", ARRAY, I32, len(value)) + items
    raise TypeError(key)


def gguf(facts: dict, tensors: dict | None = None) -> bytes:
    """A file with F32 tensors of these shapes."""
    tensors = tensors or {}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts))
    head += b"".join(fact(key, value) for key, value in facts.items())
    data = b""
    for name, shape in tensors.items():
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        n = 1
        for size in shape:
            n *= size
        numbers = [((i * 7) % 13 - 6) / 8 for i in range(n)]
        data += struct.pack(f"<{n}f", *numbers)
        data += bytes(-len(data) % ALIGNMENT)
    return head + bytes(-len(head) % ALIGNMENT) + data


def tokenizer(model: str, tokens: list[str], kinds: list[int], **more) -> bytes:
    facts = {"general.architecture": "llama", "tokenizer.ggml.model": model}
    facts |= {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": kinds}
    return gguf(facts | {f"tokenizer.{key.replace('__', '.')}": v for key, v in more.items()})


def tokenizer_json(model: dict, **parts) -> bytes:
    """A `tokenizer.json`, a zero byte, and the text that it is used on."""
    added = [
        {"id": i, "content": name, "special": True, "normalized": False, "single_word": False,
         "lstrip": False, "rstrip": False}
        for i, name in enumerate(["<unk>", "<s>"])
    ]  # fmt: skip
    file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added}
    file |= {"normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None}
    return json.dumps(file | parts | {"model": model}).encode() + b"\0Hello, <s>world</s>! 1234"


def json_seeds(letters: list[str]) -> dict[str, bytes]:
    """A `tokenizer.json` of each kind."""
    names = ["<unk>", "<s>", *letters, "\u0120", "\u2581"]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    byte_level["use_regex"] = True
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}
    vocab = {name: i for i, name in enumerate([*names, "or", "ld"])}
    bpe = {"type": "BPE", "vocab": vocab, "merges": [["o", "r"], ["l", "d"]]}
    pieces = {"type": "Unigram", "unk_id": 0, "vocab": [[n, -float(i)] for i, n in enumerate(names)]}
    words = {name: i for i, name in enumerate([*names, *[f"##{c}" for c in letters]])}
    word_piece = {"type": "WordPiece", "unk_token": "<unk>", "vocab": words}
    word_piece |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
    bert |= {"strip_accents": None, "lowercase": True}
    split = {"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s+(?!\\S)|."}}
    split |= {"behavior": "Isolated", "invert": False}
    both = {"type": "Sequence", "pretokenizers": [split, byte_level | {"use_regex": False}]}
    return {
        "tokenizer/byte-level": tokenizer_json(bpe, pre_tokenizer=byte_level, decoder=byte_level),
        "tokenizer/split": tokenizer_json(bpe, pre_tokenizer=both, decoder=byte_level),
        "tokenizer/unigram": tokenizer_json(pieces, pre_tokenizer=metaspace, decoder=metaspace),
        "tokenizer/word-piece": tokenizer_json(
            word_piece, normalizer=bert, pre_tokenizer={"type": "BertPreTokenizer"}
        ),
    }


def main() -> None:
    letters = list("Helowrd,<>s/!It'1234")
    seeds = {}
    words = ["<unk>", "<s>", "</s>", *[f"<0x{i:02X}>" for i in range(256)], "\u2581", *letters]
    words += ["\u2581w", "or", "ld", "\u2581wor"]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (len(words) - 259)
    scores = [0.0] * 259 + [-float(i) for i in range(len(words) - 259)]
    ids = {"ggml__bos_token_id": 1, "ggml__eos_token_id": 2, "ggml__unknown_token_id": 0}
    template = "{% for m in messages %}<s>{{ m.role }}\n{{ m.content | trim }}</s>{% endfor %}"
    for model in ["llama", "t5"]:
        seeds[f"vocabulary/{model}"] = tokenizer(
            model, words, kinds, ggml__scores=scores, chat_template=template, **ids
        )
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = [*marks, *[f"\u2581{c}" for c in letters], *letters]
    seeds["vocabulary/bert"] = tokenizer("bert", pieces, [3] * 4 + [1] * (len(pieces) - 4))
    for pre in ["gpt-2", "qwen2", "llama-bpe", "smollm"]:
        pairs = ["\u0120w", "or", "ld", "\u0120wor"]
        known = ["<|endoftext|>", *letters, "\u0120", *pairs]
        merges = ["\u0120 w", "o r", "l d", "\u0120w or"]
        seeds[f"vocabulary/{pre}"] = tokenizer(
            "gpt2", known, [3] + [1] * (len(known) - 1), ggml__pre=pre, ggml__merges=merges
        )
    facts = {"general.type": "adapter", "adapter.type": "lora", "general.architecture": "llama"}
    facts["adapter.lora.alpha"] = 4.0
    shapes = {"attn_q": (8, 8), "attn_v": (8, 4), "ffn_down": (16, 8)}
    tensors = {}
    for name, (wide, out) in shapes.items():
        tensors[f"blk.0.{name}.weight.lora_a"] = (wide, 2)
        tensors[f"blk.0.{name}.weight.lora_b"] = (2, out)
    seeds["adapter/lora"] = gguf(facts, tensors)
    seeds["gguf/tensors"] = gguf({"general.architecture": "llama"}, {"a": (4, 2), "b": (3,)})
    seeds = {f"{name}.gguf": data for name, data in seeds.items()} | json_seeds(letters)
    for name, data in seeds.items():
        path = SEEDS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
