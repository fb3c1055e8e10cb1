//! Which of two independent samples tends to be higher.

use super::distribution::{normal_cdf, normal_quantile};
use super::summary::rank;
use super::{Interval, Test};

/// With a sample this small and no ties the exact distribution is used.
const EXACT_UP_TO: usize = 8;

/// The Mann-Whitney test; the statistic is U of `first`: pairs in which it is higher, ties a half.
///
/// Exact if one sample has at most eight values and no two are equal, else the normal limit with
/// corrections for ties and continuity (SciPy's rule). Source: Mann & Whitney 1947.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Test {
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let pooled: Vec<f64> = first.iter().chain(second).copied().collect();
    let ranked = rank(&pooled);
    let statistic = ranked.ranks[..first.len()].iter().sum::<f64>() - n1 * (n1 + 1.0) / 2.0;
    let larger = statistic.max(n1 * n2 - statistic);
    let p_value = if first.is_empty() || second.is_empty() {
        1.0
    } else if first.len().min(second.len()) <= EXACT_UP_TO && ranked.ties == 0.0 {
        2.0 * u_at_most((n1 * n2 - larger) as usize, first.len(), second.len())
    } else {
        let n = n1 + n2;
        let variance = n1 * n2 / 12.0 * (n + 1.0 - ranked.ties / (n * (n - 1.0)));
        2.0 * normal_cdf(-(larger - n1 * n2 / 2.0 - 0.5) / variance.sqrt())
    };
    // Without spread (all values equal) there is nothing to reject.
    Test { statistic, p_value: if p_value.is_nan() { 1.0 } else { p_value.min(1.0) } }
}

/// Chance that U of two samples is at most `end`.
fn u_at_most(end: usize, n1: usize, n2: usize) -> f64 {
    // chances[m][u] after k rounds: U of k values of one sample among m of the other. The largest
    // of all is from the first sample with chance k / (k + m), and then beats all m others.
    let mut chances = vec![vec![0.0; end + 1]; n2 + 1];
    chances.iter_mut().for_each(|row| row[0] = 1.0);
    for k in 1..=n1 {
        let mut next = vec![vec![0.0; end + 1]; n2 + 1];
        next[0][0] = 1.0;
        for m in 1..=n2 {
            let first = k as f64 / (k + m) as f64;
            for u in 0..=end {
                let beats = if u >= m { chances[m][u - m] } else { 0.0 };
                next[m][u] = first * beats + (1.0 - first) * next[m - 1][u];
            }
        }
        chances = next;
    }
    chances[n2].iter().sum()
}

/// Cliff's delta: the chance that a value of `first` is higher than one of `second`, less the
/// chance that it is lower; and its interval that misses with chance `alpha`.
///
/// The interval is not symmetric and stays within -1 and 1.
/// Sources: Cliff 1993, "Dominance statistics"; Feng & Cliff 2004 (the interval).
pub fn cliffs_delta(first: &[f64], second: &[f64], alpha: f64) -> (f64, Interval) {
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let sign = |a: f64, b: f64| f64::from(i8::from(a > b) - i8::from(a < b));
    let rows: Vec<f64> =
        first.iter().map(|&a| second.iter().map(|&b| sign(a, b)).sum::<f64>() / n2).collect();
    let columns: Vec<f64> =
        second.iter().map(|&b| first.iter().map(|&a| sign(a, b)).sum::<f64>() / n1).collect();
    let delta = rows.iter().sum::<f64>() / n1;
    let around = |shares: &[f64]| shares.iter().map(|s| (s - delta).powi(2)).sum::<f64>();
    let pairs = first.iter().flat_map(|&a| second.iter().map(move |&b| sign(a, b) - delta));
    let all: f64 = pairs.map(|excess| excess * excess).sum();
    let variance = (n2 * n2 * around(&rows) + n1 * n1 * around(&columns) - all)
        / (n1 * n2 * (n1 - 1.0) * (n2 - 1.0));
    let variance = variance.max((1.0 - delta * delta) / (n1 * n2 - 1.0));
    if delta.abs() >= 1.0 || variance.is_nan() {
        return (delta, separated(delta, n1.min(n2), alpha));
    }
    let z2 = normal_quantile(1.0 - alpha / 2.0).powi(2);
    let spread = (z2 * variance * ((1.0 - delta * delta).powi(2) + z2 * variance)).sqrt();
    let centre = delta - delta.powi(3);
    let scale = 1.0 - delta * delta + z2 * variance;
    (delta, Interval { low: (centre - spread) / scale, high: (centre + spread) / scale })
}

/// The interval where all values of one sample beat all of the other, by the smaller sample:
/// the share of pairs the other way may be as high as when none of n trials shows it.
fn separated(delta: f64, n: f64, alpha: f64) -> Interval {
    let reach = if n.is_nan() || n < 1.0 { 0.0 } else { 2.0 * (alpha / 2.0).powf(1.0 / n) - 1.0 };
    if delta >= 1.0 {
        Interval { low: reach, high: 1.0 }
    } else if delta <= -1.0 {
        Interval { low: -1.0, high: -reach }
    } else {
        Interval { low: -1.0, high: 1.0 }
    }
}
