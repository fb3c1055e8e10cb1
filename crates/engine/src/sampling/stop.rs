//! Finding stop strings in text that arrives in pieces.

use super::SamplingError;

/// The largest number of stop strings.
pub const MAX_STOP_STRINGS: usize = 64;
/// The longest stop string, in bytes.
pub const MAX_STOP_BYTES: usize = 1024;

/// A stop string was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Which one, in the order they were given.
    pub index: usize,
}

/// Looks for stop strings in a stream of bytes.
///
/// Text that might be the beginning of a stop string is held back until the bytes
/// after it decide, so what was released never has to be taken back. The string
/// that is completed first wins, and among those completed by the same byte the
/// longest: so the result does not depend on how the text was cut into tokens.
///
/// Works on bytes: a piece may end inside a character, and so may what is released.
///
/// ```
/// use mynah_engine::sampling::StopMatcher;
///
/// let mut matcher = StopMatcher::new(&["\nUser:"])?;
/// let mut text = Vec::new();
/// assert!(matcher.push(b"Yes.\nUs", &mut text).is_none());
/// assert_eq!(text, b"Yes.");
/// assert!(matcher.push(b"ed cars.\n", &mut text).is_none());
/// assert_eq!(text, b"Yes.\nUsed cars.");
/// assert!(matcher.push(b"User: hm", &mut text).is_some());
/// assert_eq!(text, b"Yes.\nUsed cars.");
/// # Ok::<(), mynah_engine::sampling::SamplingError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopMatcher {
    needles: Vec<Needle>,
    /// Bytes that were pushed and not released.
    held: Vec<u8>,
    found: Option<Stop>,
}

/// One stop string and how much of it the text ends with.
#[derive(Debug, Clone)]
struct Needle {
    bytes: Vec<u8>,
    /// For each length, the longest shorter prefix that is a suffix of that prefix.
    fallback: Vec<usize>,
    /// Length of the longest prefix that the text ends with.
    matched: usize,
}

impl StopMatcher {
    /// Makes a matcher; without stop strings it releases everything at once.
    ///
    /// # Errors
    /// If there are more than [`MAX_STOP_STRINGS`], or one is empty or longer than
    /// [`MAX_STOP_BYTES`].
    pub fn new(stop_strings: &[impl AsRef<str>]) -> Result<Self, SamplingError> {
        if stop_strings.len() > MAX_STOP_STRINGS {
            return Err(SamplingError::OutOfRange {
                field: "stop",
                value: format!("{} strings", stop_strings.len()),
                range: "at most 64 strings",
            });
        }
        let mut needles = Vec::with_capacity(stop_strings.len());
        for text in stop_strings {
            let bytes = text.as_ref().as_bytes();
            if bytes.is_empty() || bytes.len() > MAX_STOP_BYTES {
                return Err(SamplingError::OutOfRange {
                    field: "stop",
                    value: format!("a string of {} bytes", bytes.len()),
                    range: "strings of 1 to 1024 bytes",
                });
            }
            needles.push(Needle::new(bytes));
        }
        Ok(Self { needles, held: Vec::new(), found: None })
    }

    /// Takes the next bytes and appends what is safe to show to `released`.
    ///
    /// Returns the stop string that was found; it and what follows it are dropped, now
    /// and in every later call.
    pub fn push(&mut self, bytes: &[u8], released: &mut Vec<u8>) -> Option<Stop> {
        if self.found.is_some() {
            return self.found;
        }
        for &byte in bytes {
            self.held.push(byte);
            let mut found: Option<(usize, usize)> = None;
            let mut longest_beginning = 0;
            for (index, needle) in self.needles.iter_mut().enumerate() {
                needle.advance(byte);
                if needle.matched == needle.bytes.len() {
                    if found.is_none_or(|(_, length)| needle.matched > length) {
                        found = Some((index, needle.matched));
                    }
                } else {
                    longest_beginning = longest_beginning.max(needle.matched);
                }
            }
            if let Some((index, length)) = found {
                released.extend_from_slice(&self.held[..self.held.len() - length]);
                self.held.clear();
                self.found = Some(Stop { index });
                return self.found;
            }
            let safe = self.held.len() - longest_beginning;
            released.extend(self.held.drain(..safe));
        }
        None
    }

    /// Appends what is held back to `released`: the text has ended without a stop string.
    pub fn finish(&mut self, released: &mut Vec<u8>) {
        released.append(&mut self.held);
    }

    /// How many bytes are held back.
    pub fn held_len(&self) -> usize {
        self.held.len()
    }

    /// The stop string that was found, if one was.
    pub fn found(&self) -> Option<Stop> {
        self.found
    }
}

impl Needle {
    /// Source: Knuth, Morris, Pratt 1977, "Fast pattern matching in strings".
    fn new(bytes: &[u8]) -> Self {
        let mut fallback = vec![0; bytes.len() + 1];
        let mut length = 0;
        for end in 1..bytes.len() {
            while length > 0 && bytes[end] != bytes[length] {
                length = fallback[length];
            }
            if bytes[end] == bytes[length] {
                length += 1;
            }
            fallback[end + 1] = length;
        }
        Self { bytes: bytes.to_vec(), fallback, matched: 0 }
    }

    fn advance(&mut self, byte: u8) {
        while self.matched > 0 && self.bytes[self.matched] != byte {
            self.matched = self.fallback[self.matched];
        }
        if self.bytes[self.matched] == byte {
            self.matched += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text before the first stop string to be completed, and which it is.
    fn naive(text: &str, stops: &[String]) -> (Vec<u8>, Option<usize>) {
        let text = text.as_bytes();
        for end in 0..=text.len() {
            let mut found: Option<(usize, usize)> = None;
            for (index, stop) in stops.iter().enumerate() {
                let longer = found.is_none_or(|(_, length)| stop.len() > length);
                if text[..end].ends_with(stop.as_bytes()) && longer {
                    found = Some((index, stop.len()));
                }
            }
            if let Some((index, length)) = found {
                return (text[..end - length].to_vec(), Some(index));
            }
        }
        (text.to_vec(), None)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn equals_a_naive_search_however_the_text_is_cut(
            text in "[ab\u{e9}]{0,40}",
            stops in prop::collection::vec("[ab\u{e9}]{1,5}", 0..4),
            cuts in prop::collection::vec(0_usize..9, 1..10),
        ) {
            let mut matcher = StopMatcher::new(&stops).unwrap();
            let mut released = Vec::new();
            let mut found = None;
            let mut rest = text.as_bytes();
            let mut seen = 0;
            for &cut in cuts.iter().cycle().take(200) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                rest = after;
                seen += piece.len();
                found = matcher.push(piece, &mut released);
                // What is held back is the beginning of a stop string, and nothing else is.
                if found.is_none() {
                    prop_assert_eq!(released.len() + matcher.held_len(), seen);
                    let held = &text.as_bytes()[released.len()..seen];
                    let begins = |from: usize| {
                        stops.iter().any(|s| {
                            let tail = &text.as_bytes()[from..seen];
                            s.len() > tail.len() && s.as_bytes().starts_with(tail)
                        })
                    };
                    prop_assert!(held.is_empty() || begins(released.len()));
                    prop_assert!((0..released.len()).all(|from| !begins(from)));
                } else {
                    break;
                }
            }
            prop_assume!(found.is_some() || rest.is_empty());
            if found.is_none() {
                matcher.finish(&mut released);
            }
            let (want_text, want_index) = naive(&text, &stops);
            prop_assert_eq!(released, want_text);
            prop_assert_eq!(found.map(|stop| stop.index), want_index);
        }
    }

    #[test]
    fn after_a_stop_string_nothing_is_released() {
        let mut matcher = StopMatcher::new(&["END"]).unwrap();
        let mut text = Vec::new();
        assert_eq!(matcher.push(b"one END two", &mut text), Some(Stop { index: 0 }));
        assert_eq!(matcher.push(b"three", &mut text), Some(Stop { index: 0 }));
        matcher.finish(&mut text);
        assert_eq!(text, b"one ");
        assert_eq!(matcher.found(), Some(Stop { index: 0 }));
    }

    #[test]
    fn the_longest_of_those_completed_together_wins() {
        let mut matcher = StopMatcher::new(&["c", "abc", "bc"]).unwrap();
        let mut text = Vec::new();
        assert_eq!(matcher.push(b"xabc", &mut text), Some(Stop { index: 1 }));
        assert_eq!(text, b"x");
    }

    #[test]
    fn bad_stop_strings_are_named() {
        let fault = StopMatcher::new(&["a", ""]).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "stop is a string of 0 bytes, but must be strings of 1 to 1024 bytes"
        );
        let fault = StopMatcher::new(&vec!["a"; 65]).unwrap_err();
        assert_eq!(fault.to_string(), "stop is 65 strings, but must be at most 64 strings");
    }
}
