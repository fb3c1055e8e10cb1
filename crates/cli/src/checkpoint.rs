//! From a model's mapped files to its checkpoint and tokenizer, whichever kind they are; no weight
//! is read.

use mynah_hub::{Kind, ModelFiles};
use mynah_model::checkpoint::Checkpoint;
use mynah_model::tokenizer::Tokenizer;
use mynah_model::{gguf, huggingface};

use crate::failure::Hint as _;

/// Reads what the files say; tensors stay where they are.
///
/// # Errors
/// If the files are not what they seem to be, or a folder has no tokenizer.
pub(crate) fn read(files: &ModelFiles) -> anyhow::Result<(Checkpoint<'_>, Tokenizer)> {
    if files.kind() == Kind::Gguf {
        let checkpoint = gguf::read(&files.gguf_parts())?;
        let tokenizer = Tokenizer::from_metadata(&checkpoint.metadata)?;
        return Ok((checkpoint, tokenizer));
    }
    let (checkpoint, tokenizer) = read_folder(files)?;
    let tokenizer = tokenizer
        .ok_or_else(|| anyhow::anyhow!("the folder has no tokenizer.json"))
        .hint("a folder as on Hugging Face has config.json, tokenizer.json and *.safetensors")?;
    Ok((checkpoint, tokenizer))
}

/// Reads only what the files say about the model; of a GGUF file no tokenizer is made.
///
/// # Errors
/// If the files are not what they seem to be.
pub(crate) fn facts(files: &ModelFiles) -> anyhow::Result<Checkpoint<'_>> {
    match files.kind() {
        Kind::Gguf => Ok(gguf::read(&files.gguf_parts())?),
        Kind::Folder => Ok(read_folder(files)?.0),
    }
}

fn read_folder(files: &ModelFiles) -> anyhow::Result<(Checkpoint<'_>, Option<Tokenizer>)> {
    let name = files.path().file_name().unwrap_or_default().to_string_lossy();
    let contents: Vec<(&str, &[u8])> = files.files().collect();
    Ok(huggingface::read(&name, &contents)?)
}
