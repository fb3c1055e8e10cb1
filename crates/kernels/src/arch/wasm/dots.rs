//! Dot products of unsigned with signed bytes, by multiplication of 16-bit numbers and by the
//! relaxed dot product.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use core::arch::wasm32::*;

/// By multiplication of 16-bit numbers; see [`crate::arch::Simd::dots`].
///
/// Even and odd bytes are widened each in one instruction. As long as `MOST` lets them fit, the
/// products of several quads are added in 16 bits before one instruction widens them.
#[inline(always)]
pub(super) fn widening<const MOST: u32, const Q: usize, const N: usize>(
    acc: [[v128; 4]; N],
    w: &[[v128; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[v128; 4]; N] {
    match i16::MAX as u32 / (2 * 127 * MOST) {
        8.. => together::<8, Q, N>(acc, w, x),
        4.. => together::<4, Q, N>(acc, w, x),
        2.. => together::<2, Q, N>(acc, w, x),
        _ => wide(acc, w, x),
    }
}

/// The products of up to `FIT` quads are added in 16 bits.
#[inline(always)]
fn together<const FIT: usize, const Q: usize, const N: usize>(
    mut acc: [[v128; 4]; N],
    w: &[[v128; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[v128; 4]; N] {
    for (some, w) in w.chunks(FIT).enumerate() {
        let mut pairs = [[i32x4_splat(0); 4]; N];
        for (q, w) in w.iter().enumerate() {
            for (pairs, x) in pairs.iter_mut().zip(x) {
                let (even, odd) = even_and_odd(x[some * FIT + q]);
                for (pairs, &w) in pairs.iter_mut().zip(w) {
                    *pairs = i16x8_add(*pairs, i16x8_mul(even_of(w), even));
                    *pairs = i16x8_add(*pairs, i16x8_mul(odd_of(w), odd));
                }
            }
        }
        for (acc, pairs) in acc.iter_mut().zip(pairs) {
            for (acc, pairs) in acc.iter_mut().zip(pairs) {
                *acc = i32x4_add(*acc, i32x4_extadd_pairwise_i16x8(pairs));
            }
        }
    }
    acc
}

/// Every sum of two products is widened.
#[inline(always)]
fn wide<const Q: usize, const N: usize>(
    mut acc: [[v128; 4]; N],
    w: &[[v128; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[v128; 4]; N] {
    for (q, w) in w.iter().enumerate() {
        for (acc, x) in acc.iter_mut().zip(x) {
            let (even, odd) = even_and_odd(x[q]);
            for (acc, &w) in acc.iter_mut().zip(w) {
                *acc = i32x4_add(*acc, i32x4_dot_i16x8(even_of(w), even));
                *acc = i32x4_add(*acc, i32x4_dot_i16x8(odd_of(w), odd));
            }
        }
    }
    acc
}

/// Bytes 0 and 2 of each group of four, without sign.
#[inline(always)]
fn even_of(w: v128) -> v128 {
    v128_and(w, i16x8_splat(0xFF))
}

/// Bytes 1 and 3 of each group of four, without sign.
#[inline(always)]
fn odd_of(w: v128) -> v128 {
    u16x8_shr(w, 8)
}

/// Bytes 0 and 2, and bytes 1 and 3, of a quad of activations for each lane.
#[inline(always)]
fn even_and_odd(quad: i32) -> (v128, v128) {
    let x = i32x4_splat(quad);
    (i16x8_shr(i16x8_shl(x, 8), 8), i16x8_shr(x, 8))
}

/// By the relaxed dot product; see [`crate::arch::Simd::dots`].
///
/// The instruction is exact while its second operand stays below 128: engines differ only above.
/// The eighth bits of larger weights are multiplied on their own, and count 128 times.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
pub(super) fn relaxed<const MOST: u32, const Q: usize, const N: usize>(
    mut acc: [[v128; 4]; N],
    w: &[[v128; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[v128; 4]; N] {
    if MOST < 128 {
        return low_relaxed(acc, w, x);
    }
    let (mut low, mut high) = (*w, *w);
    for (low, high) in low.iter_mut().flatten().zip(high.iter_mut().flatten()) {
        *low = v128_and(*low, i8x16_splat(127));
        *high = v128_and(u16x8_shr(*high, 7), i8x16_splat(1));
    }
    let high = low_relaxed([[i32x4_splat(0); 4]; N], &high, x);
    for (acc, high) in acc.iter_mut().flatten().zip(high.iter().flatten()) {
        *acc = i32x4_add(*acc, i32x4_shl(*high, 7));
    }
    low_relaxed(acc, &low, x)
}

/// Weights below 128.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn low_relaxed<const Q: usize, const N: usize>(
    mut acc: [[v128; 4]; N],
    w: &[[v128; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[v128; 4]; N] {
    for (q, w) in w.iter().enumerate() {
        for (acc, x) in acc.iter_mut().zip(x) {
            let x = i32x4_splat(x[q]);
            for (acc, &w) in acc.iter_mut().zip(w) {
                *acc = i32x4_relaxed_dot_i8x16_i7x16_add(x, w, *acc);
            }
        }
    }
    acc
}
