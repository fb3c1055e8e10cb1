//! How long a token takes to choose.
//!
//! `cargo bench -p mynah-engine --bench sampling`. The logits have the shape of a
//! language model's: most are near their mean, a few far above it.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has to stop")]

use divan::Bencher;
use mynah_engine::sampling::random::philox4x32;
use mynah_engine::sampling::{Draw, Sampler, SamplingParams, Workspace};

fn main() {
    divan::main();
}

const VOCABULARIES: [usize; 3] = [49_152, 151_936, 262_144];

/// Normal with deviation 2, and 40 tokens up to 14 above: an entropy of about 3 bits.
fn logits(vocab_len: usize) -> Vec<f32> {
    (0..vocab_len as u32)
        .map(|token| {
            let words = philox4x32([token, 0, 0, 0], [1, 1]);
            let sum: f32 = words.iter().map(|&word| (word >> 8) as f32 / 8_388_608.0 - 1.0).sum();
            let head = token % (vocab_len as u32 / 40) == 7;
            sum * 1.73 + if head { 6.0 + 8.0 * (words[0] >> 8) as f32 / 16_777_216.0 } else { 0.0 }
        })
        .collect()
}

/// Normal with deviation 1: the nucleus is a large part of the vocabulary.
fn flat_logits(vocab_len: usize) -> Vec<f32> {
    logits(vocab_len).iter().map(|x| x.clamp(-6.0, 6.0) / 2.0).collect()
}

fn run(bencher: Bencher, params: &SamplingParams, logits: &[f32]) {
    let sampler = Sampler::new(params, logits.len()).unwrap();
    let history: Vec<u32> = (0..2000).map(|i: u32| i * i % 1009).collect();
    let mut workspace = Workspace::new();
    let mut position = 0;
    let mut copy = logits.to_vec();
    bencher.bench_local(|| {
        position += 1;
        let draw = Draw { logits: &mut copy, position, history: &history, mask: None };
        sampler.sample(&mut workspace, draw).unwrap()
    });
}

#[divan::bench(args = VOCABULARIES)]
fn greedy(bencher: Bencher, vocab_len: usize) {
    run(bencher, &SamplingParams::greedy(), &logits(vocab_len));
}

#[divan::bench(args = VOCABULARIES)]
fn temperature(bencher: Bencher, vocab_len: usize) {
    let params = SamplingParams { temperature: 0.8, ..SamplingParams::untruncated() };
    run(bencher, &params, &logits(vocab_len));
}

#[divan::bench(args = VOCABULARIES)]
fn top_p(bencher: Bencher, vocab_len: usize) {
    let params = SamplingParams { temperature: 0.8, top_p: 0.95, ..SamplingParams::untruncated() };
    run(bencher, &params, &logits(vocab_len));
}

#[divan::bench(args = VOCABULARIES)]
fn top_p_of_a_flat_distribution(bencher: Bencher, vocab_len: usize) {
    let params = SamplingParams { temperature: 0.8, top_p: 0.95, ..SamplingParams::untruncated() };
    run(bencher, &params, &flat_logits(vocab_len));
}

/// Over logits that a model made, one row after another: `MYNAH_LOGITS` names a file
/// of `f32`, `MYNAH_VOCAB` says how many belong to a row.
#[divan::bench]
fn top_p_of_a_model(bencher: Bencher) {
    let Ok(path) = std::env::var("MYNAH_LOGITS") else { return };
    let vocab_len: usize = std::env::var("MYNAH_VOCAB").unwrap().parse().unwrap();
    let bytes = std::fs::read(path).unwrap();
    let logits: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let params = SamplingParams { temperature: 0.8, top_p: 0.95, ..SamplingParams::untruncated() };
    let sampler = Sampler::new(&params, vocab_len).unwrap();
    let mut workspace = Workspace::new();
    let mut rows = logits.chunks_exact(vocab_len).cycle();
    let mut row = Vec::new();
    bencher.bench_local(|| {
        row.clear();
        row.extend_from_slice(rows.next().unwrap());
        let draw = Draw { logits: &mut row, position: 1, history: &[], mask: None };
        sampler.sample(&mut workspace, draw).unwrap()
    });
}

#[divan::bench(args = VOCABULARIES)]
fn min_p(bencher: Bencher, vocab_len: usize) {
    let params = SamplingParams { min_p: 0.05, ..SamplingParams::untruncated() };
    run(bencher, &params, &logits(vocab_len));
}

#[divan::bench(args = VOCABULARIES)]
fn typical(bencher: Bencher, vocab_len: usize) {
    let params = SamplingParams { typical_p: 0.9, ..SamplingParams::untruncated() };
    run(bencher, &params, &logits(vocab_len));
}

#[divan::bench(args = VOCABULARIES)]
fn default_chain(bencher: Bencher, vocab_len: usize) {
    run(bencher, &SamplingParams::default(), &logits(vocab_len));
}

#[divan::bench(args = VOCABULARIES)]
fn default_chain_with_logprobs(bencher: Bencher, vocab_len: usize) {
    let params = SamplingParams { logprobs: Some(20), ..SamplingParams::default() };
    run(bencher, &params, &logits(vocab_len));
}

#[divan::bench(args = VOCABULARIES)]
fn default_chain_with_penalties_and_dry(bencher: Bencher, vocab_len: usize) {
    let params = SamplingParams {
        presence_penalty: 1e-7,
        dry_multiplier: 1e-6,
        dry_sequence_breakers: Vec::new(),
        ..SamplingParams::default()
    };
    run(bencher, &params, &logits(vocab_len));
}
