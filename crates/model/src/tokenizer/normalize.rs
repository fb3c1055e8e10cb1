//! What is done to a text before it is cut into words.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::alphabet::LOW_LINE;
use super::charsmap::CharsMap;
use super::pretokenize::classes::{CONTROL, NONSPACING, classes_of};
use super::pretokenize::{Pattern, Prefix};

/// One change to a text.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Canonical composition.
    Nfc,
    /// Canonical decomposition.
    Nfd,
    /// Compatibility composition.
    Nfkc,
    /// Compatibility decomposition.
    Nfkd,
    /// Small letters.
    Lowercase,
    /// Leaves out marks that combine with the letter before them.
    StripAccents,
    /// Leaves out white space at the ends.
    Strip {
        /// At the start.
        left: bool,
        /// At the end.
        right: bool,
    },
    /// Puts a text before one that is not empty.
    Prepend(String),
    /// Writes another text for each match.
    Replace {
        /// What to search for.
        pattern: Pattern,
        /// What to write.
        with: String,
    },
    /// What BERT does.
    Bert(Bert),
    /// A table of replacements as SentencePiece stores it.
    Charsmap(CharsMap),
    /// What SentencePiece does to spaces.
    Spaces(Spaces),
}

/// What BERT does to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bert {
    /// Whether control characters go and every white space becomes a space.
    pub clean_text: bool,
    /// Whether Chinese characters stand alone.
    pub split_chinese: bool,
    /// Whether accents go.
    pub strip_accents: bool,
    /// Whether capitals become small.
    pub lowercase: bool,
}

/// What SentencePiece does to spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spaces {
    /// When a space is put before a text.
    pub prefix: Prefix,
    /// Whether spaces side by side become one and those at the ends go.
    pub collapse: bool,
}

/// A list of changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Normalizer {
    changes: Vec<Change>,
}

impl Normalizer {
    /// Takes changes in the order in which they are made.
    pub(crate) fn new(changes: Vec<Change>) -> Self {
        Self { changes }
    }

    /// The changes in order.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Makes all changes. `at_start` says whether the text begins the whole text.
    pub(crate) fn apply<'a>(&self, text: &'a str, at_start: bool) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for change in &self.changes {
            if let Some(changed) = change.apply(&text, at_start) {
                text = Cow::Owned(changed);
            }
        }
        text
    }
}

impl Change {
    /// Whether this writes one space for several.
    pub(crate) fn collapses_spaces(&self) -> bool {
        match self {
            Self::Replace { pattern: Pattern::Regex(regex), with } => {
                regex.source() == " {2,}" && matches!(with.as_str(), " " | "\u{2581}")
            }
            _ => false,
        }
    }

    /// The text after this change; `None` if it stays as it is.
    fn apply(&self, text: &str, at_start: bool) -> Option<String> {
        match self {
            Self::Nfc => (!unicode_normalization::is_nfc(text)).then(|| text.nfc().collect()),
            Self::Nfd => (!text.is_ascii()).then(|| text.nfd().collect()),
            Self::Nfkc => (!text.is_ascii()).then(|| text.nfkc().collect()),
            Self::Nfkd => (!text.is_ascii()).then(|| text.nfkd().collect()),
            Self::Lowercase => Some(lowercase(text)),
            Self::StripAccents => (!text.is_ascii())
                .then(|| text.chars().filter(|&c| !is_combining_mark(c)).collect()),
            Self::Strip { left, right } => {
                let text = if *left { text.trim_start() } else { text };
                Some(if *right { text.trim_end() } else { text }.to_owned())
            }
            Self::Prepend(prefix) => (!text.is_empty()).then(|| format!("{prefix}{text}")),
            Self::Replace { pattern, with } => replace(text, pattern, with),
            Self::Bert(bert) => Some(bert.apply(text)),
            Self::Charsmap(map) => Some(map.apply(text)),
            Self::Spaces(spaces) => spaces.apply(text, at_start),
        }
    }
}

/// Small letters, each character by itself.
///
/// Like the libraries that the models were trained with, this knows nothing of a letter's place in
/// a word.
fn lowercase(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn replace(text: &str, pattern: &Pattern, with: &str) -> Option<String> {
    let mut out = String::new();
    let mut end = 0;
    pattern.each_match(text, |matched| {
        out.push_str(&text[end..matched.start]);
        out.push_str(with);
        end = matched.end;
    });
    if end == 0 && out.is_empty() {
        return None;
    }
    out.push_str(&text[end..]);
    Some(out)
}

impl Bert {
    fn apply(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if self.clean_text {
                if c == '\0' || c == char::REPLACEMENT_CHARACTER || is_control(c) {
                    continue;
                }
                if c.is_whitespace() {
                    out.push(' ');
                    continue;
                }
            }
            if self.split_chinese && is_chinese(c) {
                out.extend([' ', c, ' ']);
            } else {
                out.push(c);
            }
        }
        if self.strip_accents && !out.is_ascii() {
            out = out.nfd().filter(|&c| classes_of(c) & NONSPACING == 0).collect();
        }
        if self.lowercase { lowercase(&out) } else { out }
    }
}

impl Spaces {
    fn apply(self, text: &str, at_start: bool) -> Option<String> {
        let prefix = match self.prefix {
            Prefix::Never => false,
            Prefix::AtStart => at_start,
            Prefix::Always => true,
        };
        if text.is_empty() || (!prefix && !self.collapse && !text.contains(' ')) {
            return None;
        }
        let mut out = String::with_capacity(text.len() + text.len() / 2 + 3);
        if self.collapse {
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                out.push(LOW_LINE);
                out.push_str(word);
            }
            return Some(out);
        }
        if prefix {
            out.push(LOW_LINE);
        }
        for (i, stretch) in text.split(' ').enumerate() {
            if i > 0 {
                out.push(LOW_LINE);
            }
            out.push_str(stretch);
        }
        Some(out)
    }
}

/// Whether BERT leaves a character out: one of the categories Cc, Cf and Co, but for white space.
fn is_control(c: char) -> bool {
    classes_of(c) & CONTROL != 0 && !matches!(c, '\t' | '\n' | '\r')
}

/// The ideographs that BERT sets apart.
fn is_chinese(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}'
        | '\u{2a700}'..='\u{2b73f}' | '\u{2b740}'..='\u{2b81f}' | '\u{2b920}'..='\u{2ceaf}'
        | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::super::pretokenize::split::LazyRegex;
    use super::*;

    fn apply(change: Change, text: &str) -> String {
        Normalizer::new(vec![change]).apply(text, true).into_owned()
    }

    #[test]
    fn unicode_forms_differ_as_they_should() {
        let text = "e\u{301}ﬁ";
        assert_eq!(apply(Change::Nfc, text), "éﬁ");
        assert_eq!(apply(Change::Nfd, "éﬁ"), text);
        assert_eq!(apply(Change::Nfkc, text), "éfi");
        assert_eq!(apply(Change::Nfkd, "éﬁ"), "e\u{301}fi");
        assert_eq!(apply(Change::StripAccents, text), "eﬁ");
    }

    #[test]
    fn bert_cleans_parts_and_folds() {
        let all =
            Bert { clean_text: true, split_chinese: true, strip_accents: true, lowercase: true };
        assert_eq!(apply(Change::Bert(all), "A\tÉ\u{200d}日\0b\u{a0}C"), "a e 日 b c");
        let cased = Bert { strip_accents: false, lowercase: false, ..all };
        assert_eq!(apply(Change::Bert(cased), "Éa"), "Éa");
        let raw = Bert { clean_text: false, split_chinese: false, ..cased };
        assert_eq!(apply(Change::Bert(raw), "\t日"), "\t日");
    }

    #[test]
    fn matches_are_replaced() {
        let double = |with: &str| Change::Replace {
            pattern: Pattern::Regex(LazyRegex::known(" {2,}")),
            with: with.to_owned(),
        };
        assert_eq!(apply(double(" "), "a   b  "), "a b ");
        assert_eq!(apply(double(""), "   b"), "b");
        assert_eq!(apply(double("x"), "a b"), "a b");
        let quotes = Change::Replace { pattern: Pattern::Literal("``".into()), with: "\"".into() };
        assert_eq!(apply(quotes, "``a``"), "\"a\"");
    }

    #[test]
    fn ends_are_stripped_and_prefixes_put() {
        assert_eq!(apply(Change::Strip { left: true, right: false }, " a "), "a ");
        assert_eq!(apply(Change::Strip { left: false, right: true }, " a "), " a");
        assert_eq!(apply(Change::Prepend("▁".into()), "a"), "▁a");
        assert_eq!(apply(Change::Prepend("▁".into()), ""), "");
        assert_eq!(apply(Change::Lowercase, "ÀΣ"), "àσ");
    }

    #[test]
    fn spaces_are_prefixed_and_collapsed() {
        let spaces = |prefix, collapse| Change::Spaces(Spaces { prefix, collapse });
        assert_eq!(apply(spaces(Prefix::Always, false), " a  b "), "▁▁a▁▁b▁");
        assert_eq!(apply(spaces(Prefix::Never, false), "a b"), "a▁b");
        assert_eq!(apply(spaces(Prefix::Always, true), " a  b "), "▁a▁b");
        let at_start = Normalizer::new(vec![spaces(Prefix::AtStart, false)]);
        assert_eq!(at_start.apply("a", false), "a");
        assert_eq!(at_start.apply("a", true), "▁a");
    }
}
