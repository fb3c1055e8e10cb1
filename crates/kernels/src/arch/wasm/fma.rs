//! `a * b + c`, rounded once, on sixteen lanes.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use core::arch::wasm32::*;

use crate::arch::fused::fused;

/// By arithmetic in f64; see [`crate::arch::fused`].
///
/// Almost every sum may be rounded twice. Those that may not, one in 2^29 of random ones, are found
/// by their bits and calculated again, all sixteen: a sum in f64 that ends in a one and 28 zeros
/// lies halfway between two f32; and the halfway points of f32 that are not normal lie elsewhere, so
/// every sum that is as small, and not zero, is taken for one.
#[inline(always)]
pub(super) fn emulated(a: [v128; 4], b: [v128; 4], c: [v128; 4]) -> [v128; 4] {
    let (x0, doubtful0) = twice_rounded(a[0], b[0], c[0]);
    let (x1, doubtful1) = twice_rounded(a[1], b[1], c[1]);
    let (x2, doubtful2) = twice_rounded(a[2], b[2], c[2]);
    let (x3, doubtful3) = twice_rounded(a[3], b[3], c[3]);
    let doubtful = v128_or(v128_or(doubtful0, doubtful1), v128_or(doubtful2, doubtful3));
    if v128_any_true(doubtful) { once_rounded(a, b, c) } else { [x0, x1, x2, x3] }
}

/// Four sums that are rounded to f64 and then to f32, and a mask of those that are in doubt.
#[inline(always)]
fn twice_rounded(a: v128, b: v128, c: v128) -> (v128, v128) {
    let low = f64x2_add(f64x2_mul(low_wide(a), low_wide(b)), low_wide(c));
    let high = f64x2_add(f64x2_mul(high_wide(a), high_wide(b)), high_wide(c));
    let rounded =
        i32x4_shuffle::<0, 1, 4, 5>(f32x4_demote_f64x2_zero(low), f32x4_demote_f64x2_zero(high));
    let last_bits = i32x4_shuffle::<0, 2, 4, 6>(low, high);
    let first_bits = i32x4_shuffle::<1, 3, 5, 7>(low, high);
    let halfway = i32x4_eq(v128_and(last_bits, i32x4_splat(0x1FFF_FFFF)), i32x4_splat(0x1000_0000));
    // The first bits of 2^-126; zero goes to the far end, so that it is not below.
    let normal = i32x4_splat(0x3810_0000);
    let magnitude = v128_and(first_bits, i32x4_splat(0x7FFF_FFFF));
    let tiny = u32x4_lt(i32x4_sub(magnitude, i32x4_splat(1)), normal);
    (rounded, v128_or(halfway, tiny))
}

#[inline(always)]
fn low_wide(v: v128) -> v128 {
    f64x2_promote_low_f32x4(v)
}

#[inline(always)]
fn high_wide(v: v128) -> v128 {
    f64x2_promote_low_f32x4(i32x4_shuffle::<2, 3, 2, 3>(v, v))
}

/// Sixteen sums, one after the other.
#[cold]
#[inline(never)]
fn once_rounded(a: [v128; 4], b: [v128; 4], c: [v128; 4]) -> [v128; 4] {
    let mut sums = c;
    for (i, sum) in sums.iter_mut().enumerate() {
        let (a, b, c) = (a[i], b[i], c[i]);
        *sum = f32x4(
            fused(
                f32x4_extract_lane::<0>(a),
                f32x4_extract_lane::<0>(b),
                f32x4_extract_lane::<0>(c),
            ),
            fused(
                f32x4_extract_lane::<1>(a),
                f32x4_extract_lane::<1>(b),
                f32x4_extract_lane::<1>(c),
            ),
            fused(
                f32x4_extract_lane::<2>(a),
                f32x4_extract_lane::<2>(b),
                f32x4_extract_lane::<2>(c),
            ),
            fused(
                f32x4_extract_lane::<3>(a),
                f32x4_extract_lane::<3>(b),
                f32x4_extract_lane::<3>(c),
            ),
        );
    }
    sums
}

/// By the relaxed instruction, on an engine where it rounds once.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
pub(super) fn relaxed(a: [v128; 4], b: [v128; 4], c: [v128; 4]) -> [v128; 4] {
    [
        f32x4_relaxed_madd(a[0], b[0], c[0]),
        f32x4_relaxed_madd(a[1], b[1], c[1]),
        f32x4_relaxed_madd(a[2], b[2], c[2]),
        f32x4_relaxed_madd(a[3], b[3], c[3]),
    ]
}

/// Whether the engine's relaxed multiply-add rounds once.
///
/// An engine is free to round once or twice, but must then always do the same (WebAssembly 3.0,
/// "Relaxed operations"), so a few products whose two roundings show are proof.
#[cfg(target_feature = "relaxed-simd")]
pub(super) fn relaxed_is_fused() -> bool {
    use std::hint::black_box;

    let a = black_box(f32x4(1.0 + f32::EPSILON, 3.0, 1e-30, 1.0 + 2.0 * f32::EPSILON));
    let b = black_box(f32x4(1.0 - f32::EPSILON, 1.0 / 3.0, 1e-30, 1.0 + 2.0 * f32::EPSILON));
    let c = black_box(f32x4(-1.0, -1.0, 1e-38, -1.0));
    let ([exact, ..], got) = (once_rounded([a; 4], [b; 4], [c; 4]), f32x4_relaxed_madd(a, b, c));
    i32x4_all_true(i32x4_eq(exact, black_box(got)))
}
