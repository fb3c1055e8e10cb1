//! Constraints in the vocabularies of real models.
//!
//! The models are in the folder that `MYNAH_TEST_MODELS` names; `cargo xtask test` fetches them.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mynah_engine::constraint::{Constraint, Grammars, Vocabulary, schema_dsl_multi};
use mynah_engine::sampling::random::philox4x32;
use mynah_engine::sampling::{Draw, Sampler, SamplingParams, Workspace};
use mynah_model::gguf;
use mynah_model::tokenizer::{SpecialText, Tokenizer};

const MODELS: [&str; 2] = ["smollm2-135m-q4_1", "gemma3-270m-q4_k_m"];

struct Prepared {
    tokenizer: Arc<Tokenizer>,
    grammars: Grammars,
}

fn prepared() -> &'static [Prepared] {
    static PREPARED: OnceLock<Vec<Prepared>> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let folder: PathBuf = std::env::var_os("MYNAH_TEST_MODELS")
            .expect("MYNAH_TEST_MODELS is not set: run `cargo xtask test`, which fetches them")
            .into();
        let prepare = |name: &str| {
            let bytes = std::fs::read(folder.join(format!("{name}.gguf"))).unwrap();
            let checkpoint = gguf::read(&[&bytes]).unwrap();
            let tokenizer = Arc::new(Tokenizer::from_metadata(&checkpoint.metadata).unwrap());
            let grammars = Grammars::new(Arc::clone(&tokenizer) as Arc<dyn Vocabulary>);
            Prepared { tokenizer, grammars }
        };
        MODELS.map(prepare).into()
    })
}

fn is_allowed(mask: &[u32], token: u32) -> bool {
    mask[token as usize / 32] >> (token % 32) & 1 == 1
}

fn text_of(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|&token| tokenizer.token_bytes(token)).copied().collect()
}

#[test]
fn the_mask_is_what_looking_at_every_token_gives() {
    for Prepared { tokenizer, grammars } in prepared() {
        let mut constraint = Constraint::regex(grammars, "[a-zé ]*").unwrap();
        let mask = constraint.mask().unwrap();
        let mut allowed_count = 0;
        for token in 0..tokenizer.vocab_len() as u32 {
            let bytes = tokenizer.token_bytes(token);
            // A token may end inside the only character of two bytes.
            let whole = bytes.strip_suffix("é".as_bytes().split_at(1).0).unwrap_or(bytes);
            let fits = std::str::from_utf8(whole)
                .is_ok_and(|text| text.chars().all(|c| matches!(c, 'a'..='z' | 'é' | ' ')));
            let want = if tokenizer.is_end_of_generation(token) {
                true
            } else {
                !tokenizer.is_control(token) && !bytes.is_empty() && fits
            };
            assert_eq!(is_allowed(mask, token), want, "{token} {bytes:?}");
            allowed_count += usize::from(want);
        }
        assert!(allowed_count > 10_000, "{allowed_count}");
    }
}

#[test]
fn forced_text_comes_in_the_tokens_of_the_tokenizer() {
    let text = "The answer, in 1984, was: {\"naïve\": [1, 2]}\n\nYes — 日本.";
    for Prepared { tokenizer, grammars } in prepared() {
        let escaped: String = text
            .chars()
            .flat_map(|c| {
                let special = c.is_ascii_punctuation();
                special.then_some('\\').into_iter().chain([c])
            })
            .collect();
        let mut constraint = Constraint::regex(grammars, &escaped).unwrap();
        assert_eq!(
            constraint.forced_tokens().unwrap(),
            tokenizer.encode(text, SpecialText::AsText)
        );
        let mut written = Vec::new();
        while !constraint.is_done() {
            for token in constraint.forced_tokens().unwrap() {
                assert!(is_allowed(constraint.mask().unwrap(), token));
                constraint.advance(token).unwrap();
                written.push(token);
            }
        }
        assert_eq!(text_of(tokenizer, &written), text.as_bytes());
    }
}

#[test]
fn every_answer_is_json_of_the_schema() {
    let schema = schema_dsl_multi("name, age int, weight float, alive bool").unwrap();
    for Prepared { tokenizer, grammars } in prepared() {
        let start = Constraint::json_schema_value(grammars, &schema).unwrap();
        for seed in 0..4 {
            let answer = random_answer(tokenizer, start.restarted(), seed);
            let value: serde_json::Value = serde_json::from_slice(&answer)
                .unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&answer)));
            for item in value["items"].as_array().unwrap() {
                let names: Vec<&String> = item.as_object().unwrap().keys().collect();
                assert_eq!(names, ["name", "age", "weight", "alive"]);
                assert!(item["name"].is_string() && item["weight"].is_number());
                assert!(item["age"].is_number() && item["alive"].is_boolean());
            }
        }
    }
}

/// Lets chance write an answer; after a while what closes things becomes likely.
fn random_answer(tokenizer: &Tokenizer, mut constraint: Constraint, seed: u64) -> Vec<u8> {
    let vocab_len = tokenizer.vocab_len();
    let params = SamplingParams { seed, ..SamplingParams::untruncated() };
    let sampler = Sampler::new(&params, vocab_len).unwrap();
    let mut workspace = Workspace::new();
    let noise: Vec<f32> = (0..vocab_len as u32)
        .map(|token| (philox4x32([token, 0, 0, 0], [seed as u32, 5])[0] >> 8) as f32 / 4e6)
        .collect();
    for position in 0..600 {
        let mut logits = noise.clone();
        // Exponents of four digits are JSON, but the parser of the test cannot read them.
        for text in ["e", "E"] {
            logits[tokenizer.encode(text, SpecialText::AsText)[0] as usize] -= 40.0;
        }
        if position > 60 {
            for (text, bonus) in [("\"", 20.0), ("]", 15.0), ("}", 10.0)] {
                logits[tokenizer.encode(text, SpecialText::AsText)[0] as usize] += bonus;
            }
        }
        let mask = Some(constraint.mask().unwrap());
        let draw = Draw { logits: &mut logits, position, history: &[], mask };
        let token = sampler.sample(&mut workspace, draw).unwrap().token;
        constraint.advance(token).unwrap();
        if constraint.is_done() {
            return text_of(tokenizer, constraint.tokens());
        }
    }
    panic!("no end: {}", String::from_utf8_lossy(&text_of(tokenizer, constraint.tokens())));
}
