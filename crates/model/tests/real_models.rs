//! Sentence vectors of a real model, against transformers'.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use mynah_kernels::{Isa, Pool};
use mynah_model::checkpoint::Metadata;
use mynah_model::forward::{LoadOptions, Model, Scratch};
use mynah_model::huggingface::{self, Folder};
use mynah_model::safetensors;
use serde_json::Value;

/// The folder with the models.
fn folder() -> PathBuf {
    let folder = std::env::var_os("MYNAH_TEST_MODELS");
    folder
        .expect("MYNAH_TEST_MODELS names the folder with the models; `cargo xtask test` sets it")
        .into()
}

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn tokens(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn sentence_vectors_are_those_of_transformers() {
    let read = |name: &str| std::fs::read(folder().join("all-minilm-l6-v2").join(name)).unwrap();
    let (config, pooling) = (read("config.json"), read("1_Pooling/config.json"));
    let weights = read("model.safetensors");
    let checkpoint = huggingface::checkpoint(Folder {
        name: "all-minilm-l6-v2",
        config: &config,
        generation_config: None,
        pooling_config: Some(&pooling),
        tokenizer_metadata: Metadata::new(),
        tensors: safetensors::read(&[("model.safetensors", &weights)], None).unwrap(),
    })
    .unwrap();
    let (mut pool, mut scratch) = (Pool::new(2), Scratch::new());
    let options = LoadOptions::default();
    let model = Model::load(&checkpoint, &mut pool, Isa::detect(), options, &mut |_| ()).unwrap();
    let fixture = fixture("embeddings/all-minilm-l6-v2.json");
    let cases = fixture.get("cases").unwrap_or(&fixture).as_array().unwrap();
    let texts: Vec<Vec<u32>> = cases.iter().map(|case| tokens(&case["ids"])).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let pooling = model.architecture().pooling;
    let vectors = model.encode(&mut pool, &texts, pooling, &mut scratch).unwrap();
    for (vector, case) in vectors.chunks_exact(model.architecture().dim).zip(cases) {
        for (x, expected) in vector.iter().zip(numbers(&case["vector"])) {
            assert!((f64::from(*x) - expected).abs() < 1e-4, "{}", case["text"]);
        }
    }
}
