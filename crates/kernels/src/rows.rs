//! What happens to activations between products, row by row: norms, rotations, activations.
//!
//! Each function takes `[n_rows, dim]` in one slice. Many rows are shared among the threads; one
//! row is not worth it. A row's result does not depend on the others.

use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::math;
use crate::pool::Pool;
use crate::shared::SharedMut;

/// How many numbers a piece of work should have at least.
const PIECE: usize = 8192;

/// Calls `rows(first, part)` for parts of `x`, `[n_rows, dim]`, of whole rows, on all threads.
#[expect(unsafe_code, reason = "threads write different rows")]
pub(crate) fn by_rows(
    pool: &mut Pool,
    x: &mut [f32],
    dim: usize,
    rows: &(dyn Fn(usize, &mut [f32]) + Sync),
) {
    assert!(x.len().is_multiple_of(dim.max(1)), "whole rows");
    let n_rows = x.len() / dim.max(1);
    let per_piece = (PIECE / dim.max(1)).max(1);
    if n_rows <= per_piece {
        return rows(0, x);
    }
    let x = SharedMut::new(x);
    pool.run(n_rows.div_ceil(per_piece), &|piece, _| {
        let first = piece * per_piece;
        let n = per_piece.min(n_rows - first);
        // SAFETY: each piece has rows of its own.
        rows(first, unsafe { x.slice(first * dim, n * dim) });
    });
}

/// Calls `chunk(x, n)` for sixteen numbers at a time; the last chunk is filled up with `fill` and
/// has `n` of its own.
#[inline(always)]
pub(crate) fn load_chunk<S: Simd>(s: S, x: &[f32], at: usize, fill: f32) -> S::F {
    match x[at..].first_chunk::<LANES>() {
        Some(chunk) => s.load(chunk),
        None => {
            let mut chunk = [fill; LANES];
            chunk[..x.len() - at].copy_from_slice(&x[at..]);
            s.load(&chunk)
        }
    }
}

#[inline(always)]
pub(crate) fn store_chunk<S: Simd>(s: S, v: S::F, x: &mut [f32], at: usize) {
    match x[at..].first_chunk_mut::<LANES>() {
        Some(chunk) => s.store(v, chunk),
        None => {
            let mut chunk = [0.0; LANES];
            s.store(v, &mut chunk);
            let n = x.len() - at;
            x[at..].copy_from_slice(&chunk[..n]);
        }
    }
}

/// Divides each row by its root mean square and multiplies by `weight`, if any.
///
/// `x`, `out`: `[n_rows, dim]`; `weight`: `[dim]`. `eps` is added to the mean square.
/// Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization".
///
/// # Panics
/// If a length differs.
pub fn rms_norm(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    dim: usize,
    weight: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) {
    assert_eq!(x.len(), out.len(), "length of the outputs");
    assert!(weight.is_none_or(|w| w.len() == dim), "length of the weights");
    by_rows(pool, out, dim, &|first, out| {
        rms_norm_rows(isa, &x[first * dim..][..out.len()], dim, weight, eps, out);
    });
}

entry! {
    fn rms_norm_rows(isa; x: &[f32], dim: usize, weight: Option<&[f32]>, eps: f32, out: &mut [f32])
        = rms_norm_on;
}

#[inline(always)]
fn rms_norm_on<S: Simd>(
    s: S,
    x: &[f32],
    dim: usize,
    weight: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) {
    for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
        let mut squares = s.splat(0.0);
        for at in (0..dim).step_by(LANES) {
            let v = load_chunk(s, x, at, 0.0);
            squares = s.fma(v, v, squares);
        }
        let scale = s.splat(1.0 / (s.sum(squares) / dim as f32 + eps).sqrt());
        for at in (0..dim).step_by(LANES) {
            let v = s.mul(load_chunk(s, x, at, 0.0), scale);
            let v = match weight {
                Some(weight) => s.mul(v, load_chunk(s, weight, at, 0.0)),
                None => v,
            };
            store_chunk(s, v, out, at);
        }
    }
}

/// Subtracts each row's mean, divides by its standard deviation, multiplies by `weight` and adds
/// `bias`, if any.
///
/// `x`, `out`: `[n_rows, dim]`; `weight`, `bias`: `[dim]`. `eps` is added to the variance.
/// Source: Ba, Kiros & Hinton 2016, "Layer Normalization".
///
/// # Panics
/// If a length differs.
pub fn layer_norm(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    dim: usize,
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) {
    assert_eq!(x.len(), out.len(), "length of the outputs");
    assert!(weight.is_none_or(|w| w.len() == dim), "length of the weights");
    assert!(bias.is_none_or(|b| b.len() == dim), "length of the bias");
    by_rows(pool, out, dim, &|first, out| {
        layer_norm_rows(isa, &x[first * dim..][..out.len()], dim, weight, bias, eps, out);
    });
}

entry! {
    fn layer_norm_rows(
        isa; x: &[f32], dim: usize, weight: Option<&[f32]>, bias: Option<&[f32]>, eps: f32,
        out: &mut [f32],
    ) = layer_norm_on;
}

#[inline(always)]
fn layer_norm_on<S: Simd>(
    s: S,
    x: &[f32],
    dim: usize,
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) {
    for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
        let mut total = s.splat(0.0);
        for at in (0..dim).step_by(LANES) {
            total = s.add(total, load_chunk(s, x, at, 0.0));
        }
        let mean_of_row = s.sum(total) / dim as f32;
        let mean = s.splat(mean_of_row);
        let mut squares = s.splat(0.0);
        for at in (0..dim).step_by(LANES) {
            let v = s.sub(load_chunk(s, x, at, mean_of_row), mean);
            squares = s.fma(v, v, squares);
        }
        let scale = s.splat(1.0 / (s.sum(squares) / dim as f32 + eps).sqrt());
        for at in (0..dim).step_by(LANES) {
            let mut v = s.mul(s.sub(load_chunk(s, x, at, 0.0), mean), scale);
            if let Some(weight) = weight {
                v = s.mul(v, load_chunk(s, weight, at, 0.0));
            }
            if let Some(bias) = bias {
                v = s.add(v, load_chunk(s, bias, at, 0.0));
            }
            store_chunk(s, v, out, at);
        }
    }
}

/// A function applied to each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// Gaussian error linear unit, tanh form.
    GeluTanh,
    /// Gaussian error linear unit.
    GeluErf,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)^2`. Source: So et al. 2021, "Primer".
    ReluSquared,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `tanh(x)`.
    Tanh,
}

/// Applies `activation` to each number of `x`, and multiplies by `by`, if any, of the same length.
///
/// # Panics
/// If the lengths differ.
pub fn activate(
    pool: &mut Pool,
    isa: Isa,
    activation: Activation,
    x: &mut [f32],
    by: Option<&[f32]>,
) {
    assert!(by.is_none_or(|by| by.len() == x.len()), "length of the factors");
    by_chunks(pool, x, &|first, x| {
        activate_part(isa, activation, x, by.map(|by| &by[first..][..x.len()]));
    });
}

/// Calls `part(first, numbers)` for parts of `x`, on all threads.
#[expect(unsafe_code, reason = "threads write different parts")]
fn by_chunks(pool: &mut Pool, x: &mut [f32], part: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    let n = x.len();
    if n <= PIECE {
        return part(0, x);
    }
    let x = SharedMut::new(x);
    pool.run(n.div_ceil(PIECE), &|piece, _| {
        let first = piece * PIECE;
        // SAFETY: each piece has numbers of its own.
        part(first, unsafe { x.slice(first, PIECE.min(n - first)) });
    });
}

entry! {
    fn activate_part(isa; activation: Activation, x: &mut [f32], by: Option<&[f32]>) = activate_on;
}

#[inline(always)]
fn activate_on<S: Simd>(s: S, activation: Activation, x: &mut [f32], by: Option<&[f32]>) {
    for at in (0..x.len()).step_by(LANES) {
        let v = load_chunk(s, x, at, 0.0);
        let zero = s.splat(0.0);
        let v = match activation {
            Activation::Silu => math::silu(s, v),
            Activation::GeluTanh => math::gelu_tanh(s, v),
            Activation::GeluErf => math::gelu_erf(s, v),
            Activation::Relu => s.max(v, zero),
            Activation::ReluSquared => {
                let v = s.max(v, zero);
                s.mul(v, v)
            }
            Activation::Sigmoid => math::sigmoid(s, v),
            Activation::Tanh => math::tanh(s, v),
        };
        let v = match by {
            Some(by) => s.mul(v, load_chunk(s, by, at, 0.0)),
            None => v,
        };
        store_chunk(s, v, x, at);
    }
}

/// Squeezes each number into (-cap, cap): `cap tanh(x / cap)`.
/// Source: Gemma Team 2024, "Gemma 2", logit soft-capping.
pub fn soft_cap(pool: &mut Pool, isa: Isa, cap: f32, x: &mut [f32]) {
    by_chunks(pool, x, &|_, x| soft_cap_part(isa, cap, x));
}

entry! {
    fn soft_cap_part(isa; cap: f32, x: &mut [f32]) = soft_cap_on;
}

#[inline(always)]
fn soft_cap_on<S: Simd>(s: S, cap: f32, x: &mut [f32]) {
    for at in (0..x.len()).step_by(LANES) {
        let v = soft_capped(s, s.splat(cap), load_chunk(s, x, at, 0.0));
        store_chunk(s, v, x, at);
    }
}

/// `cap tanh(x / cap)`.
#[inline(always)]
pub(crate) fn soft_capped<S: Simd>(s: S, cap: S::F, x: S::F) -> S::F {
    s.mul(cap, math::tanh(s, s.div(x, cap)))
}

/// Adds `y` to `x`, both `[n_rows, dim]`, or `y` of one row to each row of `x`.
///
/// # Panics
/// If `y` is neither as long as `x` nor a row of it.
pub fn add(pool: &mut Pool, isa: Isa, x: &mut [f32], y: &[f32]) {
    if x.len() == y.len() {
        by_chunks(pool, x, &|first, x| add_part(isa, x, &y[first..][..x.len()]));
    } else {
        assert!(!y.is_empty() && x.len().is_multiple_of(y.len()), "whole rows");
        by_rows(pool, x, y.len(), &|_, x| {
            x.chunks_exact_mut(y.len()).for_each(|x| add_part(isa, x, y));
        });
    }
}

entry! {
    fn add_part(isa; x: &mut [f32], y: &[f32]) = add_on;
}

#[inline(always)]
fn add_on<S: Simd>(_: S, x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// Multiplies each number by `factor`.
pub fn scale(pool: &mut Pool, isa: Isa, x: &mut [f32], factor: f32) {
    by_chunks(pool, x, &|_, x| scale_part(isa, x, factor));
}

entry! {
    fn scale_part(isa; x: &mut [f32], factor: f32) = scale_on;
}

#[inline(always)]
fn scale_on<S: Simd>(_: S, x: &mut [f32], factor: f32) {
    x.iter_mut().for_each(|x| *x *= factor);
}

/// Which numbers of a head a rotation takes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeStyle {
    /// Neighbours: 0 with 1, 2 with 3.
    Interleaved,
    /// The first with the second half: i with i + dims / 2.
    HalfSplit,
}

/// Rotates pairs of numbers in each head by angles that depend on the token's position.
///
/// `x`: `[n_rows, n_heads, head_dim]`; `cos`, `sin`: `[n_rows, dims / 2]`, where the first `dims`
/// numbers of a head are rotated and the rest left alone.
/// Source: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding".
///
/// # Panics
/// If a length differs.
pub fn rope(
    pool: &mut Pool,
    isa: Isa,
    x: &mut [f32],
    n_heads: usize,
    head_dim: usize,
    cos: &[f32],
    sin: &[f32],
    style: RopeStyle,
) {
    let dim = n_heads * head_dim;
    let n_rows = x.len() / dim;
    let half = cos.len() / n_rows.max(1);
    assert!(cos.len() == n_rows * half && sin.len() == cos.len(), "a rotation a row");
    assert!(2 * half <= head_dim, "no more rotations than a head has pairs");
    by_rows(pool, x, dim, &|first, x| {
        let n = x.len() / dim * half;
        let (cos, sin) = (&cos[first * half..][..n], &sin[first * half..][..n]);
        rope_rows(isa, x, dim, head_dim, cos, sin, style);
    });
}

entry! {
    fn rope_rows(
        isa; x: &mut [f32], dim: usize, head_dim: usize, cos: &[f32], sin: &[f32], style: RopeStyle,
    ) = rope_on;
}

#[inline(always)]
fn rope_on<S: Simd>(
    _: S,
    x: &mut [f32],
    dim: usize,
    head_dim: usize,
    cos: &[f32],
    sin: &[f32],
    style: RopeStyle,
) {
    let half = cos.len() / (x.len() / dim);
    let rotations = cos.chunks_exact(half.max(1)).zip(sin.chunks_exact(half.max(1)));
    for (x, (cos, sin)) in x.chunks_exact_mut(dim).zip(rotations) {
        for head in x.chunks_exact_mut(head_dim) {
            match style {
                RopeStyle::Interleaved => {
                    let pairs = head.as_chunks_mut::<2>().0.iter_mut();
                    for (pair, (&c, &s)) in pairs.zip(cos.iter().zip(sin)) {
                        let [a, b] = *pair;
                        *pair = [a * c - b * s, a * s + b * c];
                    }
                }
                RopeStyle::HalfSplit => {
                    let (first, second) = head[..2 * half].split_at_mut(half);
                    let pairs = first.iter_mut().zip(second);
                    for ((a, b), (&c, &s)) in pairs.zip(cos.iter().zip(sin)) {
                        (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
                    }
                }
            }
        }
    }
}
