//! Super-blocks of 256 numbers stored as `scale · sub-scale · code - minimum · sub-minimum`: `Q2_K`,
//! `Q4_K`, `Q5_K`.

use half::f16;

use super::blocks::{
    add_top_bits, field, pack_nibbles, pack_pairs, pack_top_bits, put, unpack_nibbles, unpack_pairs,
};
use super::search::{
    Affine, affine_error, extremes, fit_affine, half_scale, hold, inverse, round, weights,
};

/// How many steps the searches divide the range of a run into, for codes up to 3, 15 and 31.
const WIDTHS_OF_3: [f32; 14] =
    [3.0, 2.2, 2.4, 2.6, 2.8, 3.2, 3.4, 3.6, 3.8, 4.0, 4.2, 4.4, 4.6, 4.8];
pub(super) const WIDTHS_OF_15: [f32; 10] =
    [15.0, 13.2, 13.5, 13.8, 14.1, 14.4, 14.7, 15.3, 15.6, 15.9];
pub(super) const WIDTHS_OF_31: [f32; 10] =
    [31.0, 28.0, 28.5, 29.0, 29.5, 30.0, 30.5, 31.5, 32.0, 32.5];

/// A super-block as fitted, before it is packed.
struct Fit<const SUBS: usize> {
    scale: f16,
    minimum: f16,
    /// One for each run of `256 / SUBS` numbers.
    sub_scales: [u8; SUBS],
    sub_minima: [u8; SUBS],
    /// One a number.
    codes: [u8; 256],
}

/// Fits a super-block of `SUBS` runs of `RUN` numbers each.
///
/// Codes are `0..=top`, sub-scales and sub-minima `0..=sub_top`. Every run gets the scale and
/// offset that suit it best (`widths` as in [`fit_affine`]). The largest of them set the scale and
/// minimum of the super-block; then each run takes the best pair of integers near its quotients.
#[inline(always)]
fn fit<const RUN: usize, const SUBS: usize>(
    top: f32,
    sub_top: f32,
    x: &[f32; 256],
    importance: Option<&[f32; 256]>,
    widths: &[f32],
) -> Fit<SUBS> {
    let w = weights(x, importance);
    let (x, w) = (x.as_chunks::<RUN>().0, w.as_chunks::<RUN>().0);
    let fits: [Affine; SUBS] = std::array::from_fn(|i| fit_affine(&x[i], &w[i], top, 0.0, widths));

    let scale = half_scale(extremes(&fits.map(|fit| fit.scale)).1 / sub_top);
    let minimum = half_scale(extremes(&fits.map(|fit| fit.offset)).0.abs() / sub_top);
    let (step, drop) = (scale.to_f32(), minimum.to_f32());
    let mut sub_scales = [0; SUBS];
    let mut sub_minima = [0; SUBS];
    let mut codes = [0; 256];
    for (i, codes) in codes.as_chunks_mut::<RUN>().0.iter_mut().enumerate() {
        let sub_scale = round(hold(fits[i].scale * inverse(step), 0.0, sub_top));
        let sub_minimum = round(hold(-fits[i].offset * inverse(drop), 0.0, sub_top));
        let mut best = (sub_scale, sub_minimum);
        let mut best_error = f32::INFINITY;
        for p in [0.0, -1.0, 1.0] {
            for m in [0.0, -1.0, 1.0] {
                let near = (hold(sub_scale + p, 0.0, sub_top), hold(sub_minimum + m, 0.0, sub_top));
                let fit = Affine { scale: step * near.0, offset: -(drop * near.1) };
                let error = affine_error(&x[i], &w[i], top, fit);
                if error < best_error {
                    (best, best_error) = (near, error);
                }
            }
        }
        sub_scales[i] = best.0 as u8;
        sub_minima[i] = best.1 as u8;
        let inverse = inverse(step * best.0);
        let low = drop * best.1;
        *codes = x[i].map(|x| round(hold((x + low) * inverse, 0.0, top)) as u8);
    }
    Fit { scale, minimum, sub_scales, sub_minima, codes }
}

pub(super) fn dequantize_q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let subs: &[u8; 16] = field(block, 0);
    let codes = unpack_pairs(field(block, 16));
    let scale = f16::from_le_bytes(*field(block, 80)).to_f32();
    let minimum = f16::from_le_bytes(*field(block, 82)).to_f32();
    let runs = out.as_chunks_mut().0.iter_mut().zip(codes.as_chunks::<16>().0);
    for ((out, codes), sub) in runs.zip(subs) {
        dequantize_run(scale * f32::from(sub & 15), minimum * f32::from(sub >> 4), codes, out);
    }
}

/// Writes `step · code - drop`.
#[inline(always)]
fn dequantize_run<const RUN: usize>(step: f32, drop: f32, codes: &[u8; RUN], out: &mut [f32; RUN]) {
    for (out, &code) in out.iter_mut().zip(codes) {
        *out = step * f32::from(code) - drop;
    }
}

pub(super) fn quantize_q2_k(x: &[f32; 256], importance: Option<&[f32; 256]>, block: &mut [u8; 84]) {
    let fit = fit::<16, 16>(3.0, 15.0, x, importance, &WIDTHS_OF_3);
    let subs: [u8; 16] = std::array::from_fn(|i| fit.sub_scales[i] | (fit.sub_minima[i] << 4));
    put(block, 0, &subs);
    put(block, 16, &pack_pairs(&fit.codes));
    put(block, 80, &fit.scale.to_le_bytes());
    put(block, 82, &fit.minimum.to_le_bytes());
}

/// Eight sub-scales and eight sub-minima of 6 bits in 12 bytes.
///
/// Bytes 0 to 3 hold sub-scales 0 to 3, bytes 4 to 7 sub-minima 0 to 3, each in its low six bits.
/// Bytes 8 to 11 hold the low nibbles of sub-scales (low) and sub-minima (high) 4 to 7; their two
/// high bits are on top of bytes 0 to 3 and 4 to 7.
fn unpack_subs(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let mut sub_scales = [0; 8];
    let mut sub_minima = [0; 8];
    for i in 0..4 {
        let (scale, minimum, both) = (packed[i], packed[4 + i], packed[8 + i]);
        sub_scales[i] = scale & 63;
        sub_minima[i] = minimum & 63;
        sub_scales[4 + i] = (both & 15) | (scale >> 6 << 4);
        sub_minima[4 + i] = (both >> 4) | (minimum >> 6 << 4);
    }
    (sub_scales, sub_minima)
}

fn pack_subs(sub_scales: [u8; 8], sub_minima: [u8; 8]) -> [u8; 12] {
    let mut packed = [0; 12];
    for i in 0..4 {
        let (scale, minimum) = (sub_scales[4 + i], sub_minima[4 + i]);
        packed[i] = sub_scales[i] | (scale >> 4 << 6);
        packed[4 + i] = sub_minima[i] | (minimum >> 4 << 6);
        packed[8 + i] = (scale & 15) | (minimum & 15) << 4;
    }
    packed
}

/// Four bits a code: 32 bytes of nibbles for every 64 codes.
fn unpack_fours(packed: &[u8; 128]) -> [u8; 256] {
    let mut codes = [0; 256];
    for (packed, codes) in packed.as_chunks::<32>().0.iter().zip(codes.as_chunks_mut::<64>().0) {
        unpack_nibbles(packed, codes);
    }
    codes
}

fn pack_fours(codes: &[u8; 256]) -> [u8; 128] {
    let mut packed = [0; 128];
    for (packed, codes) in packed.as_chunks_mut::<32>().0.iter_mut().zip(codes.as_chunks::<64>().0)
    {
        pack_nibbles(codes, packed);
    }
    packed
}

/// Writes a super-block with eight runs from its scale, minimum, sub-scales and codes.
fn dequantize_eight(head: &[u8; 16], codes: &[u8; 256], out: &mut [f32; 256]) {
    let scale = f16::from_le_bytes(*field(head, 0)).to_f32();
    let minimum = f16::from_le_bytes(*field(head, 2)).to_f32();
    let (sub_scales, sub_minima) = unpack_subs(field(head, 4));
    let runs = out.as_chunks_mut().0.iter_mut().zip(codes.as_chunks::<32>().0);
    for (i, (out, codes)) in runs.enumerate() {
        let step = scale * f32::from(sub_scales[i]);
        dequantize_run(step, minimum * f32::from(sub_minima[i]), codes, out);
    }
}

pub(super) fn dequantize_q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    dequantize_eight(field(block, 0), &unpack_fours(field(block, 16)), out);
}

pub(super) fn dequantize_q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let mut codes = unpack_fours(field(block, 48));
    add_top_bits(field(block, 16), 4, &mut codes);
    dequantize_eight(field(block, 0), &codes, out);
}

fn put_head(fit: &Fit<8>, block: &mut [u8]) {
    put(block, 0, &fit.scale.to_le_bytes());
    put(block, 2, &fit.minimum.to_le_bytes());
    put(block, 4, &pack_subs(fit.sub_scales, fit.sub_minima));
}

pub(super) fn quantize_q4_k(
    x: &[f32; 256],
    importance: Option<&[f32; 256]>,
    block: &mut [u8; 144],
) {
    let fit = fit::<32, 8>(15.0, 63.0, x, importance, &WIDTHS_OF_15);
    put_head(&fit, block);
    put(block, 16, &pack_fours(&fit.codes));
}

pub(super) fn quantize_q5_k(
    x: &[f32; 256],
    importance: Option<&[f32; 256]>,
    block: &mut [u8; 176],
) {
    let fit = fit::<32, 8>(31.0, 63.0, x, importance, &WIDTHS_OF_31);
    put_head(&fit, block);
    put(block, 16, &pack_top_bits(&fit.codes, 4));
    put(block, 48, &pack_fours(&fit.codes));
}
