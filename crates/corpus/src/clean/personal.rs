//! Personal data in a text: addresses of electronic mail, numbers of telephones and of cards.
//!
//! Found by their forms, so some are missed and some that are none are found. Names and postal
//! addresses are not looked for.

use std::sync::LazyLock;

use regex::Regex;

use super::Findings;

/// An expression of this module's own, which tests compile.
fn known(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(
        r"(?i)\b[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\.)+[a-z]{2,24}\b",
    )
});

/// With the country's number; in the forms of North America, where the separators tell it from
/// other numbers; Chinese mobile numbers, which begin with 13 to 19.
static PHONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(concat!(
        r"\+[1-9][0-9]{0,2}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{2,4}(?:[ .-]?[0-9]{2,4}){2,4}",
        r"|\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .-][0-9]{4}",
        r"|[2-9][0-9]{2}[.-][2-9][0-9]{2}[.-][0-9]{4}",
        r"|1[3-9][0-9]{9}",
        r"|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}",
    ))
});

static CARD: LazyLock<Option<Regex>> = LazyLock::new(|| known(r"[2-6][0-9](?:[ -]?[0-9]){11,17}"));

/// Looks at a text.
pub(super) fn look(text: &str, found: &mut Findings) {
    // Most texts have no such thing: a look at the bytes is quicker than three at the text.
    if text.contains('@') {
        for address in EMAIL.iter().flat_map(|regex| regex.find_iter(text)) {
            found.edit("personal-email", address.range());
        }
    }
    if !has_long_number(text) {
        return;
    }
    let mut cards = Vec::new();
    for card in CARD.iter().flat_map(|regex| regex.find_iter(text)) {
        if stands_alone(text, card.range()) && is_card(card.as_str()) {
            cards.push(card.range());
            found.edit("personal-card", card.range());
        }
    }
    for phone in PHONE.iter().flat_map(|regex| regex.find_iter(text)) {
        let is_in_card = cards.iter().any(|card| card.contains(&phone.start()));
        if stands_alone(text, phone.range()) && !is_in_card {
            found.edit("personal-phone", phone.range());
        }
    }
}

/// Whether some stretch of digits and what stands between them has ten digits or more.
fn has_long_number(text: &str) -> bool {
    let (mut n, mut others) = (0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                n += 1;
                others = 0;
                if n >= 10 {
                    return true;
                }
            }
            b' ' | b'-' | b'.' | b'(' | b')' | b'+' if others < 2 => others += 1,
            _ => (n, others) = (0, 0),
        }
    }
    false
}

/// Whether no digit or letter touches a stretch.
fn stands_alone(text: &str, range: std::ops::Range<usize>) -> bool {
    let touches = |c: char| c.is_ascii_alphanumeric();
    let before = text[..range.start].chars().next_back();
    let mut after = text[range.end..].chars();
    let next = after.next();
    // A decimal number or an identifier goes on.
    let goes_on =
        matches!(next, Some('-' | '.')) && after.next().is_some_and(|c| c.is_ascii_digit());
    !before.is_some_and(|c| touches(c) || matches!(c, '.' | '-' | '_' | '/'))
        && !next.is_some_and(touches)
        && !goes_on
}

/// Whether digits are those of a card: 13 to 19, with the right check digit, not all the same.
///
/// Source: ISO/IEC 7812-1, annex B (the Luhn formula).
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &digit)| match (i % 2, 2 * digit) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    (13..=19).contains(&digits.len())
        && sum.is_multiple_of(10)
        && digits.iter().any(|d| *d != digits[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> Vec<(&'static str, String)> {
        let mut found = Findings::default();
        look(text, &mut found);
        found.edits.into_iter().map(|(rule, range)| (rule, text[range].to_owned())).collect()
    }

    #[test]
    fn personal_data_is_found() {
        for (text, rule, expected) in [
            (
                "Write to a.person+x@mail.example.org.",
                "personal-email",
                "a.person+x@mail.example.org",
            ),
            ("Call +49 30 901820 now", "personal-phone", "+49 30 901820"),
            ("call (212) 555-0123!", "personal-phone", "(212) 555-0123"),
            ("call 212-555-0123", "personal-phone", "212-555-0123"),
            ("电话：13812345678。", "personal-phone", "13812345678"),
            ("card 4111 1111 1111 1111 ok", "personal-card", "4111 1111 1111 1111"),
            ("5555555555554444", "personal-card", "5555555555554444"),
        ] {
            assert_eq!(masked(text), [(rule, expected.to_owned())], "{text}");
        }
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "In 1941-1945 there were 100,000,000 people.",
            "4111 1111 1111 1112",
            "0000000000000000",
            "pi is 3.14159265358979",
            "ISBN 978-0-306-40615-7",
            "2026-03-01 12:00:00",
            "someone @ home, a@b",
            "id 12345678901234567890123",
            "213.555.0199.7",
        ] {
            assert_eq!(masked(text), [], "{text}");
        }
    }
}
