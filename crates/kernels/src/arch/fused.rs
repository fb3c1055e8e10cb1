//! The fused multiply-add of f32 where there is no instruction for it, by arithmetic in f64.
//!
//! The product of two f32 is exact in f64: 48 of 53 bits, far from the ends of the range. The sum
//! is then rounded twice, to f64 and to f32, which differs from rounding once only where the sum in
//! f64 lies halfway between two f32 and is not exact. Rounding to f64 *to odd* instead, whereby a
//! sum that is not exact never ends in a zero bit, cannot end up halfway.
//! Source: Boldo & Melquiond 2008, "Emulation of a FMA and correctly rounded sums: proved algorithms
//! using rounding to odd"; the error of a sum after Knuth, TAOCP 2, 4.2.2.

/// `a * b + c`, rounded once, also where the result is not a normal number.
pub(crate) fn fused(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let of_c = sum - product;
    let lost = (product - (sum - of_c)) + (c - of_c);
    let bits = sum.to_bits();
    // Neither what is infinite nor what is not a number has lost anything.
    if lost == 0.0 || lost.is_nan() || bits & 1 == 1 {
        return sum as f32;
    }
    let odd = if (lost > 0.0) == (sum > 0.0) { bits + 1 } else { bits - 1 };
    f64::from_bits(odd) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a * b + c` in whole numbers of 2^-298, for operands below 2^-90, rounded once.
    #[track_caller]
    fn check(a: f32, b: f32, c: f32, expected: f32) {
        let got = fused(a, b, c);
        let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
        assert!(same, "{a:e} * {b:e} + {c:e} is {expected:e}, not {got:e}");
    }

    fn power(n: i32) -> f32 {
        2.0f64.powi(n) as f32
    }

    #[test]
    fn what_lies_beside_halfway_is_rounded_to_its_side() {
        // One and half a last place, and a product that is too small for f64 to keep.
        let half = power(-24) + power(-47);
        let above = fused(half, 1.0 - power(-24), 1.0);
        assert_eq!(above, 1.0 + power(-23));
        check(1.0 + power(-12), power(-24), 1.0, 1.0 + power(-23));
        check(power(-40), power(-40), 1.0 + power(-23), 1.0 + power(-23));
        // 1 + 3/2 ulp -+ 2^-80: halfway but for what f64 loses.
        let (a, b) = (power(-12) + power(-35), power(-12) - power(-35));
        check(a, b, 1.0, 1.0);
        check(a, b, 1.0 + power(-23), 1.0 + power(-23));
        check(-a, b, -1.0, -1.0);
        check(-a, b, 1.0, 1.0 - power(-24));
    }

    #[test]
    fn results_that_are_not_normal_are_rounded_once() {
        // 2^-127 + 2^-150 is halfway between two numbers; 2^-197 more is not.
        let a = power(-75) * (1.0 + power(-23));
        let b = power(-75) * (1.0 + power(-22));
        check(a, b, power(-127), power(-127) + power(-149));
        check(power(-75), power(-75), power(-127), power(-127));
        // Halfway between zero and the smallest number, and a little more.
        check(power(-75), power(-75), 0.0, 0.0);
        check(a, power(-75), 0.0, power(-149));
    }

    #[test]
    fn infinities_zeros_and_what_is_not_a_number() {
        let infinity = f32::INFINITY;
        check(infinity, 1.0, -infinity, f32::NAN);
        check(infinity, 0.0, 1.0, f32::NAN);
        check(f32::MAX, f32::MAX, -infinity, -infinity);
        check(f32::MAX, 2.0, -f32::MAX, f32::MAX);
        check(f32::MAX, 2.0, 0.0, infinity);
        check(-0.0, 1.0, 0.0, 0.0);
        check(-0.0, 1.0, -0.0, -0.0);
        check(1.0, 1.0, f32::NAN, f32::NAN);
    }

    /// The standard library's is the processor's or the C library's, except in a browser.
    #[test]
    #[cfg(not(target_arch = "wasm32"))]
    fn it_is_the_fused_multiply_add_of_the_standard_library() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) as u32
        };
        for i in 0..2_000_000 {
            let (a, b) = (f32::from_bits(random()), f32::from_bits(random()));
            let c = match i % 4 {
                0 => f32::from_bits(random()),
                // Near the product, and around half its last place.
                1 => -(a * b),
                2 => a * b * power(24) * (1.0 + (random() & 3) as f32 * power(-23)),
                _ => a * b * power(-24),
            };
            check(a, b, c, a.mul_add(b, c));
            // Few bits, so that sums lie halfway; and at the lower end of the range.
            let few =
                |bits: u32| ((bits & 0xFF) as f32 - 128.0) * power((bits >> 8 & 31) as i32 - 31);
            let (a, b, c) = (few(random()), few(random()), few(random()));
            check(a, b, c, a.mul_add(b, c));
            let (a, b, c) = (a * power(-70), b * power(-60), c * power(-120));
            check(a, b, c, a.mul_add(b, c));
        }
    }
}
