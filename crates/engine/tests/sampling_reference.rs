//! The distributions of every sampler against llama.cpp's.
//!
//! `dev/reference/sampler_cases.py` writes the file that is compared with here.

#![expect(clippy::unwrap_used, reason = "a test: helpers outside `#[test]` may fail too")]

use mynah_engine::constraint::Vocabulary;
use mynah_engine::sampling::{Draw, Sampler, SamplingParams, Workspace};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    /// Bytes of each token, in hexadecimal digits.
    tokens: Vec<String>,
    /// How llama.cpp tokenizes the tails of the sequence breakers.
    tails: std::collections::BTreeMap<String, Vec<u32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    vocab_len: usize,
    seed: u32,
    scale: f32,
    params: serde_json::Map<String, serde_json::Value>,
    history: Vec<u32>,
    /// How many tokens can be drawn.
    kept: usize,
    /// The most likely ones.
    top: Vec<(u32, f64)>,
    /// Others that occur in the history.
    seen: Vec<(u32, f64)>,
}

struct Words {
    tokens: Vec<Vec<u8>>,
    tails: std::collections::BTreeMap<String, Vec<u32>>,
}

impl Vocabulary for Words {
    fn vocab_len(&self) -> usize {
        self.tokens.len()
    }
    fn token_bytes(&self, id: u32) -> &[u8] {
        &self.tokens[id as usize]
    }
    fn is_control(&self, _: u32) -> bool {
        false
    }
    fn is_end_of_generation(&self, _: u32) -> bool {
        false
    }
    fn tokenize(&self, text: &[u8]) -> Option<Vec<u32>> {
        Some(self.tails[std::str::from_utf8(text).unwrap()].clone())
    }
}

fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

/// The same logits as in the script; exact, since they are sums of integers.
fn logits(case: &Case) -> Vec<f32> {
    (0..case.vocab_len as u32)
        .map(|token| {
            let parts: u32 = (0..3)
                .map(|part| {
                    let place = token.wrapping_mul(3).wrapping_add(part);
                    mix(place.wrapping_add(case.seed.wrapping_mul(1_000_003))) >> 10
                })
                .sum();
            (parts as f32 - 6_291_454.0) / 2_097_152.0 * case.scale
        })
        .collect()
}

fn parameters(case: &Case) -> SamplingParams {
    let neutral = serde_json::to_value(SamplingParams::untruncated()).unwrap();
    let mut fields = neutral.as_object().unwrap().clone();
    fields.extend(case.params.clone());
    serde_json::from_value(fields.into()).unwrap()
}

fn bytes_of(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

#[test]
fn every_distribution_equals_that_of_llama_cpp() {
    let text = include_str!("data/sampler_cases.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let words = Words {
        tokens: reference.tokens.iter().map(|token| bytes_of(token)).collect(),
        tails: reference.tails,
    };
    let mut workspace = Workspace::new();
    let mut faults = Vec::new();
    assert!(reference.cases.len() > 70);
    for case in &reference.cases {
        let params = parameters(case);
        let sampler = Sampler::with_vocabulary(&params, case.vocab_len, &words).unwrap();
        let mut logits = logits(case);
        let draw = Draw { logits: &mut logits, position: 0, history: &case.history, mask: None };
        let got = sampler.distribution(&mut workspace, draw).unwrap();
        let got: Vec<_> = got.into_iter().filter(|(_, p)| *p > 1e-30).collect();
        if got.len() != case.kept {
            faults.push(format!("{}: {} kept, not {}", case.name, got.len(), case.kept));
        }
        for (token, want) in case.top.iter().chain(&case.seen) {
            let found = got.iter().find(|(id, _)| id == token).map_or(0.0, |(_, p)| *p);
            if (found - want).abs() > 1e-5 || (found / want - 1.0).abs() > 1e-4 {
                faults.push(format!("{}: token {token} has {found}, not {want}", case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
