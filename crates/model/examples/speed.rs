//! Speed of the forward pass on a real model, for a look while working on it.
//!
//! `speed MODEL.gguf [THREADS] [PROMPT] [GENERATED] [SEQUENCES]`; `ISA=avx2` chooses instructions.
#![allow(missing_docs, clippy::print_stdout, reason = "a developer's tool")]

use std::error::Error;
use std::time::Instant;

use mynah_kernels::{CacheFormat, Isa, PAGE, Pool};
use mynah_model::forward::{
    Batch, BatchError, KvCache, LoadOptions, Model, Row, Scratch, Sequence,
};

/// How many rows of a prompt are computed at a time.
const CHUNK: usize = 512;

struct Bench<'a> {
    model: Model,
    pool: Pool,
    cache: KvCache,
    scratch: Scratch,
    sequences: &'a [Sequence<'a>],
}

impl Bench<'_> {
    /// The likeliest token after each row that wants it.
    fn step(&mut self, rows: &[Row]) -> Result<Vec<u32>, BatchError> {
        let batch = Batch { rows, sequences: self.sequences };
        let logits =
            self.model.forward(&mut self.pool, batch, &mut self.cache, &mut self.scratch)?;
        Ok(logits.chunks_exact(self.model.architecture().n_vocab).map(best).collect())
    }
}

fn best(logits: &[f32]) -> u32 {
    let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
    (0..logits.len()).fold(0, better) as u32
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let number = |i: usize, default| args.get(i).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (threads, n_prompt, n_generated, n_sequences) =
        (number(2, 1), number(3, 512), number(4, 128), number(5, 1));
    let bytes = std::fs::read(args.get(1).ok_or("which model?")?)?;
    let start = Instant::now();
    let checkpoint = mynah_model::gguf::read(&[&bytes])?;
    let mut pool = Pool::new(threads);
    let isa = std::env::var("ISA").ok().and_then(|name| Isa::from_name(&name));
    let isa = isa.unwrap_or(Isa::detect());
    let model = Model::load(&checkpoint, &mut pool, isa, LoadOptions::default(), &mut |_| {})?;
    let megabytes = model.bytes_per_token() as f64 / 1e6;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    println!("{}, {threads} threads: {ms:.0} ms to load, {megabytes:.0} MB a token", isa.name());

    let n_pages = (n_prompt + n_generated).div_ceil(PAGE);
    let pages: Vec<u32> = (0..(n_pages * n_sequences) as u32).collect();
    let sequences: Vec<Sequence<'_>> =
        pages.chunks(n_pages).map(|pages| Sequence { pages, adapter: None }).collect();
    let cache = KvCache::new(model.architecture(), CacheFormat::F16, pages.len());
    let scratch = Scratch::new();
    let mut bench = Bench { model, pool, cache, scratch, sequences: &sequences };
    let start = Instant::now();
    let last = prefill(&mut bench, n_prompt)?;
    let rate = (n_prompt * n_sequences) as f64 / start.elapsed().as_secs_f64();
    println!("prompt     {rate:8.1} tokens/s");
    generate(&mut bench, last, n_prompt, n_generated, megabytes)?;
    Ok(())
}

/// Computes a prompt for each sequence, of tokens that are any.
fn prefill(bench: &mut Bench<'_>, n: usize) -> Result<Vec<u32>, BatchError> {
    let n_vocab = bench.model.architecture().n_vocab.min(20_000);
    let mut last = Vec::new();
    for sequence in 0..bench.sequences.len() as u32 {
        let row = |position: usize| Row {
            token: ((position * 7919 + 13 + sequence as usize) % n_vocab) as u32,
            position: position as u32,
            sequence,
            wants_logits: position + 1 == n,
        };
        let rows: Vec<Row> = (0..n).map(row).collect();
        for rows in rows.chunks(CHUNK) {
            last.extend(bench.step(rows)?);
        }
    }
    Ok(last)
}

/// Continues each sequence by `n` tokens.
fn generate(
    bench: &mut Bench<'_>,
    mut last: Vec<u32>,
    first: usize,
    n: usize,
    megabytes: f64,
) -> Result<(), BatchError> {
    let mut times = Vec::new();
    for position in first..first + n {
        let start = Instant::now();
        let row = |(sequence, &token): (u32, &u32)| Row {
            token,
            position: position as u32,
            sequence,
            wants_logits: true,
        };
        let rows: Vec<Row> = (0..).zip(&last).map(row).collect();
        last = bench.step(&rows)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let step = times.get(n / 2).copied().unwrap_or(f64::NAN);
    let (rate, speed) = (last.len() as f64 / step, megabytes / 1e3 / step);
    println!("generating {rate:8.1} tokens/s (median step {:.2} ms, {speed:.1} GB/s)", step * 1e3);
    Ok(())
}
