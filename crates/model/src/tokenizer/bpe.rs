//! Byte-pair encoding by a list of merges.
//!
//! Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units";
//! over bytes as in Radford et al. 2019. A word starts as single bytes (or characters), and the
//! pair that stands earliest in the list merges until none is left.

use super::alphabet::{self, Alphabet};
use super::arena;
use super::merge::{self, Merge, MergeBuffers, NO_MERGE, Symbol};
use super::vocab::{NO_ID, TokenKind, Vocab};

/// What two tokens become, by both ids.
#[derive(Clone, Debug)]
struct PairTable {
    /// Open addressing, a power of two long.
    slots: Vec<Slot>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The left id above the right one; [`FREE`] in a free slot, which holds [`NO_MERGE`].
    pair: u64,
    rank: u32,
    id: u32,
}

const FREE: u64 = u64::MAX;

impl PairTable {
    fn with_capacity(n: usize) -> Self {
        let free = Slot { pair: FREE, rank: NO_MERGE.0, id: NO_MERGE.1 };
        let slots = vec![free; (n * 4 / 3 + 1).next_power_of_two()];
        Self { slots, seed: arena::random_seed() }
    }

    /// The slot of a pair, or the free one where it belongs.
    fn place(&self, pair: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = arena::hash_pair(self.seed, pair) as usize & mask;
        while self.slots[at].pair != pair && self.slots[at].pair != FREE {
            at = (at + 1) & mask;
        }
        at
    }

    /// Adds a pair unless it is there already.
    fn insert(&mut self, left: u32, right: u32, rank: u32, id: u32) {
        let pair = u64::from(left) << 32 | u64::from(right);
        let at = self.place(pair);
        if self.slots[at].pair == FREE {
            self.slots[at] = Slot { pair, rank, id };
        }
    }

    fn get(&self, left: u32, right: u32) -> Merge {
        let slot = self.slots[self.place(u64::from(left) << 32 | u64::from(right))];
        (slot.rank, slot.id)
    }
}

/// What becomes of a character that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Its bytes become the tokens of single bytes; `unk` where one of them is missing.
    Bytes {
        /// In place of a character whose bytes have no tokens.
        unk: Option<u32>,
    },
    /// It becomes the unknown token.
    Unknown {
        /// The token.
        unk: u32,
        /// Whether neighbours become one token together.
        fuse: bool,
    },
    /// It vanishes.
    Drop,
}

/// Merges in order, over the tokens of a vocabulary.
#[derive(Clone, Debug)]
pub(crate) struct Bpe {
    pairs: PairTable,
    /// Whether a word that is a token becomes that token whatever the merges say.
    whole_words: bool,
    fallback: Fallback,
}

impl Bpe {
    /// Takes merges in order of their urgency, each as the texts of its two sides.
    ///
    /// A merge that names or makes no token, or one that ordinary text must not become, is left
    /// out: it can never apply.
    pub(crate) fn new<'a>(
        vocab: &Vocab,
        merges: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
        whole_words: bool,
        fallback: Fallback,
    ) -> Self {
        let mut pairs = PairTable::with_capacity(merges.len());
        let mut joined = Vec::new();
        // Most merges make the token after the one that the merge before made.
        let mut guess = 0;
        for (rank, (left, right)) in (0..).zip(merges) {
            joined.clear();
            let Some(middle) = append_key(vocab, left, right, &mut joined) else { continue };
            let Some(left) = vocab.find(&joined[..middle]) else { continue };
            let Some(right) = vocab.find(&joined[middle..]) else { continue };
            let guessed = vocab.is_first_with_key(guess, &joined).then_some(guess);
            let Some(id) = guessed.or_else(|| vocab.find(&joined)) else { continue };
            pairs.insert(left, right, rank, id);
            guess = id + 1;
        }
        Self { pairs, whole_words, fallback }
    }

    /// Whether a word that is a token becomes that token whatever the merges say.
    pub(crate) fn whole_words(&self) -> bool {
        self.whole_words
    }

    /// The same merges, with no word becoming a token but by them.
    pub(crate) fn without_whole_words(&self) -> Self {
        Self { whole_words: false, ..self.clone() }
    }

    /// The merges in order, as pairs of ids with the id they make.
    pub(crate) fn merges(&self) -> Vec<(u32, u32, u32)> {
        let mut used: Vec<Slot> =
            self.pairs.slots.iter().filter(|slot| slot.pair != FREE).copied().collect();
        used.sort_unstable_by_key(|slot| slot.rank);
        used.iter().map(|slot| ((slot.pair >> 32) as u32, slot.pair as u32, slot.id)).collect()
    }

    /// Appends the tokens of a word.
    pub(crate) fn encode_word(
        &self,
        vocab: &Vocab,
        word: &str,
        symbols: &mut Vec<Symbol>,
        buffers: &mut MergeBuffers,
        out: &mut Vec<u32>,
    ) {
        if self.whole_words
            && let Some(id) = vocab.find(word.as_bytes())
        {
            out.push(id);
            return;
        }
        symbols.clear();
        match vocab.alphabet() {
            Alphabet::Bytes => symbols.extend((0..).zip(word.bytes()).map(|(start, byte)| {
                Symbol { start, end: start + 1, id: vocab.byte_id(byte).unwrap_or(NO_ID) }
            })),
            Alphabet::Spaced => self.split_characters(vocab, word, symbols),
        }
        merge::merge_all(symbols, buffers, |left, right| self.pairs.get(left.id, right.id));
        for symbol in symbols.iter() {
            match (symbol.id, self.fallback) {
                (NO_ID, Fallback::Unknown { unk, .. } | Fallback::Bytes { unk: Some(unk) }) => {
                    out.push(unk);
                }
                (NO_ID, _) => {}
                (id, _) => out.push(id),
            }
        }
    }

    /// Makes a symbol of every character, or of every byte of one that is no token.
    fn split_characters(&self, vocab: &Vocab, word: &str, symbols: &mut Vec<Symbol>) {
        for (start, c) in word.char_indices() {
            let start = start as u32;
            let end = start + c.len_utf8() as u32;
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            if let Some(id) = vocab.find(bytes) {
                symbols.push(Symbol { start, end, id });
                continue;
            }
            let has_bytes = bytes.iter().all(|&byte| vocab.byte_id(byte).is_some());
            match self.fallback {
                Fallback::Bytes { .. } if has_bytes => {
                    symbols.extend((start..).zip(bytes).map(|(start, &byte)| {
                        let id = vocab.byte_id(byte).unwrap_or(NO_ID);
                        Symbol { start, end: start + 1, id }
                    }));
                }
                Fallback::Unknown { fuse: true, .. } => match symbols.last_mut() {
                    Some(last) if last.id == NO_ID => last.end = end,
                    _ => symbols.push(Symbol { start, end, id: NO_ID }),
                },
                _ => symbols.push(Symbol { start, end, id: NO_ID }),
            }
        }
    }
}

/// Splits a merge as it is written in one string: at the first space that is not its beginning.
pub(crate) fn split_merge(merge: &str) -> (&str, &str) {
    let first = merge.chars().next().map_or(0, char::len_utf8);
    match merge[first..].find(' ') {
        Some(at) => (&merge[..first + at], &merge[first + at + 1..]),
        None => (merge, ""),
    }
}

/// Appends the keys of both sides and returns where the second starts.
fn append_key(vocab: &Vocab, left: &str, right: &str, out: &mut Vec<u8>) -> Option<usize> {
    match vocab.alphabet() {
        Alphabet::Spaced => {
            out.extend_from_slice(left.as_bytes());
            out.extend_from_slice(right.as_bytes());
            Some(left.len())
        }
        Alphabet::Bytes => {
            alphabet::decode_bytes(left, out).then_some(())?;
            let middle = out.len();
            alphabet::decode_bytes(right, out).then_some(middle)
        }
    }
}

impl Vocab {
    /// Whether `id` is what [`Vocab::find`] returns for `key`, where that is quick to say.
    fn is_first_with_key(&self, id: u32, key: &[u8]) -> bool {
        self.keys_are_unique() && self.kind(id) == TokenKind::Normal && self.key(id) == key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(texts: &[&str], merges: &[&str], whole_words: bool, word: &str) -> Vec<u32> {
        let kinds = vec![TokenKind::Normal; texts.len()];
        let vocab = Vocab::new(texts.iter().copied(), kinds, Alphabet::Bytes, 0).unwrap();
        let split = merges.iter().map(|merge| split_merge(merge)).collect::<Vec<_>>();
        let bpe = Bpe::new(&vocab, split.into_iter(), whole_words, Fallback::Drop);
        let mut out = Vec::new();
        bpe.encode_word(&vocab, word, &mut Vec::new(), &mut MergeBuffers::default(), &mut out);
        out
    }

    #[test]
    fn the_earliest_merge_goes_first() {
        let texts = ["a", "b", "c", "ab", "bc", "abc"];
        assert_eq!(encode(&texts, &["b c", "a b"], false, "abc"), [0, 4]);
        assert_eq!(encode(&texts, &["a b", "b c"], false, "abc"), [3, 2]);
        assert_eq!(encode(&texts, &["b c", "a bc"], false, "abc"), [5]);
        assert_eq!(encode(&texts, &["a b", "b c"], true, "abc"), [5], "whole words go first");
    }

    #[test]
    fn merges_that_name_no_token_do_nothing() {
        let texts = ["a", "b", "ab"];
        let merges = ["", " ", "a", "a ", " b", "x y", "a x", "b a", "a b", "ab ab", "a b"];
        assert_eq!(encode(&texts, &merges, false, "abab"), [2, 2]);
    }

    #[test]
    fn a_merge_is_split_at_its_space() {
        assert_eq!(split_merge("a b"), ("a", "b"));
        assert_eq!(split_merge("  b"), (" ", "b"));
        assert_eq!(split_merge("é b c"), ("é", "b c"));
        assert_eq!(split_merge("ab"), ("ab", ""));
        assert_eq!(split_merge(""), ("", ""));
    }

    #[test]
    fn characters_outside_the_vocabulary_fall_back_as_asked() {
        let texts = ["a", "<0xC3>", "<0xA9>", "<unk>"];
        let mut kinds = vec![TokenKind::Normal, TokenKind::Byte, TokenKind::Byte];
        kinds.push(TokenKind::Unknown);
        let vocab = Vocab::new(texts.iter().copied(), kinds, Alphabet::Spaced, 0).unwrap();
        let encode = |fallback, word: &str| {
            let bpe = Bpe::new(&vocab, std::iter::empty(), false, fallback);
            let mut out = Vec::new();
            bpe.encode_word(&vocab, word, &mut Vec::new(), &mut MergeBuffers::default(), &mut out);
            out
        };
        let unk = 3;
        assert_eq!(encode(Fallback::Bytes { unk: Some(unk) }, "aéb"), [0, 1, 2, unk]);
        assert_eq!(encode(Fallback::Bytes { unk: None }, "aéb"), [0, 1, 2]);
        assert_eq!(encode(Fallback::Unknown { unk, fuse: true }, "éba"), [unk, 0]);
        assert_eq!(encode(Fallback::Unknown { unk, fuse: false }, "éba"), [unk, unk, 0]);
        assert_eq!(encode(Fallback::Drop, "aéb"), [0]);
    }
}
