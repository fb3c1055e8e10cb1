//! A text as words, lines and paragraphs, in scripts with spaces and without.
//!
//! A word is what stands between spaces. In Chinese and Japanese, where no spaces stand between
//! words, each character of these scripts is one; punctuation belongs to the word before it.

use std::ops::Range;

use crate::hash;

/// A text cut up.
pub(crate) struct Words<'t> {
    pub(crate) text: &'t str,
    /// Where each word lies.
    pub(crate) places: Vec<Range<usize>>,
    /// Hashes of the words in small letters, without punctuation around them.
    pub(crate) hashes: Vec<u64>,
    /// Whether most letters are of a script without spaces.
    pub(crate) is_spaceless: bool,
}

/// Whether a character is of a script in which no spaces stand between words.
pub(crate) fn is_spaceless(c: char) -> bool {
    matches!(
        c as u32,
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff
    )
}

/// Whether a character ends a sentence.
pub(crate) fn ends_sentence(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '。' | '！' | '？' | '…' | '｡')
}

/// Whether a line ends as a sentence does: with its mark, or with one and a quotation mark.
pub(crate) fn is_sentence_end(line: &str) -> bool {
    let line = line.trim_end();
    let bare = line.trim_end_matches(['"', '\'', '”', '’', '»', '」', '』', '）', ')']);
    bare.chars().next_back().is_some_and(ends_sentence) || line.ends_with(['"', '”', '」', '』'])
}

impl<'t> Words<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut words: Vec<Range<usize>> = Vec::new();
        // The word that is being read, and whether it is a character of a spaceless script.
        let mut current: Option<(usize, bool)> = None;
        let (mut n_spaceless, mut n_letters) = (0usize, 0usize);
        for (at, c) in text.char_indices() {
            if c.is_whitespace() {
                words.extend(current.take().map(|(start, _)| start..at));
                continue;
            }
            let spaceless = is_spaceless(c);
            n_spaceless += usize::from(spaceless);
            n_letters += usize::from(c.is_alphabetic());
            let begins = match current {
                None => true,
                Some((_, was)) => spaceless || (was && c.is_alphanumeric()),
            };
            if begins {
                words.extend(current.take().map(|(start, _)| start..at));
                current = Some((at, spaceless));
            }
        }
        words.extend(current.map(|(start, _)| start..text.len()));
        let hash = |range: &Range<usize>| {
            let word = text[range.clone()].trim_matches(|c: char| !c.is_alphanumeric());
            if word.bytes().any(|byte| byte.is_ascii_uppercase() || byte >= 0x80) {
                hash::word(&word.to_lowercase())
            } else {
                hash::word(word)
            }
        };
        let hashes = words.iter().map(hash).collect();
        Self { text, places: words, hashes, is_spaceless: 2 * n_spaceless > n_letters }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'t str> {
        self.places.iter().map(|range| &self.text[range.clone()])
    }

    /// A hash for each `n` words in a row.
    pub(crate) fn ngrams(&self, n: usize) -> impl Iterator<Item = u64> {
        self.hashes.windows(n).map(hash::sequence)
    }
}

/// Lines that are not empty, and where they lie with their ends.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let range = at..at + line.len();
        at = range.end;
        let bare = line.trim();
        (!bare.is_empty()).then_some((range, bare))
    })
}

/// Stretches between empty lines.
pub(crate) fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_both_kinds_of_script() {
        let words = |text| Words::new(text).iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words("It's  a bird,\nno?"), ["It's", "a", "bird,", "no?"]);
        assert_eq!(words("床前明月光，\n疑是"), ["床", "前", "明", "月", "光，", "疑", "是"]);
        assert_eq!(words("我用GPT-2写诗。 ok"), ["我", "用", "GPT-2", "写", "诗。", "ok"]);
        assert!(Words::new("床前明月光 ok").is_spaceless);
        assert!(!Words::new("the word 月 means moon").is_spaceless);
        let hashes = |text| Words::new(text).hashes;
        assert_eq!(hashes("The “END”"), hashes("the end."));
    }

    #[test]
    fn sentences_end_in_both_kinds_of_script() {
        for line in ["So it is.", "“So it is.”", "是。", "「是」", "Really?)", "so…"] {
            assert!(is_sentence_end(line), "{line}");
        }
        for line in ["Home | About", "", "床前明月光，", "1.5 kg"] {
            assert!(!is_sentence_end(line), "{line}");
        }
        let found: Vec<_> = lines("a\n\n  b \n").collect();
        assert_eq!(found, [(0..2, "a"), (3..8, "b")]);
    }
}
