//! From samples to what may be said.

use std::collections::BTreeMap;

use super::{EARLY_SHARE, Ended, Finding};
use crate::analysis::{Monitor, Purpose, compare, compare_all, model, spread};
use crate::design::{Factor, columns};
use crate::execute::Sample;
use crate::experiment::Experiment;
use crate::outcome::{Observation, Question, Scale};

/// The share of a scale that matters, for checks that the experiment did not ask a margin for.
const MARGIN: f64 = 0.1;

/// What the checks show, and how many samples that rests on.
pub(crate) struct Findings {
    pub(crate) findings: Vec<Finding>,
    pub(crate) analysed: usize,
}

impl Findings {
    /// Analyses the samples of complete inputs.
    pub(crate) fn of(
        experiment: &Experiment,
        samples: &[Sample],
        monitor: Option<&Monitor>,
        ended: &Ended,
    ) -> Self {
        let complete = complete(experiment, samples);
        let monitor = monitor.map(|monitor| (monitor, *ended == Ended::Answered));
        let finding = |check: usize| finding(experiment, &complete, check, monitor);
        Self {
            findings: (0..experiment.checks.len()).map(finding).collect(),
            analysed: complete.len(),
        }
    }
}

/// What a check measured on a sample, on its side of the comparison.
pub(crate) fn observation(experiment: &Experiment, sample: &Sample, check: usize) -> Observation {
    Observation {
        arm: experiment.side(sample.cell.arm),
        input: sample.cell.input,
        group: experiment.inputs[sample.cell.input].group,
        paraphrase: sample.cell.paraphrase,
        repeat: sample.cell.repeat,
        value: sample.outcomes[check].value,
    }
}

/// The samples of inputs that every arm answered completely; with a single input, of the
/// repetitions up to the first that an arm lacks.
///
/// Sorted by place in the design, so that the result does not depend on who answered first.
fn complete<'s>(experiment: &Experiment, samples: &'s [Sample]) -> Vec<&'s Sample> {
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    sorted.sort_by_key(|sample| {
        let cell = &sample.cell;
        (cell.input, cell.arm, cell.paraphrase, cell.repeat)
    });
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let single = experiment.inputs.len() == 1;
    let unit = |sample: &Sample| (sample.cell.input, if single { sample.cell.repeat } else { 0 });
    for sample in &sorted {
        *counts.entry(unit(sample)).or_default() += 1;
    }
    let full = experiment.arms.len()
        * experiment.n_wordings()
        * if single { 1 } else { experiment.repeats };
    let gap = |repeat: usize| (0..=repeat).any(|earlier| counts.get(&(0, earlier)) != Some(&full));
    sorted.retain(
        |sample| {
            if single { !gap(sample.cell.repeat) } else { counts[&unit(sample)] == full }
        },
    );
    sorted
}

fn finding(
    experiment: &Experiment,
    samples: &[&Sample],
    check: usize,
    monitor: Option<(&Monitor, bool)>,
) -> Finding {
    let checked = &experiment.checks[check];
    let scale = checked.check.scale();
    let question = question(experiment, check, scale);
    let seen: Vec<Observation> =
        samples.iter().map(|sample| observation(experiment, sample, check)).collect();
    let monitor = monitor.filter(|_| check == 0);
    let last_look = match monitor {
        Some(_) => Question { alpha: question.alpha * (1.0 - EARLY_SHARE), ..question },
        None => question,
    };
    let mut comparison =
        compare(&seen, scale, &last_look, experiment.seed).map_err(|error| error.to_string());
    if let (Some((monitor, true)), Ok(comparison)) = (monitor, &mut comparison) {
        monitor.conclude(comparison);
    }
    let sides = experiment.sides().len();
    let others: Vec<usize> = (0..sides).filter(|&side| side != question.control).collect();
    let family = (sides > 2)
        .then(|| {
            compare_all(&seen, scale, &question, &others, Purpose::Confirm, experiment.seed).ok()
        })
        .flatten();
    let by_arm: Vec<Observation> = samples
        .iter()
        .zip(&seen)
        .map(|(sample, seen)| Observation { arm: sample.cell.arm, ..*seen })
        .collect();
    let wordings = experiment.n_wordings() > 1;
    Finding {
        check,
        scale,
        question,
        comparison,
        progress: monitor.map(|(monitor, _)| monitor.state()),
        family,
        model: (wordings || !experiment.factors.is_empty())
            .then(|| fitted(experiment, &by_arm, scale))
            .flatten(),
        spreads: if wordings {
            (0..experiment.arms.len()).map(|arm| spread(&by_arm, arm)).collect()
        } else {
            Vec::new()
        },
    }
}

/// The experiment's question for its first check; for the others the same two sides, with the
/// check's own direction and the usual share of its scale.
fn question(experiment: &Experiment, check: usize, scale: Scale) -> Question {
    if check == 0 {
        return experiment.question;
    }
    let margin = match scale {
        Scale::Binary | Scale::Ordinal => MARGIN,
        Scale::Continuous { low: Some(low), high: Some(high) } => MARGIN * (high - low),
        Scale::Continuous { .. } => 0.0,
    };
    let lower_is_better = experiment.checks[check].check.lower_is_better();
    Question { margin, lower_is_better, ..experiment.question }
}

/// The model of factors, or of the variants as levels of one.
fn fitted(
    experiment: &Experiment,
    seen: &[Observation],
    scale: Scale,
) -> Option<crate::analysis::Model> {
    let columns = if experiment.factors.is_empty() {
        let levels = experiment.arms.iter().map(|arm| arm.name.clone()).collect();
        let factor = Factor { name: "variant".to_owned(), levels };
        let arms: Vec<Vec<usize>> = (0..experiment.arms.len()).map(|arm| vec![arm]).collect();
        columns(&[factor], &arms, false)
    } else {
        let arms: Vec<Vec<usize>> = experiment.arms.iter().map(|arm| arm.levels.clone()).collect();
        // In a fraction interactions are mixed with each other: the report declares with which.
        columns(&experiment.factors, &arms, experiment.fraction.is_none())
    };
    model(seen, scale, &columns).ok()
}
