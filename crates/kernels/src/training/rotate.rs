//! Rotary positions in place, forward and backward.
//!
//! Dimension `i` of a head and dimension `i + head_dim / 2` are turned together.
//! Source: Su et al. 2021, "RoFormer"; the pairing is that of GPT-NeoX and Hugging Face.

use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::pool::Pool;
use crate::rows::{by_rows, load_chunk, store_chunk};

/// Which way to turn: the gradient of a rotation is the rotation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// To where the row stands.
    Forward,
    /// Back from there.
    Backward,
}

/// Turns the first `n_heads` heads of each row of `x`, `[rows, stride]`.
///
/// `positions`: `[rows]`, where each row stands; `cos`, `sin`: `[positions, head_dim / 2]`.
///
/// # Panics
/// If a length differs or a position has no angles.
pub fn rotate(
    pool: &mut Pool,
    isa: Isa,
    x: &mut [f32],
    (stride, n_heads, head_dim): (usize, usize, usize),
    positions: &[u32],
    (cos, sin): (&[f32], &[f32]),
    turn: Turn,
) {
    assert_eq!(x.len(), positions.len() * stride, "whole rows");
    assert!(n_heads * head_dim <= stride && head_dim.is_multiple_of(2), "heads of a row");
    assert_eq!(cos.len(), sin.len(), "length of the angles");
    by_rows(pool, x, stride, &|first, x| {
        let positions = &positions[first..][..x.len() / stride];
        rotate_rows(isa, x, (stride, n_heads, head_dim), positions, (cos, sin), turn);
    });
}

entry! {
    fn rotate_rows(
        isa; x: &mut [f32], shape: (usize, usize, usize), positions: &[u32],
        angles: (&[f32], &[f32]), turn: Turn,
    ) = rotate_rows_on;
}

#[inline(always)]
fn rotate_rows_on<S: Simd>(
    s: S,
    x: &mut [f32],
    (stride, n_heads, head_dim): (usize, usize, usize),
    positions: &[u32],
    (cos, sin): (&[f32], &[f32]),
    turn: Turn,
) {
    let pairs = head_dim / 2;
    let sign = s.splat(if turn == Turn::Forward { 1.0 } else { -1.0 });
    for (row, &position) in x.chunks_exact_mut(stride).zip(positions) {
        let angles = position as usize * pairs;
        let (cos, sin) = (&cos[angles..angles + pairs], &sin[angles..angles + pairs]);
        for head in row[..n_heads * head_dim].chunks_exact_mut(head_dim) {
            let (low, high) = head.split_at_mut(pairs);
            for at in (0..pairs).step_by(LANES) {
                let c = load_chunk(s, cos, at, 1.0);
                let n = s.mul(load_chunk(s, sin, at, 0.0), sign);
                let (a, b) = (load_chunk(s, low, at, 0.0), load_chunk(s, high, at, 0.0));
                let minus = s.sub(s.splat(0.0), n);
                store_chunk(s, s.fma(a, c, s.mul(b, minus)), low, at);
                store_chunk(s, s.fma(b, c, s.mul(a, n)), high, at);
            }
        }
    }
}
