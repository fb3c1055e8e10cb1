//! Results as plain text: one sentence, a table, a forest plot.
//!
//! Nothing here knows what kind of terminal it is; texts from models and files are made harmless.

mod forest;
mod judges;
pub(crate) mod numbers;
mod outlook;
pub(crate) mod sentence;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use judges::judge_notes;
pub use outlook::outlook_text;
pub use sentence::sentence;

use numbers::{clean, percent_or_number};

use crate::results::{Ended, ModelResults, Results};

/// Everything that a person reads after a run.
///
/// `width`: how many columns there are.
pub fn results_text(results: &Results, width: usize) -> String {
    let mut text = String::new();
    for model in &results.models {
        text.push_str(&sentence(results, model));
        text.push_str("\n\n");
        text.push_str(&table::table(results, model));
        for line in notes(results, model) {
            text.push_str(&line);
            text.push('\n');
        }
        text.push('\n');
    }
    text.push_str(&forest::forest(results, width));
    text.push('\n');
    text.push_str(&prompts(results));
    text
}

/// Which prompt is called what; not for crossed factors, whose names say it.
fn prompts(results: &Results) -> String {
    let experiment = &results.experiment;
    let mut text = String::new();
    for arm in experiment.arms.iter().filter(|arm| arm.levels.is_empty()) {
        if let Some(wording) = arm.wordings.first() {
            let prompt =
                clean(&wording.prompt.source().split_whitespace().collect::<Vec<_>>().join(" "));
            text.push_str(&format!("  {}  {prompt}\n", clean(&arm.name)));
        }
    }
    text + &format!("  design {}\n", results.design)
}

/// What has to be known beside the numbers.
fn notes(results: &Results, model: &ModelResults) -> Vec<String> {
    let experiment = &results.experiment;
    let mut notes = Vec::new();
    let left_out = model.samples.len() - model.analysed;
    match model.ended {
        Ended::Interrupted => notes.push("Stopped by hand; `--resume` goes on.".to_owned()),
        Ended::Budget => notes.push("The budget is spent.".to_owned()),
        Ended::Answered => {
            notes.push("Stopped early: the question was answered.".to_owned());
        }
        Ended::Complete => {}
    }
    if left_out > 0 {
        notes.push(format!("{left_out} samples of inputs that are not complete were left out."));
    }
    if model.failures > 0 {
        notes.push(format!("{} requests were not answered.", model.failures));
    }
    notes.extend(judge_notes(results, model));
    let Some(finding) = model.findings.first() else { return notes };
    let sides = experiment.sides();
    if let Some(family) = &finding.family {
        for member in &family.members {
            notes.push(format!(
                "{} against {}: {} (adjusted for all variants by Holm, p = {:.3})",
                clean(&sides[member.arm]),
                clean(&sides[finding.question.control]),
                sentence::verdict_word(member.comparison.verdict),
                member.adjusted_p
            ));
        }
    }
    for (arm, spread) in experiment.arms.iter().zip(&finding.spreads) {
        if let Some(spread) = spread {
            let shown = |value| percent_or_number(finding.scale, value);
            notes.push(format!(
                "{} over {} wordings: minimum {}, median {}, maximum {}",
                clean(&arm.name),
                spread.wordings,
                shown(spread.minimum),
                shown(spread.median),
                shown(spread.maximum)
            ));
        }
    }
    if let Some(model) = &finding.model {
        notes.extend(model.words.iter().map(|words| clean(words)));
    }
    if let Some(fraction) = &experiment.fraction {
        for alias in fraction.aliases.iter().filter(|alias| !alias.mixed_with.is_empty()) {
            let with = alias.mixed_with.join(", ");
            notes.push(format!("{} cannot be told from {with}.", clean(&alias.effect)));
        }
    }
    notes
}
