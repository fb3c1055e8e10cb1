//! A model as judge: of single answers, or of two answers side by side.
//!
//! Judges look at all answers together, after they are drawn: two arms' answers are needed, and a
//! batch of questions is answered far faster than one by one. [`judge`] fills in what the judges of
//! an experiment say.
//!
//! What is done about a judge's faults: the two answers of a pair are shown in both places; every
//! question is asked several times, and how far the judge agrees with itself is reported; against
//! labels by people, its errors are counted and taken out of the estimate. What cannot be done: an
//! answer may talk to its judge. The arms are never named to it.

mod calibrate;
mod labels;
mod prompt;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub use calibrate::{Calibrated, Method};
pub use labels::{Choice, Label, LabelFault, Labels, Said};

use crate::analysis::judge::{Judgement, Reliability, reliability};
use crate::check::{Outcome, Tools};
use crate::execute::Sample;
use crate::experiment::Experiment;
use crate::respond::{Answer, Prompt, Sampling};
use crate::statistics::agreement::{Level, krippendorff};
use crate::statistics::summary::mean;

/// What a judge is asked, and how often.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The model that judges.
    pub model: String,
    /// What makes an answer good, in words.
    pub criterion: String,
    /// Whether it compares two answers, or looks at each on its own.
    pub compares: bool,
    /// How often each question is asked; of a pair in each place.
    pub repeats: usize,
    /// How its answers are drawn.
    pub sampling: Sampling,
    /// What people said of some of the answers.
    pub labels: Option<Labels>,
}

/// What a judge said of an experiment's answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The check that it is; an index into the experiment's.
    pub check: usize,
    /// How many questions it was asked.
    pub asked: usize,
    /// How many of its answers held no verdict.
    pub unclear: usize,
    /// How far it agrees with itself; of single answers there is no place to favour.
    pub reliability: Reliability,
    /// What the labels of people make of it, if there are any.
    pub calibrated: Vec<Calibrated>,
}

/// Lets the judges among the experiment's checks look at `samples`, and fills in their outcomes.
///
/// A judge of single answers gives each the share of its verdicts that passed it, rounded to pass or
/// fail by the majority. A judge of pairs gives the control 1/2, and every other arm's answer the
/// mean of its verdicts: 1 if it was always preferred to the control's answer to the same input, 0
/// if never. An answer without a partner is left at 1/2.
///
/// # Errors
/// If a judge cannot be asked.
pub fn judge(
    experiment: &Experiment,
    samples: &mut [Sample],
    tools: &mut dyn Tools,
) -> Result<Vec<Judged>, String> {
    let mut judged = Vec::new();
    for (place, checked) in experiment.checks.iter().enumerate() {
        let Some(judge) = checked.check.judge() else { continue };
        let asked = if judge.compares {
            pairs(judge, experiment, samples, tools)?
        } else {
            singles(judge, experiment, samples, tools)?
        };
        for (sample, outcome) in samples.iter_mut().zip(&asked.outcomes) {
            let neutral = Outcome::measured(0.5);
            sample.outcomes.resize(sample.outcomes.len().max(place + 1), neutral);
            sample.outcomes[place] = outcome.clone();
        }
        let calibrated = match &judge.labels {
            Some(labels) => calibrate::calibrate(experiment, samples, place, judge, labels),
            None => Vec::new(),
        };
        judged.push(Judged {
            check: place,
            asked: asked.questions,
            unclear: asked.unclear,
            reliability: asked.reliability,
            calibrated,
        });
    }
    Ok(judged)
}

struct Asked {
    outcomes: Vec<Outcome>,
    questions: usize,
    unclear: usize,
    reliability: Reliability,
}

/// Seeds of a judge's questions are apart from those of the answers.
const SEED: u64 = 0x6a75_6467;

fn ask(
    judge: &Judge,
    prompts: &[Prompt],
    seed: u64,
    tools: &mut dyn Tools,
) -> Result<Vec<Answer>, String> {
    if prompts.is_empty() {
        return Ok(Vec::new());
    }
    let answers = tools.ask(&judge.model, prompts, &judge.sampling, seed)?;
    if answers.len() != prompts.len() {
        let (found, asked) = (answers.len(), prompts.len());
        return Err(format!("the judge {} gave {found} answers to {asked} questions", judge.model));
    }
    Ok(answers)
}

fn singles(
    judge: &Judge,
    experiment: &Experiment,
    samples: &[Sample],
    tools: &mut dyn Tools,
) -> Result<Asked, String> {
    let prompt = |sample: &Sample| {
        prompt::single(&judge.criterion, &experiment.prompt(&sample.cell), &sample.answer.text)
    };
    let prompts: Vec<Prompt> = samples.iter().map(prompt).collect();
    let mut votes: Vec<Vec<f64>> = vec![Vec::new(); samples.len()];
    let mut unclear = 0;
    for repeat in 0..judge.repeats {
        let answers = ask(judge, &prompts, SEED + repeat as u64, tools)?;
        for (votes, answer) in votes.iter_mut().zip(answers) {
            match prompt::passed(&answer.text) {
                Some(passed) => votes.push(f64::from(u8::from(passed))),
                None => unclear += 1,
            }
        }
    }
    let outcome = |votes: &Vec<f64>| match votes.len() {
        0 => Outcome::failed("the judge gave no verdict"),
        all => {
            let passed = votes.iter().filter(|vote| **vote == 1.0).count();
            if 2 * passed > all {
                Outcome::passed()
            } else {
                Outcome::failed(format!("passed by {passed} of {all} verdicts"))
            }
        }
    };
    let agreement = krippendorff(&votes, Level::Nominal);
    Ok(Asked {
        outcomes: votes.iter().map(outcome).collect(),
        questions: prompts.len() * judge.repeats,
        unclear,
        reliability: Reliability {
            agreement,
            agreement_repeated: agreement,
            first_preferred: None,
        },
    })
}

fn pairs(
    judge: &Judge,
    experiment: &Experiment,
    samples: &[Sample],
    tools: &mut dyn Tools,
) -> Result<Asked, String> {
    let partners = partners(experiment, samples);
    let mut prompts = Vec::new();
    for &(one, other) in &partners {
        let asked = experiment.prompt(&samples[other].cell);
        let (one, other) = (&samples[one].answer.text, &samples[other].answer.text);
        prompts.push(prompt::pair(&judge.criterion, &asked, one, other));
        prompts.push(prompt::pair(&judge.criterion, &asked, other, one));
    }
    let (mut judgements, mut unclear) = (Vec::new(), 0);
    let mut votes: Vec<Vec<f64>> = vec![Vec::new(); partners.len()];
    for repeat in 0..judge.repeats {
        for (place, answer) in ask(judge, &prompts, SEED + repeat as u64, tools)?.iter().enumerate()
        {
            let (pair, treatment_first) = (place / 2, place % 2 == 0);
            let Some(first) = prompt::preferred(&answer.text) else {
                unclear += 1;
                continue;
            };
            let preference = if treatment_first { first } else { 1.0 - first };
            // A pair of every arm is an item of its own.
            let cell = samples[partners[pair].0].cell;
            judgements.push(Judgement {
                input: cell.input,
                repeat: pair,
                treatment_first,
                preference,
            });
            votes[pair].push(preference);
        }
    }
    let mut outcomes = vec![Outcome::measured(0.5); samples.len()];
    for (&(treatment, _), votes) in partners.iter().zip(&votes) {
        if !votes.is_empty() {
            let preference = mean(votes);
            let reason = match votes.len() {
                1 => String::new(),
                all => format!("preferred in {:.0} % of {all} verdicts", 100.0 * preference),
            };
            outcomes[treatment] = Outcome { value: preference, reason };
        }
    }
    let questions = prompts.len() * judge.repeats;
    Ok(Asked { outcomes, questions, unclear, reliability: reliability(&judgements) })
}

/// Each answer with the control's answer to the same input, wording and repetition.
fn partners(experiment: &Experiment, samples: &[Sample]) -> Vec<(usize, usize)> {
    let control = experiment.question.control;
    let mut controls: BTreeMap<(usize, usize, usize), usize> = BTreeMap::new();
    let key = |sample: &Sample| (sample.cell.input, sample.cell.paraphrase, sample.cell.repeat);
    for (place, sample) in samples.iter().enumerate() {
        if sample.cell.arm == control {
            controls.insert(key(sample), place);
        }
    }
    let partner = |(place, sample): (usize, &Sample)| {
        let is_other = sample.cell.arm != control;
        is_other.then(|| controls.get(&key(sample)).map(|&other| (place, other))).flatten()
    };
    samples.iter().enumerate().filter_map(partner).collect()
}
