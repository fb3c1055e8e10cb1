//! NEON: sixteen lanes in four registers, with or without the int8 dot products.
//!
//! Every 64-bit ARM has NEON. The dot products, which only some processors have, are in
//! [`super::dots`].
#![expect(unsafe_code, reason = "intrinsics")]

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use core::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::dots;
use crate::arch::{LANES, Simd};

/// Proof that this processor has NEON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(());

/// Proof that this processor has NEON and its int8 dot products of two signed operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DotProd(());

/// Proof that this processor has NEON and its int8 dot products, also of an unsigned with a signed
/// operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct I8mm(());

impl Neon {
    /// The proof, if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl DotProd {
    /// The proof, if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        (Neon::detect().is_some() && is_aarch64_feature_detected!("dotprod")).then_some(Self(()))
    }
}

impl I8mm {
    /// The proof, if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        (DotProd::detect().is_some() && is_aarch64_feature_detected!("i8mm")).then_some(Self(()))
    }
}

/// Wraps a body of intrinsics.
macro_rules! vector {
    ($body:expr) => {
        // SAFETY: every 64-bit ARM has NEON, a token proves what else is used, and every pointer in
        // the body comes from a reference to an array, or to the rest of one, of the size that is
        // read or written.
        unsafe { $body }
    };
}

/// One function on each of the four registers.
macro_rules! four {
    ($op:ident, $($v:expr),+) => {
        [$op($($v[0]),+), $op($($v[1]),+), $op($($v[2]),+), $op($($v[3]),+)]
    };
}

/// One instruction on each of the four registers.
macro_rules! each {
    ($op:ident, $($v:expr),+) => {
        vector!(four!($op, $($v),+))
    };
}

/// Sixteen numbers as they lie in memory.
#[inline(always)]
fn load16(from: &[u16; LANES]) -> [uint16x4_t; 4] {
    vector!([
        vld1_u16(from.as_ptr()),
        vld1_u16(from[4..].as_ptr()),
        vld1_u16(from[8..].as_ptr()),
        vld1_u16(from[12..].as_ptr()),
    ])
}

#[inline(always)]
fn widen_f16(bits: uint16x4_t) -> float32x4_t {
    vector!(vcvt_f32_f16(vreinterpret_f16_u16(bits)))
}

#[inline(always)]
fn narrow_f16(v: float32x4_t) -> uint16x4_t {
    vector!(vreinterpret_u16_f16(vcvt_f16_f32(v)))
}

#[inline(always)]
fn widen_bf16(bits: uint16x4_t) -> float32x4_t {
    vector!(vreinterpretq_f32_u32(vshll_n_u16::<16>(bits)))
}

/// `a > b ? a : b`; the instruction for a maximum treats NaN and zeros otherwise.
#[inline(always)]
fn greater(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    vector!(vbslq_f32(vcgtq_f32(a, b), a, b))
}

/// `a < b ? a : b`.
#[inline(always)]
fn less(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    vector!(vbslq_f32(vcltq_f32(a, b), a, b))
}

#[inline(always)]
fn sign_of(magnitude: float32x4_t, sign: float32x4_t) -> float32x4_t {
    vector!(vbslq_f32(vdupq_n_u32(1 << 31), sign, magnitude))
}

#[inline(always)]
fn power_of_two(n: float32x4_t) -> float32x4_t {
    vector!({
        let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
        vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
    })
}

#[inline(always)]
fn blend_less(a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
    vector!(vbslq_f32(vcltq_f32(a, b), x, y))
}

#[inline(always)]
fn fused(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
    vector!(vfmaq_f32(c, a, b))
}

/// Sixteen ones then sixteen zeros, as masks: a window of sixteen selects the first lanes.
const WINDOW: [u32; 32] = {
    let mut window = [0; 32];
    let mut i = 0;
    while i < 16 {
        window[i] = u32::MAX;
        i += 1;
    }
    window
};

macro_rules! implement {
    ($name:ident, $dots:path) => {
        impl Simd for $name {
            type F = [float32x4_t; 4];
            type I = [int32x4_t; 4];
            type B = [uint8x16_t; 4];

            const TILE_ROWS: usize = 4;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::F {
                vector!([vdupq_n_f32(x); 4])
            }
            #[inline(always)]
            fn load(self, from: &[f32; LANES]) -> Self::F {
                vector!([
                    vld1q_f32(from.as_ptr()),
                    vld1q_f32(from[4..].as_ptr()),
                    vld1q_f32(from[8..].as_ptr()),
                    vld1q_f32(from[12..].as_ptr()),
                ])
            }
            #[inline(always)]
            fn store(self, v: Self::F, to: &mut [f32; LANES]) {
                vector!({
                    vst1q_f32(to.as_mut_ptr(), v[0]);
                    vst1q_f32(to[4..].as_mut_ptr(), v[1]);
                    vst1q_f32(to[8..].as_mut_ptr(), v[2]);
                    vst1q_f32(to[12..].as_mut_ptr(), v[3]);
                });
            }
            #[inline(always)]
            fn load_f16(self, from: &[u16; LANES]) -> Self::F {
                let bits = load16(from);
                four!(widen_f16, bits)
            }
            #[inline(always)]
            fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
                let halfs = four!(narrow_f16, v);
                vector!({
                    vst1_u16(to.as_mut_ptr(), halfs[0]);
                    vst1_u16(to[4..].as_mut_ptr(), halfs[1]);
                    vst1_u16(to[8..].as_mut_ptr(), halfs[2]);
                    vst1_u16(to[12..].as_mut_ptr(), halfs[3]);
                });
            }
            #[inline(always)]
            fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
                let bits = load16(from);
                four!(widen_bf16, bits)
            }
            #[inline(always)]
            fn load_u8(self, from: &[u8; LANES]) -> Self::F {
                vector!({
                    let v = vld1q_u8(from.as_ptr());
                    let (low, high) = (vmovl_u8(vget_low_u8(v)), vmovl_high_u8(v));
                    [
                        vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))),
                        vcvtq_f32_u32(vmovl_high_u16(low)),
                        vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))),
                        vcvtq_f32_u32(vmovl_high_u16(high)),
                    ]
                })
            }
            #[inline(always)]
            fn load_i8(self, from: &[i8; LANES]) -> Self::F {
                vector!({
                    let v = vld1q_s8(from.as_ptr());
                    let (low, high) = (vmovl_s8(vget_low_s8(v)), vmovl_high_s8(v));
                    [
                        vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
                        vcvtq_f32_s32(vmovl_high_s16(low)),
                        vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                        vcvtq_f32_s32(vmovl_high_s16(high)),
                    ]
                })
            }
            #[inline(always)]
            fn add(self, a: Self::F, b: Self::F) -> Self::F {
                each!(vaddq_f32, a, b)
            }
            #[inline(always)]
            fn sub(self, a: Self::F, b: Self::F) -> Self::F {
                each!(vsubq_f32, a, b)
            }
            #[inline(always)]
            fn mul(self, a: Self::F, b: Self::F) -> Self::F {
                each!(vmulq_f32, a, b)
            }
            #[inline(always)]
            fn div(self, a: Self::F, b: Self::F) -> Self::F {
                each!(vdivq_f32, a, b)
            }
            #[inline(always)]
            fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
                four!(fused, a, b, c)
            }
            #[inline(always)]
            fn max(self, a: Self::F, b: Self::F) -> Self::F {
                four!(greater, a, b)
            }
            #[inline(always)]
            fn min(self, a: Self::F, b: Self::F) -> Self::F {
                four!(less, a, b)
            }
            #[inline(always)]
            fn abs(self, a: Self::F) -> Self::F {
                each!(vabsq_f32, a)
            }
            #[inline(always)]
            fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
                four!(sign_of, a, b)
            }
            #[inline(always)]
            fn round(self, a: Self::F) -> Self::F {
                each!(vrndnq_f32, a)
            }
            #[inline(always)]
            fn exp2_whole(self, n: Self::F) -> Self::F {
                four!(power_of_two, n)
            }
            #[inline(always)]
            fn first(self, n: usize, a: Self::F, b: Self::F) -> Self::F {
                let masks: &[u32] = &WINDOW[16 - n.min(16)..][..16];
                let masks = vector!([
                    vld1q_u32(masks.as_ptr()),
                    vld1q_u32(masks[4..].as_ptr()),
                    vld1q_u32(masks[8..].as_ptr()),
                    vld1q_u32(masks[12..].as_ptr()),
                ]);
                each!(vbslq_f32, masks, a, b)
            }
            #[inline(always)]
            fn select_less(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F {
                four!(blend_less, a, b, x, y)
            }
            #[inline(always)]
            fn sum(self, a: Self::F) -> f32 {
                vector!({
                    let eight = [vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3])];
                    let four = vaddq_f32(eight[0], eight[1]);
                    vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)))
                })
            }
            #[inline(always)]
            fn greatest(self, a: Self::F) -> f32 {
                vector!(vmaxvq_f32(vmaxq_f32(vmaxq_f32(a[0], a[1]), vmaxq_f32(a[2], a[3]))))
            }
            #[inline(always)]
            fn splat_i(self, x: i32) -> Self::I {
                vector!([vdupq_n_s32(x); 4])
            }
            #[inline(always)]
            fn to_f(self, a: Self::I) -> Self::F {
                each!(vcvtq_f32_s32, a)
            }
            #[inline(always)]
            fn to_i8(self, a: Self::F) -> [i8; LANES] {
                let whole = each!(vcvtnq_s32_f32, a);
                let mut narrow = [0; LANES];
                vector!({
                    let low = vqmovn_high_s32(vqmovn_s32(whole[0]), whole[1]);
                    let high = vqmovn_high_s32(vqmovn_s32(whole[2]), whole[3]);
                    vst1q_s8(narrow.as_mut_ptr(), vqmovn_high_s16(vqmovn_s16(low), high));
                });
                narrow
            }
            #[inline(always)]
            fn load_bytes(self, from: &[u8; 64]) -> Self::B {
                vector!([
                    vld1q_u8(from.as_ptr()),
                    vld1q_u8(from[16..].as_ptr()),
                    vld1q_u8(from[32..].as_ptr()),
                    vld1q_u8(from[48..].as_ptr()),
                ])
            }
            #[inline(always)]
            fn store_bytes(self, v: Self::B, to: &mut [u8; 64]) {
                vector!({
                    vst1q_u8(to.as_mut_ptr(), v[0]);
                    vst1q_u8(to[16..].as_mut_ptr(), v[1]);
                    vst1q_u8(to[32..].as_mut_ptr(), v[2]);
                    vst1q_u8(to[48..].as_mut_ptr(), v[3]);
                });
            }
            #[inline(always)]
            fn bits<const N: u32>(self, v: Self::B, mask: u8) -> Self::B {
                let (down, mask) = vector!(([vdupq_n_s8(-(N as i8)); 4], [vdupq_n_u8(mask); 4]));
                let moved = each!(vshlq_u8, v, down);
                each!(vandq_u8, moved, mask)
            }
            #[inline(always)]
            fn bits_up<const N: u32>(self, v: Self::B, mask: u8) -> Self::B {
                let (up, mask) = vector!(([vdupq_n_s8(N as i8); 4], [vdupq_n_u8(mask); 4]));
                let moved = each!(vshlq_u8, v, up);
                each!(vandq_u8, moved, mask)
            }
            #[inline(always)]
            fn or(self, a: Self::B, b: Self::B) -> Self::B {
                each!(vorrq_u8, a, b)
            }
            #[inline(always)]
            fn lookup(self, v: Self::B, table: &[u8; 16]) -> Self::B {
                let tables = [vector!(vld1q_u8(table.as_ptr())); 4];
                each!(vqtbl1q_u8, tables, v)
            }
            #[inline(always)]
            fn dots<const MOST: u32, const Q: usize, const N: usize>(
                self,
                acc: [Self::I; N],
                w: &[Self::B; Q],
                x: [&[i32; Q]; N],
            ) -> [Self::I; N] {
                vector!($dots(acc, w, x))
            }
        }
    };
}

implement!(Neon, dots::widening::<MOST, Q, N>);
implement!(DotProd, dots::signed::<MOST, Q, N>);
implement!(I8mm, dots::mixed::<Q, N>);
