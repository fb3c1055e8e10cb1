//! The sign-flip permutation test of a mean difference, and the interval that belongs to it.
//!
//! If nothing differs, each unit's difference is as likely to have the other sign. Under a shift δ
//! the same holds of the differences less δ, and a flip of the set F gives a larger total exactly
//! if the mean of F is at most δ. So the means of random sets of units are all that is needed: the
//! p-value counts those below the null, and the interval's ends are two of them in order. The test
//! and the interval therefore never contradict each other.
//!
//! Sources: Fisher 1935, *The Design of Experiments*, §21; Hartigan 1969, "Using subsample values as
//! typical values" (the interval); Phipson & Smyth 2010 (why one is added to the counts).

use super::random::Generator;
use super::{Interval, Test};

/// Up to this many units every flip is tried.
const COMPLETE_UP_TO: usize = 13;

/// What is flipped as one: an input, or a whole group of inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// The sum of the unit's differences.
    pub sum: f64,
    /// How many differences it sums.
    pub weight: f64,
}

impl Unit {
    /// A unit of one difference.
    pub fn single(difference: f64) -> Self {
        Self { sum: difference, weight: 1.0 }
    }
}

/// The flips of a set of differences, drawn once and asked many times.
#[derive(Clone, Debug)]
pub struct SignFlip {
    /// Mean difference of each flipped set, in rising order.
    means: Vec<f64>,
    /// Flips that changed nothing, the identity among them.
    unchanged: usize,
    estimate: f64,
    /// Differences below this are rounding.
    tolerance: f64,
}

impl SignFlip {
    /// Draws `resamples` flips of `units`, or takes all flips if there are few units.
    pub fn new(units: &[Unit], resamples: usize, seed: u64) -> Self {
        let largest = units.iter().map(|unit| (unit.sum / unit.weight).abs()).fold(0.0, f64::max);
        let mut flips = Self {
            means: Vec::new(),
            unchanged: 1,
            estimate: mean_of(units.iter()).unwrap_or(f64::NAN),
            tolerance: 1e-12 * largest,
        };
        if units.len() <= COMPLETE_UP_TO {
            for set in 1..1u64 << units.len() {
                flips.keep(mean_of(members(units, &[set])));
            }
        } else {
            let mut generator = Generator::new(seed);
            let mut set = vec![0u64; units.len().div_ceil(64)];
            for _ in 0..resamples {
                set.iter_mut().for_each(|word| *word = generator.bits());
                flips.keep(mean_of(members(units, &set)));
            }
        }
        flips.means.sort_unstable_by(f64::total_cmp);
        flips
    }

    fn keep(&mut self, mean: Option<f64>) {
        match mean {
            Some(mean) if mean.abs() <= self.tolerance => self.means.push(0.0),
            Some(mean) => self.means.push(mean),
            None => self.unchanged += 1,
        }
    }

    fn total(&self) -> f64 {
        (self.means.len() + self.unchanged) as f64
    }

    /// Tests that the mean difference is `null`; the statistic is the mean difference.
    pub fn test(&self, null: f64) -> Test {
        let p_value = (2.0 * self.p_above(null).min(self.p_below(null))).min(1.0);
        Test { statistic: self.estimate, p_value }
    }

    /// One-sided p-value against a mean difference above `null`.
    pub fn p_above(&self, null: f64) -> f64 {
        let count = self.means.partition_point(|&mean| mean <= null + self.tolerance);
        (count + self.unchanged) as f64 / self.total()
    }

    /// One-sided p-value against a mean difference below `null`.
    pub fn p_below(&self, null: f64) -> f64 {
        let below = self.means.partition_point(|&mean| mean < null - self.tolerance);
        (self.means.len() - below + self.unchanged) as f64 / self.total()
    }

    /// The values that the test does not reject at `alpha`; infinite if there are too few units.
    pub fn interval(&self, alpha: f64) -> Interval {
        // The end is the first mean at which the one-sided count exceeds alpha / 2 of all flips.
        let rejected = alpha / 2.0 * self.total() - self.unchanged as f64 + 1e-9;
        if rejected < 0.0 {
            return Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
        }
        let place = rejected as usize;
        let low = self.means.get(place).copied().unwrap_or(f64::NEG_INFINITY);
        let last = self.means.len().checked_sub(place + 1);
        Interval { low, high: last.map_or(f64::INFINITY, |last| self.means[last]) }
    }
}

/// How few units can be flipped before no outcome could reach a two-sided `alpha`.
pub fn fewest_units(alpha: f64) -> usize {
    (1..64).find(|&units| 2.0 / (1u64 << units) as f64 <= alpha).unwrap_or(64)
}

fn members<'a>(units: &'a [Unit], set: &'a [u64]) -> impl Iterator<Item = &'a Unit> {
    let flipped = |index: usize| set[index / 64] >> (index % 64) & 1 == 1;
    units.iter().enumerate().filter(move |(index, _)| flipped(*index)).map(|(_, unit)| unit)
}

fn mean_of<'a>(units: impl Iterator<Item = &'a Unit>) -> Option<f64> {
    let (sum, weight) = units.fold((0.0, 0.0), |(s, w), unit| (s + unit.sum, w + unit.weight));
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flips(differences: &[f64]) -> SignFlip {
        let units: Vec<Unit> = differences.iter().map(|&d| Unit::single(d)).collect();
        SignFlip::new(&units, 9_999, 7)
    }

    #[test]
    fn all_flips_of_a_few_units_are_counted_by_hand() {
        // Of eight sign patterns of 1, 2, 4 only the identity and its opposite are as extreme.
        assert_eq!(flips(&[1.0, 2.0, 4.0]).test(0.0).p_value, 2.0 / 8.0);
        // 1 + 2 - 3 = 0 and its opposite leave six patterns at least as extreme as |1 - 2 + 3|.
        assert_eq!(flips(&[1.0, -2.0, 3.0]).test(0.0).p_value, 6.0 / 8.0);
    }

    #[test]
    fn ties_of_decimal_fractions_are_ties() {
        // 0.1 + 0.2 - 0.3 is not zero in binary.
        let p = flips(&[0.1, 0.2, -0.3]).test(0.0).p_value;
        assert_eq!(p, flips(&[1.0, 2.0, -3.0]).test(0.0).p_value);
        assert_eq!(p, 1.0);
    }

    #[test]
    fn test_and_interval_agree() {
        let mut generator = Generator::new(11);
        for n in [6, 9, 13, 14, 40] {
            for _ in 0..50 {
                let differences: Vec<f64> =
                    (0..n).map(|_| (generator.normal() + 0.5).round() / 2.0).collect();
                let flips = flips(&differences);
                let interval = flips.interval(0.05);
                let rejected = flips.test(0.0).p_value <= 0.05;
                assert_eq!(rejected, !interval.contains(0.0), "{differences:?} {interval:?}");
            }
        }
    }

    #[test]
    fn five_units_exclude_nothing_at_five_percent() {
        assert_eq!(fewest_units(0.05), 6);
        assert_eq!(flips(&[1.0; 5]).interval(0.05).low, f64::NEG_INFINITY);
        assert_eq!(flips(&[1.0; 6]).interval(0.05).low, 1.0);
    }

    #[test]
    fn a_group_is_flipped_whole() {
        let units = [Unit { sum: 6.0, weight: 3.0 }, Unit { sum: -1.0, weight: 1.0 }];
        let flips = SignFlip::new(&units, 0, 0);
        assert_eq!(flips.test(0.0).statistic, 1.25);
        assert_eq!(flips.test(0.0).p_value, 1.0);
    }
}
