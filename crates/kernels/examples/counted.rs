//! One kernel, run once, so that its instructions can be counted: `counted CASE`. Without a case
//! it lists them. `cargo xtask instructions` runs it under callgrind, which sees AVX2 at most.
#![allow(missing_docs, reason = "an example")]
#![allow(clippy::unwrap_used, reason = "an example")]
#![allow(clippy::print_stdout, reason = "a program of its own")]

use std::hint::black_box;

use mynah_kernels::format::{Format, quantize};
use mynah_kernels::{
    Activation, Activations, AttentionOptions, AttentionScratch, Cache, CacheFormat, Context, Isa,
    Matrix, PAGE, Pool, Product, activate, attention, matmul, rms_norm,
};

/// The formats of the models that are measured, and those that are written most.
const FORMATS: [Format; 10] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q8_0,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
];

/// Collected instructions are those below this function.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    black_box(work)();
}

fn main() {
    let Some(case) = std::env::args().nth(1) else {
        for format in FORMATS {
            println!("product-1-{format}\nproduct-32-{format}");
        }
        println!("attention-1\nattention-16\nnorm\ngate");
        return;
    };
    let isa = Isa::from_name("avx2").expect("a processor with AVX2");
    let parts: Vec<&str> = case.split('-').collect();
    match parts[..] {
        ["product", rows, format] => {
            let format = FORMATS.into_iter().find(|f| f.to_string() == format).unwrap();
            product(isa, format, rows.parse().unwrap());
        }
        ["attention", rows] => attend(isa, rows.parse().unwrap()),
        ["norm"] => {
            let (x, weight, mut out) = (numbers(4096), numbers(4096), vec![0.0; 4096]);
            let mut pool = Pool::new(1);
            counted(&mut || rms_norm(&mut pool, isa, &x, 4096, Some(&weight), 1e-5, &mut out));
        }
        ["gate"] => {
            let (mut gate, up, mut pool) = (numbers(4096), numbers(4096), Pool::new(1));
            counted(&mut || activate(&mut pool, isa, Activation::Silu, &mut gate, Some(&up)));
        }
        _ => panic!("there is no case {case}"),
    }
}

/// Numbers between -1 and 1, the same each time.
fn numbers(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_769) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}

fn product(isa: Isa, format: Format, n: usize) {
    let (rows, columns) = (256, 1024);
    let mut bytes = vec![0; format.bytes_for(rows * columns).unwrap()];
    quantize(format, &numbers(rows * columns), &mut bytes);
    let weights = Matrix::pack(format, rows, columns, &bytes);
    let (x, mut out) = (numbers(n * columns), vec![0.0; n * rows]);
    let (mut pool, mut scratch) = (Pool::new(1), Activations::default());
    counted(&mut || {
        let product = Product { weights: &weights, out: &mut out };
        matmul(&mut pool, isa, &mut scratch, &x, n, &mut [product]);
    });
}

fn attend(isa: Isa, n: usize) {
    let (n_heads, n_kv_heads, head_dim, length) = (9, 3, 64, 512);
    let mut cache = Cache::new(CacheFormat::F16, 1, length / PAGE, n_kv_heads, head_dim);
    let (key, value) = (numbers(n_kv_heads * head_dim), numbers(n_kv_heads * head_dim));
    for i in 0..length {
        cache.write(isa, 0, (i / PAGE) as u32, i % PAGE, &key, &value);
    }
    let pages: Vec<u32> = (0..(length / PAGE) as u32).collect();
    let contexts: Vec<Context> =
        (length - n..length).map(|i| Context { pages: &pages, from: 0, to: i + 1 }).collect();
    let (q, mut out) = (numbers(n * n_heads * head_dim), vec![0.0; n * n_heads * head_dim]);
    let options = AttentionOptions { n_heads, scale: 0.125, soft_cap: None };
    let (mut pool, mut scratch) = (Pool::new(1), AttentionScratch::default());
    counted(&mut || {
        attention(&mut pool, isa, options, cache.layer(0), &contexts, &q, &mut scratch, &mut out);
    });
}
