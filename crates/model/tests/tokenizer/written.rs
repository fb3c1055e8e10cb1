//! A tokenizer that was written to GGUF metadata gives the same tokens when it is read again.

use std::path::Path;

use mynah_model::checkpoint::Value;
use mynah_model::tokenizer::{HuggingFaceFiles, SpecialText, Tokenizer};

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

#[test]
fn a_small_file_of_each_kind_is_written_as_it_was_read() {
    let texts = pinned_texts("all-minilm-l6-v2");
    for kind in ["byte-level", "unigram", "word-piece"] {
        let seed =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/tokenizer").join(kind);
        let bytes =
            std::fs::read(&seed).unwrap_or_else(|error| panic!("{}: {error}", seed.display()));
        let files = HuggingFaceFiles {
            tokenizer: bytes.split(|&byte| byte == 0).next().unwrap_or_default(),
            config: None,
            special_tokens_map: None,
            generation_config: None,
        };
        let tokenizer = Tokenizer::from_tokenizer_json(&files);
        let tokenizer = tokenizer.unwrap_or_else(|error| panic!("{kind}: {error}"));
        check(kind, &tokenizer, &texts);
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
