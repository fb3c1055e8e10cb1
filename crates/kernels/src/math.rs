//! Functions of sixteen numbers at a time.
//!
//! The platform's `expf` differs between C libraries; these give the same bits everywhere.

use crate::arch::Simd;

/// `exp(x)`, with an error below two units in the last place for `x` in [-87.3, 88.7]; beyond, the
/// value at the border.
///
/// `exp(x) = 2^n exp(r)` with `n` the nearest whole number to `x / ln 2`; `exp(r)` by its Taylor
/// polynomial of degree 7, whose error on |r| <= ln(2) / 2 is below 1e-8. `ln 2` is split in two so
/// that `r` is exact (Cody & Waite 1980).
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.max(x, s.splat(-87.3)), s.splat(88.7));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // 2^127 is the largest power that is a number: the last factor of two comes at the end.
    let n = s.min(n, s.splat(127.0));
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut sum = s.splat(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = s.fma(sum, r, s.splat(coefficient));
    }
    s.mul(sum, s.exp2_whole(n))
}

/// `tanh(x)`.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    // 1 - 2 / (exp(2|x|) + 1) loses digits near zero; there the odd series to x^7 serves.
    let magnitude = s.abs(x);
    let e = exp(s, s.add(magnitude, magnitude));
    let one = s.splat(1.0);
    let far = s.sub(one, s.div(s.splat(2.0), s.add(e, one)));
    let x2 = s.mul(x, x);
    let mut series = s.splat(-17.0 / 315.0);
    for coefficient in [2.0 / 15.0, -1.0 / 3.0, 1.0] {
        series = s.fma(series, x2, s.splat(coefficient));
    }
    let near = s.mul(magnitude, series);
    s.copysign(s.select_less(magnitude, s.splat(0.125), near, far), x)
}

/// `erf(x)` with an absolute error below 1.5e-7.
/// Source: Abramowitz & Stegun 1964, 7.1.26.
#[inline(always)]
pub(crate) fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    let magnitude = s.abs(x);
    let one = s.splat(1.0);
    let t = s.div(one, s.fma(magnitude, s.splat(0.327_591_1), one));
    let mut sum = s.splat(1.061_405_4);
    for coefficient in [-1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        sum = s.fma(sum, t, s.splat(coefficient));
    }
    let e = exp(s, s.sub(s.splat(0.0), s.mul(x, x)));
    s.copysign(s.sub(one, s.mul(s.mul(sum, t), e)), x)
}

/// `x / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn silu<S: Simd>(s: S, x: S::F) -> S::F {
    s.div(x, s.add(s.splat(1.0), exp(s, s.sub(s.splat(0.0), x))))
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    s.div(s.splat(1.0), s.add(s.splat(1.0), exp(s, s.sub(s.splat(0.0), x))))
}

/// The Gaussian error linear unit in its tanh form: `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
/// Source: Hendrycks & Gimpel 2016.
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let x2 = s.mul(x, x);
    let inner = s.mul(x, s.fma(x2, s.splat(0.044_715), s.splat(1.0)));
    let t = tanh(s, s.mul(inner, s.splat(0.797_884_6)));
    s.mul(s.mul(s.splat(0.5), x), s.add(s.splat(1.0), t))
}

/// The Gaussian error linear unit: `x/2 (1 + erf(x / sqrt 2))`.
#[inline(always)]
pub(crate) fn gelu_erf<S: Simd>(s: S, x: S::F) -> S::F {
    let e = erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)));
    s.mul(s.mul(s.splat(0.5), x), s.add(s.splat(1.0), e))
}
