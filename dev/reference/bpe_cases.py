"""Merges that Hugging Face's `tokenizers` learns, for crates/corpus/src/bpe/tests.rs.

    pip install tokenizers
    python dev/reference/bpe_cases.py > fixtures/tokenizer/bpe_training.json

Writes `name`, `pattern`, `n_vocab`, `min_frequency`, `texts`, and what was learned: `merges`, in
order, and `vocab`, by id. The texts are made here, so that nothing of others is kept.
"""

import json
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def train(pattern, n_vocab, min_frequency, texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[pattern]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab,
        min_frequency=min_frequency,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def syllables(draw, n):
    """A text of invented words, of which some are frequent, with numbers and punctuation."""
    parts = ["ka", "lo", "mi", "ren", "sta", "the", "o", "ing", "é", "ß", "qu", "aa", "a"]
    lexicon = ["".join(draw.choices(parts, k=draw.randint(1, 4))) for _ in range(120)]
    words = []
    for _ in range(n):
        word = lexicon[min(int(draw.expovariate(0.05)), len(lexicon) - 1)]
        word = draw.choice([word, word, word, word.capitalize(), word + "'s", word.upper()])
        word += draw.choice(["", "", "", ",", ".", "!\n", "\n\n", "  ", f" {draw.randint(0, 2000)}"])
        words.append(word)
    return " ".join(words)


def han(draw, n):
    """A text of Chinese characters, of which some stand together often."""
    characters = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"
    phrases = ["".join(draw.choices(characters, k=draw.randint(1, 4))) for _ in range(40)]
    parts = [phrases[min(int(draw.expovariate(0.1)), len(phrases) - 1)] for _ in range(n)]
    return "".join(part + draw.choice(["", "", "，", "。", "。\n"]) for part in parts)


def runs(draw, n):
    """Runs of few letters: pairs that overlap, and tokens that two different pairs make."""
    return " ".join("".join(draw.choices("aab", k=draw.randint(1, 12))) for _ in range(n))


def main():
    draw = random.Random(20260301)
    prose = [syllables(draw, 700) for _ in range(6)]
    chinese = [han(draw, 900) for _ in range(3)]
    repeated = [runs(draw, 900)]
    cases = []
    for name, pattern, n_vocab, min_frequency, texts in [
        ("prose, GPT-2", "gpt2", 600, 2, prose),
        ("prose, Llama 3", "llama3", 600, 2, prose),
        ("Chinese", "qwen2", 500, 2, chinese),
        ("both", "qwen2", 900, 1, prose[:2] + chinese[:1]),
        ("runs", "gpt2", 700, 1, repeated),
    ]:
        tokenizer = train(pattern, n_vocab, min_frequency, texts)
        model = json.loads(tokenizer.to_str())["model"]
        vocab = sorted(model["vocab"], key=model["vocab"].get)
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        cases.append(
            {
                "name": name,
                "pattern": pattern,
                "n_vocab": n_vocab,
                "min_frequency": min_frequency,
                "texts": texts,
                "merges": pairs,
                "vocab": vocab,
            }
        )
    json.dump(cases, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
