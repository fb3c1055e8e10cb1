//! Speed of each kernel by itself. `cargo bench -p mynah-kernels`; a filter such as `Q4_K` after
//! `--` picks some. Bytes are those of the weights; items are multiply-adds.
#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mynah_kernels::format::{Format, quantize};
use mynah_kernels::{
    Activation, Activations, AttentionOptions, AttentionScratch, Cache, CacheFormat, Context, Isa,
    Matrix, PAGE, Pool, Product, activate, attention, matmul, rms_norm,
};

fn main() {
    divan::main();
}

/// Numbers between -1 and 1, the same each time.
fn numbers(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_769) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}

fn matrix(format: Format, rows: usize, columns: usize) -> Matrix {
    let mut bytes = vec![0; format.bytes_for(rows * columns).unwrap()];
    quantize(format, &numbers(rows * columns), &mut bytes);
    Matrix::pack(format, rows, columns, &bytes)
}

/// One product with enough matrices in turn that they come from memory, as while generating.
#[divan::bench(args = Format::ALL)]
fn product_of_one_row(bencher: Bencher, format: Format) {
    let (rows, columns) = (1024, 1536);
    let first = matrix(format, rows, columns);
    let n = (96 << 20) / first.bytes() + 1;
    let matrices: Vec<Matrix> = (0..n).map(|_| matrix(format, rows, columns)).collect();
    let (x, mut out) = (numbers(columns), vec![0.0; rows]);
    let (mut pool, mut scratch, mut turn) = (Pool::new(1), Activations::default(), 0);
    bencher.counter(BytesCount::new(first.bytes())).bench_local(|| {
        turn = (turn + 1) % n;
        let product = Product { weights: &matrices[turn], out: &mut out };
        matmul(&mut pool, Isa::detect(), &mut scratch, black_box(&x), 1, &mut [product]);
    });
}

/// A product of 512 rows, as while reading a prompt.
#[divan::bench(args = Format::ALL)]
fn product_of_512_rows(bencher: Bencher, format: Format) {
    let (rows, columns, n) = (512, 1536, 512);
    let weights = matrix(format, rows, columns);
    let (x, mut out) = (numbers(n * columns), vec![0.0; n * rows]);
    let (mut pool, mut scratch) = (Pool::new(1), Activations::default());
    bencher.counter(ItemsCount::new(n * rows * columns)).bench_local(|| {
        let product = Product { weights: &weights, out: &mut out };
        matmul(&mut pool, Isa::detect(), &mut scratch, black_box(&x), n, &mut [product]);
    });
}

/// Attention of the last `n` of 1024 tokens over all before them; nine heads share three keys.
#[divan::bench(args = [1, 64])]
fn attention_over_1024_positions(bencher: Bencher, n: usize) {
    let (n_heads, n_kv_heads, head_dim, length) = (9, 3, 64, 1024);
    let mut cache = Cache::new(CacheFormat::F16, 1, length / PAGE, n_kv_heads, head_dim);
    let (key, value) = (numbers(n_kv_heads * head_dim), numbers(n_kv_heads * head_dim));
    for i in 0..length {
        cache.write(Isa::detect(), 0, (i / PAGE) as u32, i % PAGE, &key, &value);
    }
    let pages: Vec<u32> = (0..(length / PAGE) as u32).collect();
    let contexts: Vec<Context> =
        (length - n..length).map(|i| Context { pages: &pages, from: 0, to: i + 1 }).collect();
    let (q, mut out) = (numbers(n * n_heads * head_dim), vec![0.0; n * n_heads * head_dim]);
    let options = AttentionOptions { n_heads, scale: 0.125, soft_cap: None };
    let (mut pool, mut scratch) = (Pool::new(1), AttentionScratch::default());
    bencher.counter(ItemsCount::new(2 * n * n_heads * head_dim * length)).bench_local(|| {
        let (q, isa) = (black_box(&q), Isa::detect());
        attention(&mut pool, isa, options, cache.layer(0), &contexts, q, &mut scratch, &mut out);
    });
}

#[divan::bench]
fn norm_of_1536(bencher: Bencher) {
    let (x, weight, mut out) = (numbers(1536), numbers(1536), vec![0.0; 1536]);
    let mut pool = Pool::new(1);
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        let x = black_box(&x);
        rms_norm(&mut pool, Isa::detect(), x, 1536, Some(&weight), 1e-5, &mut out);
    });
}

#[divan::bench]
fn gate_of_1536(bencher: Bencher) {
    let (mut gate, up) = (numbers(1536), numbers(1536));
    let mut pool = Pool::new(1);
    bencher.counter(ItemsCount::new(gate.len())).bench_local(|| {
        let up = Some(black_box(&up[..]));
        activate(&mut pool, Isa::detect(), Activation::Silu, &mut gate, up);
    });
}

/// A parallel region of pieces that do nothing: what entering and leaving one costs.
#[divan::bench(args = [1, 2])]
fn an_empty_region(bencher: Bencher, n_threads: usize) {
    let mut pool = Pool::new(n_threads);
    bencher.bench_local(|| {
        pool.run(16, &|piece, _| {
            black_box(piece);
        });
    });
}
