//! Intervals of one proportion that hold in small samples.

use super::Interval;
use super::distribution::{beta_quantile, normal_quantile};

/// The score interval of a proportion: `successes` of `trials`, missing with chance `alpha`.
///
/// Both may be fractions (an effective sample). Source: Wilson 1927, "Probable inference, the law of
/// succession, and statistical inference".
pub fn wilson(successes: f64, trials: f64, alpha: f64) -> Interval {
    let z2 = normal_quantile(1.0 - alpha / 2.0).powi(2);
    let p = successes / trials;
    let centre = (p + z2 / (2.0 * trials)) / (1.0 + z2 / trials);
    let spread = (z2 * (p * (1.0 - p) / trials + z2 / (4.0 * trials * trials))).sqrt();
    let half = spread / (1.0 + z2 / trials);
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// The exact interval of a proportion, which misses with chance at most `alpha`.
///
/// Source: Clopper & Pearson 1934.
pub fn clopper_pearson(successes: u64, trials: u64, alpha: f64) -> Interval {
    let (x, n) = (successes as f64, trials as f64);
    let low = if successes == 0 { 0.0 } else { beta_quantile(alpha / 2.0, x, n - x + 1.0) };
    let high =
        if successes >= trials { 1.0 } else { beta_quantile(1.0 - alpha / 2.0, x + 1.0, n - x) };
    Interval { low, high }
}

/// The interval of a proportion under Jeffreys' prior, Beta(1/2, 1/2).
///
/// Source: Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion": closed at 0
/// and 1 where nothing, or everything, succeeded.
pub fn jeffreys(successes: u64, trials: u64, alpha: f64) -> Interval {
    let (a, b) = (successes as f64 + 0.5, (trials - successes.min(trials)) as f64 + 0.5);
    let low = if successes == 0 { 0.0 } else { beta_quantile(alpha / 2.0, a, b) };
    let high = if successes >= trials { 1.0 } else { beta_quantile(1.0 - alpha / 2.0, a, b) };
    Interval { low, high }
}
