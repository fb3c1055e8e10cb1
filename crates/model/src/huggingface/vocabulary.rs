//! What the tokenizer says and what the weights have: as many tokens as rows.

use super::HuggingFaceError;
use super::config::Config;
use super::families::Family;
use crate::checkpoint::{Checkpoint, Data};
use crate::metadata::{Metadata, Value};
use crate::strings::Strings;

const EMBEDDINGS: &str = "token_embd.weight";
const TOKENS: &str = "tokenizer.ggml.tokens";

/// The type of a token that is never seen. Source: llama.cpp's `enum llama_token_type`.
const UNUSED: i32 = 5;

/// Says which tokens begin and end texts, where the tokenizer's files do not.
pub(super) fn special_tokens(
    config: &Config,
    generation: Option<&Config>,
    metadata: &mut Metadata,
) -> Result<(), HuggingFaceError> {
    let keys = [
        ("bos_token_id", "tokenizer.ggml.bos_token_id"),
        ("eos_token_id", "tokenizer.ggml.eos_token_id"),
        ("pad_token_id", "tokenizer.ggml.padding_token_id"),
    ];
    for (field, key) in keys {
        if let Some(&token) = config.tokens(field)?.first()
            && !metadata.contains_key(key)
        {
            metadata.insert(key.into(), Value::U32(token));
        }
    }
    // Some models end an answer in several ways; only these files say so.
    let ends = match generation {
        Some(generation) => generation.tokens("eos_token_id")?,
        None => Vec::new(),
    };
    let ends = if ends.is_empty() { config.tokens("eos_token_id")? } else { ends };
    if ends.len() > 1 {
        metadata.insert("tokenizer.ggml.eos_token_ids".into(), Value::U32s(ends));
    }
    Ok(())
}

/// Makes the list of tokens as long as the embeddings have rows.
///
/// Models have more rows than tokens, because a round number is faster to train; such rows get
/// tokens `[PAD…]` that are never seen. The rows of Gemma 3 are cut instead. So does llama.cpp.
pub(super) fn fit(family: &Family, made: &mut Checkpoint) -> Result<(), HuggingFaceError> {
    let Some(n_tokens) = made.metadata.get(TOKENS).and_then(Value::as_strings).map(Strings::len)
    else {
        return Ok(());
    };
    let Some(embeddings) = made.tensors.get_mut(EMBEDDINGS) else { return Ok(()) };
    let [width, n_rows] = embeddings.shape[..] else { return Ok(()) };
    if n_tokens > n_rows {
        let (tokens, rows) = (n_tokens, n_rows);
        return Err(HuggingFaceError::Vocabulary { place: EMBEDDINGS, tokens, rows });
    }
    if n_tokens == n_rows || n_tokens == 0 {
        return Ok(());
    }
    if family.arch == "gemma3"
        && let Data::Stored(bytes) = embeddings.data
        && let Some(size) = embeddings.format.bytes_for(width * n_tokens)
    {
        embeddings.data = Data::Stored(&bytes[..size]);
        embeddings.shape[1] = n_tokens;
        return Ok(());
    }
    if let Some(Value::Strings(tokens)) = made.metadata.get_mut(TOKENS) {
        tokens.extend((n_tokens..n_rows).map(|i| format!("[PAD{i}]")));
    }
    if let Some(Value::I32s(types)) = made.metadata.get_mut("tokenizer.ggml.token_type") {
        types.resize(n_rows, UNUSED);
    }
    if let Some(Value::F32s(scores)) = made.metadata.get_mut("tokenizer.ggml.scores") {
        scores.resize(n_rows, -10_000.0);
    }
    Ok(())
}
