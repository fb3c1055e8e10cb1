//! Finds the scale, or the scale and offset, that a block is best stored with.
//!
//! Every search minimises a weighted squared error `Σ w·(x - x')²` over a row of candidate scales.
//! A candidate decides the code of each number, and for those codes the best scale (and offset) is
//! known in closed form: weighted least squares over what rounding left, which gives the error too.
//! Of candidates that are equally good the first one wins, so a row begins with the obvious one.
//!
//! The loops run over fixed-size arrays in [`LANES`] independent sums, which the compiler turns
//! into vector instructions; the order of additions, and so the result, is the same everywhere.

use half::f16;

/// How many sums run side by side.
pub(super) const LANES: usize = 4;

/// Rounds to the nearest integer, ties to even, for `|x| < 2²²`.
///
/// Adding 1.5·2²³ leaves no bits for a fraction. `f32::round_ties_even` would be a call of a
/// library function on processors that are only known to have SSE2.
#[inline(always)]
pub(super) fn round(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT) - SHIFT
}

/// Rounds to the nearest integer, halves away from zero, for `|x| < 2²²`.
#[inline(always)]
pub(super) fn round_half_away(x: f32) -> i32 {
    // The largest number below a half: 0.49999997 + 0.49999997 must not reach 1.
    const HALF: f32 = 0.5_f32.next_down();
    (x + HALF.copysign(x)) as i32
}

/// `1 / scale`, or 0 if the scale is 0.
#[inline(always)]
pub(super) fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// `x` held between `low` and `high`; a NaN becomes `low`. Two instructions, unlike `f32::clamp`.
#[inline(always)]
pub(super) fn hold(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let [a, b, c, d] = lanes;
    (a + c) + (b + d)
}

/// The sum over a block of `N` of what `term` gives for a number and its weight.
#[inline(always)]
fn sums<const N: usize, const K: usize>(
    x: &[f32; N],
    w: &[f32; N],
    term: impl Fn(f32, f32) -> [f32; K],
) -> [f32; K] {
    const { assert!(N.is_multiple_of(LANES)) }
    let mut lanes = [[0.0; LANES]; K];
    for (x, w) in x.as_chunks::<LANES>().0.iter().zip(w.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            let terms = term(x[i], w[i]);
            for k in 0..K {
                lanes[k][i] += terms[k];
            }
        }
    }
    lanes.map(total)
}

/// The number of largest magnitude, with its sign; the first of several.
#[inline(always)]
pub(super) fn peak<const N: usize>(x: &[f32; N]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for x in x.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            let x = x[i].abs();
            lanes[i] = if x > lanes[i] { x } else { lanes[i] };
        }
    }
    let magnitude = lanes.into_iter().fold(0.0, f32::max);
    x.iter().copied().find(|x| x.abs() == magnitude).unwrap_or(magnitude)
}

/// The nearest half-precision scale, but not 0 unless `scale` is: a scale that is too small for
/// its block loses all numbers, one that is too large only their last bits.
pub(super) fn half_scale(scale: f32) -> f16 {
    let half = f16::from_f32(scale);
    if half == f16::ZERO && scale != 0.0 {
        f16::MIN_POSITIVE_SUBNORMAL.copysign(half)
    } else {
        half
    }
}

/// Weights for the squared error of a block: `importance · √(mean square + x²)`.
///
/// Large numbers count more than small ones, but not in proportion to their square. Source of the
/// formula: ggml's quantisers with an importance matrix. An importance that is negative or NaN
/// counts as 0; without importances all are 1.
pub(super) fn weights<const N: usize>(x: &[f32; N], importance: Option<&[f32; N]>) -> [f32; N] {
    let [square] = sums(x, x, |x, _| [x * x]);
    let mean_square = square / N as f32;
    let mut w = x.map(|x| (mean_square + x * x).sqrt());
    if let Some(importance) = importance {
        for (w, &importance) in w.iter_mut().zip(importance) {
            *w *= if importance > 0.0 { importance } else { 0.0 };
        }
    }
    w
}

/// The values that codes stand for, before they are scaled.
pub(super) trait Codebook: Copy {
    /// The value of largest magnitude.
    fn peak(self) -> f32;
    /// The value nearest to `x`; any value if `x` is NaN.
    fn nearest(self, x: f32) -> f32;
    /// The code of the value nearest to `x`; any code if `x` is NaN.
    fn code(self, x: f32) -> u8;
}

/// The integers from `low` to `high`; the code of `low` is 0.
#[derive(Clone, Copy)]
pub(super) struct Integers {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Codebook for Integers {
    #[inline(always)]
    fn peak(self) -> f32 {
        self.low
    }

    #[inline(always)]
    fn nearest(self, x: f32) -> f32 {
        round(hold(x, self.low, self.high))
    }

    #[inline(always)]
    fn code(self, x: f32) -> u8 {
        (self.nearest(x) - self.low) as u8
    }
}

/// The scale with which `scale · book` comes nearest to `x`.
///
/// `targets`: what the number of largest magnitude is mapped to, one candidate each. If
/// the sums overflow, the answer is the scale that maps it to the book's own.
#[inline(always)]
pub(super) fn fit_scale<const N: usize>(
    book: impl Codebook,
    x: &[f32; N],
    w: &[f32; N],
    targets: &[f32],
) -> f32 {
    let peak = peak(x);
    if peak == 0.0 {
        return 0.0;
    }
    let mut best = peak / book.peak();
    let mut best_error = f32::INFINITY;
    for &target in targets {
        // In units of the candidate scale, x = q + r; the better scale is 1 + slope of them.
        let inverse = target / peak;
        let [sum_qq, sum_qr, sum_rr] = sums(x, w, |x, w| {
            let q = book.nearest(x * inverse);
            let r = x * inverse - q;
            [w * q * q, w * q * r, w * r * r]
        });
        let slope = if sum_qq > 0.0 { sum_qr / sum_qq } else { 0.0 };
        let unit = 1.0 / inverse;
        let error = (sum_rr - slope * sum_qr) * (unit * unit);
        if error < best_error {
            best_error = error;
            best = (1.0 + slope) * unit;
        }
    }
    best
}

/// The weighted squared error of `x` stored with `scale`.
#[inline(always)]
pub(super) fn scale_error<const N: usize>(
    book: impl Codebook,
    x: &[f32; N],
    w: &[f32; N],
    scale: f32,
) -> f32 {
    let inverse = inverse(scale);
    let [error] = sums(x, w, |x, w| {
        let difference = scale * book.nearest(x * inverse) - x;
        [w * difference * difference]
    });
    error
}

/// Numbers stored as `scale · code + offset`.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) offset: f32,
}

/// The smallest and the largest number.
#[inline(always)]
pub(super) fn extremes<const N: usize>(x: &[f32; N]) -> (f32, f32) {
    let mut low = [f32::INFINITY; LANES];
    let mut high = [f32::NEG_INFINITY; LANES];
    for x in x.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            low[i] = if x[i] < low[i] { x[i] } else { low[i] };
            high[i] = if x[i] > high[i] { x[i] } else { high[i] };
        }
    }
    let low = low.into_iter().fold(f32::INFINITY, f32::min);
    (low, high.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

/// The scale and offset with which codes `0..=top` come nearest to `x`.
///
/// The offset is at most `limit`. `widths`: how many steps the range of `x` is divided into, one
/// candidate each; the range begins at the best offset so far. If the sums overflow, the answer
/// spans the range exactly.
#[inline(always)]
pub(super) fn fit_affine<const N: usize>(
    x: &[f32; N],
    w: &[f32; N],
    top: f32,
    limit: f32,
    widths: &[f32],
) -> Affine {
    let (low, high) = extremes(x);
    let low = low.min(limit);
    if high <= low {
        return Affine { scale: 0.0, offset: low };
    }
    let range = high - low;
    let [sum_w] = sums(x, w, |_, w| [w]);
    let mut best = Affine { scale: range / top, offset: low };
    let mut best_error = f32::INFINITY;
    for &width in widths {
        // In units of the candidate scale, x - low = q + r; the better scale and offset follow
        // from the straight line through the points (q, r).
        let low = best.offset;
        let inverse = width / (high - low);
        let unit = (high - low) / width;
        let [sum_q, sum_qq, sum_r, sum_qr, sum_rr] = sums(x, w, |x, w| {
            let y = (x - low) * inverse;
            let q = round(hold(y, 0.0, top));
            let r = y - q;
            let (wq, wr) = (w * q, w * r);
            [wq, wq * q, wr, wr * q, wr * r]
        });
        let determinant = sum_w * sum_qq - sum_q * sum_q;
        let (mut slope, mut rise) = (0.0, 0.0);
        // Below that it would be made of rounding errors.
        if determinant > 1e-5 * sum_w * sum_qq {
            slope = (sum_w * sum_qr - sum_q * sum_r) / determinant;
            rise = (sum_qq * sum_r - sum_q * sum_qr) / determinant;
            let room = (limit - low) * inverse;
            if rise > room {
                rise = room;
                slope = (sum_qr - room * sum_q) / sum_qq;
            }
        }
        let error = sum_rr - 2.0 * (slope * sum_qr + rise * sum_r)
            + slope * slope * sum_qq
            + rise * (2.0 * slope * sum_q + rise * sum_w);
        let error = error * (unit * unit);
        if error < best_error {
            best_error = error;
            best = Affine { scale: (1.0 + slope) * unit, offset: low + rise * unit };
        }
    }
    best
}

/// The weighted squared error of `x` stored with `fit` and codes `0..=top`.
#[inline(always)]
pub(super) fn affine_error<const N: usize>(
    x: &[f32; N],
    w: &[f32; N],
    top: f32,
    fit: Affine,
) -> f32 {
    let inverse = inverse(fit.scale);
    let [error] = sums(x, w, |x, w| {
        let q = round(hold((x - fit.offset) * inverse, 0.0, top));
        let difference = fit.scale * q + fit.offset - x;
        [w * difference * difference]
    });
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_the_standard_librarys() {
        let halves = (-2_000..=2_000).map(|i| i as f32 * 0.5);
        let near = [0.5_f32, 1.5, 126.5, 127.5].into_iter();
        let near = near.flat_map(|x| [x.next_down(), x.next_up(), -x.next_down(), -x.next_up()]);
        for x in halves.chain(near) {
            assert_eq!(round(x), x.round_ties_even(), "{x}");
            assert_eq!(round_half_away(x), x.round() as i32, "{x}");
        }
    }

    #[test]
    fn peak_is_the_first_of_largest_magnitude() {
        let mut x = [0.5_f32; 16];
        (x[9], x[6]) = (-3.0, 3.0);
        assert_eq!(peak(&x), 3.0);
        x[2] = -3.0;
        assert_eq!(peak(&x), -3.0);
        assert_eq!(peak(&[0.0; 8]), 0.0);
        assert_eq!(extremes(&x), (-3.0, 3.0));
    }

    #[test]
    fn scales_round_to_half_but_not_to_nothing() {
        assert_eq!(half_scale(1.0 / 3.0).to_f32(), 0.333_251_95);
        assert_eq!(half_scale(1e-20).to_f32(), 2.0_f32.powi(-24));
        assert_eq!(half_scale(-1e-20).to_f32(), -2.0_f32.powi(-24));
        assert_eq!(half_scale(0.0), f16::ZERO);
        assert_eq!(half_scale(1e9), f16::INFINITY);
    }

    /// Numbers that lie on a grid are found there, though the largest code does not occur.
    #[test]
    fn a_grid_is_found() {
        let codes: [f32; 16] = std::array::from_fn(|i| (i * 5 % 14) as f32);
        let fit = fit_affine(
            &codes.map(|q| 0.3 * q - 1.1),
            &[1.0; 16],
            15.0,
            0.0,
            &[15.0, 14.5, 14.0, 13.5, 13.0],
        );
        assert!((fit.scale - 0.3).abs() < 1e-5 && (fit.offset + 1.1).abs() < 1e-5);
        let book = Integers { low: -8.0, high: 7.0 };
        let x = codes.map(|q| -0.3 * (q - 6.0));
        let scale = fit_scale(book, &x, &[1.0; 16], &[-8.0, -7.5, -7.0, -6.5, -6.0]);
        assert!((scale.abs() - 0.3).abs() < 1e-5, "{scale}");
        assert!(scale_error(book, &x, &[1.0; 16], scale) < 1e-9);
    }

    #[test]
    fn numbers_without_weight_do_not_steer() {
        let x: [f32; 16] = std::array::from_fn(|i| if i == 3 { 9.0 } else { i as f32 });
        let importance = std::array::from_fn(|i| if i == 3 { -1.0 } else { 2.0 });
        let w = weights(&x, Some(&importance));
        assert_eq!(w[3], 0.0);
        assert!(w.iter().enumerate().all(|(i, &w)| i == 3 || w > 0.0));
        assert!(w[15] > w[1]);
    }
}
