//! The bootstrap interval that corrects for bias and skewness.

use super::Interval;
use super::distribution::{normal_cdf, normal_quantile, student_quantile};
use super::random::Generator;
use super::summary::{mean, quantile, sorted};

/// The BCa interval of `statistic` over the units in `values`, from `resamples` resamples.
///
/// Without spread both ends are the statistic itself; NaN if there are no values.
/// Source: Efron 1987, "Better bootstrap confidence intervals".
pub fn bca(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    alpha: f64,
    resamples: usize,
    seed: u64,
) -> Interval {
    let seen = statistic(values);
    let mut generator = Generator::new(seed);
    let mut resample = vec![0.0; values.len()];
    let drawn: Vec<f64> = (0..resamples)
        .map(|_| {
            resample.iter_mut().for_each(|value| *value = values[generator.below(values.len())]);
            statistic(&resample)
        })
        .collect();
    let drawn = sorted(&drawn);
    // Half of those that equal the statistic count as below it, for statistics with few values.
    let below = drawn.partition_point(|&value| value < seen);
    let up_to = drawn.partition_point(|&value| value <= seen);
    if below == 0 && up_to == drawn.len() {
        return Interval { low: seen, high: seen };
    }
    let share = f64::midpoint(below as f64, up_to as f64) / drawn.len() as f64;
    let bias = normal_quantile(share);
    let acceleration = acceleration(values, statistic);
    let end = |p: f64| {
        let z = bias + normal_quantile(p);
        quantile(&drawn, normal_cdf(bias + z / (1.0 - acceleration * z)))
    };
    Interval { low: end(alpha / 2.0), high: end(1.0 - alpha / 2.0) }
}

/// The chance of a miss to ask [`bca`] for, so that its interval of `count` values misses with
/// chance `alpha`.
///
/// Resamples vary less than samples do, by (n - 1) / n and by the tails of t: at 50 skewed values
/// the plain interval misses 7.6 % of the time instead of 5 % (4,000 simulated experiments).
/// Source: Hesterberg 2015, "What teachers should know about the bootstrap", expanded percentiles.
pub fn expanded(alpha: f64, count: usize) -> f64 {
    if count < 2 {
        return alpha;
    }
    let n = count as f64;
    let reach = (n / (n - 1.0)).sqrt() * student_quantile(1.0 - alpha / 2.0, n - 1.0);
    2.0 * normal_cdf(-reach)
}

/// How fast the statistic's standard error changes, from leaving out one value at a time.
fn acceleration(values: &[f64], statistic: impl Fn(&[f64]) -> f64) -> f64 {
    let mut left = values.to_vec();
    let without: Vec<f64> = (0..values.len())
        .map(|index| {
            let last = left.len() - 1;
            left.swap(index, last);
            let value = statistic(&left[..last]);
            left.swap(index, last);
            value
        })
        .collect();
    let centre = mean(&without);
    let square: f64 = without.iter().map(|value| (centre - value).powi(2)).sum();
    let cube: f64 = without.iter().map(|value| (centre - value).powi(3)).sum();
    if square > 0.0 { cube / (6.0 * square.powf(1.5)) } else { 0.0 }
}
