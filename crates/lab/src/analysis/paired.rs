//! Sorts observations by input and arm.

use std::collections::BTreeMap;

use super::Error;
use crate::outcome::{Observation, Question, Scale};
use crate::statistics::summary::mean;

/// The answers of both arms to one input, in order of wording and repetition.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) input: usize,
    pub(super) group: usize,
    pub(super) treatment: Vec<f64>,
    pub(super) control: Vec<f64>,
}

impl Answers {
    /// Treatment less control: of means, or on an ordinal scale of chances to be the higher.
    pub(super) fn difference(&self, scale: Scale) -> f64 {
        if scale == Scale::Ordinal {
            return dominance(&self.treatment, &self.control);
        }
        mean(&self.treatment) - mean(&self.control)
    }

    pub(super) fn samples(&self) -> usize {
        self.treatment.len() + self.control.len()
    }
}

/// Share of pairs in which `treatment` is higher, less the share in which it is lower.
pub(super) fn dominance(treatment: &[f64], control: &[f64]) -> f64 {
    let sign = |t: f64, c: f64| f64::from(i8::from(t > c) - i8::from(t < c));
    let total: f64 = treatment.iter().flat_map(|&t| control.iter().map(move |&c| sign(t, c))).sum();
    total / (treatment.len() * control.len()) as f64
}

/// Observations of the question's two arms, by input.
pub(super) struct Paired {
    /// Inputs that both arms answered, in order.
    pub(super) answers: Vec<Answers>,
    /// How many inputs only one arm answered.
    pub(super) left_out: usize,
}

/// Checks the observations of the two arms and sorts them; their order does not matter.
pub(super) fn pair(
    observations: &[Observation],
    scale: Scale,
    question: &Question,
) -> Result<Paired, Error> {
    let mut sorted: Vec<&Observation> = observations
        .iter()
        .filter(|seen| seen.arm == question.treatment || seen.arm == question.control)
        .collect();
    sorted.sort_by_key(|seen| (seen.input, seen.paraphrase, seen.repeat));
    let mut inputs: BTreeMap<usize, Answers> = BTreeMap::new();
    for seen in sorted {
        check_value(seen, scale)?;
        let answers = inputs.entry(seen.input).or_insert_with(|| Answers {
            input: seen.input,
            group: seen.group,
            ..Answers::default()
        });
        if answers.group != seen.group {
            return Err(Error::Group {
                input: seen.input,
                first: answers.group,
                second: seen.group,
            });
        }
        let arm = seen.arm == question.treatment;
        if arm { &mut answers.treatment } else { &mut answers.control }.push(seen.value);
    }
    let all = inputs.len();
    let both = |answers: &Answers| !answers.treatment.is_empty() && !answers.control.is_empty();
    let answers: Vec<Answers> = inputs.into_values().filter(both).collect();
    if answers.is_empty() {
        return Err(Error::NoPairs { treatment: question.treatment, control: question.control });
    }
    Ok(Paired { left_out: all - answers.len(), answers })
}

/// The values of the question's treatment and control on each input that both answered.
pub(crate) fn answers(observations: &[Observation], question: &Question) -> Vec<[Vec<f64>; 2]> {
    let any = Scale::Continuous { low: None, high: None };
    let paired = pair(observations, any, question);
    let both = |answers: Answers| [answers.treatment, answers.control];
    paired.map_or_else(|_| Vec::new(), |paired| paired.answers.into_iter().map(both).collect())
}

/// The difference on the one input that the observations are of; absent if an arm lacks it.
pub(crate) fn input_difference(
    observations: &[Observation],
    scale: Scale,
    question: &Question,
) -> Option<f64> {
    let paired = pair(observations, scale, question).ok()?;
    paired.answers.first().map(|answers| answers.difference(scale))
}

fn check_value(seen: &Observation, scale: Scale) -> Result<(), Error> {
    let inside = match scale {
        Scale::Binary => seen.value == 0.0 || seen.value == 1.0,
        Scale::Continuous { low, high } => {
            low.is_none_or(|low| low <= seen.value) && high.is_none_or(|high| seen.value <= high)
        }
        Scale::Ordinal => true,
    };
    if inside && seen.value.is_finite() {
        Ok(())
    } else {
        Err(Error::Value { input: seen.input, value: seen.value })
    }
}

/// Checks the question and the bounds of the scale.
pub(super) fn check(scale: Scale, question: &Question) -> Result<(), Error> {
    if question.treatment == question.control {
        return Err(Error::SameArm(question.treatment));
    }
    if !(question.alpha > 0.0 && question.alpha < 0.5) {
        return Err(Error::Alpha(question.alpha));
    }
    if !(question.margin >= 0.0 && question.margin.is_finite()) {
        return Err(Error::Margin(question.margin));
    }
    if let Scale::Continuous { low: Some(low), high: Some(high) } = scale
        && !(low < high && low.is_finite() && high.is_finite())
    {
        return Err(Error::Bounds { low, high });
    }
    Ok(())
}

/// The largest difference that a scale allows; absent where it has no bounds.
pub(super) fn largest_difference(scale: Scale) -> Option<f64> {
    match scale {
        Scale::Binary | Scale::Ordinal => Some(1.0),
        Scale::Continuous { low: Some(low), high: Some(high) } => Some(high - low),
        Scale::Continuous { .. } => None,
    }
}
