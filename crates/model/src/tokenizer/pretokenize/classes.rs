//! Which kinds of character the pre-tokenizers tell apart.
//!
//! The classes are those of the regular expressions that the models' tokenizers are written in:
//! `\p{L}`, `\p{N}`, `\s` and so on, taken from the tables of `regex-syntax`.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, HirKind};

/// A set of character classes, one bit each.
pub(crate) type Classes = u16;

/// `\p{L}`: a letter.
pub(crate) const LETTER: Classes = 1;
/// `\p{N}`: a digit or another number.
pub(crate) const NUMBER: Classes = 2;
/// `\s`: white space.
pub(crate) const SPACE: Classes = 4;
/// `\p{M}`: a mark that combines with the letter before it.
pub(crate) const MARK: Classes = 8;
/// `\p{P}`: punctuation.
pub(crate) const PUNCTUATION: Classes = 16;
/// `\p{S}`: a symbol.
pub(crate) const SYMBOL: Classes = 32;
/// `[\p{Lu}\p{Lt}]`: a capital.
pub(crate) const UPPER: Classes = 64;
/// `\p{Ll}`: a small letter.
pub(crate) const LOWER: Classes = 128;

/// `\p{Mn}`: a mark that takes no room of its own.
pub(crate) const NONSPACING: Classes = 256;
/// `[\p{Cc}\p{Cf}\p{Co}]`: a character that is not seen.
pub(crate) const CONTROL: Classes = 512;

/// How each bit is written as a regular expression.
const PATTERNS: [(Classes, &str); 10] = [
    (LETTER, r"\p{L}"),
    (NUMBER, r"\p{N}"),
    (SPACE, r"\s"),
    (MARK, r"\p{M}"),
    (PUNCTUATION, r"\p{P}"),
    (SYMBOL, r"\p{S}"),
    (UPPER, r"[\p{Lu}\p{Lt}]"),
    (LOWER, r"\p{Ll}"),
    (NONSPACING, r"\p{Mn}"),
    (CONTROL, r"[\p{Cc}\p{Cf}\p{Co}]"),
];

/// The classes of the ASCII characters.
const ASCII: [Classes; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' => LETTER | UPPER,
            b'a'..=b'z' => LETTER | LOWER,
            b'0'..=b'9' => NUMBER,
            b'\t'..=b'\r' => SPACE | CONTROL,
            b' ' => SPACE,
            b'$' | b'+' | b'<'..=b'>' | b'^' | b'`' | b'|' | b'~' => SYMBOL,
            b'!'..=b'/' | b':'..=b'@' | b'['..=b'_' | b'{' | b'}' => PUNCTUATION,
            _ => CONTROL,
        };
        byte += 1;
    }
    classes
};

/// The classes of a character.
#[inline]
pub(crate) fn classes_of(c: char) -> Classes {
    match ASCII.get(c as usize) {
        Some(&classes) => classes,
        None => table()[c as usize],
    }
}

/// Decodes the character that starts at `at`, and its classes; `None` at the end.
#[inline]
pub(crate) fn next_char(text: &str, at: usize) -> Option<(char, Classes)> {
    let &byte = text.as_bytes().get(at)?;
    if byte < 128 {
        return Some((byte as char, ASCII[byte as usize]));
    }
    let c = text[at..].chars().next()?;
    Some((c, table()[c as usize]))
}

/// The classes of every character; made when the first that is not ASCII comes along.
fn table() -> &'static [Classes] {
    static TABLE: OnceLock<Vec<Classes>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = vec![0; char::MAX as usize + 1];
        for (bit, pattern) in PATTERNS {
            for (first, last) in ranges(pattern) {
                for classes in &mut table[first as usize..=last as usize] {
                    *classes |= bit;
                }
            }
        }
        table
    })
}

/// The characters that a class matches.
fn ranges(pattern: &str) -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(pattern);
    match parsed.as_ref().map(regex_syntax::hir::Hir::kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => {
            class.iter().map(|range| (range.start(), range.end())).collect()
        }
        _ => unreachable!("{pattern} is a class"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ascii_table_is_the_start_of_the_whole_one() {
        for (byte, &classes) in ASCII.iter().enumerate() {
            assert_eq!(classes, table()[byte], "{:?}", byte as u8 as char);
        }
    }

    #[test]
    fn well_known_characters_are_classed() {
        assert_eq!(classes_of('é'), LETTER | LOWER);
        assert_eq!(classes_of('Ω'), LETTER | UPPER);
        assert_eq!(classes_of('ǅ'), LETTER | UPPER);
        assert_eq!(classes_of('語'), LETTER);
        assert_eq!(classes_of('٣'), NUMBER);
        assert_eq!(classes_of('½'), NUMBER);
        assert_eq!(classes_of('\u{a0}'), SPACE);
        assert_eq!(classes_of('\u{85}'), SPACE | CONTROL);
        assert_eq!(classes_of('\u{200b}'), CONTROL);
        assert_eq!(classes_of('\u{301}'), MARK | NONSPACING);
        assert_eq!(classes_of('。'), PUNCTUATION);
        assert_eq!(classes_of('€'), SYMBOL);
        assert_eq!(classes_of('\u{10ffff}'), 0);
    }
}
