//! Telling a message's characters from the template's after both went through the same template.
//!
//! Every control token begins and ends with some character, mostly `<` and `>`. Before rendering,
//! those characters in whatever comes from outside are replaced, one by one, by characters of the
//! private-use planes that occur nowhere in the conversation or the template. The template then
//! trims, splits and joins as it likes. Afterwards each is turned back, and its place is noted: no
//! control token is read across such a place. So a token can neither begin nor end in a message,
//! however the template put the pieces together.
//!
//! A template may look for marks such as `</think>` in what the model itself said earlier. Marks
//! that the template's own source names, and that are no control tokens, stay as they are in the
//! messages of the assistant.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// Where private-use characters are taken from: planes 15 and 16.
const PRIVATE: Range<u32> = 0xf_0000..0x10_fffe;

/// A mark is at most so many bytes long.
const MAX_MARK: usize = 64;

/// The characters that are watched, and the marks that are left alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// The first characters of control tokens.
    firsts: BTreeSet<char>,
    /// The last ones.
    lasts: BTreeSet<char>,
    marks: HashSet<String>,
}

impl Watch {
    /// Watches the edges of these tokens. Marks are found in `source`; `is_token` says of a mark
    /// whether it holds one of the tokens.
    pub(super) fn new<'a>(
        tokens: impl Iterator<Item = &'a str>,
        source: &str,
        is_token: impl Fn(&str) -> bool,
    ) -> Self {
        let mut watch = Self::default();
        for token in tokens {
            watch.firsts.extend(token.chars().next());
            watch.lasts.extend(token.chars().next_back());
        }
        let marks = source.char_indices().filter_map(|(at, _)| watch.mark_at(source, at));
        watch.marks = marks.filter(|mark| !is_token(mark)).map(str::to_owned).collect();
        watch
    }

    /// The stretch from a first character at `at` to the next watched one, if that is a last one.
    fn mark_at<'a>(&self, text: &'a str, at: usize) -> Option<&'a str> {
        let mut chars = text[at..].char_indices();
        let (_, first) = chars.next()?;
        self.firsts.contains(&first).then_some(())?;
        let mut near = chars.take_while(|(offset, _)| *offset < MAX_MARK);
        let (offset, last) =
            near.find(|(_, c)| self.firsts.contains(c) || self.lasts.contains(c))?;
        self.lasts.contains(&last).then_some(())?;
        Some(&text[at..at + offset + last.len_utf8()])
    }

    /// Chooses stand-ins that occur in none of the texts.
    pub(super) fn shadows<'a>(&'a self, private: &BTreeSet<char>) -> Shadows<'a> {
        let free = PRIVATE.filter_map(char::from_u32).filter(|c| !private.contains(c));
        Shadows { watch: self, pairs: self.firsts.union(&self.lasts).copied().zip(free).collect() }
    }

    /// Whether anything is watched.
    pub(super) fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }
}

/// Whether a character is one that could be taken for a stand-in.
pub(super) fn is_private(c: char) -> bool {
    PRIVATE.contains(&(c as u32))
}

/// The stand-ins of one rendering.
#[derive(Debug)]
pub(super) struct Shadows<'a> {
    watch: &'a Watch,
    /// A watched character and its stand-in, in order of both.
    pairs: Vec<(char, char)>,
}

impl Shadows<'_> {
    /// A text with stand-ins. If `keeps_marks`, marks that the template names stay as they are.
    pub(super) fn hide(&self, text: &str, keeps_marks: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut kept_until = 0;
        for (at, c) in text.char_indices() {
            let shadow = self.pairs.binary_search_by_key(&c, |(watched, _)| *watched);
            let Ok(place) = shadow else {
                out.push(c);
                continue;
            };
            if keeps_marks
                && at >= kept_until
                && let Some(mark) = self.watch.mark_at(text, at)
                && self.watch.marks.contains(mark)
            {
                kept_until = at + mark.len();
            }
            out.push(if at < kept_until { c } else { self.pairs[place].1 });
        }
        out
    }

    /// Turns the stand-ins back, and returns where they were: ranges in order, apart from each
    /// other.
    pub(super) fn reveal(&self, text: &str) -> (String, Vec<Range<usize>>) {
        let mut out = String::with_capacity(text.len());
        let mut places: Vec<Range<usize>> = Vec::new();
        for c in text.chars() {
            let shadow = self.pairs.binary_search_by_key(&c, |(_, shadow)| *shadow);
            let Ok(place) = shadow else {
                out.push(c);
                continue;
            };
            let start = out.len();
            out.push(self.pairs[place].0);
            match places.last_mut() {
                Some(last) if last.end == start => last.end = out.len(),
                _ => places.push(start..out.len()),
            }
        }
        (out, places)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watch() -> Watch {
        let source = "{{ '<|im_start|>' }}{{ content.split('</think>')[-1] }} a < b and <think>";
        Watch::new(["<|im_start|>", "[X]"].into_iter(), source, |mark| {
            mark.contains("<|im_start|>")
        })
    }

    #[test]
    fn edges_are_hidden_and_come_back_with_their_places() {
        let watch = watch();
        let shadows = watch.shadows(&BTreeSet::new());
        let hidden = shadows.hide("a<|b>>[é", false);
        assert!(!hidden.contains(['<', '>', '[']));
        assert_eq!(hidden.chars().count(), 8);
        let (text, places) = shadows.reveal(&format!("<>{hidden}<"));
        assert_eq!(text, "<>a<|b>>[é<");
        assert_eq!(places, [3..4, 6..9]);
    }

    #[test]
    fn marks_of_the_template_stay_where_asked() {
        let watch = watch();
        let shadows = watch.shadows(&BTreeSet::new());
        let text = "<think>x</think><|im_start|>";
        let kept = shadows.hide(text, true);
        assert!(kept.starts_with("<think>x</think>") && !kept.contains("<|im_start|>"));
        assert!(!shadows.hide(text, false).contains('<'));
        assert!(!shadows.hide("<<think>", true).starts_with('<'));
    }

    #[test]
    fn stand_ins_are_no_characters_of_the_texts() {
        let watch = watch();
        let taken: BTreeSet<char> = ['\u{f0000}', '\u{f0002}'].into();
        let shadows = watch.shadows(&taken);
        assert!(shadows.pairs.iter().all(|(_, shadow)| !taken.contains(shadow)));
        assert_eq!(shadows.pairs.len(), 4);
        assert!(is_private('\u{f0000}') && is_private('\u{10fffd}') && !is_private('\u{e000}'));
    }

    proptest! {
        #[test]
        fn what_is_hidden_comes_back(text in "[<>a\\[\\]|é]{0,40}") {
            let watch = watch();
            let shadows = watch.shadows(&BTreeSet::new());
            for keeps_marks in [false, true] {
                let (back, places) = shadows.reveal(&shadows.hide(&text, keeps_marks));
                prop_assert_eq!(&back, &text);
                prop_assert!(places.windows(2).all(|two| two[0].end < two[1].start));
            }
        }
    }
}
