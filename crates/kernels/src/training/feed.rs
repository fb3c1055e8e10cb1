//! What stands in the middle of a feed-forward network.

use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::math;
use crate::pool::Pool;
use crate::rows::{by_rows, load_chunk, store_chunk};

/// `silu(gate) * up`: of rows of `[gate, up]`, `[rows, 2 width]`, to `[rows, width]`.
///
/// Source: Shazeer 2020, "GLU Variants Improve Transformer".
///
/// # Panics
/// If a length differs.
pub fn swiglu_forward(pool: &mut Pool, isa: Isa, both: &[f32], width: usize, out: &mut [f32]) {
    assert_eq!(both.len(), 2 * out.len(), "length of the inputs");
    by_rows(pool, out, width, &|first, out| {
        swiglu_rows(isa, &both[first * 2 * width..][..2 * out.len()], width, out);
    });
}

entry! {
    fn swiglu_rows(isa; both: &[f32], width: usize, out: &mut [f32]) = swiglu_rows_on;
}

#[inline(always)]
fn swiglu_rows_on<S: Simd>(s: S, both: &[f32], width: usize, out: &mut [f32]) {
    for (both, out) in both.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, up) = both.split_at(width);
        for at in (0..width).step_by(LANES) {
            let gate = math::silu(s, load_chunk(s, gate, at, 0.0));
            store_chunk(s, s.mul(gate, load_chunk(s, up, at, 0.0)), out, at);
        }
    }
}

/// Writes the gradient by gate and up, `[rows, 2 width]`.
///
/// With `σ` the sigmoid of the gate: `silu' = σ (1 + gate (1 - σ))`.
///
/// # Panics
/// If a length differs.
pub fn swiglu_backward(
    pool: &mut Pool,
    isa: Isa,
    both: &[f32],
    width: usize,
    by_out: &[f32],
    by_both: &mut [f32],
) {
    assert!(both.len() == by_both.len() && both.len() == 2 * by_out.len(), "lengths");
    by_rows(pool, by_both, 2 * width, &|first, by_both| {
        let both = &both[first * 2 * width..][..by_both.len()];
        swiglu_back(isa, both, width, &by_out[first * width..][..by_both.len() / 2], by_both);
    });
}

entry! {
    fn swiglu_back(isa; both: &[f32], width: usize, by_out: &[f32], by_both: &mut [f32])
        = swiglu_back_on;
}

#[inline(always)]
fn swiglu_back_on<S: Simd>(s: S, both: &[f32], width: usize, by_out: &[f32], by_both: &mut [f32]) {
    let rows = both.chunks_exact(2 * width).zip(by_both.chunks_exact_mut(2 * width));
    let one = s.splat(1.0);
    for ((both, by_both), by_out) in rows.zip(by_out.chunks_exact(width)) {
        let ((gate, up), (by_gate, by_up)) = (both.split_at(width), by_both.split_at_mut(width));
        for at in (0..width).step_by(LANES) {
            let (gate, up) = (load_chunk(s, gate, at, 0.0), load_chunk(s, up, at, 0.0));
            let dy = load_chunk(s, by_out, at, 0.0);
            let sigmoid = math::sigmoid(s, gate);
            let silu = s.mul(gate, sigmoid);
            let slope = s.mul(sigmoid, s.fma(gate, s.sub(one, sigmoid), one));
            store_chunk(s, s.mul(s.mul(dy, up), slope), by_gate, at);
            store_chunk(s, s.mul(dy, silu), by_up, at);
        }
    }
}

/// `max(x, 0)²`. Source: So et al. 2021, "Primer".
///
/// # Panics
/// If a length differs.
pub fn relu_squared_forward(pool: &mut Pool, isa: Isa, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "length of the input");
    by_rows(pool, out, LANES, &|first, out| {
        relu_squared_part(isa, &x[first * LANES..][..out.len()], out);
    });
}

entry! {
    fn relu_squared_part(isa; x: &[f32], out: &mut [f32]) = relu_squared_part_on;
}

#[inline(always)]
fn relu_squared_part_on<S: Simd>(s: S, x: &[f32], out: &mut [f32]) {
    for at in (0..x.len()).step_by(LANES) {
        let v = s.max(load_chunk(s, x, at, 0.0), s.splat(0.0));
        store_chunk(s, s.mul(v, v), out, at);
    }
}

/// Writes the gradient by `x`: `2 max(x, 0) dy`.
///
/// # Panics
/// If a length differs.
pub fn relu_squared_backward(
    pool: &mut Pool,
    isa: Isa,
    x: &[f32],
    by_out: &[f32],
    by_x: &mut [f32],
) {
    assert!(x.len() == by_x.len() && x.len() == by_out.len(), "lengths");
    by_rows(pool, by_x, LANES, &|first, by_x| {
        let part = first * LANES..first * LANES + by_x.len();
        relu_squared_back(isa, &x[part.clone()], &by_out[part], by_x);
    });
}

entry! {
    fn relu_squared_back(isa; x: &[f32], by_out: &[f32], by_x: &mut [f32]) = relu_squared_back_on;
}

#[inline(always)]
fn relu_squared_back_on<S: Simd>(s: S, x: &[f32], by_out: &[f32], by_x: &mut [f32]) {
    for at in (0..x.len()).step_by(LANES) {
        let v = s.max(load_chunk(s, x, at, 0.0), s.splat(0.0));
        store_chunk(s, s.mul(s.add(v, v), load_chunk(s, by_out, at, 0.0)), by_x, at);
    }
}
