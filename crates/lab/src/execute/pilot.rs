//! What a small part of an experiment says about the whole: whether it is worth its samples.

use serde::Serialize;

use super::Sample;
use crate::design::{Plan, Variances, detectable, pilot, plan};
use crate::experiment::Experiment;
use crate::results::observation;

/// The chance that a difference of the margin is to be found with.
const POWER: f64 = 0.8;
/// Inputs and repeats that make a pilot.
const INPUTS: usize = 8;
const REPEATS: usize = 4;

/// What a design can show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// How much answers vary, by the pilot.
    pub variances: Variances,
    /// The smallest difference that the design as it is finds with a chance of 80 %.
    pub detectable: f64,
    /// Samples of both sides that the design draws.
    pub samples: u64,
    /// The best use of as many samples.
    pub plan: Plan,
    /// Whether the design misses its margin more often than one time in five.
    pub hopeless: bool,
}

/// The experiment's pilot: a few of its inputs, a few answers each, nothing decided early.
///
/// Its samples are some of the experiment's own.
pub fn pilot_of(experiment: &Experiment) -> Experiment {
    let mut pilot = experiment.clone();
    pilot.inputs.truncate(INPUTS);
    pilot.repeats = REPEATS;
    pilot.early = false;
    pilot.requirement = None;
    pilot.budget.samples = None;
    pilot
}

/// Says what the experiment can show, by the samples of its pilot.
///
/// Absent if they do not tell: with one input there is no variance between inputs to estimate, and
/// the repetitions are all there is.
pub fn outlook(experiment: &Experiment, samples: &[Sample]) -> Option<Outlook> {
    let observations: Vec<_> =
        samples.iter().map(|sample| observation(experiment, sample, 0)).collect();
    let question = &experiment.question;
    let variances = pilot(&observations, question)?;
    let n_inputs = experiment.inputs.len() as u64;
    let arms_a_side = match experiment.compared.factor {
        Some(factor) => experiment.arms.len() / experiment.factors[factor].levels.len(),
        None => 1,
    };
    let seeds = (arms_a_side * experiment.samples_per_input()) as u64;
    let (inputs, seeds) = match experiment.budget.samples {
        // Whole inputs only, as `execute` does it.
        Some(most) => (n_inputs.min((most as u64 / (2 * seeds)).max(1)), seeds),
        None => (n_inputs, seeds),
    };
    let samples = 2 * inputs * seeds;
    let detectable = detectable(&variances, inputs, seeds, question.alpha, POWER);
    let plan = plan(&variances, samples, n_inputs, question, POWER)?;
    let hopeless = question.margin > 0.0 && detectable > question.margin;
    Some(Outlook { variances, detectable, samples, plan, hopeless })
}
