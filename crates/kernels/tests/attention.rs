//! Attention: against a plain one, and the same bits everywhere.
#![allow(missing_docs, reason = "tests")]

mod common;

use common::Random;
use mynah_kernels::{
    AttentionOptions, AttentionScratch, Cache, CacheFormat, Context, Isa, PAGE, Pool, attention,
};

struct Case {
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
    length: usize,
    soft_cap: Option<f32>,
    window: usize,
}

const CASES: [Case; 5] = [
    Case { n_heads: 9, n_kv_heads: 3, head_dim: 64, length: 70, soft_cap: None, window: 1000 },
    Case { n_heads: 4, n_kv_heads: 1, head_dim: 256, length: 33, soft_cap: Some(5.0), window: 20 },
    Case { n_heads: 2, n_kv_heads: 2, head_dim: 20, length: 19, soft_cap: None, window: 3 },
    Case { n_heads: 14, n_kv_heads: 2, head_dim: 48, length: 100, soft_cap: None, window: 17 },
    Case { n_heads: 11, n_kv_heads: 1, head_dim: 16, length: 16, soft_cap: None, window: 1000 },
];

struct Filled {
    cache: Cache,
    pages: Vec<u32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    q: Vec<f32>,
}

/// How many layers the cache has, and which of them is read.
const N_LAYERS: usize = 3;
const LAYER: usize = 1;

/// A cache with one sequence on scattered pages of one layer; slots of other layers and unused ones
/// hold NaN, which must not be read.
fn fill(random: &mut Random, case: &Case, format: CacheFormat) -> Filled {
    let n_pages = case.length.div_ceil(PAGE);
    let width = case.n_kv_heads * case.head_dim;
    let mut cache = Cache::new(format, N_LAYERS, n_pages + 3, case.n_kv_heads, case.head_dim);
    let pages: Vec<u32> = (0..n_pages as u32).rev().map(|p| p + 2).collect();
    let nan = vec![f32::NAN; width];
    for page in 0..n_pages as u32 + 3 {
        for (layer, slot) in (0..N_LAYERS).flat_map(|l| (0..PAGE).map(move |slot| (l, slot))) {
            cache.write(Isa::Scalar, layer, page, slot, &nan, &nan);
        }
    }
    let (keys, values) = (random.numbers(case.length * width), random.numbers(case.length * width));
    for position in 0..case.length {
        let at = position * width;
        let (key, value) = (&keys[at..][..width], &values[at..][..width]);
        cache.write(Isa::detect(), LAYER, pages[position / PAGE], position % PAGE, key, value);
    }
    let q = random.numbers(case.length * case.n_heads * case.head_dim);
    Filled { cache, pages, keys, values, q }
}

fn options(case: &Case) -> AttentionOptions {
    AttentionOptions { n_heads: case.n_heads, scale: 0.3, soft_cap: case.soft_cap }
}

fn contexts<'a>(case: &Case, pages: &'a [u32], rows: std::ops::Range<usize>) -> Vec<Context<'a>> {
    rows.map(|i| Context { pages, from: (i + 1).saturating_sub(case.window), to: i + 1 }).collect()
}

fn run(
    pool: &mut Pool,
    isa: Isa,
    case: &Case,
    filled: &Filled,
    rows: std::ops::Range<usize>,
) -> Vec<f32> {
    let width = case.n_heads * case.head_dim;
    let mut out = vec![f32::NAN; rows.len() * width];
    attention(
        pool,
        isa,
        options(case),
        filled.cache.layer(LAYER),
        &contexts(case, &filled.pages, rows.clone()),
        &filled.q[rows.start * width..rows.end * width],
        &mut AttentionScratch::default(),
        &mut out,
    );
    out
}

/// Attention as its definition says, in f64.
fn plain(case: &Case, filled: &Filled, row: usize, head: usize) -> Vec<f64> {
    let (dim, group) = (case.head_dim, case.n_heads / case.n_kv_heads);
    let of = |numbers: &[f32], position: usize| -> Vec<f64> {
        let at = (position * case.n_kv_heads + head / group) * dim;
        numbers[at..][..dim].iter().map(|x| f64::from(*x)).collect()
    };
    let q = &filled.q[(row * case.n_heads + head) * dim..][..dim];
    let positions = (row + 1).saturating_sub(case.window)..row + 1;
    let scores: Vec<f64> = positions
        .clone()
        .map(|p| {
            let dot: f64 = q.iter().zip(of(&filled.keys, p)).map(|(q, k)| f64::from(*q) * k).sum();
            let score = dot * 0.3;
            case.soft_cap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
        })
        .map(f64::exp)
        .collect();
    let sum: f64 = scores.iter().sum();
    let mut out = vec![0.0; dim];
    for (p, weight) in positions.zip(scores) {
        for (out, v) in out.iter_mut().zip(of(&filled.values, p)) {
            *out += weight / sum * v;
        }
    }
    out
}

#[test]
fn it_agrees_with_its_definition() {
    let mut random = Random(5);
    for case in &CASES {
        for (format, tolerance) in
            [(CacheFormat::F32, 1e-5), (CacheFormat::F16, 2e-3), (CacheFormat::Q8_0, 2e-2)]
        {
            let filled = fill(&mut random, case, format);
            let out = run(&mut Pool::new(1), Isa::detect(), case, &filled, 0..case.length);
            for row in 0..case.length {
                for head in 0..case.n_heads {
                    let at = (row * case.n_heads + head) * case.head_dim;
                    for (got, exact) in out[at..].iter().zip(plain(case, &filled, row, head)) {
                        assert!(
                            (f64::from(*got) - exact).abs() < tolerance,
                            "{got} is not {exact}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_instruction_set_the_batch_or_the_threads() {
    let mut random = Random(6);
    for case in &CASES {
        for format in [CacheFormat::F32, CacheFormat::F16, CacheFormat::Q8_0] {
            let filled = fill(&mut random, case, format);
            let width = case.n_heads * case.head_dim;
            let expected = run(&mut Pool::new(1), Isa::Scalar, case, &filled, 0..case.length);
            for isa in Isa::available() {
                for threads in [1, 2, 5] {
                    let mut pool = Pool::new(threads);
                    assert_eq!(run(&mut pool, isa, case, &filled, 0..case.length), expected);
                    for first in [0, 3, case.length / 2] {
                        for n in [1, 2, 5, 8] {
                            let rows = first..(first + n).min(case.length);
                            let some = run(&mut pool, isa, case, &filled, rows.clone());
                            assert_eq!(some, expected[rows.start * width..rows.end * width]);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_copied_page_holds_what_was_there_in_every_layer() {
    let (n_kv_heads, head_dim) = (2, 48);
    let isa = Isa::detect();
    for format in [CacheFormat::F32, CacheFormat::F16, CacheFormat::Q8_0] {
        let mut random = Random(5);
        let mut cache = Cache::new(format, N_LAYERS, 20, n_kv_heads, head_dim);
        let mut of_layers = Vec::new();
        for layer in 0..N_LAYERS {
            let (key, value) = (random.numbers(96), random.numbers(96));
            cache.write(isa, layer, 3, 0, &key, &value);
            of_layers.push(value);
        }
        cache.copy_page(3, 17);
        for (layer, value) in of_layers.iter().enumerate() {
            // With one position, attention gives its value.
            let read = |page: u32| {
                let (mut out, q) = (vec![0.0; 96], vec![1.0; 96]);
                let context = [Context { pages: &[page], from: 0, to: 1 }];
                let options = AttentionOptions { n_heads: 2, scale: 1.0, soft_cap: None };
                let scratch = &mut AttentionScratch::default();
                let (pool, layer) = (&mut Pool::new(1), cache.layer(layer));
                attention(pool, isa, options, layer, &context, &q, scratch, &mut out);
                out
            };
            assert_eq!(read(17), read(3));
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 0.02;
            assert!(read(17).iter().zip(value).all(near), "layer {layer}");
        }
    }
}
