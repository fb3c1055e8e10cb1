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
    let per_piece = n_groups.div_ceil(pool.n_threads() * PIECES_PER_THREAD);
    let mut n_pieces = 0;
    let mut outputs = [const { None }; MAX_PRODUCTS];
    for (product, output) in products.iter_mut().zip(&mut outputs) {
        let first_piece = n_pieces;
        n_pieces += product.weights.n_groups().div_ceil(per_piece);
        let out = Columns { width: product.weights.rows(), out: SharedMut::new(product.out) };
        *output = Some(Output { weights: product.weights, out, first_piece });
    }
    let x = &*activations;
    pool.run(n_pieces, &|piece, _| {
        let of_piece = outputs.iter().flatten().rfind(|output| output.first_piece <= piece);
        let Some(Output { weights, out, first_piece }) = of_piece else { return };
        let first = (piece - first_piece) * per_piece;
        let groups = first..(first + per_piece).min(weights.n_groups());
        let multiply = Multiply { weights, x, out, groups };
        match weights.format() {
            Format::F32 => multiply_floats::<F32>(isa, &multiply),
            Format::F16 => multiply_floats::<F16>(isa, &multiply),
            Format::BF16 => multiply_floats::<Bf16>(isa, &multiply),
            format => with_layout!(format, multiply_blocks(isa, &multiply)),
        }
    });
}

/// The work of one piece: some groups of one matrix times all rows.
struct Multiply<'a> {
    weights: &'a Matrix,
    x: &'a Activations,
    out: &'a Columns<'a>,
    groups: Range<usize>,
}

struct Output<'a> {
    weights: &'a Matrix,
    out: Columns<'a>,
    first_piece: usize,
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

/// Multiplies groups of a matrix in blocks by all rows.
#[inline(always)]
fn multiply_blocks_on<S: Simd, L: Layout>(s: S, work: &Multiply) {
    let n_blocks = work.x.n_columns / BLOCK;
    for rows in work.x.close_rows(n_blocks * size_of::<XBlock>()) {
        for group in work.groups.clone() {
            let weights = work.weights.group(group);
            for (first, n) in work.x.tiles(rows.clone()) {
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
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = add_block::<S, L>(s, *sum, w, scales, x);
            }
        }
    }
    sums
}

/// Adds the dot product of one block: `sum += x · (d (u - OFFSET) + m)`.
#[inline(always)]
fn add_block<S: Simd, L: Layout>(
    s: S,
    sum: S::F,
    w: [S::B; 8],
    scales: [(S::F, S::F); 2],
    x: &XBlock,
) -> S::F {
    let [(d, m), (d_high, m_high)] = scales;
    let scale = s.splat(x.scale);
    if L::HALVES {
        let low = dot_quads::<S, L, 0, 4>(s, w, x, x.minus_half_sums[0]);
        let high = dot_quads::<S, L, 4, 8>(s, w, x, x.minus_half_sums[1]);
        let both = s.fma(s.to_f(low), d, s.mul(s.to_f(high), d_high));
        let sum = s.fma(both, scale, sum);
        if L::MINIMUMS {
            let sum = s.fma(m, s.splat(x.scaled_half_sums[0]), sum);
            s.fma(m_high, s.splat(x.scaled_half_sums[1]), sum)
        } else {
            sum
        }
    } else {
        let dot = dot_quads::<S, L, 0, 8>(s, w, x, x.minus_sum);
        let sum = s.fma(s.mul(s.to_f(dot), d), scale, sum);
        if L::MINIMUMS { s.fma(m, s.splat(x.scaled_sum), sum) } else { sum }
    }
}

/// The exact integer dot product of quads `FROM..TO`, less the offset's share.
#[inline(always)]
fn dot_quads<S: Simd, L: Layout, const FROM: usize, const TO: usize>(
    s: S,
    w: [S::B; 8],
    x: &XBlock,
    minus_sum: i32,
) -> S::I {
    let mut dot = match L::OFFSET {
        0 => s.splat_i(0),
        4 => s.shl_i::<2>(s.splat_i(minus_sum)),
        8 => s.shl_i::<3>(s.splat_i(minus_sum)),
        16 => s.shl_i::<4>(s.splat_i(minus_sum)),
        32 => s.shl_i::<5>(s.splat_i(minus_sum)),
        _ => s.shl_i::<7>(s.splat_i(minus_sum)),
    };
    for i in FROM..TO {
        if L::WIDE {
            dot = s.dot::<true>(dot, w[i], x.quads[i]);
        } else {
            dot = s.dot::<false>(dot, w[i], x.quads[i]);
        }
    }
    dot
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

/// Multiplies groups of a matrix in floating point by all rows.
///
/// A sum is one chain of fused multiply-adds, so several groups go side by side to hide the
/// latency where there are few rows.
#[inline(always)]
fn multiply_floats_on<S: Simd, T: Float>(s: S, work: &Multiply) {
    let n_columns = work.x.n_columns;
    for rows in work.x.close_rows(n_columns * size_of::<f32>()) {
        let mut group = work.groups.start;
        while group < work.groups.end {
            let side_by_side = match work.groups.end - group {
                8.. if work.x.n_rows == 1 => 8,
                2.. => 2,
                _ => 1,
            };
            for (first, n) in work.x.tiles(rows.clone()) {
                let x = &work.x.floats[first * n_columns..][..n * n_columns];
                if side_by_side == 8 {
                    floats_tile::<S, T, 8, 1>(s, work, group, first, x);
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
