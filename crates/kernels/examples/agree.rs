//! Whether every instruction set of a build gives the bits of plain Rust, and those bits the same on
//! every kind of processor. `.ci/arm` runs it on several, in an emulator.
//!
//! It ends in a panic where something differs.
#![allow(missing_docs, reason = "an example")]
#![allow(clippy::unwrap_used, reason = "an example")]
#![allow(clippy::print_stdout, reason = "a program of its own")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::Random;
use mynah_kernels::format::Format;
use mynah_kernels::{
    Activation, Activations, AttentionOptions, AttentionScratch, Cache, CacheFormat, Context, Isa,
    Matrix, PAGE, Pool, Product, activate, attention, matmul, rms_norm,
};

/// Of all outputs, as AVX2 gives them.
const CHECKSUM: u64 = 0x735F_5132_C351_1099;

fn main() {
    let expected = outputs(Isa::Scalar);
    for isa in Isa::available() {
        let got = outputs(isa);
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(&got) == bits(&expected), "{} differs from plain Rust", isa.name());
        println!("{}: {} numbers agree", isa.name(), got.len());
    }
    halfway();
    // FNV-1a.
    let checksum = expected
        .iter()
        .flat_map(|x| x.to_bits().to_le_bytes())
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
    assert_eq!(checksum, CHECKSUM, "another processor gives other bits");
}

fn product(isa: Isa, weights: &Matrix, x: &[f32], n_rows: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; n_rows * weights.rows()];
    let mut products = [Product { weights, out: &mut out }];
    matmul(&mut Pool::new(1), isa, &mut Activations::default(), x, n_rows, &mut products);
    out
}

/// Products in every format, attention over every kind of cache, norms and activations.
fn outputs(isa: Isa) -> Vec<f32> {
    let (mut random, mut all) = (Random(5), Vec::new());
    for format in Format::ALL {
        let (rows, columns) = (37, 512);
        let weights = Matrix::pack(format, rows, columns, &random.blocks(format, rows * columns));
        let x = random.numbers(7 * columns);
        all.extend(product(isa, &weights, &x, 7));
        all.extend(product(isa, &weights, &x[..columns], 1));
    }
    for format in [CacheFormat::F32, CacheFormat::F16, CacheFormat::Q8_0] {
        all.extend(attend(isa, format, &mut random));
    }
    let x = random.numbers(3 * 333);
    let mut normed = vec![0.0; x.len()];
    rms_norm(&mut Pool::new(1), isa, &x, 333, None, 1e-5, &mut normed);
    all.extend(normed);
    for activation in [Activation::Silu, Activation::GeluTanh, Activation::GeluErf] {
        let mut x: Vec<f32> = (-5000..5000).map(|i| i as f32 * 0.02).collect();
        activate(&mut Pool::new(1), isa, activation, &mut x, None);
        all.extend(x);
    }
    all
}

fn attend(isa: Isa, format: CacheFormat, random: &mut Random) -> Vec<f32> {
    let (n_heads, n_kv_heads, head_dim, length) = (6, 2, 48, 83usize);
    let n_pages = length.div_ceil(PAGE);
    let mut cache = Cache::new(format, 1, n_pages, n_kv_heads, head_dim);
    for i in 0..length {
        let key = random.numbers(n_kv_heads * head_dim);
        let value = random.numbers(n_kv_heads * head_dim);
        cache.write(isa, 0, (i / PAGE) as u32, i % PAGE, &key, &value);
    }
    let pages: Vec<u32> = (0..n_pages as u32).collect();
    let contexts: Vec<Context> =
        (length - 5..length).map(|i| Context { pages: &pages, from: 0, to: i + 1 }).collect();
    let q = random.numbers(5 * n_heads * head_dim);
    let mut out = vec![0.0; q.len()];
    let options = AttentionOptions { n_heads, scale: 0.125, soft_cap: Some(30.0) };
    let mut scratch = AttentionScratch::default();
    attention(
        &mut Pool::new(1),
        isa,
        options,
        cache.layer(0),
        &contexts,
        &q,
        &mut scratch,
        &mut out,
    );
    out
}

/// Sums that f64 would round to halfway between two f32: once rounded, they are none.
fn halfway() {
    let power = |n: i32| 2.0f64.powi(n) as f32;
    let (a, b) = (power(-12) + power(-35), power(-12) - power(-35));
    let (small, smaller) = (power(-75) * (1.0 + power(-23)), power(-75) * (1.0 + power(-22)));
    let cases = [
        // a * b + c = expected
        (a, b, 1.0, 1.0),
        (a, b, 1.0 + power(-23), 1.0 + power(-23)),
        (-a, b, 1.0, 1.0 - power(-24)),
        (small, smaller, power(-127), power(-127) + power(-149)),
        (power(-75), power(-75), power(-127), power(-127)),
        (small, power(-75), 0.0, power(-149)),
    ];
    for isa in Isa::available() {
        for (a, b, c, expected) in cases {
            let bytes: Vec<u8> = [c, a].iter().flat_map(|x| x.to_le_bytes()).collect();
            let weights = Matrix::pack(Format::F32, 1, 2, &bytes);
            let got = product(isa, &weights, &[1.0, b], 1)[0];
            assert_eq!(got.to_bits(), expected.to_bits(), "{a:e} * {b:e} + {c:e} {}", isa.name());
        }
    }
}
