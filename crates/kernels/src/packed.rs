//! Weight matrices, re-arranged for vector units.
//!
//! A matrix `[rows, columns]` is cut into groups of sixteen rows, one for each lane. Within a
//! group the numbers follow each other in the order in which a product reads them: for quantised
//! formats superblock after superblock, first the scales of the sixteen rows, then for each block
//! of 32 columns the bits of the numbers as planes of 64 bytes (sixteen rows of four columns);
//! for floating point column after column. The packed form takes as many bits as the file's, so
//! that nothing is stored twice and decoding reads no more memory than it must.

mod layout;
mod pack;

pub(crate) use layout::*;

use crate::arch::{LANES, Simd, entry};
use crate::buffer::Buffer;
use crate::format::Format;
use crate::isa::Isa;

/// A weight matrix `[rows, columns]`, packed. Row r gives output r.
pub struct Matrix {
    format: Format,
    rows: usize,
    columns: usize,
    buffer: Buffer,
}

/// Calls a function, generic over the layout, for a format with blocks.
macro_rules! with_layout {
    ($format:expr, $function:ident ( $($arg:expr),* $(,)? )) => {
        match $format {
            Format::F32 | Format::F16 | Format::BF16 => unreachable!("not a block format"),
            Format::Q4_0 => $function::<$crate::packed::Q4_0>($($arg),*),
            Format::Q4_1 => $function::<$crate::packed::Q4_1>($($arg),*),
            Format::Q5_0 => $function::<$crate::packed::Q5_0>($($arg),*),
            Format::Q5_1 => $function::<$crate::packed::Q5_1>($($arg),*),
            Format::Q8_0 => $function::<$crate::packed::Q8_0>($($arg),*),
            Format::Q2_K => $function::<$crate::packed::Q2K>($($arg),*),
            Format::Q3_K => $function::<$crate::packed::Q3K>($($arg),*),
            Format::Q4_K => $function::<$crate::packed::Q4K>($($arg),*),
            Format::Q5_K => $function::<$crate::packed::Q5K>($($arg),*),
            Format::Q6_K => $function::<$crate::packed::Q6K>($($arg),*),
            Format::IQ4_NL => $function::<$crate::packed::Iq4Nl>($($arg),*),
            Format::IQ4_XS => $function::<$crate::packed::Iq4Xs>($($arg),*),
            Format::MXFP4 => $function::<$crate::packed::Mxfp4>($($arg),*),
        }
    };
}
pub(crate) use with_layout;

/// Whether a format stores blocks with scales, rather than numbers in floating point.
pub(crate) fn has_blocks(format: Format) -> bool {
    !matches!(format, Format::F32 | Format::F16 | Format::BF16)
}

/// How many bytes a group of sixteen rows takes.
fn group_bytes(format: Format, columns: usize) -> usize {
    fn of_blocks<L: Layout>(columns: usize) -> usize {
        columns / (L::BLOCKS * crate::activations::BLOCK) * superblock_bytes::<L>()
    }
    if has_blocks(format) {
        with_layout!(format, of_blocks(columns))
    } else {
        columns * LANES * format.block_bytes()
    }
}

impl Matrix {
    /// A matrix of zeros, to be filled group by group with [`Matrix::groups_mut`].
    ///
    /// # Panics
    /// If `columns` is not a whole number of blocks of `format`.
    pub fn zeroed(format: Format, rows: usize, columns: usize) -> Self {
        assert!(columns.is_multiple_of(format.block_len()), "a row is a whole number of blocks");
        let bytes = rows.div_ceil(LANES) * group_bytes(format, columns);
        Self { format, rows, columns, buffer: Buffer::zeroed(bytes) }
    }

    /// Packs `bytes`, the rows in `format` one after the other, on one thread.
    ///
    /// # Panics
    /// If the length of `bytes` is not that of the rows.
    pub fn pack(format: Format, rows: usize, columns: usize, bytes: &[u8]) -> Self {
        let mut matrix = Self::zeroed(format, rows, columns);
        for (group, to) in matrix.groups_mut().enumerate() {
            pack_group(format, rows, columns, bytes, group, to);
        }
        matrix
    }

    /// The format of the numbers.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How many rows: outputs of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns: inputs of a product.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many bytes a product reads.
    pub fn bytes(&self) -> usize {
        self.n_groups() * group_bytes(self.format, self.columns)
    }

    /// How many groups of sixteen rows.
    pub(crate) fn n_groups(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    /// Bytes of a packed group.
    pub(crate) fn group_bytes(&self) -> usize {
        group_bytes(self.format, self.columns)
    }

    /// The packed group `i`.
    pub(crate) fn group(&self, i: usize) -> &[u8] {
        let n = self.group_bytes();
        &self.buffer.bytes()[i * n..][..n]
    }

    /// The memory of each group in turn, for [`pack_group`].
    pub fn groups_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let n = group_bytes(self.format, self.columns);
        self.buffer.bytes_mut().chunks_exact_mut(n.max(1)).take(self.rows.div_ceil(LANES))
    }

    /// Writes row `row` as f32 to `out`, `[columns]`, with the values of [`crate::format`].
    ///
    /// # Panics
    /// If `row` or the length of `out` is out of range.
    pub fn row(&self, isa: Isa, row: usize, out: &mut [f32]) {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        assert_eq!(out.len(), self.columns, "length of a row");
        let (group, lane) = (self.group(row / LANES), row % LANES);
        match self.format {
            Format::F32 => {
                for (out, column) in out.iter_mut().zip(group.as_chunks::<64>().0) {
                    *out = f32::from_le_bytes(word(column, lane));
                }
            }
            Format::F16 | Format::BF16 => {
                for (out, column) in out.iter_mut().zip(group.as_chunks::<32>().0) {
                    let bits = u16::from_le_bytes([column[2 * lane], column[2 * lane + 1]]);
                    *out = if self.format == Format::F16 {
                        half::f16::from_bits(bits).to_f32()
                    } else {
                        half::bf16::from_bits(bits).to_f32()
                    };
                }
            }
            _ => with_layout!(self.format, unpack_row(isa, group, lane, out)),
        }
    }
}

fn word(bytes: &[u8], i: usize) -> [u8; 4] {
    [bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]
}

/// Packs the sixteen rows of `group` from `bytes`, all rows of the matrix in `format`, into `to`.
/// Rows past the end become zeros.
///
/// # Panics
/// If a length does not fit.
pub fn pack_group(
    format: Format,
    rows: usize,
    columns: usize,
    bytes: &[u8],
    group: usize,
    to: &mut [u8],
) {
    let row_bytes = columns / format.block_len() * format.block_bytes();
    assert_eq!(bytes.len(), rows * row_bytes, "length of the matrix");
    assert_eq!(to.len(), group_bytes(format, columns), "length of a group");
    let first = group * LANES;
    let of_group = &bytes[first * row_bytes..(first + LANES).min(rows) * row_bytes];
    pack::group(format, row_bytes, of_group, to);
}

entry! {
    fn unpack_row[L: Layout][L](isa; group: &[u8], lane: usize, out: &mut [f32]) = unpack_row_on;
}

/// Unpacks lane `lane` of a group, multiplying as the file format's definition does.
#[inline(always)]
fn unpack_row_on<S: Simd, L: Layout>(s: S, group: &[u8], lane: usize, out: &mut [f32]) {
    let out = out.chunks_exact_mut(32 * L::BLOCKS);
    for (superblock, out) in group.chunks_exact(superblock_bytes::<L>()).zip(out) {
        let (header, quants) = superblock.split_at(L::HEADER);
        let blocks = quants.chunks_exact(L::QUANTS).zip(out.chunks_exact_mut(32));
        for (block, (quants, out)) in blocks.enumerate() {
            let scales = L::scales(s, header, block).map(|(d, m)| {
                let mut of_lanes = [[0.0; LANES]; 2];
                s.store(d, &mut of_lanes[0]);
                s.store(m, &mut of_lanes[1]);
                of_lanes.map(|lanes| lanes[lane])
            });
            let planes = L::quants(s, quants);
            for (i, (plane, out)) in planes.into_iter().zip(out.chunks_exact_mut(4)).enumerate() {
                let [d, m] = scales[i / 4];
                let mut bytes = [0; 64];
                s.store_bytes(plane, &mut bytes);
                for (out, q) in out.iter_mut().zip(word(&bytes, lane)) {
                    *out = d * (i32::from(q) - L::OFFSET) as f32 + m;
                }
            }
        }
    }
}
