//! From a file's blocks to planes.
//!
//! The planes are chosen so that packing moves whole words: plane p of a row's block is four bytes
//! that lie together in the file, or become so by a shift and a mask. A model is packed while it
//! loads, at a few gigabytes a second.

use super::{Layout, superblock_bytes};
use crate::activations::BLOCK;
use crate::arch::LANES;
use crate::format::Format;

/// Packs up to sixteen rows of `row_bytes` each, in `format`, into the memory of a group.
pub(super) fn group(format: Format, row_bytes: usize, rows: &[u8], to: &mut [u8]) {
    if rows.len() < LANES * row_bytes {
        to.fill(0);
    }
    match format {
        Format::F32 => columns::<4>(row_bytes, rows, to),
        Format::F16 | Format::BF16 => columns::<2>(row_bytes, rows, to),
        _ => super::with_layout!(format, superblocks(format, row_bytes, rows, to)),
    }
}

/// Transposes rows of numbers of `N` bytes.
fn columns<const N: usize>(row_bytes: usize, rows: &[u8], to: &mut [u8]) {
    for (lane, row) in rows.chunks_exact(row_bytes.max(1)).enumerate() {
        let (numbers, _) = row.as_chunks::<N>();
        for (number, column) in numbers.iter().zip(to.chunks_exact_mut(N * LANES)) {
            column[N * lane..][..N].copy_from_slice(number);
        }
    }
}

/// Packs rows of superblocks.
fn superblocks<L: Layout>(format: Format, row_bytes: usize, rows: &[u8], to: &mut [u8]) {
    for (lane, row) in rows.chunks_exact(row_bytes.max(1)).enumerate() {
        let from = row.chunks_exact(format.block_bytes());
        for (from, to) in from.zip(to.chunks_exact_mut(superblock_bytes::<L>())) {
            let (header, quants) = to.split_at_mut(L::HEADER);
            scales(format, from, lane, header);
            for (block, quants) in quants.chunks_exact_mut(L::QUANTS).enumerate() {
                planes(format, from, block, &mut |plane, word: u32| {
                    quants[64 * plane + 4 * lane..][..4].copy_from_slice(&word.to_le_bytes());
                });
            }
        }
    }
}

/// The 32-bit word at `bytes[at..]`.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Copies two bytes for a lane: a number of half precision.
#[inline(always)]
fn put_half(header: &mut [u8], at: usize, lane: usize, from: &[u8]) {
    header[at + 2 * lane..][..2].copy_from_slice(&from[..2]);
}

/// Writes the scales of one row's superblock. The offsets are those of the file formats, see
/// [`crate::format`].
fn scales(format: Format, from: &[u8], lane: usize, header: &mut [u8]) {
    match format {
        Format::Q4_0 | Format::Q5_0 | Format::Q8_0 | Format::IQ4_NL => {
            put_half(header, 0, lane, from);
        }
        Format::Q4_1 | Format::Q5_1 => {
            put_half(header, 0, lane, from);
            put_half(header, 32, lane, &from[2..]);
        }
        Format::Q4_K | Format::Q5_K => {
            put_half(header, 0, lane, from);
            put_half(header, 32, lane, &from[2..]);
            for block in 0..8 {
                let (factor, minimum) = k_factors(&from[4..16], block);
                header[64 + 32 * block + lane] = factor;
                header[64 + 32 * block + LANES + lane] = minimum;
            }
        }
        Format::Q2_K => {
            put_half(header, 0, lane, &from[80..]);
            put_half(header, 32, lane, &from[82..]);
            for i in 0..16 {
                header[64 + LANES * i + lane] = from[i];
            }
        }
        Format::Q3_K => {
            put_half(header, 0, lane, &from[108..]);
            for i in 0..16 {
                header[32 + LANES * i + lane] = q3_factor(&from[96..108], i) as u8;
            }
        }
        Format::Q6_K => {
            put_half(header, 0, lane, &from[208..]);
            for i in 0..16 {
                header[32 + LANES * i + lane] = from[192 + i];
            }
        }
        Format::IQ4_XS => {
            put_half(header, 0, lane, from);
            let high = u16::from_le_bytes([from[2], from[3]]);
            for i in 0..8 {
                let low = (from[4 + i / 2] >> (4 * (i % 2))) & 15;
                let factor = low | (((high >> (2 * i)) & 3) as u8) << 4;
                header[32 + LANES * i + lane] = factor.wrapping_sub(32);
            }
        }
        Format::MXFP4 => header[lane] = from[0],
        Format::F32 | Format::F16 | Format::BF16 => unreachable!("not a block format"),
    }
}

/// The six-bit scale and minimum of block `block` of `Q4_K` and `Q5_K`.
fn k_factors(packed: &[u8], block: usize) -> (u8, u8) {
    if block < 4 {
        (packed[block] & 63, packed[block + 4] & 63)
    } else {
        (
            (packed[block + 4] & 15) | (packed[block - 4] >> 6) << 4,
            (packed[block + 4] >> 4) | (packed[block] >> 6) << 4,
        )
    }
}

/// The six-bit scale of half block `i` of `Q3_K`, less 32.
fn q3_factor(packed: &[u8], i: usize) -> i8 {
    let low = (packed[i % 8] >> (4 * (i / 8))) & 15;
    let high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
    (low | high << 4) as i8 - 32
}

const NIBBLES: u32 = 0x0F0F_0F0F;
const PAIRS: u32 = 0x0303_0303;

/// Gives the words of one row's block, each with the plane it belongs to.
fn planes(format: Format, from: &[u8], block: usize, put: &mut impl FnMut(usize, u32)) {
    // Sixteen bytes with column i in the low and column i + 16 in the high nibble of byte i.
    let nibbles_at = |at: usize, put: &mut dyn FnMut(usize, u32)| {
        for plane in 0..4 {
            put(plane, word(from, at + 4 * plane));
        }
    };
    match format {
        Format::Q4_0 | Format::IQ4_NL => nibbles_at(2, put),
        Format::Q4_1 => nibbles_at(4, put),
        Format::MXFP4 => nibbles_at(1, put),
        Format::IQ4_XS => nibbles_at(8 + 16 * block, put),
        Format::Q5_0 => {
            nibbles_at(6, put);
            put(4, spread(word(from, 2)));
        }
        Format::Q5_1 => {
            nibbles_at(8, put);
            put(4, spread(word(from, 4)));
        }
        Format::Q8_0 => {
            for quad in 0..8 {
                put(quad, word(from, 2 + 4 * quad) ^ 0x8080_8080);
            }
        }
        Format::Q2_K => pairs(&from[16 + 32 * (block / 4)..], 2 * (block % 4), put),
        Format::Q3_K => {
            pairs(&from[32 + 32 * (block / 4)..], 2 * (block % 4), put);
            put(2, gather(from, block));
        }
        Format::Q4_K => half_nibbles(&from[16 + 32 * (block / 2)..], 4 * (block % 2), put),
        Format::Q5_K => {
            half_nibbles(&from[48 + 32 * (block / 2)..], 4 * (block % 2), put);
            put(4, gather(&from[16..], block));
        }
        Format::Q6_K => {
            let (half, of_half) = (block / 4, block % 4);
            let low = 64 * half + 32 * (of_half % 2);
            half_nibbles(&from[low..], 4 * (of_half / 2), put);
            pairs(&from[128 + 32 * half..], 2 * of_half, &mut |plane, word| put(4 + plane, word));
        }
        Format::F32 | Format::F16 | Format::BF16 => unreachable!("not a block format"),
    }
}

/// Thirty-two bytes, each with a column in the nibble at `shift`.
#[inline(always)]
fn half_nibbles(from: &[u8], shift: usize, put: &mut impl FnMut(usize, u32)) {
    for plane in 0..4 {
        let low = (word(from, 4 * plane) >> shift) & NIBBLES;
        let high = (word(from, 16 + 4 * plane) >> shift) & NIBBLES;
        put(plane, low | high << 4);
    }
}

/// Thirty-two bytes, each with a column in the pair of bits at `shift`.
#[inline(always)]
fn pairs(from: &[u8], shift: usize, put: &mut impl FnMut(usize, u32)) {
    for plane in 0..2 {
        let quad = |i: usize| ((word(from, 16 * plane + 4 * i) >> shift) & PAIRS) << (2 * i);
        put(plane, quad(0) | quad(1) | quad(2) | quad(3));
    }
}

/// Bit `bit` of 32 bytes, one a column, as the plane in which bit j belongs to quad j.
#[inline(always)]
fn gather(from: &[u8], bit: usize) -> u32 {
    (0..BLOCK / 4).map(|j| ((word(from, 4 * j) >> bit) & 0x0101_0101) << j).fold(0, |a, b| a | b)
}

/// Thirty-two bits, one a column, as the plane in which bit j of byte i is column 4 j + i.
#[inline(always)]
fn spread(bits: u32) -> u32 {
    // Brings bits i, i + 4, i + 8, … together in byte i: a transposition of 8 x 4 bits, by swaps
    // of ever larger neighbours.
    let of = |i: u32| {
        let b = (bits >> i) & 0x1111_1111;
        let b = (b | b >> 3) & 0x0303_0303;
        let b = (b | b >> 6) & 0x000F_000F;
        ((b | b >> 12) & 0xFF) << (8 * i)
    };
    of(0) | of(1) | of(2) | of(3)
}
