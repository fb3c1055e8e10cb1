//! The real models that the tests look at.

use std::path::{Path, PathBuf};

use mynah_model::checkpoint::Metadata;
use mynah_model::gguf;
use mynah_model::tokenizer::{HuggingFaceFiles, Tokenizer};

/// The models in GGUF whose tokenizations by llama.cpp are pinned.
pub(crate) const GGUF: [&str; 3] =
    ["smollm2-135m-q4_1", "gemma3-270m-q4_k_m", "qwen2.5-coder-0.5b-q4_k_m"];

/// The folder with the models.
///
/// # Panics
/// If nobody says where it is. A test that was skipped would look like one that passed.
fn folder() -> PathBuf {
    let folder = std::env::var_os("MYNAH_TEST_MODELS");
    folder
        .expect("MYNAH_TEST_MODELS names the folder with the models; `cargo xtask test` sets it")
        .into()
}

/// A file in that folder.
pub(crate) fn read(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metadata of a model in GGUF.
pub(crate) fn metadata(model: &str) -> Metadata {
    gguf::read(&[&read(&format!("{model}.gguf"))]).expect("the model can be read").metadata
}

/// The tokenizer of a model in GGUF.
pub(crate) fn tokenizer(model: &str) -> Tokenizer {
    Tokenizer::from_metadata(&metadata(model)).expect("the tokenizer can be read")
}

/// The tokenizer of all-MiniLM-L6-v2, from Hugging Face's files.
pub(crate) fn mini_lm() -> Tokenizer {
    let read = |name: &str| read(&format!("all-minilm-l6-v2/{name}"));
    Tokenizer::from_tokenizer_json(&HuggingFaceFiles {
        tokenizer: &read("tokenizer.json"),
        config: Some(&read("tokenizer_config.json")),
        special_tokens_map: Some(&read("special_tokens_map.json")),
        generation_config: None,
    })
    .expect("the tokenizer can be read")
}

/// A file among the fixtures.
pub(crate) fn fixture(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("the fixture is JSON")
}
