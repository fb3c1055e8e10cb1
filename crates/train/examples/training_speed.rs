//! Measures training for `dev/bench/train.py`: one line of JSON.
//!
//!     cargo run --release -p mynah-train --example training_speed -- PRESET DEPTH WIDTH FEED THREADS STEPS
//!
//! Batches of 32 sequences of 256 tokens from a vocabulary of 2,048. The losses of the first steps
//! are printed too, so that it is seen that something was learnt.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::time::Instant;

use mynah_kernels::{Isa, Pool, limits};
use mynah_train::config::Settings;
use mynah_train::data::{ShardError, TokenSource};
use mynah_train::model::Layout;
use mynah_train::rules::{self, Given};
use mynah_train::trainer::{Material, Trainer};

/// One long text in which each token follows from the one before, most of the time.
struct Text;

const LENGTH: usize = 1 << 24;

impl TokenSource for Text {
    fn n_documents(&self) -> usize {
        1
    }

    fn length(&self, _: usize) -> usize {
        LENGTH
    }

    fn read(&self, _: usize, from: usize, n: usize, out: &mut Vec<u32>) -> Result<(), ShardError> {
        out.extend((from..from + n).map(|i| {
            let noise = (i as u64 * 0x9E37_79B9_7F4A_7C15) >> 61;
            ((i * 37 + noise as usize) % 2048) as u32
        }));
        Ok(())
    }

    fn fingerprint(&self) -> [u8; 32] {
        [0; 32]
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [preset, depth, width, feed, threads, steps] = &arguments[..] else {
        panic!("PRESET DEPTH WIDTH FEED THREADS STEPS")
    };
    let (threads, steps): (usize, usize) = (threads.parse().unwrap(), steps.parse().unwrap());
    let settings = format!(
        "preset = '{preset}'\n[model]\ndepth = {depth}\nwidth = {width}\nfeed_forward = {feed}\n\
         context = 256\n[batch]\nsequences = 32\n"
    );
    let given = Given { vocabulary: 2048, steps: 1000, tokens: 1 << 24, depth: None };
    let config = Settings::parse("speed", &settings).unwrap().resolve(&given).unwrap();
    let token_bytes = vec![1; 2048];
    let material = Material { source: &Text, begins: 0, token_bytes: &token_bytes };
    let isa = Isa::detect();
    let peak = peak(threads, isa);
    let mut trainer = Trainer::new(config.clone(), &material, isa, threads);
    let mut losses = Vec::new();
    let mut times = Vec::new();
    for _ in 0..=steps {
        let start = Instant::now();
        losses.push(trainer.step().unwrap().loss);
        times.push(start.elapsed().as_secs_f64());
    }
    let mut steps: Vec<f64> = times.split_off(1);
    steps.sort_by(f64::total_cmp);
    let median = steps[steps.len() / 2];
    let per_step = config.tokens_per_step() as f64;
    let flops = rules::flops_per_token(&config) * per_step;
    println!(
        "{{\"what\":\"mynah {preset}\",\"weights_in_products\":{},\"tokens_per_second\":{:.0},\
         \"least\":{:.0},\"most\":{:.0},\"gflops\":{:.1},\"peak_gflops\":{:.1},\
         \"peak_rss_mb\":{:.0},\"first_losses\":[{:.4},{:.4}],\"last_loss\":{:.4}}}",
        Layout::new(config.preset, &config.model).n_in_products(),
        per_step / median,
        per_step / steps[steps.len() - 1],
        per_step / steps[0],
        flops / median / 1e9,
        peak / 1e9,
        peak_memory() / 1e6,
        losses[0],
        losses[1],
        losses[losses.len() - 1],
    );
}

/// What the machine multiplies at best, in operations a second.
fn peak(threads: usize, isa: Isa) -> f64 {
    let mut pool = Pool::new(threads);
    let mut best: f64 = 0.0;
    for _ in 0..9 {
        let start = Instant::now();
        let operations = limits::multiply_f32(&mut pool, isa, 4000);
        best = best.max(operations as f64 / start.elapsed().as_secs_f64());
    }
    best
}

/// The most memory that this process has held, in bytes (Linux).
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or_default() * 1024.0
}
