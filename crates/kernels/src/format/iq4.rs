//! Four-bit codes for 16 unevenly spaced values: `IQ4_NL` (one scale for 32 numbers) and `IQ4_XS`
//! (eight such blocks, their scales six-bit multiples of one).

use half::f16;

use super::blocks::{field, put};
use super::legacy::{codes_of, nibbles_of};
use super::search::{Codebook, Integers, fit_scale, half_scale, inverse, weights};
use super::symmetric;

/// The value of each code: denser near 0, where most weights are.
///
/// Source: `kvalues_iq4nl` of ggml; the numbers are part of the format.
const VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// [`VALUES`] as a book to fit scales for.
#[derive(Clone, Copy)]
pub(super) struct Uneven;

impl Codebook for Uneven {
    #[inline(always)]
    fn peak(self) -> f32 {
        -127.0
    }

    #[inline(always)]
    fn nearest(self, x: f32) -> f32 {
        // Fifteen comparisons, which vector units do for many numbers at once, beat a look-up.
        let mut value = f32::from(VALUES[0]);
        for pair in VALUES.windows(2) {
            value += if x >= middle(pair) { f32::from(pair[1] - pair[0]) } else { 0.0 };
        }
        value
    }

    #[inline(always)]
    fn code(self, x: f32) -> u8 {
        VALUES.windows(2).map(|pair| u8::from(x >= middle(pair))).sum()
    }
}

#[inline(always)]
fn middle(pair: &[i8]) -> f32 {
    0.5 * (f32::from(pair[0]) + f32::from(pair[1]))
}

/// What the search maps the largest number of a block to: to either end of the values, which
/// differ, and somewhat beside them.
const TARGETS: [f32; 14] = [
    -127.0, -147.0, -142.0, -137.0, -132.0, -122.0, -117.0, -112.0, -107.0, 116.0, 92.0, 100.0,
    108.0, 124.0,
];

/// Writes 32 numbers that share `scale`.
fn dequantize_run(scale: f32, nibbles: &[u8; 16], out: &mut [f32; 32]) {
    for (out, code) in out.iter_mut().zip(codes_of(nibbles)) {
        *out = scale * f32::from(VALUES[usize::from(code & 15)]);
    }
}

pub(super) fn dequantize_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    dequantize_run(f16::from_le_bytes(*field(block, 0)).to_f32(), field(block, 2), out);
}

pub(super) fn quantize_nl(x: &[f32; 32], importance: Option<&[f32; 32]>, block: &mut [u8; 18]) {
    let scale = half_scale(fit_scale(Uneven, x, &weights(x, importance), &TARGETS));
    let inverse = inverse(scale.to_f32());
    put(block, 0, &scale.to_le_bytes());
    put(block, 2, &nibbles_of(&x.map(|x| Uneven.code(x * inverse))));
}

pub(super) fn dequantize_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let scale = f16::from_le_bytes(*field(block, 0)).to_f32();
    let high = u16::from_le_bytes(*field(block, 2));
    let low: &[u8; 4] = field(block, 4);
    for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
        let code = (low[i / 2] >> (4 * (i % 2))) & 15 | (((high >> (2 * i)) & 3) << 4) as u8;
        dequantize_run(scale * f32::from(code as i8 - 32), field(block, 8 + 16 * i), out);
    }
}

pub(super) fn quantize_xs(x: &[f32; 256], importance: Option<&[f32; 256]>, block: &mut [u8; 136]) {
    let sub_scales = Integers { low: -32.0, high: 31.0 };
    let fit = symmetric::fit::<32, 8>(Uneven, sub_scales, x, importance, &TARGETS);
    let mut high = 0_u16;
    let mut low = [0_u8; 4];
    for (i, sub_scale) in fit.sub_scales.iter().enumerate() {
        let code = (sub_scale + 32) as u8;
        low[i / 2] |= (code & 15) << (4 * (i % 2));
        high |= u16::from(code >> 4) << (2 * i);
    }
    put(block, 0, &fit.scale.to_le_bytes());
    put(block, 2, &high.to_le_bytes());
    put(block, 4, &low);
    for (i, codes) in fit.codes.as_chunks().0.iter().enumerate() {
        put(block, 8 + 16 * i, &nibbles_of(codes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_value_and_code_are_those_of_a_search() {
        for i in -3000..3000 {
            let x = i as f32 * 0.05 + 0.01;
            let distance = |code: usize| (f32::from(VALUES[code]) - x).abs();
            let best = (0..16).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            assert_eq!(usize::from(Uneven.code(x)), best, "{x}");
            assert_eq!(Uneven.nearest(x), f32::from(VALUES[best]), "{x}");
        }
    }
}
