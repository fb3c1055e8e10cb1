//! Draws the samples of an experiment, keeps each at once, looks while they come, and stops.

mod cost;
mod floor;
mod journal;
mod pilot;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::check::{Outcome, Tools};
use crate::design::{Cell, Unhashable};
use crate::experiment::Experiment;
use crate::judge::judge;
use crate::respond::{Answer, Identity, Prompt, RespondError, Responder};
use crate::results::{Ended, Findings, ModelResults};

pub use cost::estimate;
pub use journal::{Kept, Unkept};
pub use pilot::{Outlook, outlook, pilot_of};

use floor::Floor;

/// One sample: where it stands in the design, what was answered, what the checks say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its place.
    pub cell: Cell,
    /// The seed that it was drawn with.
    pub seed: u64,
    /// What was answered.
    pub answer: Answer,
    /// What each check says, in their order.
    #[serde(default)]
    pub outcomes: Vec<Outcome>,
}

/// Where samples are kept, each as soon as it is drawn.
pub trait Journal {
    /// Begins, or goes on: returns the samples that were kept of this design by this model.
    ///
    /// # Errors
    /// If the journal cannot be read or written.
    fn begin(
        &mut self,
        experiment: &Experiment,
        design: &str,
        model: &Identity,
    ) -> Result<Vec<Sample>, String>;

    /// Keeps a sample. `place`: where it stands in the schedule.
    ///
    /// # Errors
    /// If it cannot be kept; the run stops.
    fn keep(&mut self, place: usize, sample: &Sample, prompt: &Prompt) -> Result<(), String>;

    /// Learns how it ended.
    ///
    /// # Errors
    /// If the journal cannot be written.
    fn end(&mut self, ended: &Ended) -> Result<(), String>;
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Samples that are there.
    pub samples: usize,
    /// Samples that there will be, unless it ends early.
    pub of: usize,
    /// Tokens of the answers that were drawn in this run.
    pub tokens: u64,
    /// US dollars that were spent in this run.
    pub cost: f64,
    /// Requests that failed.
    pub failures: usize,
}

/// Who watches a run, and may end it.
pub trait Observer {
    /// Learns how far it is.
    fn tally(&mut self, tally: &Tally);

    /// Whether the person wants no more.
    fn is_interrupted(&mut self) -> bool;
}

/// Nobody watches.
pub struct Unobserved;

impl Observer for Unobserved {
    fn tally(&mut self, _: &Tally) {}

    fn is_interrupted(&mut self) -> bool {
        false
    }
}

/// Why a run had to end.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The model cannot answer.
    #[error(transparent)]
    Respond(#[from] RespondError),
    /// A check could not look at an answer.
    #[error("the check {check} cannot be made: {reason}")]
    Check {
        /// The check.
        check: String,
        /// Why.
        reason: String,
    },
    /// A judge could not look at the answers.
    #[error("the answers cannot be judged: {0}")]
    Judge(String),
    /// The journal cannot be used.
    #[error("samples cannot be kept: {0}")]
    Journal(String),
    /// The design has a number that JSON does not know.
    #[error(transparent)]
    Design(#[from] Unhashable),
}

/// Whoever an execution needs beside the responder.
pub struct Company<'c> {
    /// Keeps samples.
    pub journal: &'c mut dyn Journal,
    /// What checks need.
    pub tools: &'c mut dyn Tools,
    /// Watches.
    pub observer: &'c mut dyn Observer,
}

/// Lets a model answer an experiment, and says what it shows.
///
/// Samples of the same design and model that the journal has are not drawn again. If the run ends
/// before all samples are there, only inputs that every arm has answered completely are analysed,
/// in the order in which they were begun: which answers come first depends on their length.
///
/// # Errors
/// If the model cannot answer, a check cannot be made, or a sample cannot be kept. What was drawn
/// before stays in the journal.
pub fn execute(
    experiment: &Experiment,
    responder: &mut dyn Responder,
    company: Company,
) -> Result<ModelResults, ExecuteError> {
    let model = responder.identity();
    let design = experiment.hash()?;
    let Company { journal, tools, observer } = company;
    let kept = journal.begin(experiment, &design, &model).map_err(ExecuteError::Journal)?;
    let mut floor = Floor::new(experiment, Company { journal, tools, observer });
    floor.resume(kept)?;
    let answered = responder.respond(&experiment.sampling, &mut floor);
    // A check that failed shows itself as a responder that was told to stop.
    if let Some(error) = floor.error.take() {
        return Err(error);
    }
    answered?;
    let ended = floor.ended();
    floor.company.journal.end(&ended).map_err(ExecuteError::Journal)?;
    let (resumed, failures, cost) = (floor.resumed, floor.failures, floor.cost);
    let monitor = floor.monitor.take();
    let (mut samples, tools) = floor.into_samples();
    let judged = judge(experiment, &mut samples, tools).map_err(ExecuteError::Judge)?;
    let Findings { findings, analysed } =
        Findings::of(experiment, &samples, monitor.as_ref(), &ended);
    Ok(ModelResults { model, samples, analysed, resumed, failures, cost, ended, judged, findings })
}
