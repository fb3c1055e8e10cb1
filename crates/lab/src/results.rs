//! What an experiment showed: all that a report or a program needs.

use serde::Serialize;

use crate::analysis::{Comparison, Family, Model, Progress, Spread};
use crate::execute::Sample;
use crate::experiment::Experiment;
use crate::outcome::{Question, Scale, Verdict};
use crate::respond::Identity;

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
    /// How many of them were kept from an earlier run.
    pub resumed: usize,
    /// Requests that were not answered.
    pub failures: usize,
    /// Why sampling ended.
    pub ended: Ended,
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
    /// All arms against the control, if there are more than two.
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
