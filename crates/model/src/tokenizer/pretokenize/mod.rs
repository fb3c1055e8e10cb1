//! Cutting a text into the words that are encoded one by one.
//!
//! No token reaches across two words, so this decides as much about the result as the vocabulary
//! does. A pre-tokenizer is a list of steps; each cuts the pieces that the one before it left.

pub(crate) mod classes;
pub(crate) mod patterns;
pub(crate) mod scan;
pub(crate) mod split;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use split::{Behavior, Pattern};

/// When a space is put before a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Never.
    Never,
    /// Before the start of the whole text.
    AtStart,
    /// Before every stretch of text between tokens that are cut out first.
    Always,
}

/// One step of a pre-tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Cuts at the matches of a pattern.
    Split {
        /// What to search for.
        pattern: Pattern,
        /// What becomes of the matches.
        behavior: Behavior,
    },
    /// Puts a space before each piece that does not begin with one.
    PrefixSpace,
    /// Writes every space as another character, and cuts before it.
    Metaspace {
        /// The character.
        replacement: char,
        /// When one is put before a piece that does not begin with one.
        prefix: Prefix,
        /// Whether to cut.
        split: bool,
    },
}

/// A list of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PreTokenizer {
    steps: Vec<Step>,
}

impl PreTokenizer {
    /// Takes steps in the order in which they are taken.
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The steps in order.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Calls `word` with each word of a text, in order.
    ///
    /// `at_start` says whether the text begins the whole text. `word` may see another text than the
    /// one given, where a step rewrites it.
    pub(crate) fn each_word(&self, text: &str, at_start: bool, mut word: impl FnMut(&str)) {
        if text.is_empty() {
            return;
        }
        if let [Step::Split { pattern, behavior: Behavior::Isolated }] = self.steps.as_slice() {
            let mut end = 0;
            pattern.each_match(text, |matched| {
                for piece in [end..matched.start, matched.clone()] {
                    if !piece.is_empty() {
                        word(&text[piece]);
                    }
                }
                end = matched.end;
            });
            if end < text.len() {
                word(&text[end..]);
            }
            return;
        }
        let mut text = Cow::Borrowed(text);
        let mut pieces: Vec<_> = std::iter::once(0..text.len()).collect();
        let mut spare = Vec::new();
        for step in &self.steps {
            spare.clear();
            match step {
                Step::Split { pattern, behavior } => {
                    for piece in pieces.drain(..) {
                        pattern.split(&text, piece, *behavior, &mut spare);
                    }
                }
                Step::PrefixSpace => {
                    text = rewrite(&text, &pieces, &mut spare, |_, piece, out| {
                        if !piece.starts_with(' ') {
                            out.push(' ');
                        }
                        out.push_str(piece);
                    });
                }
                Step::Metaspace { replacement, prefix, split } => {
                    text = rewrite(&text, &pieces, &mut spare, |first, piece, out| {
                        let wanted = match prefix {
                            Prefix::Never => false,
                            Prefix::AtStart => at_start && first,
                            Prefix::Always => true,
                        };
                        if wanted && !piece.starts_with([' ', *replacement]) {
                            out.push(*replacement);
                        }
                        let spaced = |c| if c == ' ' { *replacement } else { c };
                        out.extend(piece.chars().map(spaced));
                    });
                    if *split {
                        let pattern = Pattern::Literal(replacement.to_string());
                        let whole = std::mem::take(&mut spare);
                        for piece in whole {
                            pattern.split(&text, piece, Behavior::MergedWithNext, &mut spare);
                        }
                    }
                }
            }
            std::mem::swap(&mut pieces, &mut spare);
        }
        for piece in pieces {
            word(&text[piece]);
        }
    }
}

/// Writes all pieces anew, one after the other. `write` sees whether a piece begins the text.
fn rewrite(
    text: &str,
    pieces: &[Range<usize>],
    written: &mut Vec<Range<usize>>,
    write: impl Fn(bool, &str, &mut String),
) -> Cow<'static, str> {
    let mut out = String::with_capacity(text.len() + text.len() / 4 + 4);
    for piece in pieces {
        let start = out.len();
        write(piece.start == 0, &text[piece.clone()], &mut out);
        written.push(start..out.len());
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::scan::Scanner;
    use super::*;

    fn words(steps: Vec<Step>, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let pre_tokenizer = PreTokenizer::new(steps);
        pre_tokenizer.each_word(text, true, |word| words.push(word.to_owned()));
        words
    }

    fn isolated(pattern: Pattern) -> Step {
        Step::Split { pattern, behavior: Behavior::Isolated }
    }

    #[test]
    fn steps_cut_what_the_ones_before_left() {
        let steps = vec![isolated(split::DIGIT), isolated(Pattern::Scan(Scanner::Gpt2))];
        assert_eq!(words(steps, "it's 42 now"), ["it", "'s", " ", "4", "2", " now"]);
        assert_eq!(words(vec![], "as it is"), ["as it is"]);
        assert_eq!(words(vec![], ""), [""; 0]);
    }

    #[test]
    fn metaspace_writes_spaces_and_cuts_before_them() {
        let metaspace = |prefix, split| Step::Metaspace { replacement: '▁', prefix, split };
        assert_eq!(words(vec![metaspace(Prefix::Always, true)], "a  b"), ["▁a", "▁", "▁b"]);
        assert_eq!(words(vec![metaspace(Prefix::Always, true)], " a"), ["▁a"]);
        assert_eq!(words(vec![metaspace(Prefix::Never, false)], "a b"), ["a▁b"]);
        let white = Step::Split { pattern: split::WHITE_SPACE, behavior: Behavior::Removed };
        let steps = vec![white, metaspace(Prefix::AtStart, true)];
        assert_eq!(words(steps, "a b"), ["▁a", "b"]);
    }

    #[test]
    fn a_space_is_put_before_a_text_without_one() {
        let steps = || vec![Step::PrefixSpace, isolated(Pattern::Scan(Scanner::Gpt2))];
        assert_eq!(words(steps(), "a b"), [" a", " b"]);
        assert_eq!(words(steps(), " a b"), [" a", " b"]);
    }
}
