//! A tokenizer that was written to GGUF metadata gives the same tokens when it is read again.

use std::path::Path;

use mynah_model::tokenizer::{HuggingFaceFiles, SpecialText, Tokenizer};

use crate::models;

/// Compares on every text; returns how many there were.
fn check(name: &str, tokenizer: &Tokenizer, texts: &[String]) -> usize {
    let metadata = tokenizer.to_metadata().unwrap_or_else(|error| panic!("{name}: {error}"));
    let again = Tokenizer::from_metadata(&metadata).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(again.vocab_len(), tokenizer.vocab_len(), "{name}");
    assert_eq!(again.special(), tokenizer.special(), "{name}");
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
        assert!(check(name, &models::tokenizer(name), &pinned_texts(name)) > 200);
    }
    let name = "all-minilm-l6-v2";
    assert!(check(name, &models::mini_lm(), &pinned_texts(name)) > 200);
}

#[test]
fn a_small_file_of_each_kind_is_written_as_it_was_read() {
    let texts = pinned_texts("all-minilm-l6-v2");
    for kind in ["byte-level", "unigram", "word-piece"] {
        let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/tokenizer").join(kind);
        let bytes = std::fs::read(&seed).unwrap_or_else(|error| panic!("{}: {error}", seed.display()));
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
