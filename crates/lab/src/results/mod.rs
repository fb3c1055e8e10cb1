//! What an experiment showed: all that a report or a program needs.

mod findings;

use serde::Serialize;

use crate::analysis::{Comparison, Family, Model, Progress, Spread};
use crate::execute::Sample;
use crate::experiment::Experiment;
use crate::judge::Judged;
use crate::outcome::{Question, Scale, Verdict};
use crate::respond::Identity;

pub(crate) use findings::{Findings, observation};

/// The part of alpha that early looks may use; the last look has the rest.
///
/// Both together miss no more often than alpha, and a run that is not decided early loses little:
/// its intervals are of 96 % where 95 % are promised.
pub const EARLY_SHARE: f64 = 0.2;

/// An experiment and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// What was asked.
    pub experiment: Experiment,
    /// The fingerprint of the design, taken before the first sample.
    pub design: String,
    /// What each model did.
    pub models: Vec<ModelResults>,
}

/// What one model did.
#[derive(Clone, Debug, Serialize)]
pub struct ModelResults {
    /// Which model.
    pub model: Identity,
    /// Every sample, in order of the schedule.
    pub samples: Vec<Sample>,
    /// How many of them were analysed: those of complete inputs.
    pub analysed: usize,
    /// How many of them were kept from an earlier run.
    pub resumed: usize,
    /// Requests that were not answered.
    pub failures: usize,
    /// US dollars that this run cost, where the price is known.
    pub cost: f64,
    /// Why sampling ended.
    pub ended: Ended,
    /// How far the judges among the checks can be relied on.
    pub judged: Vec<Judged>,
    /// What each check shows; the first decides.
    pub findings: Vec<Finding>,
}

/// Why sampling ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every sample was drawn.
    Complete,
    /// The question was answered before.
    Answered,
    /// The budget was spent.
    Budget,
    /// The person stopped it.
    Interrupted,
}

/// What one check shows.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The check; an index into the experiment's.
    pub check: usize,
    /// What kind of number it gives.
    pub scale: Scale,
    /// What was asked of it.
    pub question: Question,
    /// The comparison, or why there is none.
    pub comparison: Result<Comparison, String>,
    /// Where the early looks stood, if there were any.
    pub progress: Option<Progress>,
    /// All sides against the control, if there are more than two.
    pub family: Option<Family>,
    /// The model of all observations, if there are factors or wordings.
    pub model: Option<Model>,
    /// For each arm, how far its wordings lie apart, if there are several.
    pub spreads: Vec<Option<Spread>>,
}

impl Finding {
    /// What may be said.
    pub fn verdict(&self) -> Verdict {
        self.comparison.as_ref().map_or(Verdict::Inconclusive { more_inputs: None }, |c| c.verdict)
    }
}

impl Results {
    /// Whether every model did what was required; true if nothing was.
    pub fn is_required_met(&self) -> bool {
        let Some(requirement) = &self.experiment.requirement else { return true };
        self.models.iter().filter_map(|model| model.findings.first()).all(|finding| {
            let mean = finding.comparison.as_ref().ok().map(|comparison| comparison.treatment_mean);
            let at_least =
                requirement.at_least.is_none_or(|least| mean.is_some_and(|mean| mean >= least));
            let at_most =
                requirement.at_most.is_none_or(|most| mean.is_some_and(|mean| mean <= most));
            requirement.verdict.accepts(finding.verdict()) && at_least && at_most
        })
    }
}
