//! The vocabulary as `tokenizer.json`, which mynah and Hugging Face's libraries read.

use mynah_model::tokenizer::byte_character;
use serde_json::{Map, Value, json};

use super::Bpe;

impl Bpe {
    /// How many tokens there are.
    pub fn n_vocab(&self) -> usize {
        self.special.len() + self.tokens.len()
    }

    /// What a token is called in the file: a character for each byte.
    pub(super) fn name(&self, id: u32) -> String {
        let n_special = self.special.len();
        match self.special.get(id as usize) {
            Some(name) => name.clone(),
            None => self.tokens[id as usize - n_special]
                .iter()
                .map(|&byte| byte_character(byte))
                .collect(),
        }
    }

    /// The merges as pairs of names.
    pub fn merge_names(&self) -> impl Iterator<Item = (String, String)> {
        self.merges.iter().map(|&(a, b)| (self.name(a), self.name(b)))
    }

    /// The text of `tokenizer.json`.
    pub fn to_tokenizer_json(&self) -> String {
        let special: Vec<Value> = self
            .special
            .iter()
            .enumerate()
            .map(|(id, content)| {
                json!({
                    "id": id, "content": content, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true,
                })
            })
            .collect();
        let vocab: Map<String, Value> =
            (0..self.n_vocab() as u32).map(|id| (self.name(id), Value::from(id))).collect();
        let merges: Vec<Value> = self.merge_names().map(|(a, b)| json!([a, b])).collect();
        let byte_level = |use_regex: bool| {
            json!({
                "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                "use_regex": use_regex,
            })
        };
        let file = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": special,
            "normalizer": null,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {
                        "type": "Split",
                        "pattern": { "Regex": self.pattern.regex() },
                        "behavior": "Isolated",
                        "invert": false,
                    },
                    byte_level(false),
                ],
            },
            "post_processor": null,
            "decoder": byte_level(true),
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null,
                "continuing_subword_prefix": null, "end_of_word_suffix": null,
                "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocab, "merges": merges,
            },
        });
        format!("{file:#}\n")
    }
}
