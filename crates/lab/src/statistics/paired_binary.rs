//! Two arms that pass or fail on the same inputs.

use super::distribution::binomial_at_most;
use super::proportion::wilson;
use super::{Interval, Test};

/// How often each pair of outcomes was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Both arms passed.
    pub both: u64,
    /// Only the treatment passed.
    pub treatment_only: u64,
    /// Only the control passed.
    pub control_only: u64,
    /// Neither passed.
    pub neither: u64,
}

impl Pairs {
    /// How many pairs there are.
    pub fn count(&self) -> u64 {
        self.both + self.treatment_only + self.control_only + self.neither
    }

    /// Pass rate of the treatment less pass rate of the control.
    pub fn difference(&self) -> f64 {
        (self.treatment_only as f64 - self.control_only as f64) / self.count() as f64
    }
}

/// Tests whether the arms differ, by the pairs that differ; the statistic is how often only the
/// treatment passed.
///
/// Exact, therefore conservative: false positives stay below the nominal rate.
/// Source: McNemar 1947, with the binomial distribution instead of chi-squared.
pub fn mcnemar(pairs: &Pairs) -> Test {
    let differing = pairs.treatment_only + pairs.control_only;
    let rarer = pairs.treatment_only.min(pairs.control_only);
    let p_value = (2.0 * binomial_at_most(rarer, differing, 0.5)).min(1.0);
    Test { statistic: pairs.treatment_only as f64, p_value }
}

/// The interval of the difference of two paired proportions.
///
/// Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial
/// proportions based on paired data", method 10 (two Wilson intervals, and the correlation).
pub fn newcombe(pairs: &Pairs, alpha: f64) -> Interval {
    let n = pairs.count() as f64;
    let passed_treatment = (pairs.both + pairs.treatment_only) as f64;
    let passed_control = (pairs.both + pairs.control_only) as f64;
    let (p1, p2) = (passed_treatment / n, passed_control / n);
    let (w1, w2) = (wilson(passed_treatment, n, alpha), wilson(passed_control, n, alpha));
    let phi = correlation(pairs, passed_treatment, passed_control, n);
    let span = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    Interval {
        low: p1 - p2 - span(p1 - w1.low, w2.high - p2),
        high: p1 - p2 + span(w1.high - p1, p2 - w2.low),
    }
}

/// The correlation of the outcomes, towards zero by half a pair where positive.
fn correlation(pairs: &Pairs, passed_treatment: f64, passed_control: f64, n: f64) -> f64 {
    let square = passed_treatment * (n - passed_treatment) * passed_control * (n - passed_control);
    if square == 0.0 {
        return 0.0;
    }
    let agreement = pairs.both as f64 * pairs.neither as f64;
    let excess = agreement - pairs.treatment_only as f64 * pairs.control_only as f64;
    let corrected = if excess > 0.0 { (excess - n / 2.0).max(0.0) } else { excess };
    corrected / square.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcombe_gives_his_published_interval() {
        // Newcombe 1998, table II, example (b): 36, 12, 2, 0 gives 0.0569 to 0.3404.
        let pairs = Pairs { both: 36, treatment_only: 12, control_only: 2, neither: 0 };
        let interval = newcombe(&pairs, 0.05);
        assert!((interval.low - 0.0569).abs() < 5e-5, "{interval:?}");
        assert!((interval.high - 0.3404).abs() < 5e-5, "{interval:?}");
    }

    #[test]
    fn pairs_that_agree_say_nothing_of_a_difference() {
        let pairs = Pairs { both: 30, treatment_only: 0, control_only: 0, neither: 10 };
        assert_eq!(mcnemar(&pairs).p_value, 1.0);
        assert!(newcombe(&pairs, 0.05).contains(0.0));
    }
}
