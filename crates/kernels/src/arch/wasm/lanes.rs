//! WebAssembly's simd128: sixteen lanes in four registers, with or without the relaxed instructions.
//!
//! A module cannot ask its engine what it has: a build for simd128 runs where the engine accepts it,
//! and whoever loads it chooses between builds. All intrinsics are safe but those that take a
//! pointer.
#![expect(unsafe_code, reason = "intrinsics that load from arrays and store to them")]

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use core::arch::wasm32::*;

use half::f16;

use super::{dots, fma};
use crate::arch::{LANES, Simd};

/// Proof that this module is built for simd128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd128(());

/// Proof that this module is built for relaxed-simd, and that the engine's relaxed multiply-add
/// rounds once.
#[cfg(target_feature = "relaxed-simd")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relaxed(());

impl Simd128 {
    /// The proof: without the instructions this code would not be there.
    pub const fn detect() -> Option<Self> {
        Some(Self(()))
    }
}

#[cfg(target_feature = "relaxed-simd")]
impl Relaxed {
    /// The proof, if the engine's relaxed multiply-add rounds once.
    pub fn detect() -> Option<Self> {
        fma::relaxed_is_fused().then_some(Self(()))
    }
}

/// One instruction on each of the four registers.
macro_rules! each {
    ($op:ident, $($v:expr),+) => {
        [$op($($v[0]),+), $op($($v[1]),+), $op($($v[2]),+), $op($($v[3]),+)]
    };
}

/// Wraps loads and stores: register i is element `i * STEP` and those after it.
macro_rules! memory {
    ($body:expr) => {
        // SAFETY: every pointer in the body comes from a reference to an array, or to the rest of
        // one from an index on, that has as many elements as are read or written.
        unsafe { $body }
    };
}

/// Four registers from sixteen elements of four bytes.
#[inline(always)]
fn load4(from: &[f32; LANES]) -> [v128; 4] {
    let from: *const v128 = from.as_ptr().cast();
    memory!([
        v128_load(from),
        v128_load(from.add(1)),
        v128_load(from.add(2)),
        v128_load(from.add(3)),
    ])
}

/// Sixteen numbers of two bytes, without sign.
#[inline(always)]
fn load16(from: &[u16; LANES]) -> [v128; 4] {
    let from: *const v128 = from.as_ptr().cast();
    let (low, high) = memory!((v128_load(from), v128_load(from.add(1))));
    [
        u32x4_extend_low_u16x8(low),
        u32x4_extend_high_u16x8(low),
        u32x4_extend_low_u16x8(high),
        u32x4_extend_high_u16x8(high),
    ]
}

/// Exactly: the bits of the magnitude, moved to where f32 has them, are those of a number that is
/// 2^112 times too small, also if it is not a normal one.
#[inline(always)]
fn widen_f16(bits: v128) -> v128 {
    let magnitude = v128_and(bits, i32x4_splat(0x7FFF));
    let sign = i32x4_shl(v128_xor(bits, magnitude), 16);
    let number = f32x4_mul(i32x4_shl(magnitude, 13), f32x4_splat(f32::from_bits(239 << 23)));
    // Infinite or not a number, and then a quiet one.
    let infinite = v128_and(i32x4_gt(magnitude, i32x4_splat(0x7BFF)), i32x4_splat(0x7F80_0000));
    let quiet = v128_and(i32x4_gt(magnitude, i32x4_splat(0x7C00)), i32x4_splat(0x0040_0000));
    v128_or(v128_or(number, sign), v128_or(infinite, quiet))
}

#[inline(always)]
fn widen_bf16(bits: v128) -> v128 {
    i32x4_shl(bits, 16)
}

/// `a > b ? a : b`.
#[inline(always)]
fn greater(a: v128, b: v128) -> v128 {
    f32x4_pmax(b, a)
}

/// `a < b ? a : b`.
#[inline(always)]
fn less(a: v128, b: v128) -> v128 {
    f32x4_pmin(b, a)
}

#[inline(always)]
fn sign_of(magnitude: v128, sign: v128) -> v128 {
    v128_bitselect(sign, magnitude, i32x4_splat(i32::MIN))
}

#[inline(always)]
fn power_of_two(n: v128) -> v128 {
    i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(n), i32x4_splat(127)), 23)
}

#[inline(always)]
fn blend_less(a: v128, b: v128, x: v128, y: v128) -> v128 {
    v128_bitselect(x, y, f32x4_lt(a, b))
}

#[inline(always)]
fn to_whole(v: v128) -> v128 {
    i32x4_trunc_sat_f32x4(f32x4_nearest(v))
}

macro_rules! implement {
    ($name:ident, $fma:path, $dots:path) => {
        impl Simd for $name {
            type F = [v128; 4];
            type I = [v128; 4];
            type B = [v128; 4];

            const TILE_ROWS: usize = 4;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::F {
                [f32x4_splat(x); 4]
            }
            #[inline(always)]
            fn load(self, from: &[f32; LANES]) -> Self::F {
                load4(from)
            }
            #[inline(always)]
            fn store(self, v: Self::F, to: &mut [f32; LANES]) {
                let to: *mut v128 = to.as_mut_ptr().cast();
                memory!({
                    v128_store(to, v[0]);
                    v128_store(to.add(1), v[1]);
                    v128_store(to.add(2), v[2]);
                    v128_store(to.add(3), v[3]);
                });
            }
            #[inline(always)]
            fn load_f16(self, from: &[u16; LANES]) -> Self::F {
                each!(widen_f16, load16(from))
            }
            // A few for each token, where it is written to the cache.
            #[inline(always)]
            fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
                let mut numbers = [0.0; LANES];
                self.store(v, &mut numbers);
                *to = numbers.map(|x| f16::from_f32(x).to_bits());
            }
            #[inline(always)]
            fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
                each!(widen_bf16, load16(from))
            }
            #[inline(always)]
            fn load_u8(self, from: &[u8; LANES]) -> Self::F {
                let v = memory!(v128_load(from.as_ptr().cast()));
                let (low, high) = (u16x8_extend_low_u8x16(v), u16x8_extend_high_u8x16(v));
                [
                    f32x4_convert_i32x4(u32x4_extend_low_u16x8(low)),
                    f32x4_convert_i32x4(u32x4_extend_high_u16x8(low)),
                    f32x4_convert_i32x4(u32x4_extend_low_u16x8(high)),
                    f32x4_convert_i32x4(u32x4_extend_high_u16x8(high)),
                ]
            }
            #[inline(always)]
            fn load_i8(self, from: &[i8; LANES]) -> Self::F {
                let v = memory!(v128_load(from.as_ptr().cast()));
                let (low, high) = (i16x8_extend_low_i8x16(v), i16x8_extend_high_i8x16(v));
                [
                    f32x4_convert_i32x4(i32x4_extend_low_i16x8(low)),
                    f32x4_convert_i32x4(i32x4_extend_high_i16x8(low)),
                    f32x4_convert_i32x4(i32x4_extend_low_i16x8(high)),
                    f32x4_convert_i32x4(i32x4_extend_high_i16x8(high)),
                ]
            }
            #[inline(always)]
            fn add(self, a: Self::F, b: Self::F) -> Self::F {
                each!(f32x4_add, a, b)
            }
            #[inline(always)]
            fn sub(self, a: Self::F, b: Self::F) -> Self::F {
                each!(f32x4_sub, a, b)
            }
            #[inline(always)]
            fn mul(self, a: Self::F, b: Self::F) -> Self::F {
                each!(f32x4_mul, a, b)
            }
            #[inline(always)]
            fn div(self, a: Self::F, b: Self::F) -> Self::F {
                each!(f32x4_div, a, b)
            }
            #[inline(always)]
            fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
                $fma(a, b, c)
            }
            #[inline(always)]
            fn max(self, a: Self::F, b: Self::F) -> Self::F {
                each!(greater, a, b)
            }
            #[inline(always)]
            fn min(self, a: Self::F, b: Self::F) -> Self::F {
                each!(less, a, b)
            }
            #[inline(always)]
            fn abs(self, a: Self::F) -> Self::F {
                each!(f32x4_abs, a)
            }
            #[inline(always)]
            fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
                each!(sign_of, a, b)
            }
            #[inline(always)]
            fn round(self, a: Self::F) -> Self::F {
                each!(f32x4_nearest, a)
            }
            #[inline(always)]
            fn exp2_whole(self, n: Self::F) -> Self::F {
                each!(power_of_two, n)
            }
            #[inline(always)]
            fn first(self, n: usize, a: Self::F, b: Self::F) -> Self::F {
                let lanes = [
                    i32x4(0, 1, 2, 3),
                    i32x4(4, 5, 6, 7),
                    i32x4(8, 9, 10, 11),
                    i32x4(12, 13, 14, 15),
                ];
                let masks = each!(i32x4_lt, lanes, [i32x4_splat(n.min(LANES) as i32); 4]);
                each!(v128_bitselect, a, b, masks)
            }
            #[inline(always)]
            fn select_less(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F {
                each!(blend_less, a, b, x, y)
            }
            #[inline(always)]
            fn sum(self, a: Self::F) -> f32 {
                let v = f32x4_add(f32x4_add(a[0], a[2]), f32x4_add(a[1], a[3]));
                let v = f32x4_add(v, i32x4_shuffle::<2, 3, 2, 3>(v, v));
                f32x4_extract_lane::<0>(v) + f32x4_extract_lane::<1>(v)
            }
            #[inline(always)]
            fn greatest(self, a: Self::F) -> f32 {
                let v = greater(greater(a[0], a[1]), greater(a[2], a[3]));
                let v = greater(v, i32x4_shuffle::<2, 3, 2, 3>(v, v));
                f32x4_extract_lane::<0>(greater(v, i32x4_shuffle::<1, 1, 1, 1>(v, v)))
            }
            #[inline(always)]
            fn splat_i(self, x: i32) -> Self::I {
                [i32x4_splat(x); 4]
            }
            #[inline(always)]
            fn to_f(self, a: Self::I) -> Self::F {
                each!(f32x4_convert_i32x4, a)
            }
            #[inline(always)]
            fn to_i8(self, a: Self::F) -> [i8; LANES] {
                let whole = each!(to_whole, a);
                let low = i16x8_narrow_i32x4(whole[0], whole[1]);
                let high = i16x8_narrow_i32x4(whole[2], whole[3]);
                let mut narrow = [0i8; LANES];
                memory!(v128_store(narrow.as_mut_ptr().cast(), i8x16_narrow_i16x8(low, high)));
                narrow
            }
            #[inline(always)]
            fn load_bytes(self, from: &[u8; 64]) -> Self::B {
                let from: *const v128 = from.as_ptr().cast();
                memory!([
                    v128_load(from),
                    v128_load(from.add(1)),
                    v128_load(from.add(2)),
                    v128_load(from.add(3)),
                ])
            }
            #[inline(always)]
            fn store_bytes(self, v: Self::B, to: &mut [u8; 64]) {
                let to: *mut v128 = to.as_mut_ptr().cast();
                memory!({
                    v128_store(to, v[0]);
                    v128_store(to.add(1), v[1]);
                    v128_store(to.add(2), v[2]);
                    v128_store(to.add(3), v[3]);
                });
            }
            #[inline(always)]
            fn bits<const N: u32>(self, v: Self::B, mask: u8) -> Self::B {
                let mask = [u8x16_splat(mask); 4];
                each!(v128_and, each!(u16x8_shr, v, [N; 4]), mask)
            }
            #[inline(always)]
            fn bits_up<const N: u32>(self, v: Self::B, mask: u8) -> Self::B {
                let mask = [u8x16_splat(mask); 4];
                each!(v128_and, each!(i16x8_shl, v, [N; 4]), mask)
            }
            #[inline(always)]
            fn or(self, a: Self::B, b: Self::B) -> Self::B {
                each!(v128_or, a, b)
            }
            #[inline(always)]
            fn lookup(self, v: Self::B, table: &[u8; 16]) -> Self::B {
                let tables = [memory!(v128_load(table.as_ptr().cast())); 4];
                each!(u8x16_swizzle, tables, v)
            }
            #[inline(always)]
            fn dots<const MOST: u32, const Q: usize, const N: usize>(
                self,
                acc: [Self::I; N],
                w: &[Self::B; Q],
                x: [&[i32; Q]; N],
            ) -> [Self::I; N] {
                $dots(acc, w, x)
            }
        }
    };
}

implement!(Simd128, fma::emulated, dots::widening::<MOST, Q, N>);
#[cfg(target_feature = "relaxed-simd")]
implement!(Relaxed, fma::relaxed, dots::relaxed::<MOST, Q, N>);
