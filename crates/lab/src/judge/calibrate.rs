//! A judge's estimate, corrected by what people said of some of the answers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::labels::Said;
use super::{Judge, Labels};
use crate::execute::Sample;
use crate::experiment::Experiment;
use crate::statistics::correction::{Count, prediction_powered, rogan_gladen};
use crate::statistics::summary::mean;

/// What an arm's result is once the judge's errors are taken out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// The arm.
    pub arm: usize,
    /// How it was corrected.
    pub method: Method,
    /// How many of the answers, or pairs, people labelled.
    pub labelled: usize,
    /// In what share of them the judge said what the person said; ties count as half.
    pub agreement: f64,
    /// The arm's result as the judge sees it.
    pub judged: f64,
    /// The corrected result and the ends of its interval; absent if there are too few labels, or
    /// the judge does no better than chance.
    pub corrected: Option<(f64, f64, f64)>,
}

/// A way to correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The pass rate, by how often the judge errs in either direction.
    RoganGladen,
    /// The mean preference, by how far it lies from people's on the labelled pairs.
    PredictionPowered,
}

pub(super) fn calibrate(
    experiment: &Experiment,
    samples: &[Sample],
    check: usize,
    judge: &Judge,
    labels: &Labels,
) -> Vec<Calibrated> {
    let people = People::new(experiment, labels);
    let arms = 0..experiment.arms.len();
    if judge.compares {
        let control = experiment.question.control;
        let one = |arm| pair(experiment, samples, check, &people, arm);
        arms.filter(|&arm| arm != control).filter_map(one).collect()
    } else {
        arms.filter_map(|arm| single(experiment, samples, check, &people, arm)).collect()
    }
}

type Place = (usize, usize, usize);

/// Labels by arm and place (input, wording, repetition). Labels of answers that are not in the
/// experiment are passed over: a file may serve several experiments.
struct People {
    singles: BTreeMap<(usize, Place), bool>,
    /// How far the arm's answer was preferred to the control's: all labels of a pair.
    pairs: BTreeMap<(usize, Place), Vec<f64>>,
}

impl People {
    fn new(experiment: &Experiment, labels: &Labels) -> Self {
        let arm_of = |name: &str| experiment.arms.iter().position(|arm| arm.name == name);
        let control = experiment.question.control;
        let (mut singles, mut pairs) = (BTreeMap::new(), BTreeMap::new());
        for label in &labels.0 {
            let input = experiment.inputs.iter().position(|input| input.name == label.input);
            let Some(input) = input else { continue };
            let place = (input, label.wording, label.repeat);
            match &label.said {
                Said::Single { arm, pass } => {
                    if let Some(arm) = arm_of(arm) {
                        singles.insert((arm, place), *pass);
                    }
                }
                Said::Pair { left, right, choice } => {
                    let preferred = choice.left_preferred();
                    let (arm, value) = match (arm_of(left), arm_of(right)) {
                        (Some(left), Some(right)) if right == control => (left, preferred),
                        (Some(left), Some(right)) if left == control => (right, 1.0 - preferred),
                        _ => continue,
                    };
                    pairs.entry((arm, place)).or_insert_with(Vec::new).push(value);
                }
            }
        }
        Self { singles, pairs }
    }
}

fn place(sample: &Sample) -> Place {
    (sample.cell.input, sample.cell.paraphrase, sample.cell.repeat)
}

/// The judge's error rates are counted over the labels of all arms, as they are few.
fn single(
    experiment: &Experiment,
    samples: &[Sample],
    check: usize,
    people: &People,
    arm: usize,
) -> Option<Calibrated> {
    let verdict = |sample: &Sample| sample.outcomes.get(check).map(|seen| seen.value == 1.0);
    let (mut sensitivity, mut specificity) =
        (Count { successes: 0, trials: 0 }, Count { successes: 0, trials: 0 });
    let (mut judged, mut agreed) = (Count { successes: 0, trials: 0 }, 0);
    for sample in samples {
        let passed = verdict(sample)?;
        if sample.cell.arm == arm {
            judged.trials += 1;
            judged.successes += u64::from(passed);
        }
        if let Some(&truth) = people.singles.get(&(sample.cell.arm, place(sample))) {
            let count = if truth { &mut sensitivity } else { &mut specificity };
            count.trials += 1;
            count.successes += u64::from(passed == truth);
            agreed += u64::from(passed == truth);
        }
    }
    let labelled = sensitivity.trials + specificity.trials;
    if labelled == 0 || judged.trials == 0 {
        return None;
    }
    let corrected = rogan_gladen(judged, sensitivity, specificity, experiment.question.alpha);
    Some(Calibrated {
        arm,
        method: Method::RoganGladen,
        labelled: labelled as usize,
        agreement: agreed as f64 / labelled as f64,
        judged: judged.successes as f64 / judged.trials as f64,
        corrected: corrected.map(|one| (one.estimate, one.interval.low, one.interval.high)),
    })
}

/// What people and the judge said of an input where both did, and what the judge said elsewhere.
type OfInput = (Vec<(f64, f64)>, Vec<f64>);

/// The unit is the input: pairs of one input go in as their mean.
fn pair(
    experiment: &Experiment,
    samples: &[Sample],
    check: usize,
    people: &People,
    arm: usize,
) -> Option<Calibrated> {
    let mut inputs: BTreeMap<usize, OfInput> = BTreeMap::new();
    let (mut labelled, mut agreement) = (0, 0.0);
    for sample in samples.iter().filter(|sample| sample.cell.arm == arm) {
        let seen = sample.outcomes.get(check)?.value;
        let (with_truth, without) = inputs.entry(sample.cell.input).or_default();
        match people.pairs.get(&(arm, place(sample))) {
            Some(truth) => {
                let truth = mean(truth);
                with_truth.push((truth, seen));
                labelled += 1;
                agreement += 1.0 - (truth - seen).abs();
            }
            None => without.push(seen),
        }
    }
    if labelled == 0 {
        return None;
    }
    let all: Vec<f64> = inputs
        .values()
        .map(|(with, without)| {
            mean(
                &with
                    .iter()
                    .map(|(_, seen)| *seen)
                    .chain(without.iter().copied())
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    let with_truth = inputs.values().filter(|(with, _)| !with.is_empty()).map(|(with, _)| {
        let (truth, seen): (Vec<f64>, Vec<f64>) = with.iter().copied().unzip();
        (mean(&truth), mean(&seen))
    });
    let without = inputs.values().filter(|(with, _)| with.is_empty());
    let without: Vec<f64> = without.map(|(_, seen)| mean(seen)).collect();
    let corrected =
        prediction_powered(&with_truth.collect::<Vec<_>>(), &without, experiment.question.alpha);
    Some(Calibrated {
        arm,
        method: Method::PredictionPowered,
        labelled,
        agreement: agreement / labelled as f64,
        judged: mean(&all),
        corrected: corrected.map(|one| (one.estimate, one.interval.low, one.interval.high)),
    })
}
