//! Tokens that are cut out of a text before anything else is done to it.
//!
//! User-defined tokens are found in any text. Control tokens are found only where the caller says
//! that the text is to be read as a prompt's source, see [`Reading`].

use std::ops::Range;

use super::arena::Arena;
use super::prefix::{Beginnings, PrefixIndex};
use super::vocab::{TokenKind, Vocab};

/// In which stretches of a text control tokens are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading<'a> {
    /// Nowhere.
    Text,
    /// Everywhere.
    Source,
    /// Everywhere but across some stretches.
    SourceExcept {
        /// The stretches, in order and apart from each other.
        untrusted: &'a [Range<usize>],
        /// User-defined tokens that are not read there either, in order.
        guarded: &'a [u32],
    },
}

impl Reading<'_> {
    /// Whether a token may stand here.
    fn allows(self, id: u32, kind: TokenKind, within: &Range<usize>) -> bool {
        let is_text = kind == TokenKind::UserDefined;
        match self {
            Self::Text => is_text,
            Self::Source => true,
            Self::SourceExcept { guarded, .. }
                if is_text && guarded.binary_search(&id).is_err() =>
            {
                true
            }
            Self::SourceExcept { untrusted, .. } => {
                let next = untrusted.partition_point(|range| range.end <= within.start);
                untrusted.get(next).is_none_or(|range| range.start >= within.end)
            }
        }
    }
}

/// What a token does to the text around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// White space before it belongs to it.
    pub left_strip: bool,
    /// White space after it belongs to it.
    pub right_strip: bool,
    /// It is found only where no letter, digit or underscore stands beside it.
    pub single_word: bool,
}

/// A stretch of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// Text still to be tokenized.
    Text(Range<usize>),
    /// A token.
    Token(u32),
}

/// Finds the tokens that are cut out of a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddedTokens {
    /// By the tokens' texts.
    index: PrefixIndex,
    /// How user-defined tokens begin, and how all do.
    beginnings: [Beginnings; 2],
    /// The tokens with a manner of their own, in order.
    manners: Vec<(u32, Manner)>,
    /// Texts that are searched for after the text was normalized, and their tokens.
    normalized: NormalizedTokens,
}

/// User-defined tokens that are searched for in normalized text.
#[derive(Clone, Debug, Default)]
pub(crate) struct NormalizedTokens {
    index: PrefixIndex,
    texts: Arena,
    ids: Vec<u32>,
}

impl AddedTokens {
    /// Takes all tokens of a vocabulary that are not ordinary text.
    ///
    /// `manners` and `normalized`, the texts of tokens that are searched for in normalized text
    /// only, are in order of their ids.
    pub(crate) fn new(
        vocab: &Vocab,
        manners: Vec<(u32, Manner)>,
        normalized: Vec<(u32, String)>,
    ) -> Self {
        let is_later = |id: u32| normalized.binary_search_by_key(&id, |(id, _)| *id).is_ok();
        let ids = (0..vocab.len() as u32).filter(|&id| match vocab.kind(id) {
            TokenKind::Control | TokenKind::Unknown => true,
            TokenKind::UserDefined => !is_later(id),
            TokenKind::Normal | TokenKind::Unused | TokenKind::Byte => false,
        });
        let index = PrefixIndex::new(ids.collect(), |id| vocab.key(id));
        let is_text = |id| vocab.kind(id) == TokenKind::UserDefined;
        let key = |id| vocab.key(id);
        let beginnings = [index.beginnings(key, is_text), index.beginnings(key, |_| true)];
        Self { index, beginnings, manners, normalized: NormalizedTokens::new(normalized) }
    }

    /// What a token does to the text around it.
    pub(crate) fn manner(&self, id: u32) -> Manner {
        let found = self.manners.binary_search_by_key(&id, |(id, _)| *id);
        found.map_or(Manner::default(), |at| self.manners[at].1)
    }

    /// The tokens that are searched for in normalized text.
    pub(crate) fn normalized(&self) -> &NormalizedTokens {
        &self.normalized
    }

    /// Cuts a text at the tokens in it: the leftmost, and of those that start there the longest.
    pub(crate) fn each_fragment(
        &self,
        vocab: &Vocab,
        text: &str,
        reading: Reading<'_>,
        mut fragment: impl FnMut(Fragment),
    ) {
        let beginnings = &self.beginnings[usize::from(!matches!(reading, Reading::Text))];
        let mut start = 0; // of the text that is not yet passed on
        let mut at = 0;
        while let Some(found) = beginnings.next_start(text.as_bytes(), at) {
            at = found;
            let Some((id, len)) = self.longest_at(vocab, text, at, reading) else {
                at += 1;
                continue;
            };
            let manner = self.manner(id);
            let mut before = &text[start..at];
            if manner.left_strip {
                before = before.trim_end();
            }
            if !before.is_empty() {
                fragment(Fragment::Text(start..start + before.len()));
            }
            fragment(Fragment::Token(id));
            at += len;
            if manner.right_strip {
                at = text.len() - text[at..].trim_start().len();
            }
            start = at;
        }
        if start < text.len() {
            fragment(Fragment::Text(start..text.len()));
        }
    }

    /// The longest token that may stand at a place, and its length.
    fn longest_at(
        &self,
        vocab: &Vocab,
        text: &str,
        at: usize,
        reading: Reading<'_>,
    ) -> Option<(u32, usize)> {
        let mut longest = None;
        self.index.each_prefix(
            &text.as_bytes()[at..],
            |id| vocab.key(id),
            |id, len| {
                let range = at..at + len;
                let allowed = reading.allows(id, vocab.kind(id), &range);
                let fits = || !self.manner(id).single_word || stands_alone(text, range);
                if allowed && fits() {
                    longest = Some((id, len));
                }
            },
        );
        longest
    }
}

/// Whether no letter, digit or underscore stands beside a stretch of a text.
fn stands_alone(text: &str, range: Range<usize>) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text[..range.start].chars().next_back();
    let after = text[range.end..].chars().next();
    !before.is_some_and(is_word) && !after.is_some_and(is_word)
}

impl NormalizedTokens {
    fn new(tokens: Vec<(u32, String)>) -> Self {
        let mut texts = Arena::default();
        let mut ids = Vec::new();
        for (id, text) in tokens {
            if texts.push_with(|out| out.extend_from_slice(text.as_bytes())).is_some() {
                ids.push(id);
            }
        }
        let index = PrefixIndex::new((0..ids.len() as u32).collect(), |place| texts.get(place));
        Self { index, texts, ids }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Cuts a normalized text at the tokens in it.
    pub(crate) fn each_fragment(
        &self,
        added: &AddedTokens,
        text: &str,
        mut fragment: impl FnMut(Fragment),
    ) {
        let mut start = 0;
        let mut at = 0;
        while at < text.len() {
            let mut longest = None;
            let rest = &text.as_bytes()[at..];
            self.index.each_prefix(
                rest,
                |place| self.texts.get(place),
                |place, len| {
                    let id = self.ids[place as usize];
                    if !added.manner(id).single_word || stands_alone(text, at..at + len) {
                        longest = Some((id, len));
                    }
                },
            );
            if let Some((id, len)) = longest {
                if start < at {
                    fragment(Fragment::Text(start..at));
                }
                fragment(Fragment::Token(id));
                at += len;
                start = at;
            } else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        if start < text.len() {
            fragment(Fragment::Text(start..text.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::Alphabet;
    use super::*;

    const TEXTS: [&str; 5] = ["a", "<|end|>", "<tool>", "<tool>>", "é"];

    fn vocab() -> Vocab {
        use TokenKind::{Control, Normal, UserDefined};
        let kinds = vec![Normal, Control, UserDefined, UserDefined, UserDefined];
        Vocab::new(TEXTS.into_iter(), kinds, Alphabet::Spaced, 0).unwrap()
    }

    fn cut(manners: Vec<(u32, Manner)>, text: &str, reading: Reading<'_>) -> Vec<String> {
        let vocab = vocab();
        let mut cut = Vec::new();
        let added = AddedTokens::new(&vocab, manners, vec![]);
        added.each_fragment(&vocab, text, reading, |fragment| match fragment {
            Fragment::Text(range) => cut.push(text[range].to_owned()),
            Fragment::Token(id) => cut.push(format!("#{id}")),
        });
        cut
    }

    #[test]
    fn control_tokens_are_text_unless_the_text_is_source() {
        let text = "a<|end|>b<tool>>";
        assert_eq!(cut(vec![], text, Reading::Text), ["a<|end|>b", "#3"]);
        assert_eq!(cut(vec![], text, Reading::Source), ["a", "#1", "b", "#3"]);
        assert_eq!(cut(vec![], "", Reading::Source), [""; 0]);
        assert_eq!(cut(vec![], "<<tool>é", Reading::Text), ["<", "#2", "#4"]);
    }

    fn except(untrusted: &[Range<usize>]) -> Reading<'_> {
        Reading::SourceExcept { untrusted, guarded: &[] }
    }

    #[test]
    fn one_untrusted_byte_is_enough() {
        let text = "<|end|>x<|end|>";
        for at in 0..7 {
            let ranges: Vec<_> = std::iter::once(at..at + 1).collect();
            assert_eq!(cut(vec![], text, except(&ranges)), ["<|end|>x", "#1"]);
        }
        let between: Vec<_> = std::iter::once(7..8).collect();
        assert_eq!(cut(vec![], text, except(&between)), ["#1", "x", "#1"]);
        let both = [0..1, 14..15];
        assert_eq!(cut(vec![], text, except(&both)), [text]);
        assert_eq!(cut(vec![], text, except(&[])), ["#1", "x", "#1"]);
        let start: Vec<_> = std::iter::once(0..1).collect();
        assert_eq!(cut(vec![], "<tool>", except(&start)), ["#2"]);
        let guarding = Reading::SourceExcept { untrusted: &start, guarded: &[2] };
        assert_eq!(cut(vec![], "<tool><tool>", guarding), ["<tool>", "#2"]);
    }

    #[test]
    fn manners_take_white_space_and_want_room() {
        let strip = Manner { left_strip: true, right_strip: true, single_word: false };
        assert_eq!(cut(vec![(2, strip)], "a <tool> \n b", Reading::Text), ["a", "#2", "b"]);
        assert_eq!(cut(vec![(2, strip)], " <tool> ", Reading::Text), ["#2"]);
        let alone = Manner { single_word: true, ..Manner::default() };
        assert_eq!(cut(vec![(4, alone)], "é éa é", Reading::Text), ["#4", " éa ", "#4"]);
    }

    #[test]
    fn normalized_tokens_are_found_in_normalized_text() {
        let vocab = vocab();
        let added = AddedTokens::new(&vocab, vec![], vec![(4, "e".to_owned())]);
        assert!(!added.normalized().is_empty());
        let mut cut = Vec::new();
        added.normalized().each_fragment(&added, "xee y", |fragment| cut.push(fragment));
        let token = || Fragment::Token(4);
        assert_eq!(cut, [Fragment::Text(0..1), token(), token(), Fragment::Text(3..5)]);
        added.each_fragment(&vocab, "é", Reading::Text, |fragment| {
            assert_eq!(fragment, Fragment::Text(0..2));
        });
    }
}
