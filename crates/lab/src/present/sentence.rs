//! What a run shows, in one plain sentence.

use super::numbers::{clean, count, difference, percent_or_number, unit};
use crate::analysis::{Comparison, Unit};
use crate::outcome::{Question, Scale, Verdict};
use crate::results::{ModelResults, Results};

/// The verdict of a model, in one sentence that needs no table.
pub fn sentence(results: &Results, model: &ModelResults) -> String {
    let experiment = &results.experiment;
    let name = clean(&model.model.name);
    let Some(finding) = model.findings.first() else {
        return format!("{name}: nothing was asked.");
    };
    let comparison = match &finding.comparison {
        Ok(comparison) => comparison,
        Err(reason) => return format!("{name}: not enough samples: {}.", clean(reason)),
    };
    let sides = experiment.sides();
    let treatment = clean(&sides[finding.question.treatment]);
    let control = clean(&sides[finding.question.control]);
    let check = clean(&experiment.checks[finding.check].name);
    let facts = facts(finding.scale, &check, comparison, &finding.question);
    if experiment.is_aa {
        return match comparison.verdict {
            Verdict::Better | Verdict::Worse => format!(
                "{name}: a prompt against itself should not differ, and this one does: {facts}. \
                 By chance that happens in one run of {:.0}.",
                1.0 / finding.question.alpha
            ),
            _ => format!("{name}: as it must be, no effect of a prompt against itself: {facts}."),
        };
    }
    match comparison.verdict {
        Verdict::Better => format!("{name}: {treatment} is better than {control}: {facts}."),
        Verdict::Worse => format!("{name}: {treatment} is worse than {control}: {facts}."),
        Verdict::Equivalent => format!(
            "{name}: no meaningful difference between {treatment} and {control}: {facts}, \
             all less than {}{}.",
            difference(finding.scale, finding.question.margin).trim_start_matches('+'),
            unit(finding.scale)
        ),
        Verdict::Inconclusive { more_inputs } => {
            let samples = experiment.arms.len() * experiment.samples_per_input();
            let more = match more_inputs {
                Some(more) => missing(more, comparison, samples),
                None if finding.question.margin == 0.0 => {
                    "; state a margin to learn how many more it would take".to_owned()
                }
                None => String::new(),
            };
            format!("{name}: not enough samples to tell {treatment} from {control}: {facts}{more}.")
        }
    }
}

/// What is missing, in the unit that counts. `samples`: of all arms on one input.
fn missing(more: u64, comparison: &Comparison, samples: usize) -> String {
    let has = comparison.units;
    match comparison.unit {
        Unit::Repeat => format!("; it would take about {more} more seeds beside these {has}"),
        Unit::Input | Unit::Group => {
            let more_samples = more.saturating_mul(samples as u64);
            format!(
                "; it would take about {more} more inputs ({more_samples} samples), beside these {}",
                comparison.inputs
            )
        }
    }
}

/// "markdown 62 % against 41 %, +21 points (95 % interval +8 to +33), 200 samples of 10 inputs"
fn facts(scale: Scale, check: &str, comparison: &Comparison, question: &Question) -> String {
    let level = 100.0 * (1.0 - question.alpha);
    let of = match comparison.unit {
        Unit::Repeat => "1 prompt".to_owned(),
        Unit::Input | Unit::Group => count(comparison.inputs, "input"),
    };
    format!(
        "{check} {} against {}, {}{} ({level:.0} % interval {} to {}), {} on {of}",
        percent_or_number(scale, comparison.treatment_mean),
        percent_or_number(scale, comparison.control_mean),
        difference(scale, comparison.estimate),
        unit(scale),
        difference(scale, comparison.low),
        difference(scale, comparison.high),
        count(comparison.samples, "sample"),
    )
}

/// A verdict in a few words.
pub(crate) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Equivalent => "no meaningful difference",
        Verdict::Inconclusive { .. } => "not enough samples",
    }
}
