//! Root mean square norms.
//!
//! `y = w x r` with `r = 1 / sqrt(mean(x²) + eps)`. With `g = w dy`, the gradient by `x` is
//! `r (g - x r² mean(g x))`, and that by `w` is the sum over rows of `dy x r`.
//! Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization".

use super::PART;
use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::pool::Pool;
use crate::rows::{load_chunk, rms_norm, store_chunk};
use crate::shared::SharedMut;

/// Normalises each row of `x`, `[rows, dim]`; see [`rms_norm`].
///
/// # Panics
/// If a length differs.
pub fn rms_norm_forward(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
) {
    rms_norm(pool, isa, x, weight.len(), Some(weight), eps, out);
}

/// Adds the gradients by `x` and by `weight` to `by_x`, `[rows, dim]`, and `by_weight`, `[dim]`.
///
/// `sums` is memory that is kept from one call to the next.
///
/// # Panics
/// If a length differs.
pub fn rms_norm_backward(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    by_out: &[f32],
    by_x: &mut [f32],
    by_weight: &mut [f32],
    sums: &mut Vec<f32>,
) {
    let dim = weight.len();
    assert!(x.len().is_multiple_of(dim), "whole rows");
    assert!(by_out.len() == x.len() && by_x.len() == x.len(), "length of the gradients");
    let all = Place { stride: dim, first: 0, n_heads: 1 };
    backward(pool, isa, Given { x, weight, eps }, (by_out, by_x), all, by_weight, sums);
}

/// Where heads lie in rows.
#[derive(Clone, Copy)]
struct Place {
    stride: usize,
    first: usize,
    n_heads: usize,
}

#[derive(Clone, Copy)]
struct Given<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
}

/// Cuts rows into parts of a fixed size; each adds up its gradient by the weights, and these sums
/// are added in order.
#[expect(unsafe_code, reason = "threads write different rows")]
fn backward(
    pool: &mut Pool,
    isa: Isa,
    given: Given,
    (by_out, by_x): (&[f32], &mut [f32]),
    place: Place,
    by_weight: &mut [f32],
    sums: &mut Vec<f32>,
) {
    let (dim, stride) = (given.weight.len(), place.stride);
    assert_eq!(by_weight.len(), dim, "length of the weights' gradient");
    let n_rows = given.x.len() / stride;
    let n_parts = n_rows.div_ceil(PART);
    sums.clear();
    sums.resize(n_parts * dim, 0.0);
    let (by_x, shared) = (SharedMut::new(by_x), SharedMut::new(sums));
    pool.run(n_parts, &|part, _| {
        let rows = part * PART..n_rows.min((part + 1) * PART);
        let numbers = rows.start * stride..rows.end * stride;
        // SAFETY: each part has rows of its own.
        let by_x = unsafe { by_x.slice(numbers.start, numbers.len()) };
        // SAFETY: and a sum of its own.
        let sum = unsafe { shared.slice(part * dim, dim) };
        let given = Given { x: &given.x[numbers.clone()], ..given };
        backward_part(isa, given, &by_out[numbers], by_x, place, sum);
    });
    for sum in sums.chunks_exact(dim) {
        by_weight.iter_mut().zip(sum).for_each(|(to, x)| *to += x);
    }
}

entry! {
    fn backward_part(
        isa; given: Given, by_out: &[f32], by_x: &mut [f32], place: Place, by_weight: &mut [f32],
    ) = backward_part_on;
}

#[inline(always)]
fn backward_part_on<S: Simd>(
    s: S,
    given: Given,
    by_out: &[f32],
    by_x: &mut [f32],
    place: Place,
    by_weight: &mut [f32],
) {
    let Given { x, weight, eps } = given;
    let dim = weight.len();
    for row in (0..x.len()).step_by(place.stride) {
        for head in 0..place.n_heads {
            let at = row + place.first + head * dim;
            let (x, dy) = (&x[at..at + dim], &by_out[at..at + dim]);
            let dx = &mut by_x[at..at + dim];
            let (mut squares, mut along) = (s.splat(0.0), s.splat(0.0));
            for at in (0..dim).step_by(LANES) {
                let v = load_chunk(s, x, at, 0.0);
                let g = s.mul(load_chunk(s, dy, at, 0.0), load_chunk(s, weight, at, 0.0));
                squares = s.fma(v, v, squares);
                along = s.fma(v, g, along);
            }
            let r = 1.0 / (s.sum(squares) / dim as f32 + eps).sqrt();
            let back = s.splat(-(s.sum(along) / dim as f32) * r * r);
            let r = s.splat(r);
            for at in (0..dim).step_by(LANES) {
                let (v, dy) = (load_chunk(s, x, at, 0.0), load_chunk(s, dy, at, 0.0));
                let g = s.mul(dy, load_chunk(s, weight, at, 0.0));
                let slope = s.mul(r, s.fma(v, back, g));
                store_chunk(s, s.add(load_chunk(s, dx, at, 0.0), slope), dx, at);
                let sum = s.fma(dy, s.mul(v, r), load_chunk(s, by_weight, at, 0.0));
                store_chunk(s, sum, by_weight, at);
            }
        }
    }
}

/// Normalises heads: `n_heads` of them from `first` on in rows of `x` that begin `stride` numbers
/// apart, each with the weights `[head_dim]`, into the same places of `out`.
///
/// Source: Henry et al. 2020, "Query-Key Normalization for Transformers".
///
/// # Panics
/// If a length differs.
pub fn head_norm_forward(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    (stride, first, n_heads): (usize, usize, usize),
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
) {
    assert!(first + n_heads * weight.len() <= stride, "heads of a row");
    assert!(x.len() == out.len() && x.len().is_multiple_of(stride), "whole rows");
    let place = Place { stride, first, n_heads };
    crate::rows::by_rows(pool, out, stride, &|row, out| {
        let x = &x[row * stride..][..out.len()];
        heads_forward(isa, Given { x, weight, eps }, place, out);
    });
}

entry! {
    fn heads_forward(isa; given: Given, place: Place, out: &mut [f32]) = heads_forward_on;
}

#[inline(always)]
fn heads_forward_on<S: Simd>(s: S, given: Given, place: Place, out: &mut [f32]) {
    let Given { x, weight, eps } = given;
    let dim = weight.len();
    for row in (0..x.len()).step_by(place.stride) {
        for head in 0..place.n_heads {
            let at = row + place.first + head * dim;
            let (x, out) = (&x[at..at + dim], &mut out[at..at + dim]);
            let mut squares = s.splat(0.0);
            for at in (0..dim).step_by(LANES) {
                let v = load_chunk(s, x, at, 0.0);
                squares = s.fma(v, v, squares);
            }
            let r = s.splat(1.0 / (s.sum(squares) / dim as f32 + eps).sqrt());
            for at in (0..dim).step_by(LANES) {
                let v = s.mul(load_chunk(s, x, at, 0.0), r);
                store_chunk(s, s.mul(v, load_chunk(s, weight, at, 0.0)), out, at);
            }
        }
    }
}

/// Replaces the gradient by the normalised heads, in `slopes`, with that by `x`, and adds the
/// gradient by the weights to `by_weight`.
///
/// # Panics
/// If a length differs.
pub fn head_norm_backward(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    (stride, first, n_heads): (usize, usize, usize),
    weight: &[f32],
    eps: f32,
    slopes: &mut [f32],
    by_weight: &mut [f32],
    [sums, copy]: [&mut Vec<f32>; 2],
) {
    assert!(first + n_heads * weight.len() <= stride, "heads of a row");
    assert!(x.len() == slopes.len() && x.len().is_multiple_of(stride), "whole rows");
    copy.clear();
    copy.extend_from_slice(slopes);
    let width = n_heads * weight.len();
    slopes.chunks_exact_mut(stride).for_each(|row| row[first..first + width].fill(0.0));
    let place = Place { stride, first, n_heads };
    backward(pool, isa, Given { x, weight, eps }, (copy, slopes), place, by_weight, sums);
}
