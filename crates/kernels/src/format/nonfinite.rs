//! Finds scales and numbers that are NaN or infinite.

use std::ops::BitOr;

use super::Format;

/// How many blocks are looked at before the loop asks whether one of them was bad. Without that
/// question in between, the loop is a run of vector instructions.
const RUN: usize = 512;

/// The index of the first block that has a NaN or infinite scale, if any.
///
/// Scales are what is stored: the half-precision scale and offset or minimum of a block, or the
/// exponent of an MXFP4 block, of which 255 is NaN. F32, F16 and BF16 have no scales: the numbers
/// themselves are looked at.
///
/// If there is none, all numbers that [`super::dequantize`] gives for `blocks` are finite, except
/// that MXFP4 numbers can overflow where the exponent is 253 or 254.
///
/// # Panics
/// If `blocks` is not a whole number of blocks.
pub fn has_nonfinite_scale(format: Format, blocks: &[u8]) -> Option<usize> {
    assert!(blocks.len().is_multiple_of(format.block_bytes()), "a part of a block");
    match format {
        Format::F32 => first_f32(blocks),
        Format::F16 => first_half::<2, 1>(blocks, [0], 0x7C00),
        Format::BF16 => first_half::<2, 1>(blocks, [0], 0x7F80),
        Format::Q4_0 | Format::IQ4_NL => first_half::<18, 1>(blocks, [0], 0x7C00),
        Format::Q4_1 => first_half::<20, 2>(blocks, [0, 2], 0x7C00),
        Format::Q5_0 => first_half::<22, 1>(blocks, [0], 0x7C00),
        Format::Q5_1 => first_half::<24, 2>(blocks, [0, 2], 0x7C00),
        Format::Q8_0 => first_half::<34, 1>(blocks, [0], 0x7C00),
        Format::Q2_K => first_half::<84, 2>(blocks, [80, 82], 0x7C00),
        Format::Q3_K => first_half::<110, 1>(blocks, [108], 0x7C00),
        Format::Q4_K => first_half::<144, 2>(blocks, [0, 2], 0x7C00),
        Format::Q5_K => first_half::<176, 2>(blocks, [0, 2], 0x7C00),
        Format::Q6_K => first_half::<210, 1>(blocks, [208], 0x7C00),
        Format::IQ4_XS => first_half::<136, 1>(blocks, [0], 0x7C00),
        Format::MXFP4 => first(blocks, |[exponent, ..]: &[u8; 17]| u16::from(*exponent == 255)),
    }
}

/// The first block in which one of the 16-bit floats `at` has all bits of its `exponent` set.
///
/// Adding the exponent's lowest bit to such an exponent, and only to such, carries into the sign.
#[inline(always)]
fn first_half<const B: usize, const K: usize>(
    blocks: &[u8],
    at: [usize; K],
    exponent: u16,
) -> Option<usize> {
    let lowest = exponent & exponent.wrapping_neg();
    first(blocks, |block: &[u8; B]| {
        at.into_iter().fold(0, |marks, at| {
            marks | ((u16::from_le_bytes([block[at], block[at + 1]]) & exponent) + lowest) & 0x8000
        })
    })
}

fn first_f32(blocks: &[u8]) -> Option<usize> {
    first(blocks, |block: &[u8; 4]| {
        ((u32::from_le_bytes(*block) & 0x7F80_0000) + 0x0080_0000) & 0x8000_0000
    })
}

/// The index of the first block that has a mark.
#[inline(always)]
fn first<const B: usize, M>(blocks: &[u8], mark: impl Fn(&[u8; B]) -> M) -> Option<usize>
where
    M: Copy + Default + PartialEq + BitOr<Output = M>,
{
    let clear = M::default();
    for (i, run) in blocks.as_chunks().0.chunks(RUN).enumerate() {
        if run.iter().fold(clear, |marks, block| marks | mark(block)) != clear {
            return run.iter().position(|block| mark(block) != clear).map(|j| i * RUN + j);
        }
    }
    None
}
