//! The normalizer, the pre-tokenizer, the post-processor and the decoder of `tokenizer.json`.
//!
//! Each is an object with a `type`. A type that is not implemented is an error that names it.

use serde_json::Value;

use crate::tokenizer::TokenizerError;
use crate::tokenizer::alphabet::LOW_LINE;
use crate::tokenizer::charsmap::CharsMap;
use crate::tokenizer::normalize::{Bert, Change, Spaces};
use crate::tokenizer::pretokenize::scan::Scanner;
use crate::tokenizer::pretokenize::split::{DIGIT, LazyRegex, WHITE_SPACE};
use crate::tokenizer::pretokenize::{Behavior, Pattern, Prefix, Step, patterns};

/// A part of the file, and where it stands.
#[derive(Clone, Copy)]
struct Part<'a> {
    at: &'static str,
    value: &'a Value,
}

impl<'a> Part<'a> {
    fn kind(self) -> Result<&'a str, TokenizerError> {
        let kind = self.value.get("type").and_then(Value::as_str);
        kind.ok_or_else(|| self.malformed("it has no `type`"))
    }

    /// A truth value, or what is assumed if it is absent.
    fn bool(self, field: &str, usual: bool) -> Result<bool, TokenizerError> {
        match self.value.get(field) {
            None | Some(Value::Null) => Ok(usual),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.malformed(&format!("`{field}` is not true or false"))),
        }
    }

    fn str(self, field: &str) -> Result<&'a str, TokenizerError> {
        let text = self.value.get(field).and_then(Value::as_str);
        text.ok_or_else(|| self.malformed(&format!("`{field}` is not a string")))
    }

    /// The parts of a sequence.
    fn list(self, field: &str) -> Result<impl Iterator<Item = Part<'a>>, TokenizerError> {
        let list = self.value.get(field).and_then(Value::as_array);
        let list = list.ok_or_else(|| self.malformed(&format!("`{field}` is not a list")))?;
        Ok(list.iter().map(move |value| Part { at: self.at, value }))
    }

    /// `{"String": …}` or `{"Regex": …}`.
    fn pattern(self) -> Result<Pattern, TokenizerError> {
        let pattern = self.value.get("pattern").unwrap_or(&Value::Null);
        if let Some(literal) = pattern.get("String").and_then(Value::as_str) {
            return Ok(Pattern::Literal(literal.to_owned()));
        }
        match pattern.get("Regex").and_then(Value::as_str) {
            Some(regex) => patterns::pattern_of_regex(regex),
            None => Err(self.malformed("`pattern` is neither a string nor an expression")),
        }
    }

    fn malformed(self, problem: &str) -> TokenizerError {
        TokenizerError::Malformed { part: self.at.to_owned(), problem: problem.to_owned() }
    }

    fn unsupported(self, value: impl Into<String>) -> TokenizerError {
        TokenizerError::Unsupported { part: self.at.to_owned(), value: value.into() }
    }
}

/// The changes that `normalizer` makes.
pub(super) fn read_normalizer(value: &Value) -> Result<Vec<Change>, TokenizerError> {
    let mut changes = Vec::new();
    if !value.is_null() {
        push_changes(Part { at: "normalizer", value }, &mut changes)?;
    }
    // SentencePiece's way with spaces is written as two replacements.
    let writes_spaces = |change: &Change| {
        matches!(change, Change::Replace { pattern: Pattern::Literal(space), with }
            if space == " " && *with == LOW_LINE.to_string())
    };
    let is_prefix = |change: &Change| matches!(change, Change::Prepend(prefix) if *prefix == LOW_LINE.to_string());
    if let Some(at) = changes.iter().position(writes_spaces) {
        let has_prefix = at > 0 && is_prefix(&changes[at - 1]);
        let prefix = if has_prefix { Prefix::Always } else { Prefix::Never };
        let start = at - usize::from(has_prefix);
        changes.splice(start..=at, [Change::Spaces(Spaces { prefix, collapse: false })]);
    }
    Ok(changes)
}

fn push_changes(part: Part<'_>, changes: &mut Vec<Change>) -> Result<(), TokenizerError> {
    changes.push(match part.kind()? {
        "Sequence" => {
            return part.list("normalizers")?.try_for_each(|part| push_changes(part, changes));
        }
        "NFC" => Change::Nfc,
        "NFD" => Change::Nfd,
        "NFKC" => Change::Nfkc,
        "NFKD" => Change::Nfkd,
        "Lowercase" => Change::Lowercase,
        "StripAccents" => Change::StripAccents,
        "Strip" => Change::Strip {
            left: part.bool("strip_left", true)?,
            right: part.bool("strip_right", true)?,
        },
        "Prepend" => Change::Prepend(part.str("prepend")?.to_owned()),
        "Replace" => {
            Change::Replace { pattern: part.pattern()?, with: part.str("content")?.to_owned() }
        }
        "BertNormalizer" => {
            let lowercase = part.bool("lowercase", true)?;
            Change::Bert(Bert {
                clean_text: part.bool("clean_text", true)?,
                split_chinese: part.bool("handle_chinese_chars", true)?,
                strip_accents: part.bool("strip_accents", lowercase)?,
                lowercase,
            })
        }
        "Precompiled" => {
            let blob = part.value.get("precompiled_charsmap").and_then(Value::as_str);
            let blob = decode_base64(blob.unwrap_or_default());
            let blob = blob.ok_or_else(|| part.malformed("the character map is not base64"))?;
            Change::Charsmap(CharsMap::new(&blob)?)
        }
        other => return Err(part.unsupported(other)),
    });
    Ok(())
}

/// The steps that `pre_tokenizer` takes, and whether it is byte-level.
pub(super) fn read_pre_tokenizer(value: &Value) -> Result<(Vec<Step>, bool), TokenizerError> {
    let mut steps = Vec::new();
    let mut byte_level = false;
    if !value.is_null() {
        push_steps(Part { at: "pre_tokenizer", value }, &mut steps, &mut byte_level)?;
    }
    Ok((steps, byte_level))
}

fn push_steps(
    part: Part<'_>,
    steps: &mut Vec<Step>,
    byte_level: &mut bool,
) -> Result<(), TokenizerError> {
    let split = |pattern, behavior| Step::Split { pattern, behavior };
    match part.kind()? {
        "Sequence" => {
            for part in part.list("pretokenizers")? {
                push_steps(part, steps, byte_level)?;
            }
        }
        "ByteLevel" => {
            *byte_level = true;
            if part.bool("add_prefix_space", true)? {
                steps.push(Step::PrefixSpace);
            }
            if part.bool("use_regex", true)? {
                steps.push(split(Pattern::Scan(Scanner::Gpt2), Behavior::Isolated));
            }
        }
        "Split" => {
            let pattern = part.pattern()?;
            let behavior = behavior(part, &pattern)?;
            steps.push(split(pattern, behavior));
        }
        "Metaspace" => steps.push(metaspace(part)?),
        "BertPreTokenizer" => {
            steps.push(split(WHITE_SPACE, Behavior::Removed));
            steps.push(split(Pattern::Punctuation, Behavior::Isolated));
        }
        "Whitespace" => {
            let words = Pattern::Regex(LazyRegex::known(r"\w+|[^\w\s]+"));
            steps.push(split(words, Behavior::Kept));
        }
        "WhitespaceSplit" => steps.push(split(WHITE_SPACE, Behavior::Removed)),
        "Digits" if part.bool("individual_digits", false)? => {
            steps.push(split(DIGIT, Behavior::Isolated));
        }
        "Digits" => steps.push(split(DIGIT, Behavior::Contiguous)),
        "Punctuation" => {
            let behavior = behavior(part, &Pattern::Punctuation)?;
            steps.push(split(Pattern::Punctuation, behavior));
        }
        "CharDelimiterSplit" => {
            let delimiter = Pattern::Literal(part.str("delimiter")?.to_owned());
            steps.push(split(delimiter, Behavior::Removed));
        }
        other => return Err(part.unsupported(other)),
    }
    Ok(())
}

/// What becomes of a pattern's matches.
fn behavior(part: Part<'_>, pattern: &Pattern) -> Result<Behavior, TokenizerError> {
    let name = part.value.get("behavior").map_or(Some("Isolated"), Value::as_str);
    let invert = part.bool("invert", false)?;
    Ok(match (name.unwrap_or_default(), invert) {
        ("Isolated" | "isolated", _) => Behavior::Isolated,
        // What is thrown away lies between the matches; these patterns leave nothing between.
        ("Removed" | "removed", true)
            if matches!(
                pattern,
                Pattern::Scan(Scanner::Gpt2 | Scanner::Cl100k(_) | Scanner::O200k(_))
            ) =>
        {
            Behavior::Isolated
        }
        ("Removed" | "removed", true) => Behavior::Kept,
        ("Removed" | "removed", false) => Behavior::Removed,
        ("MergedWithPrevious" | "merged_with_previous", false) => Behavior::MergedWithPrevious,
        ("MergedWithNext" | "merged_with_next", false) => Behavior::MergedWithNext,
        ("Contiguous" | "contiguous", _) => Behavior::Contiguous,
        (other, _) => return Err(part.unsupported(format!("behavior {other}, invert {invert}"))),
    })
}

fn metaspace(part: Part<'_>) -> Result<Step, TokenizerError> {
    let replacement = match part.value.get("replacement").and_then(Value::as_str) {
        None => LOW_LINE,
        Some(text) => match (text.chars().next(), text.chars().nth(1)) {
            (Some(replacement), None) => replacement,
            _ => return Err(part.malformed("`replacement` is not one character")),
        },
    };
    let prefix = match part.value.get("prepend_scheme").and_then(Value::as_str) {
        Some("always") => Prefix::Always,
        Some("first") => Prefix::AtStart,
        Some("never") => Prefix::Never,
        Some(other) => return Err(part.unsupported(format!("prepend_scheme {other}"))),
        None if part.bool("add_prefix_space", true)? => Prefix::Always,
        None => Prefix::Never,
    };
    Ok(Step::Metaspace { replacement, prefix, split: part.bool("split", true)? })
}

/// What `post_processor` puts before and after one text: ids.
pub(super) fn read_post_processor(value: &Value) -> Result<(Vec<u32>, Vec<u32>), TokenizerError> {
    let mut ends = (Vec::new(), Vec::new());
    if !value.is_null() {
        push_ends(Part { at: "post_processor", value }, &mut ends)?;
    }
    Ok(ends)
}

fn push_ends(part: Part<'_>, ends: &mut (Vec<u32>, Vec<u32>)) -> Result<(), TokenizerError> {
    let id = |value: Option<&Value>| {
        let id = value.and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| part.malformed("a special token has no id"))
    };
    match part.kind()? {
        "Sequence" => {
            for part in part.list("processors")? {
                push_ends(part, ends)?;
            }
        }
        "ByteLevel" => {}
        "BertProcessing" | "RobertaProcessing" => {
            ends.0.push(id(part.value.pointer("/cls/1"))?);
            ends.1.push(id(part.value.pointer("/sep/1"))?);
        }
        "TemplateProcessing" => {
            let mut before_text = true;
            for piece in part.list("single")? {
                let Some(name) = piece.value.pointer("/SpecialToken/id") else {
                    before_text = false;
                    continue;
                };
                let name = name.as_str().unwrap_or_default();
                let ids =
                    part.value.get("special_tokens").and_then(|all| all.get(name)?.get("ids"));
                let side = if before_text { &mut ends.0 } else { &mut ends.1 };
                for value in ids.and_then(Value::as_array).into_iter().flatten() {
                    side.push(id(Some(value))?);
                }
            }
        }
        other => return Err(part.unsupported(other)),
    }
    Ok(())
}

/// What of `decoder` is not known from the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decoder {
    /// Every character of a token stands for a byte.
    pub(super) byte_level: bool,
    /// The space before the first word is taken away.
    pub(super) strips_space: bool,
}

/// Reads `decoder`; types that say nothing new are passed over.
pub(super) fn read_decoder(value: &Value) -> Decoder {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "ByteLevel" => Decoder { byte_level: true, strips_space: false },
        "Sequence" => {
            let parts = value.get("decoders").and_then(Value::as_array);
            parts.into_iter().flatten().map(read_decoder).fold(Decoder::default(), |all, part| {
                Decoder {
                    byte_level: all.byte_level || part.byte_level,
                    strips_space: all.strips_space || part.strips_space,
                }
            })
        }
        "Metaspace" => {
            let metaspace = metaspace(Part { at: "decoder", value });
            let never = |step| matches!(step, Step::Metaspace { prefix: Prefix::Never, .. });
            Decoder { byte_level: false, strips_space: !metaspace.is_ok_and(never) }
        }
        "Strip" => {
            let strips = value.get("start").and_then(Value::as_u64) == Some(1)
                && value.get("content").and_then(Value::as_str) == Some(" ");
            Decoder { byte_level: false, strips_space: strips }
        }
        _ => Decoder::default(),
    }
}

/// The bytes that a text in base64 stands for.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits = 0u32;
    let mut n_bits = 0;
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            out.push((bits >> n_bits) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")]
        {
            assert_eq!(decode_base64(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(decode_base64("+/8="), Some(vec![0xfb, 0xff]));
        assert_eq!(decode_base64("a-"), None);
    }

    #[test]
    fn what_is_not_implemented_is_named() {
        for (result, name) in [
            (read_normalizer(&json!({"type": "Nmt"})).map(drop), "normalizer: `Nmt`"),
            (
                read_pre_tokenizer(&json!({"type": "UnicodeScripts"})).map(drop),
                "pre_tokenizer: `UnicodeScripts`",
            ),
            (read_post_processor(&json!({"type": "X"})).map(drop), "post_processor: `X`"),
            (read_normalizer(&json!({})).map(drop), "normalizer: it has no `type`"),
            (
                read_pre_tokenizer(&json!({"type": "Split", "pattern": {}})).map(drop),
                "pre_tokenizer: `pattern` is neither",
            ),
        ] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn the_two_ways_to_write_spaces_are_one() {
        let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
        let prepend = json!({"type": "Prepend", "prepend": "▁"});
        let both = json!({"type": "Sequence", "normalizers": [prepend, replace]});
        for (value, prefix) in [(&both, Prefix::Always), (&replace, Prefix::Never)] {
            let changes = read_normalizer(value).unwrap();
            let [Change::Spaces(spaces)] = changes.as_slice() else { panic!("{changes:?}") };
            assert_eq!(*spaces, Spaces { prefix, collapse: false });
        }
    }

    #[test]
    fn templates_say_what_stands_around_a_text() {
        let template = json!({"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [], "special_tokens": {
                "<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [2, 3], "tokens": ["</s>"]}}});
        assert_eq!(read_post_processor(&template).unwrap(), (vec![1], vec![2, 3]));
        let bert = json!({"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]});
        assert_eq!(read_post_processor(&bert).unwrap(), (vec![101], vec![102]));
        assert_eq!(read_post_processor(&json!({"type": "ByteLevel"})).unwrap(), (vec![], vec![]));
    }

    #[test]
    fn decoders_are_told_apart() {
        let read = |value| read_decoder(&value);
        assert!(read(json!({"type": "ByteLevel"})).byte_level);
        assert!(read(json!({"type": "Metaspace", "prepend_scheme": "first"})).strips_space);
        assert!(!read(json!({"type": "Metaspace", "prepend_scheme": "never"})).strips_space);
        let sequence = json!({"type": "Sequence", "decoders": [
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]});
        assert_eq!(read(sequence), Decoder { byte_level: false, strips_space: true });
        assert_eq!(read(Value::Null), Decoder::default());
    }
}
