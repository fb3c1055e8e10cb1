//! Text that grows token by token, passed on in whole characters.

use super::Tokenizer;

/// Puts the bytes of tokens together into whole characters.
///
/// A character may be spread over several tokens; it is held back until its last byte is there.
/// Bytes that are no text become U+FFFD, as [`String::from_utf8_lossy`] has it.
#[derive(Clone, Debug, Default)]
pub struct StreamDecoder {
    /// The beginning of a character: at most three bytes.
    held: Vec<u8>,
    /// Whether a space is to be taken away from what comes first.
    strips_space: bool,
}

impl StreamDecoder {
    /// For text that goes on after other text.
    pub fn new() -> Self {
        Self::default()
    }

    /// For text that begins something: a space that the tokenizer puts before every text is
    /// taken away.
    pub fn at_start(tokenizer: &Tokenizer) -> Self {
        Self { held: Vec::new(), strips_space: tokenizer.adds_space }
    }

    /// Takes the bytes of the next token and returns the characters that are whole now.
    pub fn push(&mut self, mut bytes: &[u8]) -> String {
        if self.strips_space && !bytes.is_empty() {
            self.strips_space = false;
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        self.held.extend_from_slice(bytes);
        let mut out = String::new();
        let mut done = 0;
        for chunk in self.held.utf8_chunks() {
            out.push_str(chunk.valid());
            done += chunk.valid().len();
            let rest = chunk.invalid();
            let is_last = done + rest.len() == self.held.len();
            if rest.is_empty() || (is_last && is_beginning(rest)) {
                break;
            }
            out.push(char::REPLACEMENT_CHARACTER);
            done += rest.len();
        }
        self.held.drain(..done);
        out
    }

    /// Ends the text: U+FFFD if a character was begun, otherwise nothing.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&held).into_owned()
    }
}

/// Whether bytes that are not a character could become one with more bytes.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn characters_come_whole() {
        let mut stream = StreamDecoder::new();
        let [a, b, c, d] = *"😀".as_bytes() else { panic!() };
        assert_eq!(stream.push(&[b'x', a]), "x");
        assert_eq!(stream.push(&[b, c]), "");
        assert_eq!(stream.push(&[d, 0xc3]), "😀");
        assert_eq!(stream.push(b"!"), "\u{fffd}!");
        assert_eq!(stream.push(&[a, b]), "");
        assert_eq!(stream.finish(), "\u{fffd}");
        assert_eq!(stream.finish(), "");
    }

    proptest! {
        #[test]
        fn the_parts_together_are_the_whole(bytes: Vec<u8>, text: String, cuts: Vec<usize>) {
            for bytes in [bytes, text.into_bytes()] {
                let mut stream = StreamDecoder::new();
                let mut out = String::new();
                let mut rest = bytes.as_slice();
                for cut in &cuts {
                    let (part, tail) = rest.split_at(cut % 5 % (rest.len() + 1));
                    let text = stream.push(part);
                    prop_assert!(stream.held.len() < 4);
                    out.push_str(&text);
                    rest = tail;
                }
                out.push_str(&stream.push(rest));
                out.push_str(&stream.finish());
                prop_assert_eq!(out, String::from_utf8_lossy(&bytes));
            }
        }
    }
}
