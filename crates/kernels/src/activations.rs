//! Activations as the matrix products read them.
//!
//! A row is cut into blocks of 32, and each block is rounded to int8 with its own scale. A row is
//! rounded the same way whether it comes alone or with others. Rows are interleaved in tiles, so
//! that a product reads its operands from one stream.

use std::ops::Range;

use crate::arch::{LANES, Simd, entry};
use crate::format::Format;
use crate::isa::Isa;
use crate::packed::has_blocks;
use crate::pool::Pool;
use crate::shared::SharedMut;

/// How many numbers share a scale.
pub(crate) const BLOCK: usize = 32;

/// Thirty-two activations, rounded to int8. One cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct XBlock {
    /// The rounded numbers, four to a word, little endian.
    pub(crate) quads: [i32; 8],
    /// What a rounded number is multiplied by.
    pub(crate) scale: f32,
    /// `scale` times the sum of the rounded numbers.
    pub(crate) scaled_sum: f32,
    /// `scale` times the sums of the first and the last sixteen.
    pub(crate) scaled_half_sums: [f32; 2],
    /// Minus the sum of the rounded numbers.
    pub(crate) minus_sum: i32,
    /// Minus the sums of the first and the last sixteen.
    pub(crate) minus_half_sums: [i32; 2],
}

/// Rows of activations, `[n_rows, n_columns]`, as the matrix products read them.
///
/// It keeps its memory from one call to the next.
#[derive(Default)]
pub struct Activations {
    pub(crate) n_rows: usize,
    pub(crate) n_columns: usize,
    /// How many rows a full tile has.
    pub(crate) tile_rows: usize,
    /// Tile after tile; in a tile block after block; in a block row after row.
    pub(crate) blocks: Vec<XBlock>,
    /// The numbers as they were, for weights in floating point: tile after tile; in a tile column
    /// after column; in a column row after row.
    pub(crate) floats: Vec<f32>,
}

/// Which representation a product needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// int8 blocks.
    Blocks,
    /// The numbers as they were.
    Floats,
}

impl Need {
    /// What weights of this format are multiplied with.
    pub(crate) fn of(format: Format) -> Self {
        if has_blocks(format) { Self::Blocks } else { Self::Floats }
    }
}

impl Activations {
    /// Brings `x`, `[n_rows, n_columns]`, into the form that is needed, on all threads.
    #[expect(unsafe_code, reason = "threads fill different tiles")]
    pub(crate) fn prepare(
        &mut self,
        pool: &mut Pool,
        isa: Isa,
        x: &[f32],
        n_rows: usize,
        n_columns: usize,
        need: Need,
    ) {
        (self.n_rows, self.n_columns, self.tile_rows) = (n_rows, n_columns, tile_rows(isa));
        let n_tiles = n_tiles(n_rows, self.tile_rows);
        let tile = |i| tile(n_rows, self.tile_rows, i);
        let of_tile = |first, rows| &x[first * n_columns..][..rows * n_columns];
        match need {
            Need::Blocks => {
                let n_blocks = n_columns / BLOCK;
                grow(&mut self.blocks, n_rows * n_blocks, XBlock::default());
                let blocks = SharedMut::new(&mut self.blocks);
                pool.run(n_tiles, &|i, _| {
                    let (first, rows) = tile(i);
                    // SAFETY: tiles do not overlap, and each is one piece of work.
                    let to = unsafe { blocks.slice(first * n_blocks, rows * n_blocks) };
                    round_tile(isa, of_tile(first, rows), rows, to);
                });
            }
            Need::Floats => {
                grow(&mut self.floats, n_rows * n_columns, 0.0);
                let floats = SharedMut::new(&mut self.floats);
                pool.run(n_tiles, &|i, _| {
                    let (first, rows) = tile(i);
                    // SAFETY: tiles do not overlap, and each is one piece of work.
                    let to = unsafe { floats.slice(first * n_columns, rows * n_columns) };
                    interleave(of_tile(first, rows), rows, to);
                });
            }
        }
    }

    /// The tiles, (first row, rows), of a range of rows that begins and ends with a tile.
    pub(crate) fn tiles(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
        let first_tile = rows.start / self.tile_rows;
        (first_tile..)
            .map(|i| tile(self.n_rows, self.tile_rows, i))
            .take_while(move |(first, n)| *n > 0 && *first < rows.end)
    }

    /// How many rows, whole tiles of them, together take at most half a second-level cache.
    pub(crate) fn close_rows(&self, need: Need) -> usize {
        let row_bytes = match need {
            Need::Blocks => self.n_columns / BLOCK * size_of::<XBlock>(),
            Need::Floats => self.n_columns * size_of::<f32>(),
        };
        (CLOSE_BYTES / row_bytes.max(1)).max(1).next_multiple_of(self.tile_rows)
    }
}

/// How many bytes of activations a piece of work keeps close while it passes over its weights:
/// half of the smallest second-level cache in use (512 KiB; Zen 3), a quarter of a larger one.
const CLOSE_BYTES: usize = 256 * 1024;

/// How many rows a tile holds on this instruction set.
fn tile_rows(isa: Isa) -> usize {
    entry! {
        fn of(isa;) -> usize = on;
    }
    fn on<S: Simd>(_: S) -> usize {
        S::TILE_ROWS
    }
    of(isa)
}

/// How many rows a tile has that is not full: four, then one.
const PART: usize = 4;

/// How many tiles `n_rows` rows are cut into.
fn n_tiles(n_rows: usize, tile_rows: usize) -> usize {
    let rest = n_rows % tile_rows;
    n_rows / tile_rows + rest / PART + rest % PART
}

/// Tile `i` of `n_rows` rows: (first row, rows). Full tiles first, then one of four if there are
/// as many, then single rows; past the end, no rows.
fn tile(n_rows: usize, tile_rows: usize, i: usize) -> (usize, usize) {
    let n_full = n_rows / tile_rows;
    if i < n_full {
        return (i * tile_rows, tile_rows);
    }
    let (rest, i) = (n_rows % tile_rows, i - n_full);
    let n_parts = rest / PART;
    if i < n_parts {
        return (n_full * tile_rows + i * PART, PART);
    }
    let first = n_full * tile_rows + n_parts * PART + (i - n_parts);
    if first < n_rows { (first, 1) } else { (n_rows, 0) }
}

/// Makes a vector at least `n` long.
fn grow<T: Clone>(v: &mut Vec<T>, n: usize, value: T) {
    if v.len() < n {
        v.resize(n, value);
    }
}

/// Writes `x`, `[rows, columns]`, as `[columns, rows]`.
fn interleave(x: &[f32], rows: usize, to: &mut [f32]) {
    let n_columns = x.len() / rows;
    for (row, x) in x.chunks_exact(n_columns).enumerate() {
        for (column, &x) in x.iter().enumerate() {
            to[column * rows + row] = x;
        }
    }
}

entry! {
    fn round_tile(isa; x: &[f32], rows: usize, blocks: &mut [XBlock]) = round_tile_on;
}

/// Rounds a tile of rows. `x`: `[rows, n]` with `n` a multiple of 32; `blocks`: `[n / 32, rows]`.
#[inline(always)]
fn round_tile_on<S: Simd>(s: S, x: &[f32], rows: usize, blocks: &mut [XBlock]) {
    let n_columns = x.len() / rows;
    for (row, x) in x.chunks_exact(n_columns).enumerate() {
        for (x, blocks) in x.as_chunks::<BLOCK>().0.iter().zip(blocks.chunks_exact_mut(rows)) {
            blocks[row] = round_block(s, x);
        }
    }
}

/// Rounds 32 numbers to int8 with the scale that maps the largest magnitude to 127.
#[inline(always)]
fn round_block<S: Simd>(s: S, x: &[f32; BLOCK]) -> XBlock {
    let (low, high) = halves(x);
    let (low, high) = (s.load(low), s.load(high));
    let largest = s.greatest(s.max(s.abs(low), s.abs(high)));
    let scale = largest / 127.0;
    let inverse = s.splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
    let low = s.to_i8(s.mul(low, inverse));
    let high = s.to_i8(s.mul(high, inverse));
    let mut quads = [0; 8];
    for i in 0..4 {
        quads[i] = quad(&low, i);
        quads[i + 4] = quad(&high, i);
    }
    let sums = [low, high].map(|half| half.iter().map(|&q| i32::from(q)).sum::<i32>());
    XBlock {
        quads,
        scale,
        scaled_sum: scale * (sums[0] + sums[1]) as f32,
        scaled_half_sums: sums.map(|sum| scale * sum as f32),
        minus_sum: -(sums[0] + sums[1]),
        minus_half_sums: sums.map(|sum| -sum),
    }
}

#[inline(always)]
fn halves(x: &[f32; BLOCK]) -> (&[f32; LANES], &[f32; LANES]) {
    let (halves, _) = x.as_chunks::<LANES>();
    (&halves[0], &halves[1])
}

#[inline(always)]
fn quad(half: &[i8; LANES], i: usize) -> i32 {
    i32::from_le_bytes(
        [half[4 * i], half[4 * i + 1], half[4 * i + 2], half[4 * i + 3]].map(|q| q as u8),
    )
}
