//! Cutting a text at the matches of a pattern.

use std::ops::Range;
use std::sync::OnceLock;

use fancy_regex::Regex;

use super::classes::{NUMBER, PUNCTUATION, SPACE, SYMBOL, next_char};
use super::scan::Scanner;
use crate::tokenizer::error::TokenizerError;

/// What a text is searched for.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// A pattern that is written out.
    Scan(Scanner),
    /// One punctuation character, counting every ASCII character that is no letter or digit.
    Punctuation,
    /// Digits in groups of three, counted from the right. The text must be all digits or have
    /// none, as after cutting at `\p{N}+`.
    Thousands,
    /// This very text.
    Literal(String),
    /// A regular expression.
    Regex(LazyRegex),
}

/// A regular expression that is compiled when it is first needed.
#[derive(Clone, Debug)]
pub(crate) struct LazyRegex {
    source: String,
    compiled: OnceLock<Regex>,
}

impl LazyRegex {
    /// An expression that is known to compile.
    pub(crate) fn known(source: &str) -> Self {
        Self { source: source.to_owned(), compiled: OnceLock::new() }
    }

    /// Compiles an expression from a file.
    pub(crate) fn new(source: &str) -> Result<Self, TokenizerError> {
        let compiled = Regex::new(source).map_err(|error| TokenizerError::Pattern {
            pattern: source.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { source: source.to_owned(), compiled: OnceLock::from(compiled) })
    }

    /// The expression as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The compiled expression. One that does not compile, which tests rule out, matches nothing.
    fn get(&self) -> Option<&Regex> {
        if let Some(regex) = self.compiled.get() {
            return Some(regex);
        }
        let regex = Regex::new(&self.source).ok()?;
        Some(self.compiled.get_or_init(|| regex))
    }
}

/// Patterns are equal if they are written alike.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scan(a), Self::Scan(b)) => a == b,
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.source == b.source,
            (Self::Punctuation, Self::Punctuation) | (Self::Thousands, Self::Thousands) => true,
            _ => false,
        }
    }
}

/// What becomes of the matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// Each match and each stretch between matches is a piece.
    Isolated,
    /// The stretches between matches are pieces, the matches are thrown away.
    Removed,
    /// The matches are pieces, the stretches between them are thrown away.
    Kept,
    /// A match joins the stretch before it.
    MergedWithPrevious,
    /// A match joins the stretch after it.
    MergedWithNext,
    /// Matches side by side are one piece.
    Contiguous,
}

impl Pattern {
    /// Calls `found` with each match in order. An empty match only marks a place.
    pub(crate) fn each_match(&self, text: &str, mut found: impl FnMut(Range<usize>)) {
        match self {
            Self::Scan(scanner) => {
                each_step(text, |at| scanner.match_at(text, at), found);
            }
            Self::Punctuation => each_step(text, |at| punctuation_at(text, at), found),
            Self::Thousands if next_char(text, 0).is_none_or(|(_, of)| of & NUMBER == 0) => {}
            Self::Thousands => {
                let mut left = text.chars().count();
                let mut at = 0;
                while left > 0 {
                    let n = (left - 1) % 3 + 1;
                    let len: usize = text[at..].chars().take(n).map(char::len_utf8).sum();
                    found(at..at + len);
                    at += len;
                    left -= n;
                }
            }
            Self::Literal(literal) if literal.is_empty() => {}
            Self::Literal(literal) => {
                for (at, matched) in text.match_indices(literal.as_str()) {
                    found(at..at + matched.len());
                }
            }
            Self::Regex(regex) => {
                // A match that takes too many steps to find counts as none.
                let matches = regex.get().into_iter().flat_map(|regex| regex.find_iter(text));
                for matched in matches.map_while(Result::ok) {
                    found(matched.range());
                }
            }
        }
    }

    /// Appends the pieces of `text[within]` to `pieces`, as ranges of `text`. Empty pieces are
    /// left out.
    pub(crate) fn split(
        &self,
        text: &str,
        within: Range<usize>,
        behavior: Behavior,
        pieces: &mut Vec<Range<usize>>,
    ) {
        let offset = within.start;
        let len = within.len();
        let mut joiner = Joiner { behavior, pieces, after_match: None };
        let mut end = 0;
        self.each_match(&text[within], |matched| {
            joiner.add(offset + end..offset + matched.start, false);
            joiner.add(offset + matched.start..offset + matched.end, true);
            end = matched.end;
        });
        joiner.add(offset + end..offset + len, false);
    }
}

/// Calls `found` with the matches of a function that says where the match at a place ends.
#[inline]
fn each_step(
    text: &str,
    match_at: impl Fn(usize) -> Option<usize>,
    mut found: impl FnMut(Range<usize>),
) {
    let mut at = 0;
    while let Some((c, _)) = next_char(text, at) {
        if let Some(end) = match_at(at) {
            found(at..end);
            at = end;
        } else {
            at += c.len_utf8();
        }
    }
}

fn punctuation_at(text: &str, at: usize) -> Option<usize> {
    let (c, classes) = next_char(text, at)?;
    let takes = classes & PUNCTUATION != 0 || (c.is_ascii() && classes & SYMBOL != 0);
    takes.then(|| at + c.len_utf8())
}

/// Puts pieces together as a behavior says.
struct Joiner<'a> {
    behavior: Behavior,
    pieces: &'a mut Vec<Range<usize>>,
    /// Whether the stretch before was a match; `None` at the start.
    after_match: Option<bool>,
}

impl Joiner<'_> {
    fn add(&mut self, piece: Range<usize>, is_match: bool) {
        if piece.is_empty() {
            return;
        }
        let joins = match self.behavior {
            Behavior::Removed if is_match => return,
            Behavior::Kept if !is_match => return,
            Behavior::Isolated | Behavior::Removed | Behavior::Kept => false,
            Behavior::MergedWithPrevious => is_match && self.after_match == Some(false),
            Behavior::MergedWithNext => !is_match && self.after_match == Some(true),
            Behavior::Contiguous => self.after_match == Some(is_match),
        };
        self.after_match = Some(is_match);
        match self.pieces.last_mut() {
            Some(last) if joins && last.end == piece.start => last.end = piece.end,
            _ => self.pieces.push(piece),
        }
    }
}

/// One run of white space.
pub(crate) const WHITE_SPACE: Pattern =
    Pattern::Scan(Scanner::Run { classes: SPACE, max: usize::MAX });

/// One digit.
pub(crate) const DIGIT: Pattern = Pattern::Scan(Scanner::Run { classes: NUMBER, max: 1 });

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'a>(pattern: &Pattern, behavior: Behavior, text: &'a str) -> Vec<&'a str> {
        let mut pieces = Vec::new();
        pattern.split(text, 0..text.len(), behavior, &mut pieces);
        pieces.into_iter().map(|piece| &text[piece]).collect()
    }

    #[test]
    fn each_behavior_joins_as_documented() {
        // The example in the documentation of Hugging Face's SplitDelimiterBehavior.
        let dash = Pattern::Literal("-".to_owned());
        let text = "the-final--countdown";
        for (behavior, expected) in [
            (Behavior::Removed, vec!["the", "final", "countdown"]),
            (Behavior::Isolated, vec!["the", "-", "final", "-", "-", "countdown"]),
            (Behavior::MergedWithPrevious, vec!["the-", "final-", "-", "countdown"]),
            (Behavior::MergedWithNext, vec!["the", "-final", "-", "-countdown"]),
            (Behavior::Contiguous, vec!["the", "-", "final", "--", "countdown"]),
            (Behavior::Kept, vec!["-", "-", "-"]),
        ] {
            assert_eq!(split(&dash, behavior, text), expected, "{behavior:?}");
        }
    }

    #[test]
    fn an_empty_match_cuts_and_takes_nothing() {
        let pattern = Pattern::Regex(LazyRegex::known(r"(?=(\d{3})+(?!\d))"));
        assert_eq!(split(&pattern, Behavior::Isolated, "1234567"), ["1", "234", "567"]);
        assert_eq!(split(&pattern, Behavior::Isolated, "a123b"), ["a", "123b"]);
    }

    #[test]
    fn thousands_are_counted_from_the_right() {
        for (text, expected) in [
            ("1", vec!["1"]),
            ("123", vec!["123"]),
            ("1234", vec!["1", "234"]),
            ("12345", vec!["12", "345"]),
            ("٣٤٥٦", vec!["٣", "٤٥٦"]),
            ("ab", vec!["ab"]),
            ("", vec![]),
        ] {
            assert_eq!(split(&Pattern::Thousands, Behavior::Isolated, text), expected);
        }
    }

    #[test]
    fn a_piece_is_cut_in_its_place() {
        let text = "1 2 3";
        let mut pieces: Vec<_> = std::iter::once(0..1).collect();
        WHITE_SPACE.split(text, 1..5, Behavior::Isolated, &mut pieces);
        let cut: Vec<_> = pieces.into_iter().map(|piece| &text[piece]).collect();
        assert_eq!(cut, ["1", " ", "2", " ", "3"]);
    }

    #[test]
    fn punctuation_counts_ascii_symbols() {
        let cut = split(&Pattern::Punctuation, Behavior::Isolated, "a+€=。b");
        assert_eq!(cut, ["a", "+", "€", "=", "。", "b"]);
    }

    #[test]
    fn a_pattern_that_is_no_expression_is_an_error() {
        let error = LazyRegex::new("(").unwrap_err();
        assert!(matches!(error, TokenizerError::Pattern { pattern, .. } if pattern == "("));
    }
}
