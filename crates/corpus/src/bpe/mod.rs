//! A byte-level vocabulary learned from texts: byte-pair encoding (BPE).
//!
//! Texts are cut into words by a [`Pattern`], equal words are counted once ([`count`]), and the
//! pair of neighbouring tokens that is most frequent becomes a token, again and again ([`merge`]).
//! Source: Sennrich, Haddow & Birch 2016, "Neural Machine Translation of Rare Words with Subword
//! Units"; bytes instead of characters: Radford et al. 2019, "Language Models are Unsupervised
//! Multitask Learners".
//!
//! The merges are those that Hugging Face's `tokenizers` learns from the same texts, in the same
//! order (`dev/reference/bpe_cases.py`). A special token's name in a text is text like any other.
//!
//! Memory is bounded: what does not fit into [`BpeOptions::memory_bytes`] while words are counted
//! goes to disk, and if even the different words are too many, the rarest are left out, which
//! [`Counted`] says.

mod count;
mod file;
mod merge;
mod spill;

use mynah_model::tokenizer::Splitter;

use crate::Error;

/// How texts are cut into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// GPT-2's: words with the space before them, numbers whole.
    Gpt2,
    /// GPT-4's, as Llama 3 has it: numbers in pieces of up to three digits.
    Llama3,
    /// GPT-4's, as Qwen 2 has it: every digit is a word, which leaves a small vocabulary to words.
    #[default]
    Qwen2,
}

impl Pattern {
    /// The expression, as `tokenizer.json` has it.
    pub fn regex(self) -> &'static str {
        match self {
            Self::Gpt2 => {
                r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
            }
            Self::Llama3 => concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
                r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
            Self::Qwen2 => concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
                r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
        }
    }
}

/// What vocabulary is wanted, and what it may cost.
#[derive(Clone, Debug)]
pub struct BpeOptions {
    /// How many tokens there are to be, with the special ones and the 256 bytes. There are fewer
    /// if the texts have not so many pairs.
    pub n_vocab: usize,
    /// Names of special tokens. They get the first ids, in this order.
    pub special: Vec<String>,
    /// How texts are cut into words.
    pub pattern: Pattern,
    /// A pair that is less frequent does not become a token.
    pub min_frequency: u64,
    /// How many threads count words.
    pub n_threads: usize,
    /// How much memory all counts together may take before they go to disk. Learning the merges then
    /// takes up to about four times as much.
    pub memory_bytes: usize,
}

impl Default for BpeOptions {
    fn default() -> Self {
        Self {
            n_vocab: 8192,
            special: vec!["<|endoftext|>".to_owned()],
            pattern: Pattern::default(),
            min_frequency: 2,
            n_threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: 512 << 20,
        }
    }
}

/// A vocabulary that was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bpe {
    /// Names of special tokens; their ids are their places here.
    pub special: Vec<String>,
    /// How texts are cut into words.
    pub pattern: Pattern,
    /// The bytes of every other token, in the order of their ids, which begin after the special
    /// ones: the 256 bytes first, in the order of their characters.
    pub tokens: Vec<Vec<u8>>,
    /// Pairs of ids that become one token, the most important first.
    pub merges: Vec<(u32, u32)>,
    /// What was counted.
    pub counted: Counted,
}

/// What a vocabulary was learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes of text.
    pub bytes: u64,
    /// Words, each as often as it occurs.
    pub words: u64,
    /// Different words that the merges were learned from.
    pub distinct: u64,
    /// Words below this frequency were left out, because all of them did not fit into memory;
    /// nothing was left out if it is 1.
    pub least_frequency: u64,
    /// How often counts went to disk.
    pub spills: u64,
}

/// Learns a vocabulary from texts, which are read once.
///
/// Deterministic: the same texts and options give the same vocabulary, whatever the order of the
/// texts and the number of threads.
///
/// # Errors
/// Those of the texts; if the options contradict themselves; if the disk is full.
pub fn train<T, E>(
    texts: impl IntoIterator<Item = Result<T, E>>,
    options: &BpeOptions,
) -> Result<Bpe, E>
where
    T: AsRef<str> + Send,
    E: From<Error>,
{
    check(options)?;
    let splitter = Splitter::new(options.pattern.regex())
        .map_err(|error| Error::Options { problem: error.to_string() })?;
    let (words, counted) = count::count(texts, &splitter, options)?;
    let (tokens, merges) = merge::learn(words, options);
    let (special, pattern) = (options.special.clone(), options.pattern);
    Ok(Bpe { special, pattern, tokens, merges, counted })
}

/// Learns a vocabulary from texts that are in memory.
///
/// # Errors
/// As [`train`].
pub fn train_on<T: AsRef<str> + Send>(
    texts: impl IntoIterator<Item = T>,
    options: &BpeOptions,
) -> Result<Bpe, Error> {
    train(texts.into_iter().map(Ok::<T, Error>), options)
}

fn check(options: &BpeOptions) -> Result<(), Error> {
    let problem = |problem: String| Err(Error::Options { problem });
    let least = 256 + options.special.len();
    if options.n_vocab < least {
        return problem(format!(
            "a vocabulary of {} tokens has no room for 256 bytes and {} special tokens; \
             at least {least} are needed",
            options.n_vocab,
            options.special.len()
        ));
    }
    if options.n_vocab > 1 << 24 {
        return problem(format!("a vocabulary of {} tokens is too large", options.n_vocab));
    }
    let mut names: Vec<&str> = options.special.iter().map(String::as_str).collect();
    names.sort_unstable();
    if let Some(&[twice, _]) = names.array_windows().find(|[a, b]| a == b) {
        return problem(format!("the special token {twice:?} is named twice"));
    }
    // One character of the alphabet would be a byte's token and a special one at once.
    if let Some(short) = names.iter().find(|name| name.chars().count() < 2) {
        return problem(format!("the special token {short:?} is too short to be told from text"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
