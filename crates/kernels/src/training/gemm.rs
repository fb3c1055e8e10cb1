//! The product of two matrices of f32, in the three forms that a linear layer takes.
//!
//! With weights `W`, `[out, in]`, and rows `x`, `[rows, in]`:
//! forward `y = x Wᵀ`; backward `dx = dy W` and `dW += dyᵀ x`. A [`View`] says whether a matrix is
//! read as it lies or turned, so all three are one function.
//!
//! Each number of the output is one chain of fused multiply-adds over `k` in its order, whatever
//! the blocks, the tile and the threads: the output is divided among threads, never the sum.
//! Blocks and panels: Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix
//! Multiplication". The rows of a block stay in the second cache and a panel of columns in the
//! first, while a tile of the output stays in registers.

use super::pack;
use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::pool::Pool;
use crate::shared::SharedMut;

/// How long a piece of the sum is for which both matrices are packed.
const DEPTH: usize = 256;
/// How many rows a thread packs at most.
const ROWS: usize = 96;
/// How many columns are packed at a time.
const COLUMNS: usize = 1536;
/// The largest tile of any instruction set, in rows and in numbers.
const MOST_TILE_ROWS: usize = 12;
const MOST_TILE: usize = MOST_TILE_ROWS * 2 * LANES;

/// A matrix as it lies in memory, or turned.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) numbers: &'a [f32],
    /// How many numbers apart rows begin in memory.
    pub(super) stride: usize,
    pub(super) turned: bool,
}

impl<'a> View<'a> {
    /// A matrix whose rows begin `stride` numbers apart.
    pub fn rows(numbers: &'a [f32], stride: usize) -> Self {
        Self { numbers, stride, turned: false }
    }

    /// The same matrix with rows and columns exchanged.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { turned: !self.turned, ..self }
    }

    /// Panics if `n_rows` rows of `n_columns` do not lie within.
    fn check(self, n_rows: usize, n_columns: usize) {
        let (n_rows, n_columns) =
            if self.turned { (n_columns, n_rows) } else { (n_rows, n_columns) };
        assert!(n_columns <= self.stride, "columns of a matrix");
        let needs = n_rows.saturating_sub(1) * self.stride + n_columns;
        assert!(n_rows == 0 || needs <= self.numbers.len(), "rows of a matrix");
    }
}

/// What the sums of a product begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Zero.
    Zero,
    /// What stands in the output.
    Output,
}

/// Memory for packed panels, kept from one product to the next.
pub struct GemmSpace {
    columns: Vec<f32>,
    rows: Vec<f32>,
    n_threads: usize,
}

impl GemmSpace {
    /// Memory for products on this many threads.
    pub fn new(n_threads: usize) -> Self {
        Self {
            columns: vec![0.0; DEPTH * COLUMNS],
            rows: vec![0.0; n_threads * DEPTH * ROWS],
            n_threads,
        }
    }
}

/// Computes `out = start + a b` of `a`, `[m, k]`, and `b`, `[k, n]`: `out`, `[m, n]`.
///
/// # Panics
/// If a matrix is too small, or the space was made for fewer threads than the pool has.
pub fn product(
    pool: &mut Pool,
    isa: Isa,
    [m, n, k]: [usize; 3],
    a: View,
    b: View,
    start: Start,
    out: &mut [f32],
    space: &mut GemmSpace,
) {
    a.check(m, k);
    b.check(k, n);
    assert_eq!(out.len(), m * n, "length of the output");
    assert!(pool.n_threads() <= space.n_threads, "space for fewer threads");
    if k == 0 && start == Start::Zero {
        out.fill(0.0);
    }
    let tile = tile_shape(isa);
    // Columns are packed as rows of the turned matrix are.
    let b = b.turned();
    let fair = m.div_ceil(4 * pool.n_threads()).next_multiple_of(tile.0);
    let rows = fair.clamp(2 * MOST_TILE_ROWS, ROWS);
    for first in (0..n).step_by(COLUMNS) {
        let columns = first..n.min(first + COLUMNS);
        for from in (0..k).step_by(DEPTH) {
            let depth = from..k.min(from + DEPTH);
            let start = if from == 0 { start } else { Start::Output };
            let packed = pack_columns(pool, isa, b, &columns, &depth, tile.1, &mut space.columns);
            let block = Block { columns: columns.clone(), depth, stride: n, start };
            multiply(pool, isa, a, packed, &block, (m, rows, tile.0), out, &mut space.rows);
        }
    }
}

/// Which part of the output, and of the sums, is computed.
struct Block {
    columns: std::ops::Range<usize>,
    depth: std::ops::Range<usize>,
    stride: usize,
    start: Start,
}

/// Packs all columns of a block, on all threads.
#[expect(unsafe_code, reason = "threads write different panels")]
fn pack_columns<'s>(
    pool: &mut Pool,
    isa: Isa,
    b: View,
    columns: &std::ops::Range<usize>,
    depth: &std::ops::Range<usize>,
    width: usize,
    space: &'s mut [f32],
) -> &'s [f32] {
    // A piece of some panels: one alone is a few microseconds.
    const SOME: usize = 4;
    let n_panels = columns.len().div_ceil(width);
    let panel = depth.len() * width;
    let space = &mut space[..n_panels * panel];
    let shared = SharedMut::new(space);
    pool.run(n_panels.div_ceil(SOME), &|piece, _| {
        let first = piece * SOME;
        let n = SOME.min(n_panels - first);
        // SAFETY: each piece has panels of its own.
        let out = unsafe { shared.slice(first * panel, n * panel) };
        let from = columns.start + first * width;
        let rows = from..columns.end.min(from + n * width);
        pack_part(isa, b, rows, depth.clone(), width, out);
    });
    space
}

/// Multiplies blocks of rows, each on one thread.
#[expect(unsafe_code, reason = "threads write different rows")]
fn multiply(
    pool: &mut Pool,
    isa: Isa,
    a: View,
    b: &[f32],
    block: &Block,
    (m, rows, tile_rows): (usize, usize, usize),
    out: &mut [f32],
    space: &mut [f32],
) {
    let out = SharedMut::new(out);
    let space = SharedMut::new(space);
    pool.run(m.div_ceil(rows), &|piece, thread| {
        let first = piece * rows;
        let n = rows.min(m - first);
        let n_packed = n.next_multiple_of(tile_rows) * block.depth.len();
        // SAFETY: each thread has a part of its own.
        let packed = unsafe { space.slice(thread * DEPTH * ROWS, n_packed) };
        // SAFETY: each piece has rows of its own.
        let out = unsafe { out.slice(first * block.stride, n * block.stride) };
        pack_part(isa, a, first..first + n, block.depth.clone(), tile_rows, packed);
        let to = Output {
            first: block.columns.start,
            width: block.columns.len(),
            stride: block.stride,
            start: block.start,
        };
        tiles(isa, packed, b, block.depth.len(), &to, out);
    });
}

entry! {
    /// Cuts rows of a matrix into panels.
    pub(super) fn pack_part(
        isa; view: View, rows: std::ops::Range<usize>, k: std::ops::Range<usize>, width: usize,
        out: &mut [f32],
    ) = pack_part_on;
}

#[inline(always)]
fn pack_part_on<S: Simd>(
    _: S,
    view: View,
    rows: std::ops::Range<usize>,
    k: std::ops::Range<usize>,
    width: usize,
    out: &mut [f32],
) {
    pack::panels(view, rows, k, width, out);
}

/// Where the tiles of a block of rows go.
pub(super) struct Output {
    /// The first column.
    pub(super) first: usize,
    /// How many columns.
    pub(super) width: usize,
    /// How many numbers apart rows begin.
    pub(super) stride: usize,
    pub(super) start: Start,
}

entry! {
    /// How many rows and columns of the output are computed in registers at a time.
    pub(super) fn tile_shape(isa;) -> (usize, usize) = tile_shape_on;
}

#[inline(always)]
fn tile_shape_on<S: Simd>(_: S) -> (usize, usize) {
    if S::TILE_ROWS >= 8 { (12, 2 * LANES) } else { (6, LANES) }
}

entry! {
    /// Multiplies packed rows with packed columns; `out` begins with the first of the rows.
    pub(super) fn tiles(isa; a: &[f32], b: &[f32], depth: usize, to: &Output, out: &mut [f32])
        = tiles_on;
}

#[inline(always)]
fn tiles_on<S: Simd>(s: S, a: &[f32], b: &[f32], depth: usize, to: &Output, out: &mut [f32]) {
    // Twenty-four sums and what they are made of fit thirty-two registers, twelve fit sixteen.
    if S::TILE_ROWS >= 8 {
        tiles_of::<S, 12, 2>(s, a, b, depth, to, out);
    } else {
        tiles_of::<S, 6, 1>(s, a, b, depth, to, out);
    }
}

#[inline(always)]
fn tiles_of<S: Simd, const M: usize, const V: usize>(
    s: S,
    a: &[f32],
    b: &[f32],
    depth: usize,
    to: &Output,
    out: &mut [f32],
) {
    let width = V * LANES;
    let n_rows = out.len() / to.stride;
    for (panel, b) in b.chunks_exact(depth * width).enumerate() {
        let column = panel * width;
        let columns = width.min(to.width - column);
        for (panel, a) in a.chunks_exact(depth * M).enumerate() {
            let row = panel * M;
            let rows = M.min(n_rows - row);
            let at = row * to.stride + to.first + column;
            if rows == M && columns == width {
                tile::<S, M, V>(s, a, b, to.start, &mut out[at..], to.stride);
                continue;
            }
            let mut edge = [0.0; MOST_TILE];
            for i in 0..rows {
                let from = &out[at + i * to.stride..][..columns];
                edge[i * width..][..columns].copy_from_slice(from);
            }
            tile::<S, M, V>(s, a, b, to.start, &mut edge, width);
            for i in 0..rows {
                out[at + i * to.stride..][..columns].copy_from_slice(&edge[i * width..][..columns]);
            }
        }
    }
}

/// One tile of the output: `M` rows of `V` vectors.
#[inline(always)]
fn tile<S: Simd, const M: usize, const V: usize>(
    s: S,
    a: &[f32],
    b: &[f32],
    start: Start,
    out: &mut [f32],
    stride: usize,
) {
    let mut sums = [[s.splat(0.0); V]; M];
    if start == Start::Output {
        for (i, sums) in sums.iter_mut().enumerate() {
            for (sum, from) in sums.iter_mut().zip(out[i * stride..].as_chunks::<LANES>().0) {
                *sum = s.load(from);
            }
        }
    }
    let (a, _) = a.as_chunks::<M>();
    let (b, _) = b.as_chunks::<LANES>();
    let (b, _) = b.as_chunks::<V>();
    for (a, b) in a.iter().zip(b) {
        let b: [S::F; V] = std::array::from_fn(|v| s.load(&b[v]));
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = s.splat(a);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = s.fma(a, b, *sum);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (sum, to) in sums.iter().zip(out[i * stride..].as_chunks_mut::<LANES>().0) {
            s.store(*sum, to);
        }
    }
}
