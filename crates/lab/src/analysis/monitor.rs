//! Looking at the samples while they come.

use serde::Serialize;

use super::paired::{check, largest_difference};
use super::verdict::{Evidence, decide};
use super::{Comparison, Error};
use crate::outcome::{Question, Scale, Verdict};
use crate::statistics::betting::Betting;

/// The name of the procedure in a [`Comparison`] that looked early.
const METHOD: &str = "betting confidence sequence";

/// Watches a comparison and says when the question is answered.
///
/// May be asked after every input: all its looks together miss with chance alpha. Needs a scale
/// with bounds, and inputs that come in random order ([`crate::design::schedule`] sees to it).
#[derive(Clone, Debug)]
pub struct Monitor {
    betting: Betting,
    question: Question,
    /// The first answer stands.
    answered: Option<Verdict>,
    largest_e_value: f64,
}

/// Where a watched comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// How many inputs were observed.
    pub inputs: usize,
    /// Mean difference so far.
    pub estimate: f64,
    /// The wealth won by betting against "no difference"; 20 is as good as p = 0.05.
    pub e_value: f64,
    /// Chance under "no difference" of ever having won as much.
    pub p_value: f64,
    /// Lower end of the confidence sequence.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The answer, once there is one; never [`Verdict::Inconclusive`].
    pub answered: Option<Verdict>,
}

impl Monitor {
    /// Starts watching. Fails if the scale has no bounds.
    pub fn new(scale: Scale, question: &Question) -> Result<Self, Error> {
        check(scale, question)?;
        let largest = largest_difference(scale).ok_or(Error::Unbounded)?;
        let betting = Betting::new(-largest, largest, question.alpha);
        Ok(Self { betting, question: *question, answered: None, largest_e_value: 0.0 })
    }

    /// Takes in the difference on one input: mean of the treatment less mean of the control, over
    /// all repetitions of this input. If inputs come in groups: the mean over the group.
    pub fn observe(&mut self, input_difference: f64) {
        self.betting.observe(input_difference);
        self.largest_e_value = self.largest_e_value.max(self.betting.e_value());
        if self.answered.is_none() {
            let evidence = Evidence {
                sign: self.betting.excludes_middle(),
                equivalence: self.betting.one_sided_interval(),
            };
            self.answered = decide(&self.question, &evidence);
        }
    }

    /// Says where the comparison stands.
    pub fn state(&self) -> Progress {
        let interval = self.betting.interval();
        Progress {
            inputs: self.betting.count(),
            estimate: self.betting.mean(),
            e_value: self.betting.e_value(),
            p_value: (1.0 / self.largest_e_value).min(1.0),
            low: interval.low,
            high: interval.high,
            answered: self.answered,
        }
    }

    /// Puts this confidence sequence into `comparison` in place of the interval that holds for one
    /// look only: interval, p-value, verdict and method.
    ///
    /// An inconclusive comparison keeps its estimate of how many inputs are missing, which is for
    /// one look and therefore too small.
    pub fn conclude(&self, comparison: &mut Comparison) {
        let (progress, one_sided) = (self.state(), self.betting.one_sided_interval());
        comparison.low = progress.low;
        comparison.high = progress.high;
        comparison.equivalence_low = one_sided.low;
        comparison.equivalence_high = one_sided.high;
        comparison.p_value = progress.p_value;
        comparison.e_value = Some(progress.e_value);
        comparison.method = METHOD;
        comparison.verdict = match (self.answered, comparison.verdict) {
            (Some(answer), _) => answer,
            (None, inconclusive @ Verdict::Inconclusive { .. }) => inconclusive,
            (None, _) => Verdict::Inconclusive { more_inputs: None },
        };
    }
}
