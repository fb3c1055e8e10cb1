//! The pre-tokenizers by the names that GGUF files give them.
//!
//! Each is a list of patterns; a text is cut at the matches of the first, the pieces at those of
//! the second, and so on. The expressions are those of the models' own tokenizer files. Where
//! llama.cpp replaces one by an approximation that its matcher can run, the original stands here.

use super::scan::{Cl100k, O200k, Scanner};
use super::split::{Behavior, LazyRegex, Pattern};
use super::{PreTokenizer, Step};
use crate::tokenizer::alphabet::Alphabet;
use crate::tokenizer::error::TokenizerError;
use crate::tokenizer::pretokenize::classes::NUMBER;

/// A pre-tokenizer and what goes with its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// The names. The first is written when a tokenizer is put into GGUF.
    pub names: &'static [&'static str],
    /// What the text is cut at, one after the other.
    pub patterns: &'static [Source],
    /// Whether a word that is a token becomes that token whatever the merges say.
    pub whole_words: bool,
    /// Whether a text begins with the token for that, unless the file says otherwise.
    pub add_bos: bool,
    /// How the vocabulary is written.
    pub alphabet: Alphabet,
}

/// A pattern in a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// One that is written out.
    Scan(Scanner),
    /// Digits in groups of three from the right.
    Thousands,
    /// A regular expression.
    Regex(&'static str),
}

const GPT2: Source = Source::Scan(Scanner::Gpt2);
const DIGITS_1: Source = Source::Scan(Scanner::Run { classes: NUMBER, max: 1 });
const DIGITS_3: Source = Source::Scan(Scanner::Run { classes: NUMBER, max: 3 });
const DIGITS: Source = Source::Scan(Scanner::Run { classes: NUMBER, max: usize::MAX });
const LINES: Source = Source::Scan(Scanner::Lines);

const LLAMA3: Cl100k = Cl100k { contractions: true, marks: false, digits: 3, newlines: true };
const QWEN2: Cl100k = Cl100k { digits: 1, ..LLAMA3 };
const O200K: O200k = O200k { contractions: true, digits: 3 };

const ASCII_DIGITS_3: Source = Source::Regex("[0-9][0-9][0-9]");
const NEWLINE: Source = Source::Regex(r"[\r\n]");
const CJK_AND_KANA: Source = Source::Regex("[一-龥぀-ゟ゠-ヿ]+");
const CJK_AND_MORE: Source = Source::Regex("[一-龥ࠀ-一가-퟿]+");
const DEEPSEEK_V3: Source = Source::Regex(concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|"##,
    r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|",
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
));
const BLOOM: Source = Source::Regex(r" ?[^(\s|[.,!?…。，、।۔،])]+");

/// Letters that have a capital and a small form, as DeepSeek-LLM lists them.
const CASED_LETTERS: Source = Source::Regex(concat!(
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ",
    r"-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-",
    r"ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮ",
    r"ⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
));

const fn plain(names: &'static [&'static str], patterns: &'static [Source]) -> Named {
    Named { names, patterns, whole_words: false, add_bos: false, alphabet: Alphabet::Bytes }
}

const fn whole(names: &'static [&'static str], patterns: &'static [Source]) -> Named {
    Named { whole_words: true, ..plain(names, patterns) }
}

const fn spaced(names: &'static [&'static str], patterns: &'static [Source]) -> Named {
    Named { alphabet: Alphabet::Spaced, ..plain(names, patterns) }
}

/// Every pre-tokenizer that a byte-pair vocabulary in GGUF can name.
pub(crate) const NAMED: &[Named] = &[
    Named {
        add_bos: true,
        ..whole(
            &[
                "llama-bpe",
                "llama3",
                "llama-v3",
                "falcon3",
                "falcon-h1",
                "pixtral",
                "midm-2.0",
                "lfm2",
                "jina-v5-nano",
            ],
            &[Source::Scan(Scanner::Cl100k(LLAMA3))],
        )
    },
    plain(&["dbrx", "smaug-bpe", "chatglm-bpe"], &[Source::Scan(Scanner::Cl100k(LLAMA3))]),
    whole(&["glm4", "glm5"], &[Source::Scan(Scanner::Cl100k(LLAMA3))]),
    plain(
        &[
            "qwen2",
            "stablelm2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "megrez",
            "hunyuan",
            "solar-open",
            "grok-2",
            "bailingmoe",
            "bailingmoe2",
            "llada-moe",
        ],
        &[Source::Scan(Scanner::Cl100k(QWEN2))],
    ),
    plain(&["qwen35"], &[Source::Scan(Scanner::Cl100k(Cl100k { marks: true, ..QWEN2 }))]),
    plain(&["seed-coder"], &[Source::Scan(Scanner::Cl100k(Cl100k { newlines: false, ..QWEN2 }))]),
    plain(&["ufakzeka"], &[Source::Scan(Scanner::Cl100k(Cl100k { contractions: false, ..QWEN2 }))]),
    plain(&["laguna"], &[LINES, Source::Scan(Scanner::Cl100k(QWEN2))]),
    whole(
        &["minicpm5"],
        &[DIGITS_3, Source::Scan(Scanner::Cl100k(Cl100k { digits: usize::MAX, ..LLAMA3 }))],
    ),
    plain(
        &[
            "gpt-2",
            "phi-2",
            "olmo",
            "mpt",
            "jina-es",
            "jina-de",
            "jina-v1-en",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v2-code",
            "roberta-bpe",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
        ],
        &[GPT2],
    ),
    plain(
        &[
            "smollm",
            "starcoder",
            "refact",
            "command-r",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
        &[DIGITS_1, GPT2],
    ),
    plain(
        &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        &[Source::Scan(Scanner::O200k(O200K))],
    ),
    whole(&["granite-embed-multi-97m"], &[Source::Scan(Scanner::O200k(O200K))]),
    Named {
        add_bos: true,
        ..whole(
            &["tekken"],
            &[Source::Scan(Scanner::O200k(O200k { contractions: false, digits: 1 }))],
        )
    },
    plain(
        &["tiny_aya", "cohere2moe"],
        &[DIGITS, Source::Thousands, Source::Scan(Scanner::O200k(O200K))],
    ),
    plain(&["superbpe"], &[DIGITS, Source::Thousands]),
    plain(&["default"], &[Source::Regex(r"[\p{P}\$\+<=>\^~\|]+"), GPT2, DIGITS, ASCII_DIGITS_3]),
    plain(&["falcon"], &[Source::Regex(r"[\p{P}\$\+<=>\^~\|`]+"), GPT2, ASCII_DIGITS_3]),
    plain(
        &["deepseek-llm"],
        &[
            NEWLINE,
            CASED_LETTERS,
            Source::Regex(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
            Source::Regex(r"\s+$"),
            CJK_AND_MORE,
            DIGITS,
        ],
    ),
    plain(
        &["deepseek-coder"],
        &[
            NEWLINE,
            Source::Regex(r"\s?\p{L}+"),
            Source::Regex(r"\s?\p{P}+"),
            CJK_AND_MORE,
            DIGITS_1,
        ],
    ),
    plain(
        &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        &[DIGITS_3, CJK_AND_KANA, DEEPSEEK_V3],
    ),
    plain(
        &["spark2_5"],
        &[
            DIGITS_3,
            CJK_AND_KANA,
            Source::Regex(concat!(
                r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|"##,
                r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|",
                r"\s+(?!\S)|\s+"
            )),
            DIGITS_1,
        ],
    ),
    plain(
        &["afmoe"],
        &[
            DIGITS,
            Source::Thousands,
            Source::Regex(concat!(
                r"[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{f900}-\u{faff}\u{3040}-\u{30ff}",
                r"\u{ff65}-\u{ff9f}\u{2f00}-\u{2fdf}\u{e40}-\u{eff}\u{1780}-\u{17ff}",
                r"\u{1000}-\u{109f}\u{aa60}-\u{aa7f}\u{a9e0}-\u{a9ff}\u{ac00}-\u{d7af}",
                r"\u{1100}-\u{11ff}]+"
            )),
            DEEPSEEK_V3,
        ],
    ),
    whole(
        &["youtu"],
        &[
            Source::Regex(concat!(
                "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|",
                "[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+"
            )),
            Source::Scan(Scanner::O200k(O200k { contractions: true, digits: 1 })),
        ],
    ),
    plain(
        &["exaone-moe"],
        &[Source::Regex(concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|",
            r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
        ))],
    ),
    plain(
        &["jais-2"],
        &[Source::Regex(concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
            r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|",
            r"\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|",
            r"\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"
        ))],
    ),
    plain(
        &["chameleon"],
        &[
            Source::Regex("<sentinel:[0-9]+>"),
            Source::Regex("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
            Source::Regex(r"([\t\n]|    |  )"),
            DIGITS_1,
            Source::Regex(r"[\p{P}!-/:-@\[-`{-~]"),
            GPT2,
        ],
    ),
    plain(
        &["kimi-k2"],
        &[Source::Regex(concat!(
            r"\p{Han}+|",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*",
            r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
            r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
            r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ))],
    ),
    plain(&["bloom", "poro-chat", "gpt3-finnish"], &[BLOOM]),
    plain(&["viking"], &[BLOOM, DIGITS_1]),
    Named { add_bos: true, ..spaced(&["gemma4", "granite-embed-multi-311m"], &[LINES]) },
    spaced(&["sarvam-moe"], &[LINES]),
];

/// The pre-tokenizer with this name.
pub(crate) fn named(name: &str) -> Option<&'static Named> {
    NAMED.iter().find(|named| named.names.contains(&name))
}

impl Named {
    /// The steps that this name stands for.
    pub(crate) fn pre_tokenizer(&self) -> PreTokenizer {
        PreTokenizer::new(self.patterns.iter().map(|source| source.step()).collect())
    }
}

impl Source {
    fn step(self) -> Step {
        let pattern = match self {
            Self::Scan(scanner) => Pattern::Scan(scanner),
            Self::Thousands => Pattern::Thousands,
            Self::Regex(source) => Pattern::Regex(LazyRegex::known(source)),
        };
        Step::Split { pattern, behavior: Behavior::Isolated }
    }
}

/// How expressions in tokenizer.json are written that mean one of the scanners.
fn spellings(scanner: Scanner) -> Vec<String> {
    let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    let digits = |max| match max {
        1 => r"\p{N}".to_owned(),
        usize::MAX => r"\p{N}+".to_owned(),
        max => format!(r"\p{{N}}{{1,{max}}}"),
    };
    match scanner {
        Scanner::Gpt2 => {
            let words = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
            vec![words.to_owned(), format!(r"{words}|\s+")]
        }
        Scanner::Cl100k(kind) => {
            let (letters, other) = if kind.marks {
                (r"[\p{L}\p{M}]", r"\p{L}\p{M}\p{N}")
            } else {
                (r"\p{L}", r"\p{L}\p{N}")
            };
            let rest = format!(
                r"[^\r\n\p{{L}}\p{{N}}]?{letters}+|{}| ?[^\s{other}]+{}|\s*[\r\n]+|\s+(?!\S)|\s+",
                digits(kind.digits),
                if kind.newlines { r"[\r\n]*" } else { "" },
            );
            if kind.contractions { vec![format!("{contraction}|{rest}")] } else { vec![rest] }
        }
        Scanner::O200k(kind) => {
            let end = if kind.contractions { format!("{contraction}?") } else { String::new() };
            let capital = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
            let small = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
            let lead = r"[^\r\n\p{L}\p{N}]?";
            vec![format!(
                r"{lead}{capital}*{small}+{end}|{lead}{capital}+{small}*{end}|{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                digits(kind.digits),
            )]
        }
        Scanner::Run { classes: NUMBER, max } => vec![digits(max)],
        Scanner::Run { .. } => vec![],
        Scanner::Lines => vec![r"[^\n]+|[\n]+".to_owned()],
    }
}

/// Other ways to write some of them.
const OTHER_SPELLINGS: [(&str, Scanner); 4] = [
    (
        concat!(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}|",
            r" ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
        ),
        Scanner::Cl100k(LLAMA3),
    ),
    (
        concat!(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}|",
            r" ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
        ),
        Scanner::Cl100k(QWEN2),
    ),
    (
        concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}|",
            r" ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        Scanner::Cl100k(Cl100k { newlines: false, ..QWEN2 }),
    ),
    (
        concat!(
            r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|",
            r"\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        Scanner::Cl100k(Cl100k { contractions: false, ..QWEN2 }),
    ),
];

/// The scanners in the table and the expressions that mean them.
fn scanners() -> impl Iterator<Item = (Scanner, String)> {
    let sources = NAMED.iter().flat_map(|named| named.patterns);
    let scanners = sources.filter_map(|source| match source {
        Source::Scan(scanner) => Some(*scanner),
        _ => None,
    });
    let spelled =
        scanners.flat_map(|scanner| spellings(scanner).into_iter().map(move |s| (scanner, s)));
    spelled.chain(OTHER_SPELLINGS.map(|(regex, scanner)| (scanner, regex.to_owned())))
}

/// The pattern for an expression, written out by hand where there is such a scanner.
pub(crate) fn pattern_of_regex(regex: &str) -> Result<Pattern, TokenizerError> {
    match scanners().find(|(_, spelling)| spelling == regex) {
        Some((scanner, _)) => Ok(Pattern::Scan(scanner)),
        None => LazyRegex::new(regex).map(Pattern::Regex),
    }
}

/// The names of the pre-tokenizers that cut as `pre_tokenizer` does.
pub(crate) fn names_of(pre_tokenizer: &PreTokenizer) -> impl Iterator<Item = &'static Named> {
    NAMED.iter().filter(move |named| named.pre_tokenizer() == *pre_tokenizer)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    fn words(pattern: &Pattern, text: &str) -> Vec<String> {
        let mut pieces = Vec::new();
        pattern.split(text, 0..text.len(), Behavior::Isolated, &mut pieces);
        pieces.into_iter().map(|piece| text[piece].to_owned()).collect()
    }

    /// Texts of what the patterns tell apart, close together.
    fn awkward_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => prop::sample::select(vec![
                " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'S", "'re", "'LL", "'ve", "'ſ", "a",
                "B", "aB", "Ab", "é", "É", "語", "文", "ʰ", "ǅ", "ß", "1", "23", "٣", "½", "Ⅷ", ".",
                "!", "/", "//", "+", "€", "。", "\u{301}", "\u{94d}", "\u{a0}", "\u{3000}",
                "\u{85}", "\u{200d}", "😀", "\0", "_", "\u{e000}", "s", "t", "ſ",
            ]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_scanner_finds_what_its_expression_finds(text in awkward_text()) {
            static COMPILED: LazyLock<Vec<(Pattern, Pattern)>> = LazyLock::new(|| {
                let regex = |spelling: &str| Pattern::Regex(LazyRegex::known(spelling));
                scanners().map(|(scan, s)| (Pattern::Scan(scan), regex(&s))).collect()
            });
            for (scanner, regex) in COMPILED.iter() {
                prop_assert_eq!(words(scanner, &text), words(regex, &text), "{:?}", scanner);
            }
        }
    }

    #[test]
    fn every_expression_in_the_table_compiles_and_every_name_stands_once() {
        let mut names = std::collections::HashSet::new();
        for named in NAMED {
            for name in named.names {
                assert!(names.insert(name), "{name}");
            }
            for source in named.patterns {
                if let Source::Regex(regex) = source {
                    LazyRegex::new(regex).unwrap();
                }
            }
        }
    }

    #[test]
    fn known_expressions_are_recognized() {
        for (scanner, spelling) in scanners() {
            let pattern = pattern_of_regex(&spelling).unwrap();
            assert!(matches!(pattern, Pattern::Scan(_)), "{scanner:?}: {spelling}");
        }
        let other = pattern_of_regex("x").unwrap();
        assert!(matches!(other, Pattern::Regex(regex) if regex.source() == "x"));
        assert!(pattern_of_regex("(").is_err());
    }

    #[test]
    fn a_pre_tokenizer_knows_its_names() {
        for name in ["llama-bpe", "qwen2", "gpt-2", "smollm", "tekken", "falcon", "deepseek-v3"] {
            let pre_tokenizer = named(name).unwrap().pre_tokenizer();
            assert!(names_of(&pre_tokenizer).any(|named| named.names.contains(&name)), "{name}");
        }
        assert!(named("no such").is_none());
        assert_eq!(names_of(&PreTokenizer::default()).count(), 0);
    }
}
