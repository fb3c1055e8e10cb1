//! Words as a tokenizer will see them, for whoever learns a vocabulary.

use super::TokenizerError;
use super::alphabet::char_of_byte;
use super::pretokenize::{Behavior, PreTokenizer, Step, patterns};

/// Cuts a text at the matches of an expression, just as a [`super::Tokenizer`] does whose
/// `tokenizer.json` has that expression.
#[derive(Clone, Debug)]
pub struct Splitter(PreTokenizer);

impl Splitter {
    /// Takes a regular expression. Those of well-known models are read by scanners that are written
    /// by hand.
    ///
    /// # Errors
    /// If it is not an expression.
    pub fn new(regex: &str) -> Result<Self, TokenizerError> {
        let pattern = patterns::pattern_of_regex(regex)?;
        let behavior = Behavior::Isolated;
        Ok(Self(PreTokenizer::new(vec![Step::Split { pattern, behavior }])))
    }

    /// Calls `word` with each word of a text, in order. Joined they are the text.
    pub fn each_word(&self, text: &str, word: impl FnMut(&str)) {
        self.0.each_word(text, true, word);
    }
}

/// The character that stands for a byte in a byte-level vocabulary.
pub fn byte_character(byte: u8) -> char {
    char_of_byte(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_nothing_is_lost() {
        let splitter = Splitter::new(r"\p{N}{1,3}| ?\p{L}+").unwrap();
        let mut words = Vec::new();
        splitter.each_word("It was 1941, 北京!", |word| words.push(word.to_owned()));
        assert_eq!(words, ["It", " was", " ", "194", "1", ",", " 北京", "!"]);
        assert!(Splitter::new("(").is_err());
    }
}
