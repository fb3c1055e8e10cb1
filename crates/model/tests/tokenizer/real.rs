//! Real vocabularies: the ids that llama.cpp and Hugging Face give for awkward strings.

use mynah_model::tokenizer::{SpecialText, Tokenizer};

use crate::models;

/// Compares with every pinned string; returns how many there were.
fn check(name: &str, tokenizer: &Tokenizer) -> usize {
    let fixture = models::fixture(&format!("tokenizer/{name}.json"));
    let cases = fixture.as_array().expect("a list");
    let mut wrong = Vec::new();
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        for (special, key) in [(SpecialText::AsText, "plain"), (SpecialText::Parse, "special")] {
            let expected = case.get(key).unwrap_or(&case["plain"]);
            let got = tokenizer.encode(text, special);
            if serde_json::to_value(&got).expect("a list") != *expected {
                wrong.push(format!("{key} {text:?}\n  got      {got:?}\n  expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
    cases.len()
}

#[test]
fn gguf_vocabularies_give_what_llama_cpp_gives() {
    for name in models::GGUF {
        assert!(check(name, &models::tokenizer(name)) > 200);
    }
}

#[test]
fn tokenizer_json_gives_what_hugging_face_gives() {
    assert!(check("all-minilm-l6-v2", &models::mini_lm()) > 200);
}
