//! Super-blocks of 256 numbers stored as `scale · sub-scale · value`: `Q3_K`, `Q6_K`, and the fit that
//! `IQ4_XS` shares with them.

use half::f16;

use super::blocks::{
    add_top_bits, field, pack_nibbles, pack_pairs, pack_top_bits, put, unpack_nibbles, unpack_pairs,
};
use super::search::{
    Codebook, Integers, fit_scale, half_scale, hold, inverse, peak, scale_error, weights,
};

/// A super-block as fitted, before it is packed.
pub(super) struct Fit<const SUBS: usize> {
    pub(super) scale: f16,
    /// One for each run of `256 / SUBS` numbers.
    pub(super) sub_scales: [i8; SUBS],
    /// One a number, as the codebook counts.
    pub(super) codes: [u8; 256],
}

/// Fits a super-block of `SUBS` runs of `RUN` numbers each.
///
/// Every run gets the scale that suits it best (`targets` as in [`fit_scale`]). The largest of
/// them sets the scale of the super-block; then each sub-scale is the best integer near its
/// quotient.
#[inline(always)]
pub(super) fn fit<const RUN: usize, const SUBS: usize>(
    book: impl Codebook,
    integers: Integers,
    x: &[f32; 256],
    importance: Option<&[f32; 256]>,
    targets: &[f32],
) -> Fit<SUBS> {
    let w = weights(x, importance);
    let (x, w) = (x.as_chunks::<RUN>().0, w.as_chunks::<RUN>().0);
    let scales: [f32; SUBS] = std::array::from_fn(|i| fit_scale(book, &x[i], &w[i], targets));

    let scale = half_scale(peak(&scales) / integers.low);
    let step = scale.to_f32();
    let mut sub_scales = [0; SUBS];
    let mut codes = [0; 256];
    for (i, codes) in codes.as_chunks_mut::<RUN>().0.iter_mut().enumerate() {
        let middle = integers.nearest(scales[i] * inverse(step));
        let mut best = middle;
        let mut best_error = scale_error(book, &x[i], &w[i], step * middle);
        for near in [middle - 1.0, middle + 1.0] {
            let near = hold(near, integers.low, integers.high);
            let error = scale_error(book, &x[i], &w[i], step * near);
            if error < best_error {
                (best, best_error) = (near, error);
            }
        }
        sub_scales[i] = best as i8;
        let inverse = inverse(step * best);
        *codes = x[i].map(|x| book.code(x * inverse));
    }
    Fit { scale, sub_scales, codes }
}

const Q3: Integers = Integers { low: -4.0, high: 3.0 };
const Q6: Integers = Integers { low: -32.0, high: 31.0 };

/// What the searches map the largest number of a run to. Candidates far apart do better than many
/// close together: each rounds the other numbers anew.
const Q3_TARGETS: [f32; 9] = [-4.0, -5.2, -4.9, -4.6, -4.3, -3.7, -3.4, -3.1, -2.8];
const Q6_TARGETS: [f32; 12] =
    [-32.0, -33.2, -32.6, -31.4, -30.8, -30.2, -29.6, -29.0, -28.4, -27.8, -27.2, -26.6];

/// Sixteen sub-scales of 6 bits: low nibbles of bytes 0 to 7 hold the low bits of the first eight,
/// high nibbles of the others; byte `8 + i % 4` holds the two high bits of sub-scale `i` from bit
/// `2 · (i / 4)` on.
fn unpack_q3_scales(packed: &[u8; 12]) -> [i8; 16] {
    std::array::from_fn(|i| {
        let low = (packed[i % 8] >> (4 * (i / 8))) & 15;
        let high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
        (low | (high << 4)) as i8 - 32
    })
}

fn pack_q3_scales(sub_scales: &[i8; 16]) -> [u8; 12] {
    let mut packed = [0; 12];
    for (i, sub_scale) in sub_scales.iter().enumerate() {
        let code = (sub_scale + 32) as u8;
        packed[i % 8] |= (code & 15) << (4 * (i / 8));
        packed[8 + i % 4] |= (code >> 4) << (2 * (i / 4));
    }
    packed
}

pub(super) fn dequantize_q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let mut codes = unpack_pairs(field(block, 32));
    add_top_bits(field(block, 0), 2, &mut codes);
    let scale = f16::from_le_bytes(*field(block, 108)).to_f32();
    dequantize_runs(scale, unpack_q3_scales(field(block, 96)), &codes, 4, out);
}

/// Writes `scale · sub-scale · (code - centre)`.
fn dequantize_runs(
    scale: f32,
    sub_scales: [i8; 16],
    codes: &[u8; 256],
    centre: i8,
    out: &mut [f32; 256],
) {
    let runs = out.as_chunks_mut::<16>().0.iter_mut().zip(codes.as_chunks::<16>().0);
    for ((out, codes), sub_scale) in runs.zip(sub_scales) {
        let step = scale * f32::from(sub_scale);
        for (out, &code) in out.iter_mut().zip(codes) {
            *out = step * f32::from(code as i8 - centre);
        }
    }
}

pub(super) fn quantize_q3_k(
    x: &[f32; 256],
    importance: Option<&[f32; 256]>,
    block: &mut [u8; 110],
) {
    let sub_scales = Integers { low: -32.0, high: 31.0 };
    let fit = fit::<16, 16>(Q3, sub_scales, x, importance, &Q3_TARGETS);
    put(block, 0, &pack_top_bits(&fit.codes, 2));
    put(block, 32, &pack_pairs(&fit.codes));
    put(block, 96, &pack_q3_scales(&fit.sub_scales));
    put(block, 108, &fit.scale.to_le_bytes());
}

pub(super) fn dequantize_q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let mut codes = [0; 256];
    let low: &[u8; 128] = field(block, 0);
    for (low, codes) in low.as_chunks::<64>().0.iter().zip(codes.as_chunks_mut::<128>().0) {
        unpack_nibbles(low, codes);
    }
    for (code, high) in codes.iter_mut().zip(unpack_pairs(field(block, 128))) {
        *code |= high << 4;
    }
    let sub_scales = field::<16>(block, 192).map(|sub_scale| sub_scale as i8);
    let scale = f16::from_le_bytes(*field(block, 208)).to_f32();
    dequantize_runs(scale, sub_scales, &codes, 32, out);
}

pub(super) fn quantize_q6_k(
    x: &[f32; 256],
    importance: Option<&[f32; 256]>,
    block: &mut [u8; 210],
) {
    let sub_scales = Integers { low: -128.0, high: 127.0 };
    let fit = fit::<16, 16>(Q6, sub_scales, x, importance, &Q6_TARGETS);
    let mut low = [0; 128];
    for (low, codes) in low.as_chunks_mut::<64>().0.iter_mut().zip(fit.codes.as_chunks::<128>().0) {
        pack_nibbles(codes, low);
    }
    put(block, 0, &low);
    put(block, 128, &pack_pairs(&fit.codes.map(|code| code >> 4)));
    put(block, 192, &fit.sub_scales.map(|sub_scale| sub_scale as u8));
    put(block, 208, &fit.scale.to_le_bytes());
}
