//! What can be wrong with a grammar, and where in the person's text it is.

/// What can go wrong while a constraint is made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// The text of a grammar has a fault at a known place.
    #[error("{what}, line {line}, column {column}: {message}\n{excerpt}")]
    Syntax {
        /// What the text is: a regular expression, a grammar, …
        what: &'static str,
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line with the fault, and below it a line that points there.
        excerpt: String,
    },
    /// The text of a grammar has a fault, and it is not known where.
    #[error("{what}: {message}")]
    Grammar {
        /// What the text is.
        what: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A JSON schema says something that cannot be followed.
    #[error("json schema, at {path}: {message}; {remedy}")]
    Schema {
        /// Where in the schema, as a path from `$`, its root.
        path: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        remedy: String,
    },
    /// The text of a grammar is longer than the limit.
    #[error("the {what} has {got} bytes, but the limit is {limit}")]
    TooLong {
        /// What the text is.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The longest that is read.
        limit: usize,
    },
    /// A grammar is legal, but making or following it takes more work than the limit.
    #[error("the {what} is too complex ({detail}); make it smaller or less ambiguous")]
    TooComplex {
        /// What the text is.
        what: &'static str,
        /// Which limit was reached.
        detail: String,
    },
    /// The vocabulary is larger than can be indexed.
    #[error("the vocabulary has {got} {unit}, but a constraint can handle at most {limit}")]
    VocabularyTooLarge {
        /// How many there are.
        got: usize,
        /// What was counted.
        unit: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A token that does not exist.
    #[error("token {token} does not exist: the vocabulary has {vocab_len}")]
    TokenOutOfVocabulary {
        /// The id.
        token: u32,
        /// How many tokens there are.
        vocab_len: usize,
    },
    /// A token that the grammar does not allow here.
    #[error("token {token} ({text:?}) cannot follow {before:?}")]
    TokenNotAllowed {
        /// The id.
        token: u32,
        /// What it stands for.
        text: String,
        /// The end of the text before it.
        before: String,
    },
    /// The answer is over; nothing can follow.
    #[error("the answer has ended: token {token} cannot follow")]
    AfterEnd {
        /// The token that was given.
        token: u32,
    },
    /// More tokens were to be taken back than there are.
    #[error("cannot take back {asked} tokens: there are {available}")]
    RollbackTooFar {
        /// How many were to be taken back.
        asked: usize,
        /// How many there are.
        available: usize,
    },
    /// The grammar asks for text that no token of the vocabulary can begin.
    #[error("no token of the vocabulary can follow {before:?}")]
    DeadEnd {
        /// The end of the text so far.
        before: String,
    },
    /// A fault in the library that follows the grammar.
    #[error("the grammar library failed: {message}")]
    Library {
        /// What it says.
        message: String,
    },
}

/// Makes the error for a fault in `text` from byte `start` to byte `end`.
pub(super) fn syntax_error(
    what: &'static str,
    text: &str,
    start: usize,
    end: usize,
    message: impl Into<String>,
) -> ConstraintError {
    let start = floor_char_boundary(text, start);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    ConstraintError::Syntax {
        what,
        line: before.matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        message: message.into(),
        excerpt: excerpt(text, line_start, start, end),
    }
}

/// Returns the byte offset of a line and column, both counted from 1.
pub(super) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let in_line = text[start..].split('\n').next().unwrap_or("");
    let width: usize = in_line.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    start + width
}

/// The line that begins at `line_start`, and below it carets under `start..end`.
fn excerpt(text: &str, line_start: usize, start: usize, end: usize) -> String {
    /// How much of a long line is shown before and after the fault.
    const CONTEXT: usize = 40;
    let line = text[line_start..].split('\n').next().unwrap_or("");
    let line: Vec<char> = line.trim_end_matches('\r').chars().collect();
    let column = text[line_start..start].chars().count().min(line.len());
    let end = floor_char_boundary(text, end.clamp(start, text.len()));
    let marked = text[start..end].split('\n').next().unwrap_or("").chars().count();
    let first = column.saturating_sub(CONTEXT);
    let last = line.len().min(column + marked.min(CONTEXT) + CONTEXT);
    let mut shown = String::from("  ");
    if first > 0 {
        shown.push('…');
    }
    // Control characters would disturb the terminal.
    shown.extend(line[first..last].iter().map(|&c| if c.is_control() { ' ' } else { c }));
    if last < line.len() {
        shown.push('…');
    }
    let indent = 2 + usize::from(first > 0) + column - first;
    let carets = marked.clamp(1, CONTEXT + 1);
    format!("{shown}\n{}{}", " ".repeat(indent), "^".repeat(carets))
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, start: usize, end: usize) -> String {
        syntax_error("test", text, start, end, "fault").to_string()
    }

    #[test]
    fn points_at_the_place() {
        assert_eq!(shown("ab(c", 2, 3), "test, line 1, column 3: fault\n  ab(c\n    ^");
        assert_eq!(
            shown("one\ntwo three\nfour", 8, 13),
            "test, line 2, column 5: fault\n  two three\n      ^^^^^"
        );
        assert_eq!(shown("", 0, 0), "test, line 1, column 1: fault\n  \n  ^");
        assert_eq!(shown("äöü", 4, 6), "test, line 1, column 3: fault\n  äöü\n    ^");
    }

    #[test]
    fn bad_offsets_do_not_matter() {
        assert_eq!(shown("äb", 1, 99), "test, line 1, column 1: fault\n  äb\n  ^^");
        assert_eq!(shown("ab", 99, 3), "test, line 1, column 3: fault\n  ab\n    ^");
    }

    #[test]
    fn long_lines_are_cut() {
        let text = "x".repeat(500);
        let message = shown(&text, 250, 252);
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines[1].chars().count(), 2 + 1 + 40 + 2 + 40 + 1);
        assert_eq!(lines[2].trim_start(), "^^");
        assert_eq!(lines[2].len(), 2 + 1 + 40 + 2);
    }

    #[test]
    fn offsets_of_lines_and_columns() {
        let text = "ab\ncäd\n";
        assert_eq!(offset_of(text, 1, 1), 0);
        assert_eq!(offset_of(text, 2, 1), 3);
        assert_eq!(offset_of(text, 2, 3), 6);
        assert_eq!(offset_of(text, 2, 99), 7);
        assert_eq!(offset_of(text, 9, 1), text.len());
    }
}
