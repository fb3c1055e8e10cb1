//! The longest token that begins a word, then the longest that goes on, as BERT cuts words.
//!
//! Source: Devlin et al. 2018, "BERT", and Wu et al. 2016 before it. Here, as in GGUF, a token that
//! begins a word is written with U+2581 before it, and one that goes on has nothing before it.

use super::alphabet::LOW_LINE;
use super::vocab::Vocab;

/// How words are cut.
#[derive(Clone, Debug)]
pub(crate) struct WordPiece {
    unk: u32,
    /// A word with more characters than this is unknown as a whole.
    max_chars: usize,
    /// The length of the longest token in bytes.
    longest: usize,
}

/// What BERT's own tokenizer and its successors use.
pub(crate) const DEFAULT_MAX_CHARS: usize = 100;

impl WordPiece {
    /// Takes the unknown token, and the length from which words are unknown.
    pub(crate) fn new(vocab: &Vocab, unk: u32, max_chars: usize) -> Self {
        let longest = (0..vocab.len() as u32).map(|id| vocab.key(id).len()).max().unwrap_or(0);
        Self { unk, max_chars, longest }
    }

    /// Appends the tokens of a word. `prefixed` is a buffer.
    pub(crate) fn encode_word(
        &self,
        vocab: &Vocab,
        word: &str,
        prefixed: &mut String,
        out: &mut Vec<u32>,
    ) {
        if word.chars().nth(self.max_chars).is_some() {
            out.push(self.unk);
            return;
        }
        prefixed.clear();
        prefixed.push(LOW_LINE);
        prefixed.push_str(word);
        let first = out.len();
        let mut rest = prefixed.as_str();
        while !rest.is_empty() {
            let Some((id, len)) = self.longest_prefix(vocab, rest) else {
                out.truncate(first);
                out.push(self.unk);
                return;
            };
            out.push(id);
            rest = &rest[len..];
        }
    }

    fn longest_prefix(&self, vocab: &Vocab, text: &str) -> Option<(u32, usize)> {
        let mut end = text.floor_char_boundary(self.longest.min(text.len()));
        while end > 0 {
            if let Some(id) = vocab.find(&text.as_bytes()[..end]) {
                return Some((id, end));
            }
            end = text.floor_char_boundary(end - 1);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::Alphabet;
    use super::super::vocab::TokenKind;
    use super::*;

    fn encode(word: &str) -> Vec<u32> {
        let texts = ["[UNK]", "▁un", "▁u", "able", "a", "é", "▁日"];
        let mut kinds = vec![TokenKind::Normal; texts.len()];
        kinds[0] = TokenKind::Control;
        let vocab = Vocab::new(texts.into_iter(), kinds, Alphabet::Spaced, 0).unwrap();
        let mut out = Vec::new();
        WordPiece::new(&vocab, 0, 8).encode_word(&vocab, word, &mut String::new(), &mut out);
        out
    }

    #[test]
    fn the_longest_piece_goes_first() {
        assert_eq!(encode("unable"), [1, 3]);
        assert_eq!(encode("uéa"), [2, 5, 4]);
        assert_eq!(encode("日"), [6]);
    }

    #[test]
    fn a_word_with_an_unknown_piece_is_unknown() {
        assert_eq!(encode("able"), [0], "it only goes on");
        assert_eq!(encode("una日"), [0]);
        assert_eq!(encode("unaaaaaa"), [1, 4, 4, 4, 4, 4, 4]);
        assert_eq!(encode("unaaaaaaa"), [0], "too long");
    }
}
