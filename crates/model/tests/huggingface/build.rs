//! Makes the weights and configurations that tests read.

use std::collections::BTreeMap;

use mynah_model::checkpoint::{Checkpoint, Metadata};
use mynah_model::huggingface::{self, Folder};
use mynah_model::safetensors::{Dtype, Tensors, View};
use serde_json::{Value as Json, json};

/// Tensors that own their bytes.
#[derive(Default)]
pub(crate) struct Weights(BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

impl Weights {
    /// Adds a tensor of single precision that counts up from 0.
    pub(crate) fn count(self, name: &str, shape: &[usize]) -> Self {
        let n: usize = shape.iter().product();
        let bytes = (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect();
        self.add(name, Dtype::F32, shape, bytes)
    }

    /// Adds a tensor from its bytes.
    pub(crate) fn add(mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        self.0.insert(name.to_owned(), (dtype, shape.to_vec(), bytes));
        self
    }

    /// The tensors as a reader of safetensors would give them.
    pub(crate) fn tensors(&self) -> Tensors<'_> {
        self.0
            .iter()
            .map(|(name, (dtype, shape, bytes))| {
                (name.clone(), View { dtype: *dtype, shape: shape.clone(), bytes })
            })
            .collect()
    }
}

/// A configuration with more fields.
pub(crate) fn with(mut config: Json, more: Json) -> Json {
    if let (Json::Object(config), Json::Object(more)) = (&mut config, more) {
        config.extend(more);
    }
    config
}

/// A small Llama: 2 heads of 4, one of them for keys.
pub(crate) fn llama() -> Json {
    json!({"architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 12,
           "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
           "vocab_size": 3})
}

/// Reads a folder of a configuration and weights.
pub(crate) fn read<'a>(config: &Json, weights: &'a Weights) -> Result<Checkpoint<'a>, String> {
    read_with(config, weights, Metadata::new(), None)
}

/// Reads a folder with what its tokenizer and `generation_config.json` say.
pub(crate) fn read_with<'a>(
    config: &Json,
    weights: &'a Weights,
    tokenizer_metadata: Metadata,
    generation: Option<Json>,
) -> Result<Checkpoint<'a>, String> {
    let generation = generation.map(|generation| generation.to_string());
    huggingface::checkpoint(Folder {
        name: "test",
        config: config.to_string().as_bytes(),
        generation_config: generation.as_ref().map(String::as_bytes),
        pooling_config: None,
        tokenizer_metadata,
        tensors: weights.tensors(),
    })
    .map_err(|error| error.to_string())
}

/// A tensor's numbers, which must be in single precision.
pub(crate) fn numbers(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let tensor = &checkpoint.tensors[name];
    assert_eq!(tensor.format, mynah_kernels::format::Format::F32, "{name}");
    let bytes = tensor.bytes();
    assert_eq!(bytes.len(), tensor.n_bytes(), "{name}");
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
