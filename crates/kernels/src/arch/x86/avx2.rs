//! AVX2: sixteen lanes in two registers, with or without the int8 dot product.
#![expect(
    unsafe_code,
    reason = "intrinsics; every function here is inlined into one compiled for the features that \
              the token proves"
)]

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use core::arch::x86_64::*;

use crate::arch::{LANES, Simd};

/// Proof that this processor has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

/// Proof that this processor has AVX2, FMA, F16C and AVX-VNNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvxVnni(());

impl Avx2 {
    /// The proof, if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c"))
        .then_some(Self(()))
    }
}

impl AvxVnni {
    /// The proof, if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        (Avx2::detect().is_some() && is_x86_feature_detected!("avxvnni")).then_some(Self(()))
    }
}

/// Wraps a body of intrinsics. The token in `self` proves that the processor has them.
macro_rules! vector {
    ($body:expr) => {
        // SAFETY: a token exists only where its instructions do, and every pointer in the body
        // comes from a reference to an array of the size that is read or written.
        unsafe { $body }
    };
}

/// Sum of eight lanes: lane i with i+4, then i+2, then i+1.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(super) unsafe fn sum256(v: __m256) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
    }
}

/// Greatest of eight lanes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(super) unsafe fn greatest256(v: __m256) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        let v = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = _mm_max_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)))
    }
}

/// Adds the dot products of `Q` quads and `N` rows by plain AVX2; see [`Simd::dots`].
///
/// `vpmaddubsw` adds two products in 16 bits that saturate. As long as `MOST` lets them fit, the
/// sums of several quads are added in 16 bits before one instruction widens them; where not even
/// two products fit, even and odd bytes are widened first.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn dots256<const MOST: u32, const Q: usize, const N: usize>(
    acc: [[__m256i; 2]; N],
    w: &[[__m256i; 2]; Q],
    x: [&[i32; Q]; N],
) -> [[__m256i; 2]; N] {
    // SAFETY: the caller's.
    unsafe {
        match i16::MAX as u32 / (2 * 127 * MOST) {
            8.. => dots256_together::<8, Q, N>(acc, w, x),
            4.. => dots256_together::<4, Q, N>(acc, w, x),
            2.. => dots256_together::<2, Q, N>(acc, w, x),
            1 => dots256_together::<1, Q, N>(acc, w, x),
            0 => dots256_wide(acc, w, x),
        }
    }
}

/// The sums of up to `FIT` quads are added in 16 bits.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn dots256_together<const FIT: usize, const Q: usize, const N: usize>(
    mut acc: [[__m256i; 2]; N],
    w: &[[__m256i; 2]; Q],
    x: [&[i32; Q]; N],
) -> [[__m256i; 2]; N] {
    for (some, w) in w.chunks(FIT).enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let mut pairs = [[_mm256_setzero_si256(); 2]; N];
            for (q, w) in w.iter().enumerate() {
                for (pairs, x) in pairs.iter_mut().zip(x) {
                    let x = _mm256_set1_epi32(x[some * FIT + q]);
                    pairs[0] = _mm256_add_epi16(pairs[0], _mm256_maddubs_epi16(w[0], x));
                    pairs[1] = _mm256_add_epi16(pairs[1], _mm256_maddubs_epi16(w[1], x));
                }
            }
            let one = _mm256_set1_epi16(1);
            for (acc, pairs) in acc.iter_mut().zip(pairs) {
                acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(pairs[0], one));
                acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(pairs[1], one));
            }
        }
    }
    acc
}

/// Bytes of the weights may have any value.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn dots256_wide<const Q: usize, const N: usize>(
    mut acc: [[__m256i; 2]; N],
    w: &[[__m256i; 2]; Q],
    x: [&[i32; Q]; N],
) -> [[__m256i; 2]; N] {
    for (q, w) in w.iter().enumerate() {
        for (acc, x) in acc.iter_mut().zip(x) {
            // SAFETY: the caller's.
            unsafe {
                let x = _mm256_set1_epi32(x[q]);
                acc[0] = _mm256_add_epi32(acc[0], dot256_wide(w[0], x));
                acc[1] = _mm256_add_epi32(acc[1], dot256_wide(w[1], x));
            }
        }
    }
    acc
}

/// The dot product of four unsigned bytes of any value and four signed bytes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn dot256_wide(w: __m256i, x: __m256i) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let even_w = _mm256_and_si256(w, _mm256_set1_epi16(0xFF));
        let odd_w = _mm256_srli_epi16::<8>(w);
        let even_x = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(x));
        let odd_x = _mm256_srai_epi16::<8>(x);
        _mm256_add_epi32(_mm256_madd_epi16(even_w, even_x), _mm256_madd_epi16(odd_w, odd_x))
    }
}

/// Adds the dot products of `Q` quads and `N` rows by AVX-VNNI; see [`Simd::dots`].
///
/// # Safety
/// The processor has AVX-VNNI.
#[inline(always)]
unsafe fn dots256_vnni<const MOST: u32, const Q: usize, const N: usize>(
    mut acc: [[__m256i; 2]; N],
    w: &[[__m256i; 2]; Q],
    x: [&[i32; Q]; N],
) -> [[__m256i; 2]; N] {
    for (q, w) in w.iter().enumerate() {
        for (acc, x) in acc.iter_mut().zip(x) {
            // SAFETY: the caller's.
            unsafe {
                let x = _mm256_set1_epi32(x[q]);
                acc[0] = _mm256_dpbusd_avx_epi32(acc[0], w[0], x);
                acc[1] = _mm256_dpbusd_avx_epi32(acc[1], w[1], x);
            }
        }
    }
    acc
}

/// Sixteen ones then sixteen zeros, as masks: a window of sixteen selects the first lanes.
const WINDOW: [i32; 32] = {
    let mut window = [0; 32];
    let mut i = 0;
    while i < 16 {
        window[i] = -1;
        i += 1;
    }
    window
};

macro_rules! implement {
    ($name:ident, $dots:ident) => {
        impl Simd for $name {
            type F = [__m256; 2];
            type I = [__m256i; 2];
            type B = [__m256i; 2];

            const TILE_ROWS: usize = 4;

            #[inline(always)]
            fn splat(self, x: f32) -> Self::F {
                vector!([_mm256_set1_ps(x); 2])
            }
            #[inline(always)]
            fn load(self, from: &[f32; LANES]) -> Self::F {
                vector!([_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from[8..].as_ptr())])
            }
            #[inline(always)]
            fn store(self, v: Self::F, to: &mut [f32; LANES]) {
                vector!({
                    _mm256_storeu_ps(to.as_mut_ptr(), v[0]);
                    _mm256_storeu_ps(to[8..].as_mut_ptr(), v[1]);
                });
            }
            #[inline(always)]
            fn load_f16(self, from: &[u16; LANES]) -> Self::F {
                vector!([
                    _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())),
                    _mm256_cvtph_ps(_mm_loadu_si128(from[8..].as_ptr().cast())),
                ])
            }
            #[inline(always)]
            fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
                vector!({
                    let low = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v[0]);
                    let high = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v[1]);
                    _mm_storeu_si128(to.as_mut_ptr().cast(), low);
                    _mm_storeu_si128(to[8..].as_mut_ptr().cast(), high);
                });
            }
            #[inline(always)]
            fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
                vector!({
                    let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().cast()));
                    let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(from[8..].as_ptr().cast()));
                    [
                        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)),
                        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)),
                    ]
                })
            }
            #[inline(always)]
            fn load_u8(self, from: &[u8; LANES]) -> Self::F {
                vector!({
                    let v = _mm_loadu_si128(from.as_ptr().cast());
                    [
                        _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v)),
                        _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128::<8>(v))),
                    ]
                })
            }
            #[inline(always)]
            fn load_i8(self, from: &[i8; LANES]) -> Self::F {
                vector!({
                    let v = _mm_loadu_si128(from.as_ptr().cast());
                    [
                        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)),
                        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128::<8>(v))),
                    ]
                })
            }
            #[inline(always)]
            fn add(self, a: Self::F, b: Self::F) -> Self::F {
                vector!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
            }
            #[inline(always)]
            fn sub(self, a: Self::F, b: Self::F) -> Self::F {
                vector!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
            }
            #[inline(always)]
            fn mul(self, a: Self::F, b: Self::F) -> Self::F {
                vector!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
            }
            #[inline(always)]
            fn div(self, a: Self::F, b: Self::F) -> Self::F {
                vector!([_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])])
            }
            #[inline(always)]
            fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
                vector!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
            }
            #[inline(always)]
            fn max(self, a: Self::F, b: Self::F) -> Self::F {
                vector!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
            }
            #[inline(always)]
            fn min(self, a: Self::F, b: Self::F) -> Self::F {
                vector!([_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])])
            }
            #[inline(always)]
            fn abs(self, a: Self::F) -> Self::F {
                vector!({
                    let sign = _mm256_set1_ps(-0.0);
                    [_mm256_andnot_ps(sign, a[0]), _mm256_andnot_ps(sign, a[1])]
                })
            }
            #[inline(always)]
            fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
                vector!({
                    let sign = _mm256_set1_ps(-0.0);
                    [
                        _mm256_or_ps(_mm256_andnot_ps(sign, a[0]), _mm256_and_ps(sign, b[0])),
                        _mm256_or_ps(_mm256_andnot_ps(sign, a[1]), _mm256_and_ps(sign, b[1])),
                    ]
                })
            }
            #[inline(always)]
            fn round(self, a: Self::F) -> Self::F {
                const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
                vector!([_mm256_round_ps::<NEAREST>(a[0]), _mm256_round_ps::<NEAREST>(a[1])])
            }
            #[inline(always)]
            fn exp2_whole(self, n: Self::F) -> Self::F {
                vector!({
                    let bias = _mm256_set1_epi32(127);
                    let low = _mm256_add_epi32(_mm256_cvttps_epi32(n[0]), bias);
                    let high = _mm256_add_epi32(_mm256_cvttps_epi32(n[1]), bias);
                    [
                        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(low)),
                        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(high)),
                    ]
                })
            }
            #[inline(always)]
            fn first(self, n: usize, a: Self::F, b: Self::F) -> Self::F {
                let mask: &[i32] = &WINDOW[16 - n.min(16)..][..16];
                vector!({
                    let low = _mm256_loadu_ps(mask.as_ptr().cast());
                    let high = _mm256_loadu_ps(mask[8..].as_ptr().cast());
                    [_mm256_blendv_ps(b[0], a[0], low), _mm256_blendv_ps(b[1], a[1], high)]
                })
            }
            #[inline(always)]
            fn select_less(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F {
                vector!([
                    _mm256_blendv_ps(y[0], x[0], _mm256_cmp_ps::<_CMP_LT_OQ>(a[0], b[0])),
                    _mm256_blendv_ps(y[1], x[1], _mm256_cmp_ps::<_CMP_LT_OQ>(a[1], b[1])),
                ])
            }
            #[inline(always)]
            fn sum(self, a: Self::F) -> f32 {
                vector!(sum256(_mm256_add_ps(a[0], a[1])))
            }
            #[inline(always)]
            fn greatest(self, a: Self::F) -> f32 {
                vector!(greatest256(_mm256_max_ps(a[0], a[1])))
            }
            #[inline(always)]
            fn splat_i(self, x: i32) -> Self::I {
                vector!([_mm256_set1_epi32(x); 2])
            }
            #[inline(always)]
            fn to_f(self, a: Self::I) -> Self::F {
                vector!([_mm256_cvtepi32_ps(a[0]), _mm256_cvtepi32_ps(a[1])])
            }
            #[inline(always)]
            fn to_i8(self, a: Self::F) -> [i8; LANES] {
                let mut wide = [0i32; LANES];
                vector!({
                    _mm256_storeu_si256(wide.as_mut_ptr().cast(), _mm256_cvtps_epi32(a[0]));
                    _mm256_storeu_si256(wide[8..].as_mut_ptr().cast(), _mm256_cvtps_epi32(a[1]));
                });
                wide.map(|x| x as i8)
            }
            #[inline(always)]
            fn load_bytes(self, from: &[u8; 64]) -> Self::B {
                vector!([
                    _mm256_loadu_si256(from.as_ptr().cast()),
                    _mm256_loadu_si256(from[32..].as_ptr().cast())
                ])
            }
            #[inline(always)]
            fn store_bytes(self, v: Self::B, to: &mut [u8; 64]) {
                vector!({
                    _mm256_storeu_si256(to.as_mut_ptr().cast(), v[0]);
                    _mm256_storeu_si256(to[32..].as_mut_ptr().cast(), v[1]);
                });
            }
            #[inline(always)]
            fn bits<const N: u32>(self, v: Self::B, mask: u8) -> Self::B {
                vector!({
                    let (n, mask) = (_mm_cvtsi32_si128(N as i32), _mm256_set1_epi8(mask as i8));
                    [
                        _mm256_and_si256(_mm256_srl_epi16(v[0], n), mask),
                        _mm256_and_si256(_mm256_srl_epi16(v[1], n), mask),
                    ]
                })
            }
            #[inline(always)]
            fn bits_up<const N: u32>(self, v: Self::B, mask: u8) -> Self::B {
                vector!({
                    let (n, mask) = (_mm_cvtsi32_si128(N as i32), _mm256_set1_epi8(mask as i8));
                    [
                        _mm256_and_si256(_mm256_sll_epi16(v[0], n), mask),
                        _mm256_and_si256(_mm256_sll_epi16(v[1], n), mask),
                    ]
                })
            }
            #[inline(always)]
            fn or(self, a: Self::B, b: Self::B) -> Self::B {
                vector!([_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])])
            }
            #[inline(always)]
            fn lookup(self, v: Self::B, table: &[u8; 16]) -> Self::B {
                vector!({
                    let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
                    [_mm256_shuffle_epi8(table, v[0]), _mm256_shuffle_epi8(table, v[1])]
                })
            }
            #[inline(always)]
            fn dots<const MOST: u32, const Q: usize, const N: usize>(
                self,
                acc: [Self::I; N],
                w: &[Self::B; Q],
                x: [&[i32; Q]; N],
            ) -> [Self::I; N] {
                vector!($dots::<MOST, Q, N>(acc, w, x))
            }
        }
    };
}

implement!(Avx2, dots256);
implement!(AvxVnni, dots256_vnni);
