//! Matrices cut into panels, as the innermost loop of a product reads them.
//!
//! This and [`tiles`](super::gemm) are the only places that know how wide a number is while it is
//! multiplied. A product in bfloat16 pairs would round here, `[k / 2][width][2]`, and add with the
//! instruction for pairs there.

use super::gemm::View;
use crate::arch::LANES;

/// How many steps of a turned panel are read from a row before the next row's turn.
const STEPS: usize = 16;

/// Writes columns `k` of rows `first..` of `view`, filled up with zeros to panels of `width` rows:
/// `out[panel][step][row]`.
#[inline(always)]
pub(super) fn panels(
    view: View,
    rows: std::ops::Range<usize>,
    k: std::ops::Range<usize>,
    width: usize,
    out: &mut [f32],
) {
    for (panel, out) in out.chunks_exact_mut(k.len() * width).enumerate() {
        let first = rows.start + panel * width;
        let n = width.min(rows.end - first);
        if view.turned {
            along(view, first, n, k.clone(), width, out);
        } else if n == width && width == LANES {
            across::<LANES>(view, first, k.clone(), out);
        } else if n == width && width == 6 {
            across::<6>(view, first, k.clone(), out);
        } else if n == width && width == 12 {
            across::<12>(view, first, k.clone(), out);
        } else {
            out.fill(0.0);
            for row in 0..n {
                let from = &view.numbers[(first + row) * view.stride..][k.clone()];
                for (out, x) in out[row..].iter_mut().step_by(width).zip(from) {
                    *out = *x;
                }
            }
        }
    }
}

/// The rows of the panel are columns in memory: each step is one short copy.
#[inline(always)]
fn along(
    view: View,
    first: usize,
    n: usize,
    k: std::ops::Range<usize>,
    width: usize,
    out: &mut [f32],
) {
    for (step, out) in k.zip(out.chunks_exact_mut(width)) {
        let from = &view.numbers[step * view.stride + first..][..n];
        out[..n].copy_from_slice(from);
        out[n..].fill(0.0);
    }
}

/// The rows of the panel are rows in memory: some steps of each at a time, so that what is read and
/// written stays in the innermost cache.
#[inline(always)]
fn across<const W: usize>(view: View, first: usize, k: std::ops::Range<usize>, out: &mut [f32]) {
    let rows: [&[f32]; W] =
        std::array::from_fn(|row| &view.numbers[(first + row) * view.stride..][k.clone()]);
    let (out, _) = out.as_chunks_mut::<W>();
    for (some, out) in out.chunks_mut(STEPS).enumerate() {
        let rows = rows.map(|row| &row[some * STEPS..]);
        if out.len() == STEPS {
            let rows = rows.map(|row| row.first_chunk::<STEPS>().unwrap_or(&[0.0; STEPS]));
            for (step, out) in out.iter_mut().enumerate() {
                *out = rows.map(|row| row[step]);
            }
        } else {
            for (step, out) in out.iter_mut().enumerate() {
                *out = rows.map(|row| row[step]);
            }
        }
    }
}
