//! MXFP4: blocks of 32 four-bit floats (E2M1) under one power of two (E8M0).
//!
//! Source: Open Compute Project, "Microscaling Formats (MX) Specification" 1.0.

use super::legacy::{codes_of, nibbles_of};
use super::search::{peak, weights};

/// Twice the value of each code, as ggml keeps them: bit 3 is the sign.
const DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Half of the scale that `exponent` stands for, `2^(exponent - 128)`; NaN for 255.
///
/// 255 is NaN in the specification. ggml's decoder takes it for 2^127 all the same; this is the
/// one place where the two differ.
fn half_scale(exponent: u8) -> f32 {
    match exponent {
        0 | 1 => f32::from_bits(0x0020_0000 << exponent),
        255 => f32::NAN,
        _ => f32::from_bits(u32::from(exponent - 1) << 23),
    }
}

/// The code nearest to `x`, which is given in doubled values; ties go to the smaller magnitude.
fn nearest_code(x: f32) -> u8 {
    const MIDDLES: [f32; 7] = [0.5, 1.5, 2.5, 3.5, 5.0, 7.0, 10.0];
    let magnitude = MIDDLES.iter().map(|&middle| u8::from(x.abs() > middle)).sum::<u8>();
    if x < 0.0 && magnitude > 0 { magnitude | 8 } else { magnitude }
}

pub(super) fn dequantize(block: &[u8; 17], out: &mut [f32; 32]) {
    let [exponent, nibbles @ ..] = block;
    let scale = half_scale(*exponent);
    for (out, code) in out.iter_mut().zip(codes_of(nibbles)) {
        *out = scale * f32::from(DOUBLED[usize::from(code & 15)]);
    }
}

/// Takes the better of two exponents: the specification's, with which the largest number is at
/// most 8 (and what is above 6 is cut off), and the next, with which it is at most 4.
pub(super) fn quantize(x: &[f32; 32], importance: Option<&[f32; 32]>, block: &mut [u8; 17]) {
    let w = match importance {
        Some(_) => weights(x, importance),
        None => [1.0; 32],
    };
    // The exponent field of a float is ⌊log₂⌋ + 127. The largest code is 6 = 1.5·2².
    let exponent = ((peak(x).to_bits() >> 23) as u8).saturating_sub(2);
    let narrow = encode(x, &w, exponent);
    let wide = encode(x, &w, exponent.saturating_add(1).min(254));
    *block = if wide.1 < narrow.1 { wide.0 } else { narrow.0 };
}

/// The block with this exponent and its weighted squared error.
fn encode(x: &[f32; 32], w: &[f32; 32], exponent: u8) -> ([u8; 17], f32) {
    let scale = half_scale(exponent);
    let codes = x.map(|x| nearest_code(x / scale));
    let error = (0..32).map(|i| {
        let difference = scale * f32::from(DOUBLED[usize::from(codes[i] & 15)]) - x[i];
        w[i] * difference * difference
    });
    let mut block = [exponent; 17];
    block[1..].copy_from_slice(&nibbles_of(&codes));
    (block, error.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_code_is_that_of_a_search() {
        for i in -300..300 {
            let x = i as f32 * 0.05;
            let distance = |code: u8| (f32::from(DOUBLED[usize::from(code)]) - x).abs();
            let best = (0..16).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            assert_eq!(nearest_code(x), best, "{x}");
        }
    }

    #[test]
    fn exponents_are_powers_of_two() {
        for exponent in 0..255_u8 {
            let scale = f64::from(half_scale(exponent));
            assert_eq!(scale, 2.0_f64.powi(i32::from(exponent) - 128), "{exponent}");
        }
        assert!(half_scale(255).is_nan());
    }
}
