"""Token ids of awkward strings, by llama.cpp for GGUF files and by `tokenizers` for folders.

    python tokenizer_cases.py OUT_FOLDER MODEL.gguf|MODEL_FOLDER ...

needs llama-cpp-python and tokenizers. Writes `OUT_FOLDER/<model>.json`, a list of
`{"text", "plain", "special"}`: `plain` reads the names of control tokens as ordinary text,
`special` reads them as the tokens; `special` is absent where it is the same. No BOS is added.
"""

import json
import sys
from pathlib import Path

WORDS = [
    "", " ", "  ", "   ", "a", " a", "a ", " a ", "Hello", " Hello", "Hello, world!", "hello world",
    "The quick brown fox jumps over the lazy dog.", "HELLO WORLD", "iPhone", "McDonald's", "snake_case_name",
    "camelCaseName", "kebab-case-name", "SCREAMING_CASE", "x", "antidisestablishmentarianism",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcdefghijklmnopqrstuvwxyz" * 3,
]
SPACES = [
    "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\r", "\t", "\t\t", " \n", "\n ", " \n \n ", "a\n\nb", "a \n b",
    "a  b", "a   b", "a    b     c", "    indented", "\tindented", "\t \t mixed", "trailing   ", "trailing \n\n  ",
    "line one\nline two\r\nline three\rline four", "a\u00a0b", "a\u2003b", "a\u3000b", "a\u200bb", "\u00a0", "\ufeffstart",
    "a\u0085b", "a\u2028b\u2029c", "a\x0bb\x0cc", " " * 17, "\n" * 9, " " * 100,
]
CONTRACTIONS = [
    "I'm", "you're", "he's", "we'll", "they've", "I'd", "can't", "I'M", "YOU'RE", "HE'S", "WE'LL", "THEY'VE", "I'D", "CAN'T",
    "'s", "'t", " 's", "'S", "it’s", "don’t", "'tis", "rock'n'roll", "''''", "'sound", "o'clock", "ſ's 'ſ",
]
NUMBERS = [
    "0", "1", "12", "123", "1234", "12345", "1234567890", "3.14159", "-273.15", "1,000,000", "1e-10", "0x1F", "0b1010",
    "2024-03-17T08:15:30Z", "$19.99", "100%", "1st 2nd 3rd", "x1y2z3", "7" * 40, "١٢٣", "四十二", "½ ¼ ²³", "Ⅷ", "１２３",
]
CODE = [
    "def f(x):\n    return x + 1\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n", "<html><body>&nbsp;</body></html>",
    "{\"key\": [1, 2.5, null, true]}", "SELECT * FROM t WHERE a = 'b';", "#!/usr/bin/env python3", "a=b+c*d/e%f^g&h|i",
    "https://example.org/path?query=1&other=two#part", "user@example.org", "C:\\path\\to\\file", "\\n \\t \\u00e9",
    "$$\\int_0^1 x^2\\,dx$$", "!!!", "???!!!...", "-----", "=====", "......", "/* */ // ##", "()[]{}<>", "`code` **bold** _it_",
    "a.b.c", "a,b,c", "f(x)", "x->y", "::", "!=", "\"quoted\"", "“curly”", "…", "—", "###  Title\n\n- item\n  - nested\n",
]
LANGUAGES = [
    "Grüße aus Köln, Straße", "Où est la bibliothèque ?", "¿Dónde está?", "Příliš žluťoučký kůň", "İstanbul ıİ", "ΑΒΓ αβγ ς",
    "Привет, мир!", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "안녕하세요 세계", "こんにちは世界", "カタカナ", "ｶﾀｶﾅ", "你好，世界！",
    "繁體中文測試", "混合 mixed 文字 text", "ខ្មែរ", "አማርኛ", "ქართული", "Հայերեն", "ไทย123", "Tiếng Việt", "ﬁ ﬂ ﬃ", "ǅ ǆ Ǆ",
    "e\u0301 \u00e9", "A\u030a \u00c5", "n\u0303o", "\u1e9b\u0323", "\u0301alone", "Z̸͙̀a̵l̶g̷o̸",
]
SYMBOLS = [
    "😀", " 😀", "😀😀", "👩‍👩‍👧‍👦", "👍🏽", "🇦🇹🇯🇵", "❤️", "❤", "☃", "text😀text", "①②③", "♠♥♦♣", "→←↑↓", "∀x∈ℝ: x²≥0", "€£¥₿", "™®©",
    "\u200d", "\ufe0f", "\ufffd", "\ufffe", "\ue000", "\U0010fffd", "\U000e0041", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𐍈", "𠮷", "\u202eright to left\u202c",
]
CONTROLS = [
    "\x00", "a\x00b", "\x01\x02\x03", "\x1b[31mred\x1b[0m", "\x7f", "\x80\x9f", "bell\x07", "\x08",
]
CONTROL_TOKENS = [
    "<|im_start|>", "<|im_end|>", "<|im_start|>user\nHi<|im_end|>\n", "<|endoftext|>", "<s>", "</s>", "<bos>", "<eos>", "<pad>", "<unk>",
    "<start_of_turn>", "<end_of_turn>", "<start_of_turn>user\nHi<end_of_turn>\n", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]",
    "a [MASK] b", "a<|im_end|>b", " <|im_end|> ", "<|im_end|", "<|im_end", "|im_end|>", "< |im_end|>", "<|IM_END|>",
    "<|im_start|><|im_start|>", "<0x0A>", "<0xE2><0x98><0x83>", "▁", "▁▁hello▁world", "<unused0>", "<unused99>", "[toxicity=0]",
    "<|fim_prefix|>def f():<|fim_suffix|>\n<|fim_middle|>", "<repo_name>x<file_sep>y", "<tool_call>{}</tool_call>", "<mask>",
    "<html>", "<table><tr><td>", "<h1>", "<br>", "Ġ", "Ċ", "Ġhello", "##ing", "##",
]
CASES = WORDS + SPACES + CONTRACTIONS + NUMBERS + CODE + LANGUAGES + SYMBOLS + CONTROLS + CONTROL_TOKENS


def by_llama_cpp(path):
    """A function from text and "read control tokens" to ids."""
    from llama_cpp_model import LlamaCppModel

    model = LlamaCppModel(path, n_context=512)
    return lambda text, parse: model.tokenize(text, parse_special=parse)


def by_tokenizers(folder):
    """The same for a folder with a tokenizer.json."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def ids(text, parse):
        tokenizer.encode_special_tokens = not parse
        return tokenizer.encode(text, add_special_tokens=False).ids

    return ids


def main():
    out, *models = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for model in models:
        ids = by_tokenizers(model) if model.is_dir() else by_llama_cpp(model)
        lines = []
        for text in CASES:
            plain, special = ids(text, False), ids(text, True)
            case = {"text": text, "plain": plain} | ({} if plain == special else {"special": special})
            lines.append(json.dumps(case, ensure_ascii=True))
        name = model.name if model.is_dir() else model.stem
        (out / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
        print(f"{name}: {len(lines)} strings, {sum('special' in line for line in lines)} with control tokens")


if __name__ == "__main__":
    main()
