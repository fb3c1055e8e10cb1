//! A run from its first step to its last, or to where it is stopped.

use std::path::Path;

use crate::checkpoint::CheckpointError;
use crate::data::ShardError;
use crate::evaluate::{self, Evaluation};
use crate::journal::{Event, Journal, JournalError};
use crate::trainer::{Material, StepError, Trainer};

/// How many tokens a sample has at most.
const SAMPLE_TOKENS: usize = 60;

/// Who looks on.
pub trait Watch {
    /// Something happened; it is in the log already.
    fn event(&mut self, event: &Event);

    /// Whether the run is to end with a checkpoint now.
    fn wants_stop(&mut self) -> bool;

    /// Seconds since some moment.
    fn seconds(&mut self) -> f64;
}

/// What a run needs beside the model.
pub struct Course<'c> {
    /// Text that is held out.
    pub held: Option<Material<'c>>,
    /// The token that begins texts.
    pub begins: u32,
    /// What samples begin with: the text and its tokens.
    pub prompts: Vec<(String, Vec<u32>)>,
    /// Tokens as text.
    pub decode: &'c dyn Fn(&[u32]) -> String,
    /// Where checkpoints are kept.
    pub checkpoint: &'c Path,
    /// What tells this data from other.
    pub data: &'c str,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// All steps are done; what was measured on all held-out text.
    Done(Option<Evaluation>),
    /// It was stopped, and can go on.
    Stopped,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A step could not be made.
    #[error(transparent)]
    Step(#[from] StepError),
    /// Data cannot be read.
    #[error(transparent)]
    Data(#[from] ShardError),
    /// A checkpoint cannot be kept.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Runs until all steps are done or someone wants it to stop.
///
/// # Errors
/// If a step cannot be made or something cannot be kept: the last checkpoint is whole.
pub fn run(
    trainer: &mut Trainer,
    course: &Course,
    journal: &mut Journal,
    watch: &mut dyn Watch,
) -> Result<Ending, RunError> {
    let mut clock = watch.seconds();
    let tell = |journal: &mut Journal, watch: &mut dyn Watch, event: Event| {
        watch.event(&event);
        journal.add(event)
    };
    let watched = trainer.config().watch.clone();
    let steps = trainer.config().schedule.steps;
    while trainer.state().step < steps {
        if watch.wants_stop() {
            trainer.save(course.checkpoint, course.data)?;
            return Ok(Ending::Stopped);
        }
        let report = trainer.step()?;
        let now = watch.seconds();
        trainer.add_seconds(now - clock);
        clock = now;
        let seconds = trainer.state().seconds;
        tell(journal, watch, Event::Step { report, seconds })?;
        let step = report.step;
        let is_due = |every: u64| every > 0 && step.is_multiple_of(every) && step < steps;
        if is_due(watched.evaluate_every)
            && let Some(held) = &course.held
            && let Some(evaluation) = evaluate::evaluate(trainer, held, watched.held_out_tokens)?
        {
            tell(journal, watch, Event::Evaluated { step, evaluation })?;
        }
        if is_due(watched.sample_every) {
            samples(trainer, course, 1, &mut |event| tell(journal, watch, event))?;
        }
        if is_due(watched.checkpoint_every) {
            trainer.save(course.checkpoint, course.data)?;
            tell(journal, watch, Event::Saved { step })?;
        }
    }
    let held = course.held.as_ref();
    let evaluation = held.map(|held| evaluate::evaluate(trainer, held, usize::MAX)).transpose()?;
    let evaluation = evaluation.flatten();
    if let Some(evaluation) = evaluation {
        tell(journal, watch, Event::Evaluated { step: steps, evaluation })?;
    }
    samples(trainer, course, usize::MAX, &mut |event| tell(journal, watch, event))?;
    trainer.save(course.checkpoint, course.data)?;
    tell(journal, watch, Event::Saved { step: steps })?;
    Ok(Ending::Done(evaluation))
}

/// Draws a sample for each of the first `most` prompts.
fn samples(
    trainer: &mut Trainer,
    course: &Course,
    most: usize,
    tell: &mut dyn FnMut(Event) -> Result<(), JournalError>,
) -> Result<(), RunError> {
    let step = trainer.state().step;
    for (i, (prompt, tokens)) in course.prompts.iter().take(most).enumerate() {
        let written = evaluate::sample(trainer, course.begins, tokens, SAMPLE_TOKENS, i as u64);
        let text = (course.decode)(&written);
        tell(Event::Sample { step, prompt: prompt.clone(), text })?;
    }
    Ok(())
}
