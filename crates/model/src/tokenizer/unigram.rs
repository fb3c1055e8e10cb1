//! The most probable way to cut a word into tokens.
//!
//! Source: Kudo 2018, "Subword Regularization". A token's score is the logarithm of its
//! probability; the cut whose scores sum to the most is found by Viterbi's algorithm.

use super::prefix::PrefixIndex;
use super::vocab::{TokenKind, Vocab};

/// How much less than the worst token an unknown character scores.
const UNKNOWN_PENALTY: f64 = 10.0;

/// Scores and an index of the tokens that text may become.
#[derive(Clone, Debug)]
pub(crate) struct Unigram {
    scores: Vec<f32>,
    index: PrefixIndex,
    unk: Option<u32>,
    unk_score: f64,
    byte_fallback: bool,
}

/// The best way to reach a place in a word.
#[derive(Clone, Copy)]
pub(crate) struct Reached {
    score: f64,
    /// The last token; `None` for an unknown character.
    id: Option<u32>,
    /// Where that token starts.
    start: u32,
}

impl Unigram {
    /// Takes one score for each token, none of them NaN.
    pub(crate) fn new(
        vocab: &Vocab,
        mut scores: Vec<f32>,
        unk: Option<u32>,
        byte_fallback: bool,
    ) -> Self {
        // So that sums stay finite, and every place in a word can be reached.
        for score in &mut scores {
            *score = score.clamp(-1e30, 1e30);
        }
        let ids = (0..vocab.len() as u32)
            .filter(|&id| matches!(vocab.kind(id), TokenKind::Normal | TokenKind::UserDefined));
        let index = PrefixIndex::new(ids.clone().collect(), |id| vocab.key(id));
        let normal = ids.filter(|&id| vocab.kind(id) == TokenKind::Normal);
        let scored = normal.filter_map(|id| scores.get(id as usize));
        let lowest = scored.copied().fold(f32::INFINITY, f32::min);
        let lowest = if lowest.is_finite() { f64::from(lowest) } else { 0.0 };
        let unk_score = lowest - UNKNOWN_PENALTY;
        Self { scores, index, unk, unk_score, byte_fallback }
    }

    /// One score for each token.
    pub(crate) fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// Whether an unknown character becomes the tokens of its bytes.
    pub(crate) fn byte_fallback(&self) -> bool {
        self.byte_fallback
    }

    /// Appends the tokens of a word. `reached` is a buffer.
    pub(crate) fn encode_word(
        &self,
        vocab: &Vocab,
        word: &str,
        reached: &mut Vec<Reached>,
        out: &mut Vec<u32>,
    ) {
        reached.clear();
        let nowhere = Reached { score: f64::NEG_INFINITY, id: None, start: 0 };
        reached.resize(word.len() + 1, nowhere);
        reached[0].score = 0.0;
        for (start, c) in word.char_indices() {
            let so_far = reached[start].score;
            let mut arrive = |end: usize, score: f64, id: Option<u32>| {
                if score > reached[end].score {
                    reached[end] = Reached { score, id, start: start as u32 };
                }
            };
            let mut has_token = false;
            self.index.each_prefix(
                &word.as_bytes()[start..],
                |id| vocab.key(id),
                |id, len| {
                    has_token |= len == c.len_utf8();
                    arrive(start + len, so_far + self.score(vocab, id), Some(id));
                },
            );
            if !has_token {
                arrive(start + c.len_utf8(), so_far + self.unk_score, None);
            }
        }
        let first = out.len();
        let mut end = word.len();
        let mut unknown_after = false;
        while end > 0 {
            let Reached { id, start, .. } = reached[end];
            let start = start as usize;
            if let Some(id) = id {
                out.push(id);
                unknown_after = false;
            } else if !self.push_bytes(vocab, &word[start..end], out) {
                if !unknown_after {
                    out.extend(self.unk);
                }
                unknown_after = true;
            } else {
                unknown_after = false;
            }
            end = start;
        }
        out[first..].reverse();
    }

    /// Appends the tokens of the bytes of an unknown character, last byte first, and returns
    /// whether there are such.
    fn push_bytes(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) -> bool {
        if !self.byte_fallback || text.bytes().any(|byte| vocab.byte_id(byte).is_none()) {
            return false;
        }
        out.extend(text.bytes().rev().filter_map(|byte| vocab.byte_id(byte)));
        true
    }

    /// A token's score. User-defined ones are sure.
    fn score(&self, vocab: &Vocab, id: u32) -> f64 {
        match vocab.kind(id) {
            TokenKind::UserDefined => 0.0,
            _ => self.scores.get(id as usize).copied().map_or(0.0, f64::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::Alphabet;
    use super::*;

    fn encode(tokens: &[(&str, f32)], byte_fallback: bool, word: &str) -> Vec<u32> {
        let kinds = tokens.iter().map(|(text, _)| match *text {
            "<unk>" => TokenKind::Unknown,
            _ if text.starts_with("<0x") => TokenKind::Byte,
            _ => TokenKind::Normal,
        });
        let texts = tokens.iter().map(|&(text, _)| text).collect::<Vec<_>>();
        let vocab = Vocab::new(texts.into_iter(), kinds.collect(), Alphabet::Spaced, 0).unwrap();
        let scores = tokens.iter().map(|&(_, score)| score).collect();
        let unigram = Unigram::new(&vocab, scores, Some(0), byte_fallback);
        let mut out = Vec::new();
        unigram.encode_word(&vocab, word, &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn the_sum_of_the_scores_decides() {
        let tokens = [("<unk>", 0.0), ("a", -1.0), ("b", -1.0), ("ab", -1.5), ("abb", -4.0)];
        assert_eq!(encode(&tokens, false, "abb"), [3, 2]);
        assert_eq!(encode(&tokens, false, "ba"), [2, 1]);
        assert!(encode(&tokens, false, "").is_empty());
    }

    #[test]
    fn unknown_characters_side_by_side_are_one_token() {
        let tokens = [("<unk>", 0.0), ("a", -1.0), ("<0xC3>", 0.0), ("<0xA9>", 0.0)];
        assert_eq!(encode(&tokens, false, "aééaé"), [1, 0, 1, 0]);
        assert_eq!(encode(&tokens, true, "aéa"), [1, 2, 3, 1]);
        assert_eq!(encode(&tokens, true, "a€é"), [1, 0, 2, 3]);
    }

    #[test]
    fn boundless_scores_do_no_harm() {
        let tokens = [("<unk>", 0.0), ("a", f32::NEG_INFINITY), ("aa", f32::INFINITY)];
        assert_eq!(encode(&tokens, false, "aaa").len(), 2);
        assert_eq!(encode(&[("<unk>", 0.0)], false, "aaa"), [0]);
    }
}
