//! From a model's mapped files to what they say; no weight is read.

use mynah_hub::{Kind, ModelFiles};
use mynah_model::checkpoint::{Checkpoint, Metadata};
use mynah_model::huggingface::{self, Folder};
use mynah_model::tokenizer::{HuggingFaceFiles, Tokenizer};
use mynah_model::{gguf, safetensors};

use crate::failure::Hint as _;

/// Reads what the files say. A folder's tokenizer that mynah cannot read is left out: the rest is
/// still worth knowing.
pub(crate) fn read(files: &ModelFiles) -> anyhow::Result<Checkpoint<'_>> {
    if files.kind() == Kind::Gguf {
        return Ok(gguf::read(&files.gguf_parts())?);
    }
    let config = files
        .get("config.json")
        .ok_or_else(|| anyhow::anyhow!("the folder has no config.json"))
        .hint("a folder as on Hugging Face has config.json, tokenizer.json and *.safetensors")?;
    let generation_config = files.get("generation_config.json");
    let index = files.get("model.safetensors.index.json");
    let named = index.map(safetensors::shard_names).transpose()?;
    let shards: Vec<(&str, &[u8])> = files
        .files()
        .filter(|(name, _)| name.ends_with(".safetensors"))
        .filter(|(name, _)| named.as_ref().is_none_or(|named| named.iter().any(|n| n == name)))
        .collect();
    let name = files.path().file_name().unwrap_or_default().to_string_lossy();
    Ok(huggingface::checkpoint(Folder {
        name: &name,
        config,
        generation_config,
        pooling_config: files.get("1_Pooling/config.json"),
        tokenizer_metadata: tokenizer_metadata(files).unwrap_or_default(),
        tensors: safetensors::read(&shards, index)?,
    })?)
}

fn tokenizer_metadata(files: &ModelFiles) -> Option<Metadata> {
    let tokenizer = Tokenizer::from_tokenizer_json(&HuggingFaceFiles {
        tokenizer: files.get("tokenizer.json")?,
        config: files.get("tokenizer_config.json"),
        special_tokens_map: files.get("special_tokens_map.json"),
        generation_config: files.get("generation_config.json"),
    });
    tokenizer.ok()?.to_metadata().ok()
}
