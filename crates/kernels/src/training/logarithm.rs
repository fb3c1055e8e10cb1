//! The natural logarithm with the same bits on every machine.

/// `ln(x)` of a positive finite number, with an error below 1e-15 relative to the larger of the
/// result and one.
///
/// `x = 2^e m` with `m` in `[sqrt(1/2), sqrt(2))`; `ln m = 2 artanh((m - 1) / (m + 1))` by its
/// series, whose argument is below 0.172.
pub(super) fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7FF) as i64 - 1023;
    let mut m = f64::from_bits((bits & MANTISSA) | (1023 << 52));
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        exponent += 1;
    }
    let t = (m - 1.0) / (m + 1.0);
    let square = t * t;
    let mut sum = 0.0;
    for n in (0..11).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * t * sum
}

#[cfg(test)]
mod tests {
    use super::ln;

    #[test]
    fn it_is_the_logarithm() {
        for i in 1..20_000 {
            let x = f64::from(i) * 0.001_7;
            for x in [x, x * 1e20, x * 1e-20] {
                assert!((ln(x) - x.ln()).abs() <= 2e-15 * x.ln().abs().max(1.0), "{x}");
            }
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
