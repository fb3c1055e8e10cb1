//! A folder as on Hugging Face (config.json, safetensors) becomes a [`Checkpoint`].
//!
//! Names, shapes, order of rows and facts are those that llama.cpp's `convert_hf_to_gguf.py`
//! gives a GGUF file of the same model, so what is written from here is read there. Facts that
//! llama.cpp has no use for but the model needs are written under keys that GGUF reserves for
//! them: see [`facts`](self::facts).
//!
//! Which architectures there are, how their tensors are called and what their configuration means
//! is data: [`families`](self::families).

mod config;
mod facts;
mod families;
mod files;
mod rope;
mod source;
mod tensors;
mod vocabulary;

use crate::checkpoint::Checkpoint;
use crate::metadata::{Metadata, Value};
use crate::safetensors::{Dtype, Tensors};

use config::Config;
pub use files::{FilesError, read};

/// The files of a folder; only the weights must outlive the checkpoint.
pub struct Folder<'f, 'a> {
    /// What the model is called, such as the folder's name.
    pub name: &'f str,
    /// `config.json`.
    pub config: &'f [u8],
    /// `generation_config.json`: how its makers would sample from it, and where answers end.
    pub generation_config: Option<&'f [u8]>,
    /// `1_Pooling/config.json` of an encoder: how its output becomes one vector.
    pub pooling_config: Option<&'f [u8]>,
    /// What the tokenizer's files say, as `tokenizer.ggml.*` and `tokenizer.chat_template`.
    pub tokenizer_metadata: Metadata,
    /// The weights.
    pub tensors: Tensors<'a>,
}

/// Why a folder is not a model that mynah reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HuggingFaceError {
    /// A file is not the JSON that it must be.
    #[error("{file} is wrong: {problem}")]
    Json {
        /// The file.
        file: &'static str,
        /// What the JSON reader says, with line and column.
        problem: String,
    },
    /// A field is absent.
    #[error("{file} has no `{field}`")]
    Missing {
        /// The file.
        file: &'static str,
        /// The field.
        field: String,
    },
    /// A field is not of the kind that it must be.
    #[error("`{field}` in {file} is {got}, expected {expected}")]
    Wrong {
        /// The file.
        file: &'static str,
        /// The field.
        field: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// A field asks for something that is not done here.
    #[error("`{field}` in {file} is {got}, which is not supported; {remedy}")]
    Unsupported {
        /// The file.
        file: &'static str,
        /// The field.
        field: String,
        /// What it says.
        got: String,
        /// What is supported, or what the person can do.
        remedy: String,
    },
    /// A tensor has no place in the architecture.
    #[error("tensor `{name}` is not one of architecture {architecture}")]
    UnknownTensor {
        /// The tensor.
        name: String,
        /// The architecture in GGUF's words.
        architecture: &'static str,
    },
    /// Two tensors have the same place in the architecture.
    #[error("tensor `{name}` takes the place of another one, `{place}`")]
    SamePlace {
        /// The tensor.
        name: String,
        /// Its name in GGUF.
        place: String,
    },
    /// A tensor's shape does not fit the configuration.
    #[error("tensor `{name}` has the shape {shape:?}: {problem}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its sizes, the length of a row last.
        shape: Vec<usize>,
        /// What does not fit.
        problem: String,
    },
    /// A tensor's numbers are stored in a way that weights are not.
    #[error("tensor `{name}` is stored as {dtype}; F32, F16, BF16 and F64 are read")]
    Dtype {
        /// The tensor.
        name: String,
        /// How it is stored.
        dtype: Dtype,
    },
    /// One of several tensors that make one together is absent.
    #[error("tensor `{place}` needs {expected} parts, but number {missing} is missing")]
    MissingPart {
        /// The tensor's name in GGUF.
        place: String,
        /// How many there must be.
        expected: usize,
        /// The first that is absent, from 0.
        missing: usize,
    },
    /// The tokenizer has more tokens than the model.
    #[error("the tokenizer has {tokens} tokens, but `{place}` has {rows} rows")]
    Vocabulary {
        /// The tensor of embeddings.
        place: &'static str,
        /// How many tokens the tokenizer has.
        tokens: usize,
        /// How many rows the embeddings have.
        rows: usize,
    },
}

/// Makes a checkpoint with GGUF's names of a folder.
///
/// Weights stay as they are stored where GGUF has them in the same order, and are otherwise derived
/// when they are asked for. Norms and everything of one dimension become F32, as in every GGUF file.
///
/// # Errors
/// If the architecture or something that the configuration asks for is not supported, a field is
/// absent or wrong, a tensor is unknown or of the wrong shape or type, or the tokenizer has more
/// tokens than the embeddings have rows. The error names the field or tensor.
pub fn checkpoint<'a>(folder: Folder<'_, 'a>) -> Result<Checkpoint<'a>, HuggingFaceError> {
    let mut config = Config::parse("config.json", folder.config)?.with_text();
    let family = families::find(&config)?;
    refuse_quantized(&config)?;
    config.add_defaults((family.defaults)());
    facts::check_layers(&config, folder.tensors.len())?;
    let mut made = facts::of(family, &config)?;
    let metadata = &mut made.metadata;
    metadata.insert("general.architecture".into(), family.arch.into());
    metadata.insert("general.type".into(), "model".into());
    metadata.insert("general.name".into(), folder.name.into());
    metadata.insert("general.quantization_version".into(), Value::U32(2));
    if let Some(bytes) = folder.pooling_config {
        facts::pooling(family.arch, &Config::parse("1_Pooling/config.json", bytes)?, metadata)?;
    }
    let generation = folder
        .generation_config
        .map(|bytes| Config::parse("generation_config.json", bytes))
        .transpose()?;
    if let Some(generation) = &generation {
        facts::sampling(generation, metadata)?;
    }
    metadata.extend(folder.tokenizer_metadata);
    vocabulary::special_tokens(&config, generation.as_ref(), metadata)?;
    tensors::place_all(family, &config, folder.tensors, &mut made)?;
    vocabulary::fit(family, &mut made)?;
    let file_type = file_type(&made);
    made.metadata.insert("general.file_type".into(), Value::U32(file_type));
    Ok(made)
}

/// Refuses weights that were quantized by another program.
fn refuse_quantized(config: &Config) -> Result<(), HuggingFaceError> {
    let Some(how) = config.object("quantization_config")? else { return Ok(()) };
    let method = how.optional_str(&["quant_method"])?.unwrap_or("of an unknown kind");
    let remedy = "take the folder with the original weights and quantize it with `mynah quantize`";
    Err(config.unsupported("quantization_config", method, remedy))
}

/// The number by which GGUF says how most weights are stored.
///
/// Source: llama.cpp's `enum llama_ftype`.
fn file_type(checkpoint: &Checkpoint) -> u32 {
    use mynah_kernels::format::Format;
    let matrices = checkpoint.tensors.values().filter(|tensor| tensor.shape.len() > 1);
    match matrices.max_by_key(|tensor| tensor.n_elements()).map(|tensor| tensor.format) {
        Some(Format::F16) => 1,
        Some(Format::BF16) => 32,
        _ => 0,
    }
}
