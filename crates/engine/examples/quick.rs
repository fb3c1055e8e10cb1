//! A look at speed while working on the engine.
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a developer's tool"
)]
use std::sync::Arc;
use std::time::Instant;

use mynah_engine::constraint::Vocabulary;
use mynah_engine::{Engine, EngineOptions, Request};
use mynah_kernels::{Isa, Pool};
use mynah_model::forward::{LoadOptions, Model};

struct Plain(usize);
impl Vocabulary for Plain {
    fn vocab_len(&self) -> usize {
        self.0
    }
    fn token_bytes(&self, _: u32) -> &[u8] {
        b"x"
    }
    fn is_control(&self, _: u32) -> bool {
        false
    }
    fn is_end_of_generation(&self, _: u32) -> bool {
        false
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads: usize = args[2].parse().unwrap();
    let bytes = std::fs::read(&args[1]).unwrap();
    let t = Instant::now();
    let checkpoint = mynah_model::gguf::read(&[&bytes]).unwrap();
    println!("read {:.1} ms", t.elapsed().as_secs_f64() * 1e3);
    let t = Instant::now();
    let mut pool = Pool::new(threads);
    let isa = args.get(3).and_then(|n| Isa::from_name(n)).unwrap_or(Isa::detect());
    let model =
        Model::load(&checkpoint, &mut pool, isa, LoadOptions::default(), &mut |_| ()).unwrap();
    println!(
        "load {:.1} ms, {} MB a token",
        t.elapsed().as_secs_f64() * 1e3,
        model.bytes_per_token() / 1_000_000
    );
    let bytes_per_token = model.bytes_per_token() as f64;
    let n_vocab = model.architecture().n_vocab;
    let options = EngineOptions { cache_positions: 8192, ..Default::default() };
    let mut engine = Engine::new(Arc::new(model), Arc::new(Plain(n_vocab)), pool, options);
    for round in 0..3u32 {
        let prompt: Vec<u32> = (0..512).map(|i| (i * 37 + round * 1000) % 40000).collect();
        engine.submit(Request { ignore_end: true, ..Request::greedy(prompt, 1) }).unwrap();
        let t = Instant::now();
        while !engine.is_idle() {
            engine.step().unwrap();
        }
        let prefill = t.elapsed().as_secs_f64();
        engine
            .submit(Request { ignore_end: true, ..Request::greedy(vec![1 + round, 2, 3, 4], 65) })
            .unwrap();
        engine.step().unwrap();
        let t = Instant::now();
        while !engine.is_idle() {
            engine.step().unwrap();
        }
        let decode = t.elapsed().as_secs_f64();
        let prompt: Vec<u32> = (0..32).map(|i| (i * 37 + 7 + round * 100) % 40000).collect();
        let mut request =
            Request { ignore_end: true, n_samples: 32, ..Request::greedy(prompt, 65) };
        request.sampling.temperature = 0.8;
        request.sampling.top_k = 40;
        request.sampling.top_p = 0.95;
        engine.submit(request).unwrap();
        engine.step().unwrap();
        let t = Instant::now();
        while !engine.is_idle() {
            engine.step().unwrap();
        }
        let many = t.elapsed().as_secs_f64();
        println!(
            "prompt {:.0} tok/s | generate {:.1} tok/s {:.1} GB/s | 32 samples {:.0} tok/s",
            512.0 / prefill,
            64.0 / decode,
            64.0 * bytes_per_token / decode / 1e9,
            64.0 * 32.0 / many
        );
    }
}
