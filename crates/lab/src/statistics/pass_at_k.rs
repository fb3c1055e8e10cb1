//! The chance that of several programs at least one passes.

use super::Interval;
use super::bootstrap::{bca, expanded};
use super::proportion::clopper_pearson;
use super::summary::mean;

/// Resamples of an interval; its ends move by less than a thousandth with another seed.
const RESAMPLES: usize = 10_000;

/// The chance that of `k` programs at least one passes, where `passed` of `samples` did: 1 minus the
/// share of sets of `k` samples in which none does. NaN if there are fewer than `k` samples.
///
/// Source: Chen et al. 2021, "Evaluating large language models trained on code", equation 1.
pub fn pass_at_k(samples: usize, passed: usize, k: usize) -> f64 {
    if k > samples {
        return f64::NAN;
    }
    let failed = samples - passed.min(samples);
    if failed < k {
        return 1.0;
    }
    // C(failed, k) / C(samples, k) as a product, which stays within 0 and 1.
    let none: f64 = (failed + 1..=samples).map(|i| 1.0 - k as f64 / i as f64).product();
    1.0 - none
}

/// The interval of a mean over problems, each with a value from 0 to 1, that misses with chance
/// `alpha`.
///
/// Where all values are equal, resamples tell nothing: then it is that of as many problems passed,
/// or failed, which claims less.
pub fn interval(values: &[f64], alpha: f64, seed: u64) -> Interval {
    let is_level = values.windows(2).all(|pair| pair[0] == pair[1]);
    if is_level && !values.is_empty() {
        let n = values.len() as u64;
        let passed = (values[0] * n as f64).round() as u64;
        return clopper_pearson(passed, n, alpha);
    }
    let found = bca(values, mean, expanded(alpha, values.len()), RESAMPLES, seed);
    Interval { low: found.low.max(0.0), high: found.high.min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all sets of `k` among `samples`, the share with one of the first `passed` in it.
    fn counted(samples: usize, passed: usize, k: usize) -> f64 {
        let sets: Vec<u32> =
            (0..1u32 << samples).filter(|set| set.count_ones() as usize == k).collect();
        let good = (1u32 << passed) - 1;
        sets.iter().filter(|&&set| set & good != 0).count() as f64 / sets.len() as f64
    }

    #[test]
    fn the_estimate_is_the_share_of_sets() {
        for samples in 1..=9 {
            for passed in 0..=samples {
                for k in 1..=samples {
                    let (seen, expected) =
                        (pass_at_k(samples, passed, k), counted(samples, passed, k));
                    assert!((seen - expected).abs() < 1e-12, "{samples} {passed} {k}: {seen}");
                }
            }
        }
        assert!(pass_at_k(3, 1, 4).is_nan());
        // 1 - C(190, 100) / C(200, 100), by exact integers.
        assert!((pass_at_k(200, 10, 100) - 0.999_228_973_937_282_2).abs() < 1e-9);
    }

    #[test]
    fn intervals_hold_their_mean_and_do_not_claim_certainty() {
        let values: Vec<f64> = (0..164).map(|i| f64::from(i % 5 == 0)).collect();
        let found = interval(&values, 0.05, 1);
        // About 0.201 and 1.96 standard errors of 0.0314.
        assert!((found.low - 0.143).abs() < 0.01 && (found.high - 0.267).abs() < 0.01, "{found:?}");
        let none = interval(&[0.0; 164], 0.05, 1);
        assert!(none.low == 0.0 && (none.high - 0.0222).abs() < 1e-3, "{none:?}");
        assert_eq!(interval(&[1.0; 20], 0.05, 1).high, 1.0);
    }

    #[test]
    fn intervals_miss_as_often_as_they_say() {
        let mut generator = crate::statistics::random::Generator::new(5);
        let (truth, n_experiments) = (0.25, 400);
        let misses = (0..n_experiments).filter(|&seed| {
            // Ten samples of each of 60 problems, whose chances lie between 0 and 0.5.
            let values: Vec<f64> = (0..60)
                .map(|_| {
                    let chance = generator.uniform() * 0.5;
                    let passed = (0..10).filter(|_| generator.uniform() < chance).count();
                    pass_at_k(10, passed, 1)
                })
                .collect();
            !bca(&values, mean, expanded(0.05, 60), 1000, seed).contains(truth)
        });
        let share = misses.count() as f64 / f64::from(n_experiments as u32);
        assert!((0.02..=0.085).contains(&share), "{share}");
    }
}
