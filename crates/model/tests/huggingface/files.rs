//! Which files of a folder say what.

use mynah_model::huggingface;
use serde_json::json;

use crate::build::llama;

/// A safetensors file with one tensor of four numbers.
fn weights(name: &str) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat()
}

fn config() -> Vec<u8> {
    llama().to_string().into_bytes()
}

/// A tokenizer of three tokens and nothing else.
fn tokenizer() -> Vec<u8> {
    json!({"version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})
    .to_string()
    .into_bytes()
}

#[test]
fn a_folder_without_a_tokenizer_is_a_model() {
    let (config, weights) = (config(), weights("model.norm.weight"));
    let files =
        [("README.md", &b"text"[..]), ("config.json", &config), ("model.safetensors", &weights)];
    let (model, tokenizer) = huggingface::read("test", &files).unwrap();
    assert!(tokenizer.is_none());
    assert_eq!(model.metadata.str("general.name"), Ok("test"));
    assert_eq!(model.tensors.keys().collect::<Vec<_>>(), ["output_norm.weight"]);
}

#[test]
fn the_tokenizer_becomes_facts() {
    let (config, weights, tokenizer) = (config(), weights("model.norm.weight"), tokenizer());
    let files =
        [("config.json", &config[..]), ("tokenizer.json", &tokenizer), ("x.safetensors", &weights)];
    let (model, tokenizer) = huggingface::read("test", &files).unwrap();
    assert_eq!(tokenizer.map(|tokenizer| tokenizer.vocab_len()), Some(3));
    let tokens = model.metadata.strings("tokenizer.ggml.tokens").unwrap();
    assert_eq!(tokens.iter().collect::<Vec<_>>(), ["a", "b", "ab"]);
}

#[test]
fn with_an_index_only_its_shards_are_read() {
    let (config, one, two, other) =
        (config(), weights("model.norm.weight"), weights("model.embed_tokens.bias"), b"no tensors");
    let index = json!({"weight_map": {"model.norm.weight": "1.safetensors",
                                      "model.embed_tokens.bias": "2.safetensors"}});
    let index = index.to_string();
    let files = [
        ("config.json", &config[..]),
        ("model.safetensors.index.json", index.as_bytes()),
        ("1.safetensors", &one),
        ("2.safetensors", &two),
        ("consolidated.safetensors", other),
    ];
    assert_eq!(huggingface::read("test", &files).unwrap().0.tensors.len(), 2);
    let error = huggingface::read("test", &files[..3]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the index of shards says that tensor `model.embed_tokens.bias` is in 2.safetensors, \
         which was not given"
    );
}

#[test]
fn what_is_missing_is_named() {
    let (config, weights) = (config(), weights("model.norm.weight"));
    let error = |files: &[(&str, &[u8])]| huggingface::read("test", files).unwrap_err().to_string();
    assert_eq!(error(&[("model.safetensors", &weights)]), "there is no config.json");
    assert_eq!(error(&[("config.json", &config)]), "there is no model.safetensors");
}

#[test]
fn templates_are_found_in_the_newest_place() {
    let (config, weights) = (config(), weights("model.norm.weight"));
    let several = json!({"chat_template": [{"name": "default", "template": "one"},
                                           {"name": "tool_use", "template": "two"}]});
    let several = several.to_string();
    let mut files = vec![
        ("config.json", &config[..]),
        ("model.safetensors", &weights),
        ("tokenizer_config.json", several.as_bytes()),
    ];
    let facts = |files: &[(&str, &[u8])]| huggingface::read("test", files).unwrap().0.metadata;
    let found = facts(&files);
    assert_eq!(found.str("tokenizer.chat_template"), Ok("one"));
    assert_eq!(found.str("tokenizer.chat_template.tool_use"), Ok("two"));
    let names = found.strings("tokenizer.chat_templates").unwrap();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["tool_use"]);

    files.push(("chat_template.json", br#"{"chat_template": "three"}"#));
    assert_eq!(facts(&files).str("tokenizer.chat_template"), Ok("three"));
    files.push(("chat_template.jinja", b"four"));
    assert_eq!(facts(&files).str("tokenizer.chat_template"), Ok("four"));
}
