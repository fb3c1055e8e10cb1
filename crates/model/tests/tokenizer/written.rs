//! A tokenizer that was written to GGUF metadata gives the same tokens when it is read again.

use std::path::Path;

use mynah_model::checkpoint::{Metadata, Value};
use mynah_model::gguf;
use mynah_model::tokenizer::{HuggingFaceFiles, SpecialIds, SpecialText, Tokenizer};

use crate::models;

/// Compares on every text; returns how many there were.
fn check(name: &str, tokenizer: &Tokenizer, texts: &[String]) -> usize {
    let metadata = tokenizer.to_metadata().unwrap_or_else(|error| panic!("{name}: {error}"));
    let again =
        Tokenizer::from_metadata(&metadata).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(again.vocab_len(), tokenizer.vocab_len(), "{name}");
    for text in texts {
        for special in [SpecialText::AsText, SpecialText::Parse] {
            let (ids, expected) = (again.encode(text, special), tokenizer.encode(text, special));
            assert_eq!(ids, expected, "{name}: {text:?}");
        }
        let prompt = |tokenizer: &Tokenizer| tokenizer.encode_prompt(text, SpecialText::AsText);
        assert_eq!(prompt(&again), prompt(tokenizer), "{name}: {text:?}");
    }
    texts.len()
}

/// The texts that a model's pinned tokenizations are of.
fn pinned_texts(name: &str) -> Vec<String> {
    let cases = models::fixture(&format!("tokenizer/{name}.json"));
    let cases = cases.as_array().expect("a list");
    cases.iter().map(|case| case["text"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn real_vocabularies_are_written_as_they_were_read() {
    for name in models::GGUF {
        let tokenizer = models::tokenizer(name);
        assert!(check(name, &tokenizer, &pinned_texts(name)) > 200);
        let metadata = tokenizer.to_metadata().expect("metadata");
        let again = Tokenizer::from_metadata(&metadata).expect("a tokenizer");
        for id in 0..tokenizer.vocab_len() as u32 {
            let ends = [&again, &tokenizer].map(|tokenizer| tokenizer.is_end_of_generation(id));
            assert_eq!(ends[0], ends[1], "{name}: token {id}");
        }
    }
    let name = "all-minilm-l6-v2";
    assert!(check(name, &models::mini_lm(), &pinned_texts(name)) > 200);
}

/// A seed of the fuzz targets.
fn seed(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tokenizer of a seed with a tokenizer.json.
fn small(kind: &str) -> Tokenizer {
    let bytes = seed(&format!("tokenizer/{kind}"));
    let files = HuggingFaceFiles {
        tokenizer: bytes.split(|&byte| byte == 0).next().unwrap_or_default(),
        config: None,
        special_tokens_map: None,
        generation_config: None,
    };
    let tokenizer = Tokenizer::from_tokenizer_json(&files);
    tokenizer.unwrap_or_else(|error| panic!("{kind}: {error}"))
}

#[test]
fn a_small_file_of_each_kind_is_written_as_it_was_read() {
    let texts = pinned_texts("all-minilm-l6-v2");
    for kind in ["byte-level", "word-piece"] {
        check(kind, &small(kind), &texts);
    }
    for kind in ["bert", "gpt-2", "llama", "llama-bpe", "qwen2", "smollm", "t5"] {
        let bytes = seed(&format!("vocabulary/{kind}.gguf"));
        let metadata = gguf::read(&[&bytes]).expect("a file").metadata;
        let tokenizer = Tokenizer::from_metadata(&metadata).expect("a tokenizer");
        check(kind, &tokenizer, &texts);
        let written = tokenizer.to_metadata().expect("metadata");
        let again = Tokenizer::from_metadata(&written).expect("a tokenizer");
        assert_eq!(again.special(), tokenizer.special(), "{kind}");
    }
    let error = small("unigram").to_metadata().expect_err("it has no words for this").to_string();
    assert!(error.contains("not before one that begins with a space"), "{error}");
}

/// GGUF has no way to say that a tokenizer lacks a token with a task: whoever reads the file assumes
/// what is usual for its family, as llama.cpp does. What the tokenizer has stays what it is.
#[test]
fn tokens_with_a_task_stay_and_missing_ones_are_those_that_llama_cpp_assumes() {
    let mini_lm = models::mini_lm();
    let metadata = mini_lm.to_metadata().expect("metadata");
    let written = Tokenizer::from_metadata(&metadata).expect("a tokenizer");
    let (before, after) = (mini_lm.special().clone(), written.special().clone());
    assert_eq!((before.bos, after.bos), (None, before.cls), "BERT's texts begin with [CLS]");
    assert_eq!(SpecialIds { bos: None, ..after }, before);

    let model = "tokenizer.ggml.model";
    let tokens: Vec<String> = (0..200).map(|i| format!("t{i}")).collect();
    let assumed = |family: &str| {
        let metadata = Metadata::from([
            (model, Value::String(family.into())),
            ("tokenizer.ggml.tokens", Value::Strings(tokens.iter().map(String::as_str).collect())),
            ("tokenizer.ggml.scores", Value::F32s(vec![0.0; tokens.len()])),
            ("tokenizer.ggml.merges", Value::Strings([""; 0].into_iter().collect())),
        ]);
        Tokenizer::from_metadata(&metadata).expect("a tokenizer").special().clone()
    };
    // From llama_vocab::impl::load in llama.cpp's src/llama-vocab.cpp.
    let none = SpecialIds::default();
    let llama = SpecialIds { bos: Some(1), eos: Some(2), unk: Some(0), ..none.clone() };
    let t5 = SpecialIds { eos: Some(1), unk: Some(2), pad: Some(0), ..none.clone() };
    let bert = SpecialIds {
        bos: Some(101),
        unk: Some(100),
        sep: Some(102),
        pad: Some(0),
        mask: Some(103),
        ..none.clone()
    };
    for (family, expected) in [("llama", llama), ("t5", t5), ("bert", bert), ("gpt2", none)] {
        assert_eq!(assumed(family), expected, "{family}");
    }
}

#[test]
fn every_end_that_a_file_lists_ends_an_answer() {
    let mut metadata = models::metadata("smollm2-135m-q4_1");
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a tokenizer");
    assert!(!tokenizer.is_end_of_generation(100) && !tokenizer.is_end_of_generation(200));
    let key = "tokenizer.ggml.eos_token_ids";
    metadata.insert(key.into(), Value::U32s(vec![200, 100]));
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a tokenizer");
    assert!(tokenizer.is_end_of_generation(100) && tokenizer.is_end_of_generation(200));
    metadata.insert(key.into(), Value::U32s(vec![70_000]));
    let error = Tokenizer::from_metadata(&metadata).expect_err("no such token").to_string();
    assert!(error.contains(key) && error.contains("70000"), "{error}");
}
