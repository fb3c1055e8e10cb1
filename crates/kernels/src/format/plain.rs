//! Numbers without blocks: F32, F16, BF16.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// How many numbers are converted at a time.
const RUN: usize = 256;

pub(super) fn dequantize_f32(bytes: &[u8], out: &mut [f32]) {
    for (bytes, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = f32::from_le_bytes(*bytes);
    }
}

pub(super) fn quantize_f32(numbers: &[f32], bytes: &mut [u8]) {
    for (bytes, x) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
        *bytes = x.to_le_bytes();
    }
}

pub(super) fn dequantize_f16(bytes: &[u8], out: &mut [f32]) {
    let mut run = [f16::ZERO; RUN];
    for (bytes, out) in bytes.as_chunks().0.chunks(RUN).zip(out.chunks_mut(RUN)) {
        for (half, bytes) in run.iter_mut().zip(bytes) {
            *half = f16::from_le_bytes(*bytes);
        }
        run[..out.len()].convert_to_f32_slice(out);
    }
}

pub(super) fn quantize_f16(numbers: &[f32], bytes: &mut [u8]) {
    let mut run = [f16::ZERO; RUN];
    for (numbers, bytes) in numbers.chunks(RUN).zip(bytes.as_chunks_mut().0.chunks_mut(RUN)) {
        run[..numbers.len()].convert_from_f32_slice(numbers);
        for (bytes, half) in bytes.iter_mut().zip(&run) {
            *bytes = half.to_le_bytes();
        }
    }
}

pub(super) fn dequantize_bf16(bytes: &[u8], out: &mut [f32]) {
    for (bytes, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = bf16::from_le_bytes(*bytes).to_f32();
    }
}

pub(super) fn quantize_bf16(numbers: &[f32], bytes: &mut [u8]) {
    for (bytes, x) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
        *bytes = bf16::from_f32(*x).to_le_bytes();
    }
}
