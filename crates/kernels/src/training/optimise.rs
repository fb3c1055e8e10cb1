//! Steps of an optimiser, number by number.

use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::pool::Pool;
use crate::rows::{by_rows, load_chunk, store_chunk};
use crate::shared::SharedMut;

/// How many numbers a piece of a sum or of a step has.
const PIECE: usize = 1 << 14;

/// A step of AdamW.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// How far a step goes.
    pub learning_rate: f32,
    /// How much of the mean of gradients, and of their squares, is kept.
    pub betas: [f32; 2],
    /// Added to the root of the mean square.
    pub eps: f32,
    /// By which share, times the learning rate, weights shrink.
    pub weight_decay: f32,
    /// What gradients are multiplied by first.
    pub scale: f32,
    /// How many steps there were, this one among them.
    pub step: u64,
}

/// Moves `weights` by one step; `means` and `squares` are the optimiser's memory.
///
/// Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization"; Kingma & Ba 2015.
///
/// # Panics
/// If a length differs.
#[expect(unsafe_code, reason = "threads write different numbers")]
pub fn adamw(
    pool: &mut Pool,
    isa: Isa,
    options: AdamW,
    weights: &mut [f32],
    gradient: &[f32],
    means: &mut [f32],
    squares: &mut [f32],
) {
    let n = weights.len();
    assert!(gradient.len() == n && means.len() == n && squares.len() == n, "lengths");
    let (weights, means) = (SharedMut::new(weights), SharedMut::new(means));
    let squares = SharedMut::new(squares);
    pool.run(n.div_ceil(PIECE), &|piece, _| {
        let (first, len) = (piece * PIECE, PIECE.min(n - piece * PIECE));
        // SAFETY: each piece has numbers of its own, here and below.
        let (w, m) = unsafe { (weights.slice(first, len), means.slice(first, len)) };
        // SAFETY: see above.
        let v = unsafe { squares.slice(first, len) };
        adamw_part(isa, options, w, &gradient[first..first + len], m, v);
    });
}

entry! {
    fn adamw_part(
        isa; options: AdamW, weights: &mut [f32], gradient: &[f32], means: &mut [f32],
        squares: &mut [f32],
    ) = adamw_part_on;
}

#[inline(always)]
fn adamw_part_on<S: Simd>(
    s: S,
    options: AdamW,
    weights: &mut [f32],
    gradient: &[f32],
    means: &mut [f32],
    squares: &mut [f32],
) {
    let [keep_mean, keep_square] = options.betas;
    let power = options.step.min(1 << 30) as i32;
    let unbias = |beta: f32| (1.0 / (1.0 - f64::from(beta).powi(power))) as f32;
    let rate = s.splat(options.learning_rate * unbias(keep_mean));
    let of_square = s.splat(unbias(keep_square));
    let shrink = s.splat(1.0 - options.learning_rate * options.weight_decay);
    let (eps, scale) = (s.splat(options.eps), s.splat(options.scale));
    let (b1, b2) = (s.splat(keep_mean), s.splat(keep_square));
    let (new1, new2) = (s.splat(1.0 - keep_mean), s.splat(1.0 - keep_square));
    for at in (0..weights.len()).step_by(LANES) {
        let g = s.mul(load_chunk(s, gradient, at, 0.0), scale);
        let m = s.fma(b1, load_chunk(s, means, at, 0.0), s.mul(new1, g));
        let v = s.fma(b2, load_chunk(s, squares, at, 0.0), s.mul(new2, s.mul(g, g)));
        store_chunk(s, m, means, at);
        store_chunk(s, v, squares, at);
        let mut root = [0.0; LANES];
        s.store(s.mul(v, of_square), &mut root);
        // A root is correctly rounded on every processor.
        let root = s.load(&root.map(f32::sqrt));
        let w = s.mul(load_chunk(s, weights, at, 0.0), shrink);
        let step = s.div(s.mul(rate, m), s.add(root, eps));
        store_chunk(s, s.sub(w, step), weights, at);
    }
}

/// Computes `to = keep to + factor x`.
///
/// # Panics
/// If a length differs.
pub fn add_scaled(pool: &mut Pool, isa: Isa, to: &mut [f32], keep: f32, factor: f32, x: &[f32]) {
    assert_eq!(to.len(), x.len(), "lengths");
    let whole = to.len() / LANES * LANES;
    let (body, rest) = to.split_at_mut(whole);
    by_rows(pool, body, LANES, &|first, to| {
        add_scaled_part(isa, to, keep, factor, &x[first * LANES..][..to.len()]);
    });
    add_scaled_part(isa, rest, keep, factor, &x[whole..]);
}

entry! {
    fn add_scaled_part(isa; to: &mut [f32], keep: f32, factor: f32, x: &[f32]) = add_scaled_on;
}

#[inline(always)]
fn add_scaled_on<S: Simd>(s: S, to: &mut [f32], keep: f32, factor: f32, x: &[f32]) {
    let (keep, factor) = (s.splat(keep), s.splat(factor));
    for at in (0..to.len()).step_by(LANES) {
        let kept = s.mul(keep, load_chunk(s, to, at, 0.0));
        store_chunk(s, s.fma(factor, load_chunk(s, x, at, 0.0), kept), to, at);
    }
}

/// Sums the squares of all numbers: pieces in f32, their sums in f64, in order.
pub fn sum_of_squares(pool: &mut Pool, isa: Isa, x: &[f32], sums: &mut Vec<f32>) -> f64 {
    sum_of_products(pool, isa, x, x, sums)
}

/// Sums the products of numbers at the same place: pieces in f32, their sums in f64, in order.
///
/// # Panics
/// If a length differs.
#[expect(unsafe_code, reason = "threads write different sums")]
pub fn sum_of_products(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    y: &[f32],
    sums: &mut Vec<f32>,
) -> f64 {
    assert_eq!(x.len(), y.len(), "lengths");
    let n_pieces = x.len().div_ceil(PIECE);
    sums.clear();
    sums.resize(n_pieces, 0.0);
    let shared = SharedMut::new(sums);
    pool.run(n_pieces, &|piece, _| {
        let part = piece * PIECE..x.len().min((piece + 1) * PIECE);
        // SAFETY: each piece has a sum of its own.
        let sum = unsafe { shared.slice(piece, 1) };
        sum[0] = products_of(isa, &x[part.clone()], &y[part]);
    });
    sums.iter().map(|&sum| f64::from(sum)).sum()
}

entry! {
    fn products_of(isa; x: &[f32], y: &[f32]) -> f32 = products_of_on;
}

#[inline(always)]
fn products_of_on<S: Simd>(s: S, x: &[f32], y: &[f32]) -> f32 {
    let mut sum = s.splat(0.0);
    for at in (0..x.len()).step_by(LANES) {
        sum = s.fma(load_chunk(s, x, at, 0.0), load_chunk(s, y, at, 0.0), sum);
    }
    s.sum(sum)
}
