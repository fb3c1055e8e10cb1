//! The rule that turns two intervals into a verdict.

use crate::outcome::{Question, Verdict};
use crate::statistics::Interval;
use crate::statistics::distribution::normal_quantile;

/// What a procedure hands to the rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Above or below zero, if the primary test rejects "no difference".
    pub(super) sign: Option<bool>,
    /// The interval of two one-sided tests.
    pub(super) equivalence: Interval,
}

/// Decides: equivalent if the difference is shown to be too small to matter, even if it is shown
/// not to be zero; otherwise better or worse if shown; otherwise nothing.
pub(super) fn decide(question: &Question, evidence: &Evidence) -> Option<Verdict> {
    let interval = evidence.equivalence;
    if -question.margin < interval.low && interval.high < question.margin {
        return Some(Verdict::Equivalent);
    }
    let above = evidence.sign?;
    Some(if above == question.lower_is_better { Verdict::Worse } else { Verdict::Better })
}

/// How many more units it would take, by the spread of the units' differences seen so far.
///
/// Enough for both: to detect a difference of the margin with a chance of 80 %, and to show
/// equivalence with that chance if there is no difference. If there are that many units already,
/// enough for the present estimate to become clear of zero or of the margin.
pub(super) fn more_units(
    question: &Question,
    units: usize,
    estimate: f64,
    variance: f64,
    fewest: usize,
) -> Option<u64> {
    if question.margin <= 0.0 || !variance.is_finite() {
        return None;
    }
    let power = normal_quantile(0.8);
    let detect = (normal_quantile(1.0 - question.alpha / 2.0) + power).powi(2);
    let one_sided = normal_quantile(1.0 - question.alpha);
    let equal = (one_sided + normal_quantile(0.9)).powi(2);
    let planned = detect.max(equal) * variance / question.margin.powi(2);
    let room = (question.margin - estimate.abs()).max(0.0);
    let clear_of_zero = detect * variance / estimate.powi(2);
    let clear_of_margin = (one_sided + power).powi(2) * variance / room.powi(2);
    let needed = if planned > units as f64 { planned } else { clear_of_zero.min(clear_of_margin) };
    let more = (needed.max(fewest as f64) - units as f64).ceil();
    (more.is_finite() && more < 1e15).then_some(more.max(1.0) as u64)
}
