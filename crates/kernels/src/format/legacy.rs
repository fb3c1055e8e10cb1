//! Blocks of 32 numbers under one scale: `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `Q8_0`.
//!
//! Without importances the quantisers give the same bytes as ggml's reference: the scale follows
//! from the extreme numbers of the block alone. With importances the scale is searched for.

use half::f16;

use super::affine::{WIDTHS_OF_15, WIDTHS_OF_31};
use super::blocks::{field, pack_nibbles, put, unpack_nibbles};
use super::search::{
    Codebook, Integers, fit_affine, fit_scale, half_scale, inverse, peak, round_half_away, weights,
};

/// The numbers of a block, or their importances.
type Numbers = [f32; 32];
/// One code a number, each in a byte of its own.
pub(super) type Codes = [u8; 32];

/// The codes in a block's 16 bytes of nibbles.
pub(super) fn codes_of(nibbles: &[u8; 16]) -> Codes {
    let mut codes = [0; 32];
    unpack_nibbles(nibbles, &mut codes);
    codes
}

/// The 16 bytes of nibbles that hold the four low bits of `codes`.
pub(super) fn nibbles_of(codes: &Codes) -> [u8; 16] {
    let mut nibbles = [0; 16];
    pack_nibbles(codes, &mut nibbles);
    nibbles
}

/// Codes of 5 bits: bit `i` of the little-endian `fifths` is the fifth bit of code `i`.
fn fives_of(fifths: [u8; 4], nibbles: &[u8; 16]) -> Codes {
    let fifths = u32::from_le_bytes(fifths);
    let mut codes = codes_of(nibbles);
    for (i, code) in codes.iter_mut().enumerate() {
        *code |= ((fifths >> i) & 1) as u8 * 16;
    }
    codes
}

fn fifths_of(codes: &Codes) -> [u8; 4] {
    (0..32).fold(0, |bits, i| bits | (u32::from(codes[i] >> 4) << i)).to_le_bytes()
}

/// Writes `scale · (code - centre)`.
fn dequantize_centred(scale: [u8; 2], codes: &Codes, centre: i8, out: &mut Numbers) {
    let scale = f16::from_le_bytes(scale).to_f32();
    for (out, &code) in out.iter_mut().zip(codes) {
        *out = scale * f32::from(code as i8 - centre);
    }
}

/// Writes `scale · code + offset`.
fn dequantize_offset(scale: [u8; 2], offset: [u8; 2], codes: &Codes, out: &mut Numbers) {
    let scale = f16::from_le_bytes(scale).to_f32();
    let offset = f16::from_le_bytes(offset).to_f32();
    for (out, &code) in out.iter_mut().zip(codes) {
        *out = scale * f32::from(code) + offset;
    }
}

/// Scale and codes of numbers stored as `scale · (code - centre)`, codes `0..2·centre`.
fn fit_centred(x: &Numbers, importance: Option<&Numbers>, centre: i8) -> ([u8; 2], Codes) {
    let centre = f32::from(centre);
    if importance.is_none() {
        let scale = peak(x) / -centre;
        let inverse = inverse(scale);
        let top = 2.0 * centre - 1.0;
        let codes = x.map(|x| (x * inverse + (centre + 0.5)).min(top) as u8);
        return (f16::from_f32(scale).to_le_bytes(), codes);
    }
    let book = Integers { low: -centre, high: centre - 1.0 };
    let targets = [1.0, 0.8, 0.84, 0.88, 0.92, 0.96, 1.04, 1.08].map(|part| -centre * part);
    let scale = half_scale(fit_scale(book, x, &weights(x, importance), &targets));
    let inverse = inverse(scale.to_f32());
    (scale.to_le_bytes(), x.map(|x| book.code(x * inverse)))
}

/// Scale, offset and codes of numbers stored as `scale · code + offset`, codes `0..=top`.
fn fit_offset(x: &Numbers, importance: Option<&Numbers>, top: f32) -> ([u8; 2], [u8; 2], Codes) {
    if importance.is_none() {
        let low = x.iter().fold(f32::MAX, |low, &x| if x < low { x } else { low });
        let high = x.iter().fold(f32::MIN, |high, &x| if x > high { x } else { high });
        let scale = (high - low) / top;
        let inverse = inverse(scale);
        let codes = x.map(|x| ((x - low) * inverse + 0.5).min(top) as u8);
        return (f16::from_f32(scale).to_le_bytes(), f16::from_f32(low).to_le_bytes(), codes);
    }
    let widths = if top > 15.0 { &WIDTHS_OF_31 } else { &WIDTHS_OF_15 };
    let fit = fit_affine(x, &weights(x, importance), top, f32::INFINITY, widths);
    let (scale, offset) = (half_scale(fit.scale), f16::from_f32(fit.offset));
    let inverse = inverse(scale.to_f32());
    let low = offset.to_f32();
    let codes = x.map(|x| ((x - low) * inverse + 0.5).min(top) as u8);
    (scale.to_le_bytes(), offset.to_le_bytes(), codes)
}

pub(super) fn dequantize_q4_0(block: &[u8; 18], out: &mut Numbers) {
    dequantize_centred(*field(block, 0), &codes_of(field(block, 2)), 8, out);
}

pub(super) fn quantize_q4_0(x: &Numbers, importance: Option<&Numbers>, block: &mut [u8; 18]) {
    let (scale, codes) = fit_centred(x, importance, 8);
    put(block, 0, &scale);
    put(block, 2, &nibbles_of(&codes));
}

pub(super) fn dequantize_q4_1(block: &[u8; 20], out: &mut Numbers) {
    let codes = codes_of(field(block, 4));
    dequantize_offset(*field(block, 0), *field(block, 2), &codes, out);
}

pub(super) fn quantize_q4_1(x: &Numbers, importance: Option<&Numbers>, block: &mut [u8; 20]) {
    let (scale, offset, codes) = fit_offset(x, importance, 15.0);
    put(block, 0, &scale);
    put(block, 2, &offset);
    put(block, 4, &nibbles_of(&codes));
}

pub(super) fn dequantize_q5_0(block: &[u8; 22], out: &mut Numbers) {
    let codes = fives_of(*field(block, 2), field(block, 6));
    dequantize_centred(*field(block, 0), &codes, 16, out);
}

pub(super) fn quantize_q5_0(x: &Numbers, importance: Option<&Numbers>, block: &mut [u8; 22]) {
    let (scale, codes) = fit_centred(x, importance, 16);
    put(block, 0, &scale);
    put(block, 2, &fifths_of(&codes));
    put(block, 6, &nibbles_of(&codes));
}

pub(super) fn dequantize_q5_1(block: &[u8; 24], out: &mut Numbers) {
    let codes = fives_of(*field(block, 4), field(block, 8));
    dequantize_offset(*field(block, 0), *field(block, 2), &codes, out);
}

pub(super) fn quantize_q5_1(x: &Numbers, importance: Option<&Numbers>, block: &mut [u8; 24]) {
    let (scale, offset, codes) = fit_offset(x, importance, 31.0);
    put(block, 0, &scale);
    put(block, 2, &offset);
    put(block, 4, &fifths_of(&codes));
    put(block, 8, &nibbles_of(&codes));
}

pub(super) fn dequantize_q8_0(block: &[u8; 34], out: &mut Numbers) {
    let scale = f16::from_le_bytes(*field(block, 0)).to_f32();
    for (out, &code) in out.iter_mut().zip(field::<32>(block, 2)) {
        *out = scale * f32::from(code as i8);
    }
}

/// Importances make no difference: 8 bits leave nothing worth a search.
pub(super) fn quantize_q8_0(x: &Numbers, _: Option<&Numbers>, block: &mut [u8; 34]) {
    let scale = peak(x).abs() / 127.0;
    let inverse = inverse(scale);
    put(block, 0, &f16::from_f32(scale).to_le_bytes());
    put(block, 2, &x.map(|x| round_half_away(x * inverse) as i8 as u8));
}
