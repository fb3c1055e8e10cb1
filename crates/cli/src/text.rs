//! Texts in a terminal, whose columns are not its characters.

use terminal_size::{Width, terminal_size_of};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// How many columns standard output has, if it is a terminal.
pub(crate) fn columns() -> Option<usize> {
    let (Width(n), _) = terminal_size_of(std::io::stdout())?;
    (n > 0).then_some(usize::from(n))
}

/// A text as one line: what a terminal would obey is replaced, and so are line ends.
pub(crate) fn line(text: &str) -> String {
    let c = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().filter(|&c| c != '\r').map(c).collect()
}

/// The beginning of a text that fits into so many columns, with a mark if there is more.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut short, mut used) = (String::new(), 0);
    for c in text.chars() {
        let n = c.width().unwrap_or(0);
        if used + n + 1 > columns {
            break;
        }
        short.push(c);
        used += n;
    }
    if columns > 0 {
        short.push('…');
    }
    short
}

/// A text with spaces after it, up to so many columns.
pub(crate) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// A text with spaces before it, up to so many columns.
pub(crate) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_and_not_characters() {
        assert_eq!((width("abc"), width("北京"), width("e\u{301}")), (3, 4, 1));
        assert_eq!(left("北京", 6), "北京  ");
        assert_eq!(right("北京", 5), " 北京");
        assert_eq!(shortened("北京是首都", 6), "北京…");
        assert_eq!(shortened("北京是首都", 10), "北京是首都");
        assert_eq!(shortened("capital", 4), "cap…");
        assert_eq!(shortened("capital", 0), "");
        assert_eq!(line("a\r\nb\t\x1b[2J"), "a b \u{fffd}[2J");
    }
}
