//! Dot products of unsigned with signed bytes: by widening multiplication, by the dot product of
//! two signed operands (`sdot`), and by that of an unsigned with a signed one (`usdot`).
//!
//! Without `usdot`, weights above 127 are first moved down by 128, which makes them signed; what
//! that takes away, 128 times the sum of the activations, is added beforehand.
#![expect(
    unsafe_code,
    reason = "the intrinsics of dot products are not stable; loads from arrays; every function here \
              is inlined into one compiled for the features that the token proves"
)]

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use core::arch::aarch64::*;
use core::arch::asm;

/// The greatest number that a signed byte holds.
const SIGNED: u32 = i8::MAX as u32;

/// By multiplication of bytes to 16 bits; see [`crate::arch::Simd::dots`].
///
/// Neighbouring products are added in 16 bits, and those of as many quads as fit, before two
/// instructions widen the sums.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
pub(super) unsafe fn widening<const MOST: u32, const Q: usize, const N: usize>(
    acc: [[int32x4_t; 4]; N],
    w: &[[uint8x16_t; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[int32x4_t; 4]; N] {
    // SAFETY: the caller's.
    unsafe {
        let acc = if MOST > SIGNED { add_offset(acc, x) } else { acc };
        // The magnitude is 128 at most where weights are moved down.
        match i16::MAX as u32 / (2 * 127 * MOST.min(128)) {
            8.. => widening_together::<MOST, 8, Q, N>(acc, w, x),
            4.. => widening_together::<MOST, 4, Q, N>(acc, w, x),
            2.. => widening_together::<MOST, 2, Q, N>(acc, w, x),
            _ => widening_together::<MOST, 1, Q, N>(acc, w, x),
        }
    }
}

/// The products of up to `FIT` quads are added in 16 bits.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn widening_together<const MOST: u32, const FIT: usize, const Q: usize, const N: usize>(
    mut acc: [[int32x4_t; 4]; N],
    w: &[[uint8x16_t; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[int32x4_t; 4]; N] {
    // SAFETY: the caller's.
    unsafe {
        for (some, w) in w.chunks(FIT).enumerate() {
            for (acc, x) in acc.iter_mut().zip(x) {
                let x = &x[some * FIT..];
                for i in 0..4 {
                    let (mut low, mut high) = (vdupq_n_s16(0), vdupq_n_s16(0));
                    for (w, &x) in w.iter().zip(x) {
                        let (w, x) =
                            (to_signed::<MOST>(w[i]), vreinterpretq_s8_s32(vdupq_n_s32(x)));
                        low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(x));
                        high = vmlal_high_s8(high, w, x);
                    }
                    acc[i] = vpadalq_s16(acc[i], vpaddq_s16(low, high));
                }
            }
        }
        acc
    }
}

/// By the dot product of signed bytes; see [`crate::arch::Simd::dots`].
///
/// # Safety
/// The processor has NEON and the dot products of signed bytes.
#[inline(always)]
pub(super) unsafe fn signed<const MOST: u32, const Q: usize, const N: usize>(
    acc: [[int32x4_t; 4]; N],
    w: &[[uint8x16_t; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[int32x4_t; 4]; N] {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = if MOST > SIGNED { add_offset(acc, x) } else { acc };
        let (fours, rest) = w.as_chunks::<4>();
        for (some, w) in fours.iter().enumerate() {
            for (acc, x) in acc.iter_mut().zip(x) {
                let x = four_quads(&x[4 * some..]);
                for (i, acc) in acc.iter_mut().enumerate() {
                    *acc = sdot_lane::<0>(*acc, to_signed::<MOST>(w[0][i]), x);
                    *acc = sdot_lane::<1>(*acc, to_signed::<MOST>(w[1][i]), x);
                    *acc = sdot_lane::<2>(*acc, to_signed::<MOST>(w[2][i]), x);
                    *acc = sdot_lane::<3>(*acc, to_signed::<MOST>(w[3][i]), x);
                }
            }
        }
        for (q, w) in rest.iter().enumerate() {
            for (acc, x) in acc.iter_mut().zip(x) {
                let x = vreinterpretq_s8_s32(vdupq_n_s32(x[4 * fours.len() + q]));
                for (acc, &w) in acc.iter_mut().zip(w) {
                    *acc = sdot_lane::<0>(*acc, to_signed::<MOST>(w), x);
                }
            }
        }
        acc
    }
}

/// By the dot product of unsigned with signed bytes; see [`crate::arch::Simd::dots`].
///
/// # Safety
/// The processor has NEON and the dot products of unsigned with signed bytes.
#[inline(always)]
pub(super) unsafe fn mixed<const Q: usize, const N: usize>(
    mut acc: [[int32x4_t; 4]; N],
    w: &[[uint8x16_t; 4]; Q],
    x: [&[i32; Q]; N],
) -> [[int32x4_t; 4]; N] {
    // SAFETY: the caller's.
    unsafe {
        let (fours, rest) = w.as_chunks::<4>();
        for (some, w) in fours.iter().enumerate() {
            for (acc, x) in acc.iter_mut().zip(x) {
                let x = four_quads(&x[4 * some..]);
                for (i, acc) in acc.iter_mut().enumerate() {
                    *acc = usdot_lane::<0>(*acc, w[0][i], x);
                    *acc = usdot_lane::<1>(*acc, w[1][i], x);
                    *acc = usdot_lane::<2>(*acc, w[2][i], x);
                    *acc = usdot_lane::<3>(*acc, w[3][i], x);
                }
            }
        }
        for (q, w) in rest.iter().enumerate() {
            for (acc, x) in acc.iter_mut().zip(x) {
                let x = vreinterpretq_s8_s32(vdupq_n_s32(x[4 * fours.len() + q]));
                for (acc, &w) in acc.iter_mut().zip(w) {
                    *acc = usdot_lane::<0>(*acc, w, x);
                }
            }
        }
        acc
    }
}

/// Weights as signed numbers: as they are, or moved down by 128.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn to_signed<const MOST: u32>(w: uint8x16_t) -> int8x16_t {
    // SAFETY: the caller's.
    unsafe { vreinterpretq_s8_u8(if MOST > SIGNED { veorq_u8(w, vdupq_n_u8(128)) } else { w }) }
}

/// Adds to every lane 128 times the sum of a row's activations.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn add_offset<const Q: usize, const N: usize>(
    mut acc: [[int32x4_t; 4]; N],
    x: [&[i32; Q]; N],
) -> [[int32x4_t; 4]; N] {
    // SAFETY: the caller's.
    unsafe {
        for (acc, x) in acc.iter_mut().zip(x) {
            let (fours, rest) = x.as_chunks::<4>();
            let mut sum = 0;
            for x in fours {
                sum += i32::from(vaddlvq_s8(four_quads(x)));
            }
            for &x in rest {
                sum += i32::from(vaddlv_s8(vcreate_s8(u64::from(x as u32))));
            }
            for acc in acc {
                *acc = vaddq_s32(*acc, vdupq_n_s32(128 * sum));
            }
        }
        acc
    }
}

/// The first four quads.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn four_quads(x: &[i32]) -> int8x16_t {
    // SAFETY: the caller's; the pointer is that of an array of four.
    unsafe {
        let (fours, _) = x.as_chunks::<4>();
        vreinterpretq_s8_s32(vld1q_s32(fours[0].as_ptr()))
    }
}

/// Adds the dot products of signed bytes with those of lane `LANE` of `x`.
///
/// # Safety
/// The processor has the dot products of signed bytes.
#[inline(always)]
unsafe fn sdot_lane<const LANE: i32>(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: it changes no more than the register `acc`; the instruction is the caller's to prove.
    unsafe {
        asm!(
            "sdot {acc:v}.4s, {w:v}.16b, {x:v}.4b[{lane}]",
            acc = inout(vreg) acc,
            w = in(vreg) w,
            x = in(vreg) x,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}

/// Adds the dot products of unsigned bytes with the signed ones of lane `LANE` of `x`.
///
/// # Safety
/// The processor has the dot products of unsigned with signed bytes.
#[inline(always)]
unsafe fn usdot_lane<const LANE: i32>(
    mut acc: int32x4_t,
    w: uint8x16_t,
    x: int8x16_t,
) -> int32x4_t {
    // SAFETY: it changes no more than the register `acc`; the instruction is the caller's to prove.
    unsafe {
        asm!(
            "usdot {acc:v}.4s, {w:v}.16b, {x:v}.4b[{lane}]",
            acc = inout(vreg) acc,
            w = in(vreg) w,
            x = in(vreg) x,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}
