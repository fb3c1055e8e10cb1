//! AVX-512: sixteen lanes in one register.
#![expect(
    unsafe_code,
    reason = "intrinsics; every function here is inlined into one compiled for the features that \
              the token proves"
)]

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use core::arch::x86_64::*;

use crate::arch::{LANES, Simd};

/// Proof that this processor has AVX-512 F, BW, DQ, VL and VNNI, AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, if the processor has the instructions and the operating system saves the
    /// registers.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c"))
        .then_some(Self(()))
    }
}

/// Wraps a body of intrinsics. The token in `self` proves that the processor has them.
macro_rules! vector {
    ($body:expr) => {
        // SAFETY: a value of `Avx512` exists only where its instructions do, and every pointer in
        // the body comes from a reference to an array of the size that is read or written.
        unsafe { $body }
    };
}

impl Simd for Avx512 {
    type F = __m512;
    type I = __m512i;
    type B = __m512i;

    const TILE_ROWS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        vector!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        vector!(_mm512_loadu_ps(from.as_ptr()))
    }
    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32; LANES]) {
        vector!(_mm512_storeu_ps(to.as_mut_ptr(), v));
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16; LANES]) -> __m512 {
        vector!(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())))
    }
    #[inline(always)]
    fn store_f16(self, v: __m512, to: &mut [u16; LANES]) {
        vector!(_mm256_storeu_si256(
            to.as_mut_ptr().cast(),
            _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v),
        ));
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16; LANES]) -> __m512 {
        vector!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(
            _mm256_loadu_si256(from.as_ptr().cast())
        ))))
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8; LANES]) -> __m512 {
        vector!(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast()))))
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> __m512 {
        vector!(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()))))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        vector!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        vector!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        vector!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        vector!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        vector!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        vector!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        vector!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        vector!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn copysign(self, a: __m512, b: __m512) -> __m512 {
        let sign = self.splat(-0.0);
        vector!(_mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b)))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        vector!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn exp2_whole(self, n: __m512) -> __m512 {
        vector!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
            _mm512_cvttps_epi32(n),
            _mm512_set1_epi32(127)
        ))))
    }
    #[inline(always)]
    fn first(self, n: usize, a: __m512, b: __m512) -> __m512 {
        let mask = if n >= LANES { u16::MAX } else { (1 << n) - 1 };
        vector!(_mm512_mask_blend_ps(mask, b, a))
    }
    #[inline(always)]
    fn select_less(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        vector!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), y, x))
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        vector!({
            let low = _mm512_castps512_ps256(a);
            let high = _mm512_extractf32x8_ps::<1>(a);
            super::avx2::sum256(_mm256_add_ps(low, high))
        })
    }
    #[inline(always)]
    fn greatest(self, a: __m512) -> f32 {
        vector!({
            let low = _mm512_castps512_ps256(a);
            let high = _mm512_extractf32x8_ps::<1>(a);
            super::avx2::greatest256(_mm256_max_ps(low, high))
        })
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> __m512i {
        vector!(_mm512_set1_epi32(x))
    }
    #[inline(always)]
    fn to_f(self, a: __m512i) -> __m512 {
        vector!(_mm512_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn to_i8(self, a: __m512) -> [i8; LANES] {
        let mut out = [0; LANES];
        vector!(_mm_storeu_si128(
            out.as_mut_ptr().cast(),
            _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a))
        ));
        out
    }
    #[inline(always)]
    fn load_bytes(self, from: &[u8; 64]) -> __m512i {
        vector!(_mm512_loadu_si512(from.as_ptr().cast()))
    }
    #[inline(always)]
    fn store_bytes(self, v: __m512i, to: &mut [u8; 64]) {
        vector!(_mm512_storeu_si512(to.as_mut_ptr().cast(), v));
    }
    #[inline(always)]
    fn bits<const N: u32>(self, v: __m512i, mask: u8) -> __m512i {
        vector!(_mm512_and_si512(_mm512_srli_epi16::<N>(v), _mm512_set1_epi8(mask as i8)))
    }
    #[inline(always)]
    fn bits_up<const N: u32>(self, v: __m512i, mask: u8) -> __m512i {
        vector!(_mm512_and_si512(_mm512_slli_epi16::<N>(v), _mm512_set1_epi8(mask as i8)))
    }
    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        vector!(_mm512_or_si512(a, b))
    }
    #[inline(always)]
    fn lookup(self, v: __m512i, table: &[u8; 16]) -> __m512i {
        vector!(_mm512_shuffle_epi8(
            _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast())),
            v
        ))
    }
    #[inline(always)]
    fn dots<const MOST: u32, const Q: usize, const N: usize>(
        self,
        mut acc: [__m512i; N],
        w: &[__m512i; Q],
        x: [&[i32; Q]; N],
    ) -> [__m512i; N] {
        for (acc, x) in acc.iter_mut().zip(x) {
            for (w, x) in w.iter().zip(x) {
                *acc = vector!(_mm512_dpbusd_epi32(*acc, *w, _mm512_set1_epi32(*x)));
            }
        }
        acc
    }
}
