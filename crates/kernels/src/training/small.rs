//! A product on one thread, for the blocks of attention.

use super::gemm::{Output, Start, View, pack_part, tile_shape, tiles};
use crate::isa::Isa;

/// Memory for the panels of both matrices.
#[derive(Default)]
pub(super) struct SmallSpace {
    rows: Vec<f32>,
    columns: Vec<f32>,
}

/// Makes `data` at least `n` long.
pub(super) fn room(data: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if data.len() < n {
        data.resize(n, 0.0);
    }
    &mut data[..n]
}

/// Computes `out = start + a b`, of `a`, `[m, k]`, and `b`, `[k, n]`, into rows of `out` that begin
/// `stride` numbers apart. The sums have the order of [`super::product`].
pub(super) fn small_product(
    isa: Isa,
    [m, n, k]: [usize; 3],
    a: View,
    b: View,
    start: Start,
    out: &mut [f32],
    stride: usize,
    space: &mut SmallSpace,
) {
    let (height, width) = tile_shape(isa);
    let rows = room(&mut space.rows, m.next_multiple_of(height) * k);
    let columns = room(&mut space.columns, n.next_multiple_of(width) * k);
    pack_part(isa, a, 0..m, 0..k, height, rows);
    pack_part(isa, b.turned(), 0..n, 0..k, width, columns);
    let to = Output { first: 0, width: n, stride, start };
    tiles(isa, rows, columns, k, &to, &mut out[..m * stride]);
}
