//! Byte-pair encoding by scores, as SentencePiece does it.
//!
//! Source: Kudo & Richardson 2018, "SentencePiece". Two neighbours may merge if their text together
//! is a token, and the token with the highest score goes first. A character that is no token is
//! written as the tokens of its bytes.

use super::alphabet::LOW_LINE;
use super::merge::{self, MergeBuffers, NO_MERGE, Symbol};
use super::vocab::{NO_ID, TokenKind, Vocab};

/// The scores of a vocabulary's tokens.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    scores: Vec<f32>,
    /// In place of a byte that has no token.
    unk: Option<u32>,
}

impl Scored {
    /// Takes one score for each token, none of them NaN.
    pub(crate) fn new(scores: Vec<f32>, unk: Option<u32>) -> Self {
        Self { scores, unk }
    }

    /// One score for each token.
    pub(crate) fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// Appends the tokens of a word, in which spaces are U+2581.
    pub(crate) fn encode_word(
        &self,
        vocab: &Vocab,
        word: &str,
        symbols: &mut Vec<Symbol>,
        buffers: &mut MergeBuffers,
        out: &mut Vec<u32>,
    ) {
        let bytes = word.as_bytes();
        symbols.clear();
        symbols.extend(word.char_indices().map(|(start, c)| {
            let end = start + c.len_utf8();
            let id = vocab.find(&bytes[start..end]).unwrap_or(NO_ID);
            Symbol { start: start as u32, end: end as u32, id }
        }));
        merge::merge_all(symbols, buffers, |left, right| {
            match vocab.find(&bytes[left.start as usize..right.end as usize]) {
                Some(id) => (urgency(self.score(id)), id),
                None => NO_MERGE,
            }
        });
        for symbol in symbols.iter() {
            if symbol.id != NO_ID {
                out.push(symbol.id);
                continue;
            }
            for &byte in &bytes[symbol.start as usize..symbol.end as usize] {
                out.extend(vocab.byte_id(byte).or(self.unk));
            }
        }
    }

    fn score(&self, id: u32) -> f32 {
        self.scores.get(id as usize).copied().unwrap_or(0.0)
    }
}

/// Turns a score into a number that is lower for a higher score.
fn urgency(score: f32) -> u32 {
    // Adding zero makes -0.0 equal to 0.0.
    let bits = (score + 0.0).to_bits();
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    (!rising).min(merge::NEVER - 1)
}

/// Whether no token goes on after a space that follows something else.
///
/// If so, a text may be cut before every such space, and the words encoded one by one: no token
/// could reach across.
pub(crate) fn words_are_independent(vocab: &Vocab) -> bool {
    let mut low_line = [0; 3];
    let low_line = LOW_LINE.encode_utf8(&mut low_line).as_bytes();
    (0..vocab.len() as u32).all(|id| {
        if !matches!(vocab.kind(id), TokenKind::Normal | TokenKind::UserDefined) {
            return true;
        }
        let mut key = vocab.key(id);
        if key.len() <= low_line.len() {
            return true;
        }
        while let Some(rest) = key.strip_prefix(low_line) {
            key = rest;
        }
        // The first byte of U+2581 is rare enough that this is nearly the whole work.
        let places = key.iter().enumerate().filter(|&(_, &byte)| byte == low_line[0]);
        places.map(|(at, _)| &key[at..]).all(|rest| !rest.starts_with(low_line))
    })
}

/// Cuts a text before every space, written U+2581, that follows something else.
pub(crate) fn each_word<'a>(text: &'a str, mut word: impl FnMut(&'a str)) {
    let mut start = 0;
    let mut after_space = true;
    for (at, c) in text.char_indices() {
        let is_space = c == LOW_LINE;
        if is_space && !after_space {
            word(&text[start..at]);
            start = at;
        }
        after_space = is_space;
    }
    if start < text.len() {
        word(&text[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::Alphabet;
    use super::*;

    fn vocab(texts: &[&str]) -> Vocab {
        let kinds = texts.iter().map(|text| match *text {
            "<unk>" => TokenKind::Unknown,
            "</s>" => TokenKind::Control,
            _ if text.starts_with("<0x") => TokenKind::Byte,
            _ => TokenKind::Normal,
        });
        Vocab::new(texts.iter().copied(), kinds.collect(), Alphabet::Spaced, 0).unwrap()
    }

    fn encode(texts: &[&str], scores: &[f32], unk: Option<u32>, word: &str) -> Vec<u32> {
        let scored = Scored::new(scores.to_vec(), unk);
        let mut out = Vec::new();
        let mut buffers = MergeBuffers::default();
        scored.encode_word(&vocab(texts), word, &mut Vec::new(), &mut buffers, &mut out);
        out
    }

    #[test]
    fn the_highest_score_goes_first_and_then_the_leftmost() {
        let texts = ["a", "b", "ab", "ba"];
        assert_eq!(encode(&texts, &[0.0, 0.0, -1.0, -2.0], None, "bab"), [1, 2]);
        assert_eq!(encode(&texts, &[0.0, 0.0, -2.0, -1.0], None, "bab"), [3, 1]);
        assert_eq!(encode(&texts, &[0.0, 0.0, 0.0, -0.0], None, "bab"), [3, 1]);
        assert_eq!(encode(&texts, &[], None, "bab"), [3, 1]);
    }

    #[test]
    fn scores_order_as_numbers_do() {
        let falling = [f32::INFINITY, 3.5, 0.0, -1e-30, -1.0, -1e30, f32::NEG_INFINITY];
        for pair in falling.windows(2) {
            assert!(urgency(pair[0]) < urgency(pair[1]), "{pair:?}");
        }
        assert_eq!(urgency(0.0), urgency(-0.0));
        assert!(urgency(f32::NEG_INFINITY) < merge::NEVER);
    }

    #[test]
    fn text_never_becomes_a_control_token() {
        let texts = ["<", "/", "s", ">", "</", "</s", "</s>"];
        assert_eq!(encode(&texts, &[0.0; 7], None, "</s>"), [5, 3]);
    }

    #[test]
    fn an_unknown_character_becomes_its_bytes_or_the_unknown_token() {
        let texts = ["<unk>", "<0xC3>", "a"];
        assert_eq!(encode(&texts, &[], Some(0), "aé"), [2, 1, 0]);
        assert_eq!(encode(&texts, &[], None, "aé"), [2, 1]);
    }

    #[test]
    fn words_start_at_the_first_of_several_spaces() {
        let mut words = Vec::new();
        each_word("▁▁a▁▁b▁c▁", |word| words.push(word));
        assert_eq!(words, ["▁▁a", "▁▁b", "▁c", "▁"]);
        each_word("", |_| panic!("no word"));
    }

    #[test]
    fn a_token_that_spans_words_is_noticed() {
        assert!(words_are_independent(&vocab(&["▁▁▁", "▁a", "ab", "▁", "€▂"])));
        assert!(!words_are_independent(&vocab(&["a▁"])));
        assert!(!words_are_independent(&vocab(&["▁a▁b"])));
    }
}
