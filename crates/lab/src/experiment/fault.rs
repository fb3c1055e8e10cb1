//! A mistake in a file of the person's, with its place.

use std::fmt;
use std::ops::Range;

/// A text with a name: a file, or an argument of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is called in errors.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// A mistake, with file, line, column and a caret under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    name: String,
    /// Line and column, from 1, the line's text, and how many characters are wrong.
    place: Option<Place>,
    message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    text: String,
    width: usize,
}

impl Source {
    /// A mistake at `span`, in bytes.
    pub fn fault(&self, span: Range<usize>, message: impl Into<String>) -> Fault {
        let start = floor(&self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |end| end + 1);
        let rest = &self.text[line_start..];
        let text = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let line_end = line_start + text.len();
        let wrong = &self.text[start.min(line_end)
            ..floor(&self.text, span.end.min(line_end)).max(start.min(line_end))];
        let place = Place {
            line: self.text[..start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            text: text.to_owned(),
            width: wrong.chars().count().max(1),
        };
        Fault { name: self.name.clone(), place: Some(place), message: message.into(), hint: None }
    }

    /// A mistake of the whole.
    pub fn fault_of_all(&self, message: impl Into<String>) -> Fault {
        Fault { name: self.name.clone(), place: None, message: message.into(), hint: None }
    }
}

/// The last boundary of characters up to `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

impl Fault {
    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

/// The widest piece of a line that is shown: a line of JSON may be a book.
const SHOWN: usize = 76;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Place { line, column, text, width }) = &self.place else {
            return write!(f, "{}: {}", self.name, self.message);
        };
        writeln!(f, "{}:{line}:{column}: {}", self.name, self.message)?;
        // A piece of the line with the mistake in it; tabs take one column, as the caret does.
        let first = (column - 1).saturating_sub(SHOWN / 2);
        let first = if text.chars().count() <= SHOWN { 0 } else { first };
        let shown = text.chars().skip(first).take(SHOWN);
        let shown: String = shown.map(|c| if c == '\t' { ' ' } else { c }).collect();
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let before = " ".repeat(column - 1 - first);
        let width = (*width).min(SHOWN.saturating_sub(column - 1 - first)).max(1);
        writeln!(f, " {margin} |")?;
        writeln!(f, " {number} | {shown}")?;
        write!(f, " {margin} | {before}{}", "^".repeat(width))
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_mistake() {
        let source = Source { name: "a.toml".into(), text: "x = 1\nnäme = 'é'\r\n".into() };
        let fault = source.fault(6..11, "unknown key näme");
        insta::assert_snapshot!(fault.to_string(), @r"
        a.toml:2:1: unknown key näme
           |
         2 | näme = 'é'
           | ^^^^
        ");
        assert!(source.fault(999..1_002, "end").to_string().starts_with("a.toml:3:1: end"));
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let text = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let shown = Source { name: "n".into(), text }.fault(500..501, "here").to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[3].find('^').unwrap();
        assert_eq!(&lines[2][caret..=caret], "!");
        assert!(lines[2].len() < 90);
    }

    #[test]
    fn no_span_makes_it_panic() {
        let source = Source { name: "n".into(), text: "é\n\n".into() };
        for (start, end) in [(0, 0), (1, 1), (1, 9), (3, 2), (4, 4)] {
            source.fault(start..end, "m").to_string();
        }
    }
}
