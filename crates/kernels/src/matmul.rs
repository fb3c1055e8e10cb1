//! Products of activations and weights.
//!
//! Each output is one sum in one order: block after block of 32 columns, each an exact integer
//! dot product that is scaled and added with a fused multiply-add; for floating-point weights
//! column after column. The order does not depend on how many rows there are or which thread
//! computes them, so a row's outputs are the same bits in a prefill, a batch and a single step.

use std::ops::Range;

use crate::activations::{Activations, BLOCK, Need, XBlock};
use crate::arch::{LANES, Simd, entry};
use crate::format::Format;
use crate::isa::Isa;
use crate::packed::{Layout, Matrix, superblock_bytes, with_layout};
use crate::pool::Pool;
use crate::shared::SharedMut;

/// One product in a parallel region: `out[r] = weights · x[r]` for every row r of x.
pub struct Product<'a> {
    /// `[outputs, columns]`.
    pub weights: &'a Matrix,
    /// `[n_rows, outputs]`, overwritten.
    pub out: &'a mut [f32],
}

/// How many matrices may share a parallel region.
pub const MAX_PRODUCTS: usize = 8;

/// How many pieces a thread should find in a region, so that one that is late can be helped.
const PIECES_PER_THREAD: usize = 8;

/// How much a piece does at most, beyond one group of weights: so many multiplications and so many
/// bytes of weights take some 10 to 40 µs, little beside what it costs to wait for a thread.
const PIECE_PRODUCTS: usize = 2 << 20;
const PIECE_BYTES: usize = 128 << 10;

/// How many groups are summed side by side for a single row of floating point.
const FLOATS_SIDE_BY_SIDE: usize = 8;

/// Multiplies rows `x`, `[n_rows, columns]`, by each of the matrices, in one parallel region.
///
/// # Panics
/// If a length does not fit.
pub fn matmul(
    pool: &mut Pool,
    isa: Isa,
    activations: &mut Activations,
    x: &[f32],
    n_rows: usize,
    products: &mut [Product],
) {
    assert!(products.len() <= MAX_PRODUCTS, "at most {MAX_PRODUCTS} products in a region");
    let Some(first) = products.first() else { return };
    let n_columns = first.weights.columns();
    assert_eq!(x.len(), n_rows * n_columns, "length of the activations");
    for product in &*products {
        assert_eq!(product.weights.columns(), n_columns, "columns of the weights");
        assert_eq!(product.out.len(), n_rows * product.weights.rows(), "length of the outputs");
    }
    if n_rows == 0 || n_columns == 0 {
        products.iter_mut().for_each(|product| product.out.fill(0.0));
        return;
    }
    for need in [Need::Blocks, Need::Floats] {
        if products.iter().any(|product| Need::of(product.weights.format()) == need) {
            activations.prepare(pool, isa, x, n_rows, n_columns, need);
        }
    }

    let n_groups: usize = products.iter().map(|product| product.weights.n_groups()).sum();
    let most_groups = n_groups.div_ceil(pool.n_threads() * PIECES_PER_THREAD);
    let x = &*activations;
    let mut n_pieces = 0;
    let mut outputs = [const { None }; MAX_PRODUCTS];
    for (product, output) in products.iter_mut().zip(&mut outputs) {
        let cut = Cut::of(product.weights, x, most_groups);
        let out = Columns { width: product.weights.rows(), out: SharedMut::new(product.out) };
        *output = Some(Output { weights: product.weights, out, first_piece: n_pieces, cut });
        n_pieces += cut.n_pieces();
    }
    pool.run(n_pieces, &|piece, _| {
        let of_piece = outputs.iter().flatten().rfind(|output| output.first_piece <= piece);
        let Some(Output { weights, out, first_piece, cut }) = of_piece else { return };
        let (rows, groups) = cut.piece(piece - first_piece);
        let multiply = Multiply { weights, x, out, rows, groups };
        match weights.format() {
            Format::F32 => multiply_floats::<F32>(isa, &multiply),
            Format::F16 => multiply_floats::<F16>(isa, &multiply),
            Format::BF16 => multiply_floats::<Bf16>(isa, &multiply),
            format => with_layout!(format, multiply_blocks(isa, &multiply)),
        }
    });
}

/// How a product is cut into pieces: rows of activations that stay close, times groups of weights.
#[derive(Clone, Copy)]
struct Cut {
    n_rows: usize,
    rows_per_piece: usize,
    n_groups: usize,
    groups_per_piece: usize,
}

impl Cut {
    /// Pieces of at most `most_groups` groups of `weights`.
    fn of(weights: &Matrix, x: &Activations, most_groups: usize) -> Self {
        let need = Need::of(weights.format());
        let rows_per_piece = x.close_rows(need).min(x.n_rows);
        // Sums in floating point go side by side where there is one row.
        let fewest = if need == Need::Floats && x.n_rows == 1 { FLOATS_SIDE_BY_SIDE } else { 1 };
        let groups_per_piece = (PIECE_PRODUCTS / (LANES * x.n_columns * rows_per_piece))
            .min(PIECE_BYTES / weights.group_bytes().max(1))
            .max(fewest)
            .min(most_groups);
        Self { n_rows: x.n_rows, rows_per_piece, n_groups: weights.n_groups(), groups_per_piece }
    }

    fn n_pieces(self) -> usize {
        self.n_rows.div_ceil(self.rows_per_piece) * self.n_groups.div_ceil(self.groups_per_piece)
    }

    /// The rows and the groups of piece `i`: all groups meet the same rows before the next.
    fn piece(self, i: usize) -> (Range<usize>, Range<usize>) {
        let pieces_of_rows = self.n_groups.div_ceil(self.groups_per_piece);
        let first_row = i / pieces_of_rows * self.rows_per_piece;
        let first_group = i % pieces_of_rows * self.groups_per_piece;
        (
            first_row..(first_row + self.rows_per_piece).min(self.n_rows),
            first_group..(first_group + self.groups_per_piece).min(self.n_groups),
        )
    }
}

/// The work of one piece: some groups of one matrix times some rows.
struct Multiply<'a> {
    weights: &'a Matrix,
    x: &'a Activations,
    out: &'a Columns<'a>,
    rows: Range<usize>,
    groups: Range<usize>,
}

struct Output<'a> {
    weights: &'a Matrix,
    out: Columns<'a>,
    first_piece: usize,
    cut: Cut,
}

/// The outputs `[n_rows, width]` of a product; each piece of work writes its own columns.
struct Columns<'a> {
    out: SharedMut<'a, f32>,
    width: usize,
}

impl Columns<'_> {
    /// Writes the outputs of group `group` for row `row`.
    #[inline(always)]
    #[expect(unsafe_code, reason = "threads write different columns of the same rows")]
    fn put(&self, row: usize, group: usize, sums: &[f32; LANES]) {
        let n = LANES.min(self.width - group * LANES);
        // SAFETY: a group is computed by one piece of work, so nobody else writes these columns.
        let to = unsafe { self.out.slice(row * self.width + group * LANES, n) };
        to.copy_from_slice(&sums[..n]);
    }
}

entry! {
    fn multiply_blocks[L: Layout][L](isa; work: &Multiply<'_>) = multiply_blocks_on;
}

/// Multiplies groups of a matrix in blocks by rows.
#[inline(always)]
fn multiply_blocks_on<S: Simd, L: Layout>(s: S, work: &Multiply) {
    let n_blocks = work.x.n_columns / BLOCK;
    for group in work.groups.clone() {
        let weights = work.weights.group(group);
        for (first, n) in work.x.tiles(work.rows.clone()) {
            let x = &work.x.blocks[first * n_blocks..][..n * n_blocks];
            if n == 1 {
                put_tile(s, work, group, first, blocks_tile::<S, L, 1>(s, weights, x));
            } else if S::TILE_ROWS >= 8 && n == 8 {
                put_tile(s, work, group, first, blocks_tile::<S, L, 8>(s, weights, x));
            } else if S::TILE_ROWS >= 4 {
                put_tile(s, work, group, first, blocks_tile::<S, L, 4>(s, weights, x));
            }
        }
    }
}

#[inline(always)]
fn put_tile<S: Simd, const N: usize>(
    s: S,
    work: &Multiply,
    group: usize,
    first: usize,
    sums: [S::F; N],
) {
    for (i, sum) in sums.into_iter().enumerate() {
        let mut lanes = [0.0; LANES];
        s.store(sum, &mut lanes);
        work.out.put(first + i, group, &lanes);
    }
}

/// Sixteen outputs of each of `N` rows. `x`: `[blocks, N]`.
#[inline(always)]
fn blocks_tile<S: Simd, L: Layout, const N: usize>(s: S, group: &[u8], x: &[XBlock]) -> [S::F; N] {
    let mut sums = [s.splat(0.0); N];
    let (x, _) = x.as_chunks::<N>();
    let superblocks = group.chunks_exact(superblock_bytes::<L>());
    for (superblock, x) in superblocks.zip(x.chunks_exact(L::BLOCKS)) {
        let (header, quants) = superblock.split_at(L::HEADER);
        for (block, (quants, x)) in quants.chunks_exact(L::QUANTS).zip(x).enumerate() {
            let w = L::quants(s, quants);
            let scales = L::scales(s, header, block);
            sums = add_block::<S, L, N>(s, sums, &w, scales, x);
        }
    }
    sums
}

/// Adds the dot products of one block: `sum += x · (d (u - OFFSET) + m)`.
#[inline(always)]
fn add_block<S: Simd, L: Layout, const N: usize>(
    s: S,
    mut sums: [S::F; N],
    w: &[S::B; 8],
    scales: [(S::F, S::F); 2],
    x: &[XBlock; N],
) -> [S::F; N] {
    let [(d, m), (d_high, m_high)] = scales;
    if L::HALVES {
        let [w_low, w_high] = halves(w);
        let (mut x_low, mut x_high) = ([halves(&x[0].quads)[0]; N], [halves(&x[0].quads)[1]; N]);
        let (mut starts, mut high_starts) = ([0; N], [0; N]);
        for (r, x) in x.iter().enumerate() {
            [x_low[r], x_high[r]] = halves(&x.quads);
            [starts[r], high_starts[r]] = x.minus_half_sums;
        }
        let low = dot_quads::<S, L, 4, N>(s, w_low, x_low, starts);
        let high = dot_quads::<S, L, 4, N>(s, w_high, x_high, high_starts);
        for (r, (sum, x)) in sums.iter_mut().zip(x).enumerate() {
            let both = s.fma(s.to_f(low[r]), d, s.mul(s.to_f(high[r]), d_high));
            *sum = s.fma(both, s.splat(x.scale), *sum);
            if L::MINIMUMS {
                *sum = s.fma(m, s.splat(x.scaled_half_sums[0]), *sum);
                *sum = s.fma(m_high, s.splat(x.scaled_half_sums[1]), *sum);
            }
        }
    } else {
        let (mut quads, mut starts) = ([&x[0].quads; N], [0; N]);
        for (r, x) in x.iter().enumerate() {
            (quads[r], starts[r]) = (&x.quads, x.minus_sum);
        }
        let dots = dot_quads::<S, L, 8, N>(s, w, quads, starts);
        for (r, (sum, x)) in sums.iter_mut().zip(x).enumerate() {
            *sum = s.fma(s.mul(s.to_f(dots[r]), d), s.splat(x.scale), *sum);
            if L::MINIMUMS {
                *sum = s.fma(m, s.splat(x.scaled_sum), *sum);
            }
        }
    }
    sums
}

/// The first and the last four.
#[inline(always)]
fn halves<T>(all: &[T; 8]) -> [&[T; 4]; 2] {
    let ([low, high], _) = all.as_chunks::<4>() else { unreachable!("twice four are eight") };
    [low, high]
}

/// The exact integer dot products of `Q` quads and `N` rows, less the offset's share.
///
/// Loops instead of `map`: a closure in a function that the compiler chooses not to inline is
/// compiled without the vector instructions.
#[inline(always)]
fn dot_quads<S: Simd, L: Layout, const Q: usize, const N: usize>(
    s: S,
    w: &[S::B; Q],
    x: [&[i32; Q]; N],
    minus_sums: [i32; N],
) -> [S::I; N] {
    let mut from = [s.splat_i(0); N];
    if L::OFFSET != 0 {
        for (from, minus_sum) in from.iter_mut().zip(minus_sums) {
            *from = s.splat_i(minus_sum * L::OFFSET);
        }
    }
    // The trait cannot pass its constant on.
    match L::MOST {
        0..=15 => s.dots::<15, Q, N>(from, w, x),
        16..=31 => s.dots::<31, Q, N>(from, w, x),
        32..=63 => s.dots::<63, Q, N>(from, w, x),
        64..=127 => s.dots::<127, Q, N>(from, w, x),
        _ => s.dots::<255, Q, N>(from, w, x),
    }
}

/// A floating-point format: how sixteen numbers are read.
trait Float {
    const BYTES: usize;
    fn load<S: Simd>(s: S, column: &[u8]) -> S::F;
}

struct F32;
impl Float for F32 {
    const BYTES: usize = 64;
    #[inline(always)]
    fn load<S: Simd>(s: S, column: &[u8]) -> S::F {
        let (numbers, _) = column.as_chunks::<4>();
        s.load(&std::array::from_fn(|i| f32::from_le_bytes(numbers[i])))
    }
}

#[inline(always)]
fn halfs(column: &[u8]) -> [u16; LANES] {
    let (numbers, _) = column.as_chunks::<2>();
    std::array::from_fn(|i| u16::from_le_bytes(numbers[i]))
}

struct F16;
impl Float for F16 {
    const BYTES: usize = 32;
    #[inline(always)]
    fn load<S: Simd>(s: S, column: &[u8]) -> S::F {
        s.load_f16(&halfs(column))
    }
}

struct Bf16;
impl Float for Bf16 {
    const BYTES: usize = 32;
    #[inline(always)]
    fn load<S: Simd>(s: S, column: &[u8]) -> S::F {
        s.load_bf16(&halfs(column))
    }
}

entry! {
    fn multiply_floats[T: Float][T](isa; work: &Multiply<'_>) = multiply_floats_on;
}

/// Multiplies groups of a matrix in floating point by rows.
///
/// A sum is one chain of fused multiply-adds, so several groups go side by side to hide the
/// latency where there are few rows.
#[inline(always)]
fn multiply_floats_on<S: Simd, T: Float>(s: S, work: &Multiply) {
    let n_columns = work.x.n_columns;
    let mut group = work.groups.start;
    while group < work.groups.end {
        let side_by_side = match work.groups.end - group {
            FLOATS_SIDE_BY_SIDE.. if work.x.n_rows == 1 => FLOATS_SIDE_BY_SIDE,
            2.. => 2,
            _ => 1,
        };
        for (first, n) in work.x.tiles(work.rows.clone()) {
            let x = &work.x.floats[first * n_columns..][..n * n_columns];
            if side_by_side == FLOATS_SIDE_BY_SIDE {
                floats_tile::<S, T, FLOATS_SIDE_BY_SIDE, 1>(s, work, group, first, x);
            } else if n == 1 {
                floats_tiles::<S, T, 1>(s, work, group, side_by_side, first, x);
            } else if S::TILE_ROWS >= 8 && n == 8 {
                floats_tiles::<S, T, 8>(s, work, group, side_by_side, first, x);
            } else if S::TILE_ROWS >= 4 {
                floats_tiles::<S, T, 4>(s, work, group, side_by_side, first, x);
            }
        }
        group += side_by_side;
    }
}

/// One group or two side by side.
#[inline(always)]
fn floats_tiles<S: Simd, T: Float, const N: usize>(
    s: S,
    work: &Multiply,
    group: usize,
    side_by_side: usize,
    first: usize,
    x: &[f32],
) {
    if side_by_side == 2 {
        floats_tile::<S, T, 2, N>(s, work, group, first, x);
    } else {
        floats_tile::<S, T, 1, N>(s, work, group, first, x);
    }
}

/// Sixteen outputs of each of `G` groups and `N` rows. `x`: `[columns, N]`.
#[inline(always)]
fn floats_tile<S: Simd, T: Float, const G: usize, const N: usize>(
    s: S,
    work: &Multiply,
    group: usize,
    first: usize,
    x: &[f32],
) {
    let mut sums = [[s.splat(0.0); N]; G];
    let weights: [&[u8]; G] = std::array::from_fn(|g| work.weights.group(group + g));
    let (x, _) = x.as_chunks::<N>();
    for (column, x) in x.iter().enumerate() {
        for (sums, weights) in sums.iter_mut().zip(&weights) {
            let w = T::load(s, &weights[column * T::BYTES..][..T::BYTES]);
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum = s.fma(w, s.splat(x), *sum);
            }
        }
    }
    for (g, sums) in sums.into_iter().enumerate() {
        put_tile(s, work, group + g, first, sums);
    }
}
