//! The shape of `tokenizer.json` and of the files beside it.
//!
//! The vocabulary and the merges are the bulk of the file, so they are read as slices of it; the
//! small parts are read as JSON values and taken apart in [`super::components`].

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// `tokenizer.json`.
#[derive(Deserialize)]
pub(super) struct TokenizerFile<'a> {
    #[serde(borrow)]
    pub(super) model: ModelPart<'a>,
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub(super) normalizer: Value,
    #[serde(default)]
    pub(super) pre_tokenizer: Value,
    #[serde(default)]
    pub(super) post_processor: Value,
    #[serde(default)]
    pub(super) decoder: Value,
}

/// An entry of `added_tokens`.
#[derive(Deserialize)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) single_word: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) normalized: bool,
    #[serde(default)]
    pub(super) special: bool,
}

/// `model`, with the fields of every type.
#[derive(Deserialize)]
pub(super) struct ModelPart<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(borrow)]
    pub(super) vocab: Entries<'a>,
    #[serde(borrow, default)]
    pub(super) merges: Vec<MergeEntry<'a>>,
    #[serde(default)]
    pub(super) unk_token: Option<String>,
    #[serde(default)]
    pub(super) unk_id: Option<u64>,
    #[serde(default)]
    pub(super) byte_fallback: Option<bool>,
    #[serde(default)]
    pub(super) ignore_merges: Option<bool>,
    #[serde(default)]
    pub(super) fuse_unk: Option<bool>,
    #[serde(default)]
    pub(super) dropout: Option<f32>,
    #[serde(default)]
    pub(super) continuing_subword_prefix: Option<String>,
    #[serde(default)]
    pub(super) end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(super) max_input_chars_per_word: Option<usize>,
}

/// `vocab`: texts with their ids, or in order of their ids with their scores.
pub(super) enum Entries<'a> {
    /// An object.
    Ids(Vec<(Cow<'a, str>, u32)>),
    /// An array of pairs.
    Scores(Vec<(Cow<'a, str>, f64)>),
}

/// An entry of `merges`: both sides in one string, or each in its own.
pub(super) enum MergeEntry<'a> {
    /// `"a b"`
    Joined(Cow<'a, str>),
    /// `["a", "b"]`
    Pair(Cow<'a, str>, Cow<'a, str>),
}

impl MergeEntry<'_> {
    /// Both sides.
    pub(super) fn sides(&self) -> (&str, &str) {
        match self {
            Self::Joined(joined) => crate::tokenizer::bpe::split_merge(joined),
            Self::Pair(left, right) => (left, right),
        }
    }
}

/// A string that is a slice of the file if nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of ids or an array of scores")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries<'de>, M::Error> {
                let mut entries = Vec::new();
                while let Some((Text(text), id)) = map.next_entry()? {
                    entries.push((text, id));
                }
                Ok(Entries::Ids(entries))
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Entries<'de>, S::Error> {
                let mut entries = Vec::new();
                while let Some((Text(text), score)) = seq.next_element()? {
                    entries.push((text, score));
                }
                Ok(Entries::Scores(entries))
            }
        }
        deserializer.deserialize_any(EntriesVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for MergeEntry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MergeVisitor;
        impl<'de> Visitor<'de> for MergeVisitor {
            type Value = MergeEntry<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or two strings")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(MergeEntry::Joined(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(MergeEntry::Joined(Cow::Owned(text.to_owned())))
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                let (Some(Text(left)), Some(Text(right)), None::<Text<'_>>) =
                    (seq.next_element()?, seq.next_element()?, seq.next_element()?)
                else {
                    return Err(S::Error::custom("a merge has two sides"));
                };
                Ok(MergeEntry::Pair(left, right))
            }
        }
        deserializer.deserialize_any(MergeVisitor)
    }
}

/// A token in `tokenizer_config.json` or `special_tokens_map.json`: its text, or an object.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TokenName {
    /// The text.
    Text(String),
    /// An object that has the text.
    Object {
        /// The text.
        content: String,
    },
    /// Anything else, which names no token.
    Other(serde::de::IgnoredAny),
}

impl TokenName {
    /// The token's text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Object { content: text } => Some(text),
            Self::Other(_) => None,
        }
    }
}

/// The parts of `tokenizer_config.json` and `special_tokens_map.json` that matter here.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names in the files")]
pub(super) struct ConfigFile {
    pub(super) bos_token: Option<TokenName>,
    pub(super) eos_token: Option<TokenName>,
    pub(super) unk_token: Option<TokenName>,
    pub(super) sep_token: Option<TokenName>,
    pub(super) pad_token: Option<TokenName>,
    pub(super) cls_token: Option<TokenName>,
    pub(super) mask_token: Option<TokenName>,
    pub(super) add_bos_token: Option<bool>,
    pub(super) add_eos_token: Option<bool>,
}

/// The part of `generation_config.json` that matters here.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct GenerationFile {
    pub(super) eos_token_id: Option<OneOrMany>,
}

/// An id or a list of ids.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    /// An id.
    One(u32),
    /// A list.
    Many(Vec<u32>),
}

impl OneOrMany {
    /// The ids.
    pub(super) fn ids(&self) -> &[u32] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_vocab_and_merges_are_read() {
        let json = r#"{"vocab":{"a":0,"\u00e9":1},"merges":["a b",["c","d e"]]}"#;
        let model: ModelPart<'_> = serde_json::from_str(json).unwrap();
        let Entries::Ids(ids) = model.vocab else { panic!("ids") };
        assert_eq!(ids, [(Cow::Borrowed("a"), 0), (Cow::Borrowed("é"), 1)]);
        assert!(matches!(ids[0].0, Cow::Borrowed(_)) && matches!(ids[1].0, Cow::Owned(_)));
        let sides: Vec<_> = model.merges.iter().map(MergeEntry::sides).collect();
        assert_eq!(sides, [("a", "b"), ("c", "d e")]);

        let model: ModelPart<'_> =
            serde_json::from_str(r#"{"vocab":[["a",-1],["b",-2.5]]}"#).unwrap();
        let Entries::Scores(scores) = model.vocab else { panic!("scores") };
        assert_eq!(scores, [(Cow::Borrowed("a"), -1.0), (Cow::Borrowed("b"), -2.5)]);
    }

    #[test]
    fn other_shapes_are_errors() {
        for json in [
            r#"{"vocab":{"a":-1}}"#,
            r#"{"vocab":{"a":"0"}}"#,
            r#"{"vocab":["a"]}"#,
            r#"{"vocab":{},"merges":[["a"]]}"#,
            r#"{"vocab":{},"merges":[["a","b","c"]]}"#,
            r#"{"vocab":{},"merges":[1]}"#,
            r#"{"merges":[]}"#,
        ] {
            assert!(serde_json::from_str::<ModelPart<'_>>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_token_is_named_in_two_ways() {
        let json = r#"{"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},
            "pad_token":null,"unk_token":false}"#;
        let config: ConfigFile = serde_json::from_str(json).unwrap();
        assert_eq!(config.bos_token.unwrap().text(), Some("<s>"));
        assert_eq!(config.eos_token.unwrap().text(), Some("</s>"));
        assert!(config.pad_token.is_none());
        assert_eq!(config.unk_token.unwrap().text(), None);
    }
}
