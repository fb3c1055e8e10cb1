//! From a word to its tokens, and a memory of the words that came before.

use super::bpe::Bpe;
use super::merge::{MergeBuffers, Symbol};
use super::scored::{self, Scored};
use super::unigram::{Reached, Unigram};
use super::vocab::Vocab;
use super::wordpiece::WordPiece;

/// How a word is cut into tokens.
#[derive(Clone, Debug)]
pub(crate) enum Model {
    /// By a list of merges.
    Bpe(Bpe),
    /// By the scores of what merges make.
    Scored(Scored),
    /// By the greatest sum of scores.
    Unigram(Unigram),
    /// By the longest tokens.
    WordPiece(WordPiece),
}

/// What is kept while one text is encoded.
pub(crate) struct Workspace {
    symbols: Vec<Symbol>,
    merges: MergeBuffers,
    reached: Vec<Reached>,
    prefixed: String,
    cache: WordCache,
}

impl Workspace {
    /// For a text of about `len` bytes.
    pub(crate) fn new(len: usize) -> Self {
        Self {
            symbols: Vec::new(),
            merges: MergeBuffers::default(),
            reached: Vec::new(),
            prefixed: String::new(),
            cache: WordCache::new(len),
        }
    }
}

impl Model {
    /// Appends the tokens of a word from the pre-tokenizer.
    ///
    /// If `independent`, the word may be cut further, see [`scored::words_are_independent`].
    pub(crate) fn encode(
        &self,
        vocab: &Vocab,
        word: &str,
        independent: bool,
        workspace: &mut Workspace,
        out: &mut Vec<u32>,
    ) {
        if independent {
            scored::each_word(word, |word| self.encode_word(vocab, word, workspace, out));
        } else {
            self.encode_word(vocab, word, workspace, out);
        }
    }

    fn encode_word(
        &self,
        vocab: &Vocab,
        word: &str,
        workspace: &mut Workspace,
        out: &mut Vec<u32>,
    ) {
        let Workspace { symbols, merges, reached, prefixed, cache } = workspace;
        let slot = match cache.look_up(word.as_bytes()) {
            Lookup::Found(ids) => return out.extend_from_slice(ids),
            Lookup::Free(slot) => Some(slot),
            Lookup::Unfit => None,
        };
        let start = out.len();
        match self {
            Self::Bpe(bpe) => bpe.encode_word(vocab, word, symbols, merges, out),
            Self::Scored(scored) => scored.encode_word(vocab, word, symbols, merges, out),
            Self::Unigram(unigram) => unigram.encode_word(vocab, word, reached, out),
            Self::WordPiece(word_piece) => word_piece.encode_word(vocab, word, prefixed, out),
        }
        if let Some(slot) = slot {
            cache.store(slot, &out[start..]);
        }
    }
}

/// Words longer than this are not remembered.
const MAX_WORD: usize = 23;
/// Words of more tokens than this are not remembered.
const MAX_IDS: usize = 6;

/// The tokens of words seen before, each in the one place that its hash says.
struct WordCache {
    entries: Vec<Entry>,
    pending: [u64; 3],
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The word, padded with zeros, and its length plus one in the last byte.
    word: [u64; 3],
    ids: [u32; MAX_IDS],
    n_ids: u32,
}

enum Lookup<'a> {
    /// The word's tokens.
    Found(&'a [u32]),
    /// The place where they may be stored.
    Free(usize),
    /// The word is not one that is remembered.
    Unfit,
}

impl WordCache {
    fn new(len: usize) -> Self {
        // A short text has few words that come twice.
        let n = if len < 512 { 0 } else { (len / 16).next_power_of_two().min(1 << 15) };
        Self { entries: vec![Entry::default(); n], pending: [0; 3] }
    }

    fn look_up(&mut self, word: &[u8]) -> Lookup<'_> {
        if self.entries.is_empty() || word.len() > MAX_WORD {
            return Lookup::Unfit;
        }
        let mut padded = [0; 24];
        padded[..word.len()].copy_from_slice(word);
        padded[23] = word.len() as u8 + 1;
        let (parts, _) = padded.as_chunks::<8>();
        let word = [parts[0], parts[1], parts[2]].map(u64::from_le_bytes);
        let mixed = word[0]
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(word[1].wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
            .wrapping_add(word[2].wrapping_mul(0x1656_67b1_9e37_79f9));
        let slot = (mixed >> 32) as usize & (self.entries.len() - 1);
        if self.entries[slot].word == word {
            let entry = &self.entries[slot];
            return Lookup::Found(&entry.ids[..entry.n_ids as usize]);
        }
        self.pending = word;
        Lookup::Free(slot)
    }

    /// Remembers the tokens of the word that was looked up last.
    fn store(&mut self, slot: usize, ids: &[u32]) {
        if ids.len() <= MAX_IDS {
            let entry = &mut self.entries[slot];
            entry.word = self.pending;
            entry.n_ids = ids.len() as u32;
            entry.ids[..ids.len()].copy_from_slice(ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_remembered_until_another_takes_its_place() {
        let mut cache = WordCache::new(1 << 20);
        let words: Vec<String> = (0..5000).map(|n| format!("{n}")).chain([String::new()]).collect();
        let mut found = 0;
        for round in 0..2 {
            for (n, word) in (0..).zip(&words) {
                let slot = match cache.look_up(word.as_bytes()) {
                    Lookup::Found(ids) => {
                        assert_eq!((round, ids), (1, &[n, n + 1][..]));
                        found += 1;
                        continue;
                    }
                    Lookup::Free(slot) => slot,
                    Lookup::Unfit => panic!("{word} fits"),
                };
                cache.store(slot, &[n, n + 1]);
            }
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn long_words_and_short_texts_are_not_remembered() {
        let mut cache = WordCache::new(1 << 20);
        assert!(matches!(cache.look_up(&[b'a'; 23]), Lookup::Free(_)));
        assert!(matches!(cache.look_up(&[b'a'; 24]), Lookup::Unfit));
        assert!(matches!(WordCache::new(10).look_up(b"a"), Lookup::Unfit));
    }

    #[test]
    fn words_that_differ_only_in_zeros_are_told_apart() {
        let mut cache = WordCache::new(1 << 20);
        let Lookup::Free(slot) = cache.look_up(b"a") else { panic!() };
        cache.store(slot, &[7]);
        assert!(matches!(cache.look_up(b"a\0"), Lookup::Free(_)));
        assert!(matches!(cache.look_up(b"a"), Lookup::Found([7])));
    }
}
