//! How many problems a model's programs pass, at once and after repairs.
//!
//! Problems are the units: intervals are over them, and what repairs add is the mean of paired
//! differences. Repairs cost further answers, so beside them stands what as many answers give that
//! were drawn anew.

use std::fmt::Write as _;

use serde::Serialize;

use crate::statistics::Interval;
use crate::statistics::pass_at_k::{interval, pass_at_k};
use crate::statistics::student::paired;
use crate::statistics::summary::mean;

/// The chance of a miss of all intervals.
const ALPHA: f64 = 0.05;
/// The seed of resamples: the same counts give the same interval.
const SEED: u64 = 0;

/// What became of the samples of a problem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many there were.
    pub samples: usize,
    /// How many passed at once.
    pub passed: usize,
    /// How many passed at once or after repairs.
    pub passed_in_the_end: usize,
}

/// A share with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// How many programs of which one must pass.
    pub k: usize,
    /// The share.
    pub estimate: f64,
    /// Its 95 % interval.
    #[serde(flatten)]
    pub interval: Interval,
}

/// What repairs add to pass@k.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// Of how many programs one must pass.
    pub k: usize,
    /// The difference, over all problems.
    pub estimate: f64,
    /// Its 95 % interval.
    #[serde(flatten)]
    pub interval: Interval,
}

/// How many problems are passed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Passing {
    /// At once.
    pub at_once: Vec<Share>,
    /// After repairs; empty without.
    pub after_repairs: Vec<Share>,
    /// What they add.
    pub gains: Vec<Gain>,
    /// pass@1 after repairs less pass@k at once, for as many answers: k is one more than there are
    /// repairs.
    pub against_new_samples: Option<Gain>,
}

/// Sums up counts of all problems, with up to `repairs` repairs of each sample.
pub fn passing(counts: &[Count], ks: &[usize], repairs: usize) -> Passing {
    let at_once = |k: usize| values(counts, |count| pass_at_k(count.samples, count.passed, k));
    let in_the_end =
        |k: usize| values(counts, |count| pass_at_k(count.samples, count.passed_in_the_end, k));
    let ks_repaired = if repairs > 0 { ks } else { &[] };
    let as_many = repairs + 1;
    let has_as_many = repairs > 0 && counts.iter().all(|count| count.samples >= as_many);
    Passing {
        at_once: ks.iter().map(|&k| share(k, &at_once(k))).collect(),
        after_repairs: ks_repaired.iter().map(|&k| share(k, &in_the_end(k))).collect(),
        gains: ks_repaired.iter().map(|&k| gain(k, &in_the_end(k), &at_once(k))).collect(),
        against_new_samples: has_as_many.then(|| gain(as_many, &in_the_end(1), &at_once(as_many))),
    }
}

fn values(counts: &[Count], value: impl Fn(&Count) -> f64) -> Vec<f64> {
    counts.iter().map(value).collect()
}

fn share(k: usize, values: &[f64]) -> Share {
    Share { k, estimate: mean(values), interval: interval(values, ALPHA, SEED) }
}

fn gain(k: usize, with: &[f64], without: &[f64]) -> Gain {
    let differences: Vec<f64> = with.iter().zip(without).map(|(a, b)| a - b).collect();
    let found = paired(&differences);
    Gain { k, estimate: found.estimate, interval: found.interval(ALPHA) }
}

impl Passing {
    /// The numbers for a terminal, in percent.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for share in &self.at_once {
            let _ = writeln!(text, "pass@{:<3} {}", share.k, shown(share));
        }
        for (share, gain) in self.after_repairs.iter().zip(&self.gains) {
            let _ = writeln!(
                text,
                "pass@{:<3} {}  after repairs: {}",
                share.k,
                shown(share),
                added(gain)
            );
        }
        if let Some(gain) = &self.against_new_samples {
            let _ = writeln!(
                text,
                "pass@1 after repairs less pass@{} at once, for as many answers: {}",
                gain.k,
                added(gain)
            );
        }
        text
    }
}

fn shown(share: &Share) -> String {
    let [estimate, low, high] =
        [share.estimate, share.interval.low, share.interval.high].map(|x| 100.0 * x);
    format!("{estimate:5.1} %  (95 % interval {low:.1} to {high:.1})")
}

fn added(gain: &Gain) -> String {
    let [estimate, low, high] =
        [gain.estimate, gain.interval.low, gain.interval.high].map(|x| 100.0 * x);
    // Differences without spread say nothing of how far they could lie from these.
    if low.is_nan() || low == high {
        return format!("{estimate:+.1} points");
    }
    format!("{estimate:+.1} points (95 % interval {low:+.1} to {high:+.1})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(samples: usize, passed: usize, passed_in_the_end: usize) -> Count {
        Count { samples, passed, passed_in_the_end }
    }

    #[test]
    fn repairs_are_told_apart_and_set_against_new_samples() {
        let counts = [count(4, 2, 3), count(4, 0, 0), count(4, 1, 2), count(4, 4, 4)];
        let found = passing(&counts, &[1, 4], 1);
        assert_eq!(found.at_once[0].estimate, 7.0 / 16.0);
        assert_eq!(found.at_once[1].estimate, 0.75);
        assert_eq!(found.after_repairs[0].estimate, 9.0 / 16.0);
        assert_eq!(found.gains[0].estimate, 2.0 / 16.0);
        // pass@2 of 2, 0, 1 and 4 of 4: 5/6, 0, 1/2, 1.
        let against = found.against_new_samples.unwrap();
        let expected = 9.0 / 16.0 - (5.0 / 6.0 + 0.5 + 1.0) / 4.0;
        assert!((against.estimate - expected).abs() < 1e-12);
        assert!(found.text().contains("pass@1    56.2 %"), "{}", found.text());
    }

    #[test]
    fn without_repairs_nothing_is_said_of_them() {
        let found = passing(&[count(1, 1, 1), count(1, 0, 0)], &[1], 0);
        assert!(found.after_repairs.is_empty() && found.against_new_samples.is_none());
        assert_eq!(found.text().lines().count(), 1);
    }
}
