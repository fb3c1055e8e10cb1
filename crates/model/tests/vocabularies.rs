//! llama.cpp's own tokenizer tests: a vocabulary, texts and the tokens that the models' original
//! tokenizers give, for some twenty models. The files are too large to keep here. With llama.cpp
//! beside this project:
//!
//! `MYNAH_TEST_VOCABS=../llama.cpp/models cargo test -p mynah-model --test vocabularies -- --ignored`

use std::path::Path;

use mynah_model::gguf;
use mynah_model::tokenizer::{SpecialText, Tokenizer};

#[test]
#[ignore = "needs the folder `models` of llama.cpp in MYNAH_TEST_VOCABS"]
fn every_vocabulary_of_llama_cpp_gives_its_tokens() {
    let folder = std::env::var("MYNAH_TEST_VOCABS").expect("MYNAH_TEST_VOCABS is set");
    let mut checked = 0;
    let mut failures = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "gguf") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            match check(&path) {
                Ok(n) => checked += n,
                Err(failure) => failures.push(format!("{name}: {failure}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked > 300, "only {checked} texts");
}

/// Returns how many texts were compared.
fn check(path: &Path) -> Result<usize, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let checkpoint = gguf::read(&[&bytes]).map_err(|error| error.to_string())?;
    let tokenizer =
        Tokenizer::from_metadata(&checkpoint.metadata).map_err(|error| error.to_string())?;
    let beside = |extension| std::fs::read_to_string(path.with_extension(extension));
    let (Ok(inputs), Ok(outputs)) = (beside("gguf.inp"), beside("gguf.out")) else {
        return Ok(0);
    };
    let inputs: Vec<&str> = inputs.split("\n__ggml_vocab_test__\n").collect();
    let outputs: Vec<&str> = outputs.lines().collect();
    let mut wrong = Vec::new();
    for (text, expected) in inputs.iter().zip(&outputs) {
        let expected: Vec<u32> = expected.split_whitespace().flat_map(str::parse).collect();
        let got = tokenizer.encode(text, SpecialText::AsText);
        if got != expected {
            wrong.push(format!("{text:?}\n    got      {got:?}\n    expected {expected:?}"));
        }
    }
    if wrong.is_empty() { Ok(outputs.len()) } else { Err(wrong.join("\n  ")) }
}
