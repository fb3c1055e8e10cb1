//! A trained model as the files that other programs read: a folder as on Hugging Face.
//!
//! The preset `llama` is written as `LlamaForCausalLM`. The preset `nano` has no name elsewhere: it
//! is written as `MynahForCausalLM`, which mynah reads. What was one matrix in training (queries,
//! keys and values; gate and up) is cut into its parts.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::config::{Config, ModelConfig, Preset};
use crate::model::Layout;

/// Why a model could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The tokenizer is not the JSON that it must be.
    #[error("tokenizer.json is wrong: {0}")]
    Tokenizer(#[from] serde_json::Error),
}

/// A tensor that is written: its name, its sizes, its numbers.
type Written<'w> = (String, Vec<usize>, &'w [f32]);

/// Writes a folder: `model.safetensors`, `config.json`, `generation_config.json`,
/// `tokenizer.json`, `tokenizer_config.json`.
///
/// `tokenizer`: the text of its file; `begins`: the token that begins and ends texts.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    folder: &Path,
    config: &Config,
    weights: &[f32],
    tokenizer: &str,
    begins: u32,
) -> Result<(), ExportError> {
    let layout = Layout::new(config.preset, &config.model);
    let mut tokenizer: Value = serde_json::from_str(tokenizer)?;
    let name = token_name(&tokenizer, begins);
    tokenizer["post_processor"] = begins_texts(&name, begins);
    put(folder, "config.json", &pretty(&config_json(config, begins))?)?;
    let generation = json!({
        "bos_token_id": begins, "eos_token_id": begins, "do_sample": true, "temperature": 0.8,
        "top_k": 40,
    });
    put(folder, "generation_config.json", &pretty(&generation)?)?;
    put(folder, "tokenizer.json", &pretty(&tokenizer)?)?;
    let about = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": name, "eos_token": name,
        "add_bos_token": true, "add_eos_token": false, "clean_up_tokenization_spaces": false,
        "model_max_length": config.model.context,
    });
    put(folder, "tokenizer_config.json", &pretty(&about)?)?;
    write_weights(&folder.join("model.safetensors"), &tensors(config, &layout, weights))
}

fn pretty(value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a file beside its place, and puts it there when it is whole.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
    let path = folder.join(name);
    let write = || -> io::Result<()> {
        let mut file = new_file(folder)?;
        file.write_all(bytes)?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| ExportError::Io { path: path.clone(), error })
}

/// A temporary file with the rights that any new file has.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = fs::metadata(folder);
    builder.tempfile_in(folder)
}

/// What a token is called.
fn token_name(tokenizer: &Value, id: u32) -> String {
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let mut named = added.filter(|token| token["id"] == id).filter_map(|t| t["content"].as_str());
    named.next().unwrap_or("<|endoftext|>").to_owned()
}

/// What puts the token before a text, as in training.
fn begins_texts(name: &str, id: u32) -> Value {
    let token = json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    let text = |id: &str, kind: u32| json!({ "Sequence": { "id": id, "type_id": kind } });
    let mut special = Map::new();
    special.insert(name.to_owned(), json!({ "id": name, "ids": [id], "tokens": [name] }));
    json!({
        "type": "TemplateProcessing",
        "single": [token, text("A", 0)],
        "pair": [token, text("A", 0), text("B", 1)],
        "special_tokens": special,
    })
}

fn config_json(config: &Config, begins: u32) -> Value {
    let ModelConfig { depth, width, n_heads, n_kv_heads, head_dim, .. } = config.model;
    let (class, kind, activation) = match config.preset {
        Preset::Llama => ("LlamaForCausalLM", "llama", "silu"),
        Preset::Nano => ("MynahForCausalLM", "mynah", "relu2"),
    };
    json!({
        "architectures": [class],
        "model_type": kind,
        "vocab_size": config.model.vocabulary,
        "hidden_size": width,
        "intermediate_size": config.model.feed_forward,
        "num_hidden_layers": depth,
        "num_attention_heads": n_heads,
        "num_key_value_heads": n_kv_heads,
        "head_dim": head_dim,
        "hidden_act": activation,
        "max_position_embeddings": config.model.context,
        "rms_norm_eps": config.model.norm_eps,
        "rope_theta": config.model.rope_base,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": begins,
        "eos_token_id": begins,
        "torch_dtype": "float32",
    })
}

/// Every tensor under the name it has on Hugging Face.
fn tensors<'w>(config: &Config, layout: &Layout, weights: &'w [f32]) -> Vec<Written<'w>> {
    let (gate, up) = ("mlp.gate_proj", "mlp.up_proj");
    let mut written = Vec::new();
    let mut add = |n: usize, names: &[String]| {
        let tensor = &layout.tensors()[n];
        let mut numbers = &weights[tensor.range()];
        for (&rows, name) in tensor.parts.iter().zip(names) {
            let part;
            (part, numbers) = numbers.split_at(rows * tensor.columns);
            let shape = match tensor.group {
                crate::model::Group::Norm | crate::model::Group::Mix => vec![tensor.columns],
                _ => vec![rows, tensor.columns],
            };
            written.push((format!("model.{name}.weight"), shape, part));
        }
    };
    add(layout.embedding, &["embed_tokens".into()]);
    for (i, layer) in layout.layers.iter().enumerate() {
        let name = |what: &str| format!("layers.{i}.{what}");
        if let Some(mix) = layer.residual_mix {
            add(mix, &[name("residual_mix")]);
        }
        add(layer.attention_norm, &[name("input_layernorm")]);
        add(layer.qkv, &["q", "k", "v"].map(|part| name(&format!("self_attn.{part}_proj"))));
        if let Some([query, key]) = layer.head_norms {
            add(query, &[name("self_attn.q_norm")]);
            add(key, &[name("self_attn.k_norm")]);
        }
        add(layer.attention_out, &[name("self_attn.o_proj")]);
        add(layer.feed_norm, &[name("post_attention_layernorm")]);
        match config.preset {
            Preset::Llama => add(layer.up, &[name(gate), name(up)]),
            Preset::Nano => add(layer.up, &[name(up)]),
        }
        add(layer.down, &[name("mlp.down_proj")]);
    }
    add(layout.output_norm, &["norm".into()]);
    written
}

/// Writes safetensors: the length of the header, the header, the numbers.
fn write_weights(path: &Path, tensors: &[Written]) -> Result<(), ExportError> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut at = 0;
    for (name, shape, numbers) in tensors {
        let end = at + numbers.len() * 4;
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [at, end] });
        header.insert(name.clone(), entry);
        at = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut out = io::BufWriter::new(new_file(folder)?);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for numbers in tensors.iter().flat_map(|(_, _, numbers)| numbers.chunks(1 << 14)) {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
        let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.as_file().sync_all()?;
        out.persist(path)?;
        Ok(())
    };
    write().map_err(|error| ExportError::Io { path: path.to_owned(), error })
}
