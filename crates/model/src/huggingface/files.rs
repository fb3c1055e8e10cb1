//! The files of a folder by name: which of them say what.

use serde_json::Value as Json;

use super::{Folder, HuggingFaceError, checkpoint};
use crate::checkpoint::Checkpoint;
use crate::metadata::{Metadata, Value};
use crate::safetensors::{self, SafetensorsError};
use crate::strings::Strings;
use crate::tokenizer::{HuggingFaceFiles, Tokenizer, TokenizerError};

const TEMPLATE: &str = "tokenizer.chat_template";

/// Why the files of a folder are not a model that mynah reads.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file that every model has is not there.
    #[error("there is no {name}")]
    Missing {
        /// The file.
        name: &'static str,
    },
    /// The weights are not what they must be.
    #[error(transparent)]
    Weights(#[from] SafetensorsError),
    /// The tokenizer's files are not what they must be.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The configuration is not what it must be, or does not fit the weights.
    #[error(transparent)]
    Model(#[from] HuggingFaceError),
}

/// Reads a model and its tokenizer from the files of a folder, each a name and its bytes.
///
/// `name` is what the model is called, such as the folder's name. Files that say nothing about the
/// model may be among them. Without `tokenizer.json` there is no tokenizer, and the checkpoint has
/// no vocabulary.
///
/// # Errors
/// If `config.json` or the weights are absent, or a file is not what it must be.
pub fn read<'a>(
    name: &str,
    files: &[(&str, &'a [u8])],
) -> Result<(Checkpoint<'a>, Option<Tokenizer>), FilesError> {
    let get = |name: &str| files.iter().find(|(other, _)| *other == name).map(|(_, bytes)| *bytes);
    let config = get("config.json").ok_or(FilesError::Missing { name: "config.json" })?;
    let generation_config = get("generation_config.json");
    let tokenizer = get("tokenizer.json").map(|tokenizer| {
        Tokenizer::from_tokenizer_json(&HuggingFaceFiles {
            tokenizer,
            config: get("tokenizer_config.json"),
            special_tokens_map: get("special_tokens_map.json"),
            generation_config,
        })
    });
    let tokenizer = tokenizer.transpose()?;
    let mut tokenizer_metadata = match &tokenizer {
        Some(tokenizer) => tokenizer.to_metadata()?,
        None => Metadata::new(),
    };
    add_templates(get, &mut tokenizer_metadata);
    let index = get("model.safetensors.index.json");
    let shards = shards(files, index)?;
    if shards.is_empty() {
        return Err(FilesError::Missing { name: "model.safetensors" });
    }
    let checkpoint = checkpoint(Folder {
        name,
        config,
        generation_config,
        pooling_config: get("1_Pooling/config.json"),
        tokenizer_metadata,
        tensors: safetensors::read(&shards, index)?,
    })?;
    Ok((checkpoint, tokenizer))
}

/// The files of weights; with an index those that it names, for folders often have others beside.
fn shards<'f, 'a>(
    files: &[(&'f str, &'a [u8])],
    index: Option<&[u8]>,
) -> Result<Vec<(&'f str, &'a [u8])>, SafetensorsError> {
    let named = index.map(safetensors::shard_names).transpose()?;
    let is_shard = |name: &str| match &named {
        Some(named) => named.iter().any(|other| other == name),
        None => name.ends_with(".safetensors"),
    };
    Ok(files.iter().copied().filter(|(name, _)| is_shard(name)).collect())
}

/// Finds the templates that make text of a conversation, as GGUF has them.
///
/// A file of its own comes before the tokenizer's configuration. That may have several by name;
/// the one called `default` is the model's, the others are `tokenizer.chat_template.NAME`.
/// Source: `gguf-py`'s `SpecialVocab` and `add_chat_template`.
fn add_templates<'a>(get: impl Fn(&str) -> Option<&'a [u8]>, metadata: &mut Metadata) {
    if let Some(template) = get("chat_template.jinja").and_then(|b| std::str::from_utf8(b).ok()) {
        metadata.insert(TEMPLATE.into(), template.into());
        return;
    }
    // A configuration that is not JSON was refused with the tokenizer already.
    let field = |file| {
        let object: Json = serde_json::from_slice(get(file)?).ok()?;
        object.get("chat_template").cloned()
    };
    match field("chat_template.json").or_else(|| field("tokenizer_config.json")) {
        Some(Json::String(template)) => {
            metadata.insert(TEMPLATE.into(), template.into());
        }
        Some(Json::Array(templates)) => {
            let mut names = Strings::default();
            for entry in &templates {
                let text = |field| entry.get(field).and_then(Json::as_str);
                match (text("name"), text("template")) {
                    (Some("default"), Some(template)) => {
                        metadata.insert(TEMPLATE.into(), template.into());
                    }
                    (Some(name), Some(template)) => {
                        names.push(name);
                        metadata.insert(format!("{TEMPLATE}.{name}"), template.into());
                    }
                    _ => {}
                }
            }
            if !names.is_empty() {
                metadata.insert("tokenizer.chat_templates".into(), Value::Strings(names));
            }
        }
        _ => {}
    }
}
