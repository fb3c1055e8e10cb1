//! Reads and writes blocks of any format.

use super::blocks::{decode_each, encode_each};
use super::{Format, affine, iq4, legacy, mxfp4, plain, symmetric};

/// Writes the numbers that `blocks` stand for to `out`.
///
/// The values are those of ggml's `dequantize_row_*`, to the bit, on every processor. Any bytes are
/// legal blocks: a NaN or infinite scale, which [`super::has_nonfinite_scale`] finds beforehand,
/// gives NaN or infinite numbers. (ggml takes MXFP4's exponent 255, NaN by its specification, for a
/// number; here it is NaN.)
///
/// # Panics
/// If `out.len()` numbers do not take `blocks.len()` bytes.
pub fn dequantize(format: Format, blocks: &[u8], out: &mut [f32]) {
    check(format, out.len(), blocks.len());
    match format {
        Format::F32 => plain::dequantize_f32(blocks, out),
        Format::F16 => plain::dequantize_f16(blocks, out),
        Format::BF16 => plain::dequantize_bf16(blocks, out),
        Format::Q4_0 => decode_each(blocks, out, legacy::dequantize_q4_0),
        Format::Q4_1 => decode_each(blocks, out, legacy::dequantize_q4_1),
        Format::Q5_0 => decode_each(blocks, out, legacy::dequantize_q5_0),
        Format::Q5_1 => decode_each(blocks, out, legacy::dequantize_q5_1),
        Format::Q8_0 => decode_each(blocks, out, legacy::dequantize_q8_0),
        Format::Q2_K => decode_each(blocks, out, affine::dequantize_q2_k),
        Format::Q3_K => decode_each(blocks, out, symmetric::dequantize_q3_k),
        Format::Q4_K => decode_each(blocks, out, affine::dequantize_q4_k),
        Format::Q5_K => decode_each(blocks, out, affine::dequantize_q5_k),
        Format::Q6_K => decode_each(blocks, out, symmetric::dequantize_q6_k),
        Format::IQ4_NL => decode_each(blocks, out, iq4::dequantize_nl),
        Format::IQ4_XS => decode_each(blocks, out, iq4::dequantize_xs),
        Format::MXFP4 => decode_each(blocks, out, mxfp4::dequantize),
    }
}

/// Writes `numbers` to `blocks`, as near as the format and a bounded search come.
///
/// F32, F16, BF16, `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1` and `Q8_0` give the bytes of ggml's reference.
/// The others search for the scales with the smallest squared error, more widely than it does.
///
/// A block with a NaN or an infinite number becomes a block with a NaN scale, so that all its
/// numbers read as NaN and [`super::has_nonfinite_scale`] finds it; in F32, F16 and BF16 only the
/// number itself is concerned. Numbers too large for a half-precision scale give an infinite one.
///
/// # Panics
/// If `numbers.len()` numbers do not take `blocks.len()` bytes.
pub fn quantize(format: Format, numbers: &[f32], blocks: &mut [u8]) {
    quantize_weighted(format, numbers, None, blocks);
}

/// As [`quantize`], but an error in a number counts in proportion to its importance.
///
/// `importance`: one for each number, such as the mean square of the activations that a column
/// meets; a negative one or NaN counts as 0. F32, F16, BF16 and `Q8_0` make no use of it.
///
/// # Panics
/// If `numbers.len()` numbers do not take `blocks.len()` bytes, or there are not as many
/// importances as numbers.
pub fn quantize_weighted(
    format: Format,
    numbers: &[f32],
    importance: Option<&[f32]>,
    blocks: &mut [u8],
) {
    check(format, numbers.len(), blocks.len());
    if let Some(importance) = importance {
        assert_eq!(importance.len(), numbers.len(), "importances and numbers");
    }
    match format {
        Format::F32 => plain::quantize_f32(numbers, blocks),
        Format::F16 => plain::quantize_f16(numbers, blocks),
        Format::BF16 => plain::quantize_bf16(numbers, blocks),
        Format::Q4_0 => encode_each(numbers, importance, blocks, legacy::quantize_q4_0),
        Format::Q4_1 => encode_each(numbers, importance, blocks, legacy::quantize_q4_1),
        Format::Q5_0 => encode_each(numbers, importance, blocks, legacy::quantize_q5_0),
        Format::Q5_1 => encode_each(numbers, importance, blocks, legacy::quantize_q5_1),
        Format::Q8_0 => encode_each(numbers, importance, blocks, legacy::quantize_q8_0),
        Format::Q2_K => encode_each(numbers, importance, blocks, affine::quantize_q2_k),
        Format::Q3_K => encode_each(numbers, importance, blocks, symmetric::quantize_q3_k),
        Format::Q4_K => encode_each(numbers, importance, blocks, affine::quantize_q4_k),
        Format::Q5_K => encode_each(numbers, importance, blocks, affine::quantize_q5_k),
        Format::Q6_K => encode_each(numbers, importance, blocks, symmetric::quantize_q6_k),
        Format::IQ4_NL => encode_each(numbers, importance, blocks, iq4::quantize_nl),
        Format::IQ4_XS => encode_each(numbers, importance, blocks, iq4::quantize_xs),
        Format::MXFP4 => encode_each(numbers, importance, blocks, mxfp4::quantize),
    }
    if format.block_len() > 1 {
        mark_nonfinite(format, numbers, blocks);
    }
}

/// Gives a NaN scale to every block that has a NaN or an infinite number.
fn mark_nonfinite(format: Format, numbers: &[f32], blocks: &mut [u8]) {
    let pairs = numbers.chunks(format.block_len()).zip(blocks.chunks_mut(format.block_bytes()));
    for (numbers, block) in pairs {
        if numbers.iter().fold(false, |any, x| any | !x.is_finite()) {
            block.fill(0);
            match format {
                Format::MXFP4 => block[0] = 255,
                Format::Q2_K => block[80..82].copy_from_slice(&NAN),
                Format::Q3_K => block[108..110].copy_from_slice(&NAN),
                Format::Q6_K => block[208..210].copy_from_slice(&NAN),
                _ => block[..2].copy_from_slice(&NAN),
            }
        }
    }
}

/// The quiet NaN of half precision.
const NAN: [u8; 2] = 0x7E00_u16.to_le_bytes();

fn check(format: Format, numbers: usize, bytes: usize) {
    assert_eq!(format.bytes_for(numbers), Some(bytes), "bytes of {numbers} numbers in {format}");
}
