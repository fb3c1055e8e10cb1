//! The patterns that most models cut words with, written out by hand.
//!
//! Each scanner finds what its regular expression finds, and is tested against it. They read a text
//! several times faster than a backtracking matcher does, and need no compilation.

use super::classes::{Classes, LETTER, LOWER, MARK, NUMBER, SPACE, UPPER, classes_of, next_char};

/// A pattern that is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanner {
    /// GPT-2: words with the space before them.
    Gpt2,
    /// Tiktoken's cl100k and its kin.
    Cl100k(Cl100k),
    /// Tiktoken's o200k and its kin: a word ends where a capital follows a small letter.
    O200k(O200k),
    /// At most so many characters of some classes, side by side.
    Run {
        /// The classes.
        classes: Classes,
        /// How many.
        max: usize,
    },
    /// Lines, and the newlines between them.
    Lines,
}

/// In which ways the patterns of cl100k's kin differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cl100k {
    /// Whether `'s` and the like are words, with capitals too.
    pub contractions: bool,
    /// Whether marks count as letters.
    pub marks: bool,
    /// How many digits make a word.
    pub digits: usize,
    /// Whether newlines after punctuation belong to it.
    pub newlines: bool,
}

/// In which ways the patterns of o200k's kin differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct O200k {
    /// Whether `'s` and the like belong to the word before them.
    pub contractions: bool,
    /// How many digits make a word.
    pub digits: usize,
}

impl Scanner {
    /// Where the match that starts at `at` ends; `None` if there is none.
    ///
    /// `at` is before the end of `text` and on a character's boundary.
    #[inline]
    pub(crate) fn match_at(self, text: &str, at: usize) -> Option<usize> {
        match self {
            Self::Gpt2 => gpt2(text, at),
            Self::Cl100k(kind) => cl100k(kind, text, at),
            Self::O200k(kind) => o200k(kind, text, at),
            Self::Run { classes, max } => {
                let end = run(text, at, max, |_, of| of & classes != 0);
                (end > at).then_some(end)
            }
            Self::Lines => {
                let is_newline = text.as_bytes()[at] == b'\n';
                let other = |&byte: &u8| (byte == b'\n') != is_newline;
                let rest = &text.as_bytes()[at..];
                Some(rest.iter().position(other).map_or(text.len(), |len| at + len))
            }
        }
    }
}

/// Where a stretch of at most `max` characters that satisfy `takes` ends.
#[inline]
fn run(text: &str, at: usize, max: usize, takes: impl Fn(char, Classes) -> bool) -> usize {
    let mut end = at;
    for _ in 0..max {
        match next_char(text, end) {
            Some((c, classes)) if takes(c, classes) => end += c.len_utf8(),
            _ => break,
        }
    }
    end
}

/// Where a stretch of characters of some classes ends.
#[inline]
fn run_of(text: &str, at: usize, classes: Classes) -> usize {
    run(text, at, usize::MAX, |_, of| of & classes != 0)
}

/// Where a stretch of characters of other classes ends.
#[inline]
fn run_of_others(text: &str, at: usize, classes: Classes) -> usize {
    run(text, at, usize::MAX, |_, of| of & classes == 0)
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
fn gpt2(text: &str, at: usize) -> Option<usize> {
    if let Some(end) = contraction(text, at, false) {
        return Some(end);
    }
    let (first, first_classes) = next_char(text, at)?;
    let after_space = at + usize::from(first == ' ');
    let classes = match first {
        ' ' => next_char(text, after_space).map_or(SPACE, |(_, classes)| classes),
        _ => first_classes,
    };
    Some(if classes & LETTER != 0 {
        run_of(text, after_space, LETTER)
    } else if classes & NUMBER != 0 {
        run_of(text, after_space, NUMBER)
    } else if classes & SPACE == 0 {
        run_of_others(text, after_space, SPACE | LETTER | NUMBER)
    } else {
        spaces(text, at)
    })
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
///
/// If marks count as letters, `\p{L}` is `[\p{L}\p{M}]` where letters are taken and `\p{M}` is left
/// out of the punctuation.
fn cl100k(kind: Cl100k, text: &str, at: usize) -> Option<usize> {
    if kind.contractions
        && let Some(end) = contraction(text, at, true)
    {
        return Some(end);
    }
    let letters = if kind.marks { LETTER | MARK } else { LETTER };
    let (first, classes) = next_char(text, at)?;
    // One character that is no letter may lead a word.
    if classes & (LETTER | NUMBER) == 0 && !matches!(first, '\r' | '\n') {
        let start = at + first.len_utf8();
        let end = run_of(text, start, letters);
        if end > start {
            return Some(end);
        }
    }
    if classes & letters != 0 {
        return Some(run_of(text, at, letters));
    }
    if classes & NUMBER != 0 {
        return Some(run(text, at, kind.digits, |_, of| of & NUMBER != 0));
    }
    let after_space = at + usize::from(first == ' ');
    let end = run_of_others(text, after_space, SPACE | NUMBER | letters);
    if end > after_space {
        return Some(if kind.newlines { newlines(text, end, false) } else { end });
    }
    Some(line_end(text, at).unwrap_or_else(|| spaces(text, at)))
}

/// The words of o200k: `[^\r\n\p{L}\p{N}]?[U]*[L]+` or `[^\r\n\p{L}\p{N}]?[U]+[L]*`, each with a
/// contraction after it, where U is `\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}` and L is `\p{Ll}\p{Lm}\p{Lo}\p{M}`;
/// then `\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
fn o200k(kind: O200k, text: &str, at: usize) -> Option<usize> {
    let (first, classes) = next_char(text, at)?;
    let may_lead = classes & (LETTER | NUMBER) == 0 && !matches!(first, '\r' | '\n');
    let led = may_lead.then_some(at + first.len_utf8());
    let starts = || led.into_iter().chain([at]);
    let word = starts().find_map(|start| small_word(text, start));
    if let Some(end) = word.or_else(|| starts().find_map(|start| capital_word(text, start))) {
        let with = kind.contractions.then(|| contraction(text, end, true)).flatten();
        return Some(with.unwrap_or(end));
    }
    if classes & NUMBER != 0 {
        return Some(run(text, at, kind.digits, |_, of| of & NUMBER != 0));
    }
    let after_space = at + usize::from(first == ' ');
    let end = run_of_others(text, after_space, SPACE | LETTER | NUMBER);
    if end > after_space {
        return Some(newlines(text, end, true));
    }
    Some(line_end(text, at).unwrap_or_else(|| spaces(text, at)))
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
fn is_capital(classes: Classes) -> bool {
    classes & (LETTER | LOWER) == LETTER || classes & MARK != 0
}

/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
fn is_small(classes: Classes) -> bool {
    classes & (LETTER | UPPER) == LETTER || classes & MARK != 0
}

/// Capitals, then at least one small letter.
fn small_word(text: &str, at: usize) -> Option<usize> {
    let middle = run(text, at, usize::MAX, |_, classes| is_capital(classes));
    let end = run(text, middle, usize::MAX, |_, classes| is_small(classes));
    if end > middle {
        return Some(end);
    }
    // The last character that is both gives way; what follows it is not small.
    let both = text[at..middle].char_indices().rev().find(|&(_, c)| is_small(classes_of(c)));
    both.map(|(offset, c)| at + offset + c.len_utf8())
}

/// At least one capital. (Small letters after it would have made a [`small_word`].)
fn capital_word(text: &str, at: usize) -> Option<usize> {
    let end = run(text, at, usize::MAX, |_, classes| is_capital(classes));
    (end > at).then_some(end)
}

/// `'s|'t|'re|'ve|'m|'ll|'d`, with `(?i:)` if `any_case`.
fn contraction(text: &str, at: usize, any_case: bool) -> Option<usize> {
    let rest = text.as_bytes()[at..].strip_prefix(b"'")?;
    let fold = |byte: u8| if any_case { byte.to_ascii_lowercase() } else { byte };
    match (rest.first().copied().map(fold)?, rest.get(1).copied().map(fold)) {
        (b's' | b't' | b'm' | b'd', _) => Some(at + 2),
        (b'r' | b'v', Some(b'e')) | (b'l', Some(b'l')) => Some(at + 3),
        // U+017F, the long s, is an s without its case.
        (0xc5, Some(0xbf)) if any_case => Some(at + 3),
        _ => None,
    }
}

/// `[\r\n]*`, or `[\r\n/]*` if `slashes`.
fn newlines(text: &str, at: usize, slashes: bool) -> usize {
    let takes = |byte: &&u8| matches!(**byte, b'\r' | b'\n') || (slashes && **byte == b'/');
    at + text.as_bytes()[at..].iter().take_while(takes).count()
}

/// `\s*[\r\n]+`: white space up to its last newline.
fn line_end(text: &str, at: usize) -> Option<usize> {
    let end = run_of(text, at, SPACE);
    let last = text[at..end].rfind(['\r', '\n'])?;
    Some(at + last + 1)
}

/// `\s+(?!\S)|\s+`: white space but for the last character, if a word follows.
fn spaces(text: &str, at: usize) -> usize {
    let end = run_of(text, at, SPACE);
    match text[at..end].char_indices().next_back() {
        Some((last, _)) if last > 0 && end < text.len() => at + last,
        _ => end,
    }
}
