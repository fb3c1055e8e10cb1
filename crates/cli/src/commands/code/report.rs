//! What `mynah code --json` prints.

use mynah_agent::Ending;
use mynah_agent::agree::Agreement;
use mynah_agent::ground::{Made, Standing};
use mynah_agent::work::{Attempt, End, Outcome};
use mynah_lab::statistics::Interval;
use mynah_lab::statistics::proportion::clopper_pearson;
use serde::Serialize;

/// Everything about a task.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    task: &'a str,
    works: bool,
    end: End,
    /// The program that works, and nothing if none does.
    program: Option<&'a str>,
    output: Option<&'a str>,
    files: &'a [Made],
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<Sureness>,
    /// The attempt that came farthest, from 1.
    closest: Option<usize>,
    attempts: Vec<Told<'a>>,
}

/// How many candidates did the same.
#[derive(Serialize)]
struct Sureness {
    same: usize,
    of: usize,
    share: f64,
    interval_95: Interval,
    groups: Vec<Vec<usize>>,
}

/// One attempt.
#[derive(Serialize)]
struct Told<'a> {
    number: usize,
    standing: Standing,
    ending: Option<&'a Ending>,
    program: Option<&'a str>,
    answer: &'a str,
    changes: Option<&'a str>,
    output: Option<&'a str>,
    error: Option<&'a str>,
    files: &'a [Made],
    tokens: u64,
    seconds: f64,
    run_seconds: Option<f64>,
}

impl<'a> Report<'a> {
    pub(super) fn new(task: &'a str, outcome: &'a Outcome) -> Self {
        let working = outcome.working();
        Self {
            task,
            works: working.is_some(),
            end: outcome.end,
            program: working.and_then(|attempt| attempt.source.as_deref()),
            output: working
                .and_then(|attempt| attempt.trial.as_ref())
                .map(|t| t.run.stdout.as_str()),
            files: working.map_or(&[], Attempt::made),
            agreement: working.and_then(|attempt| attempt.agreement.as_ref()).map(sureness),
            closest: outcome.closest().map(|attempt| attempt.number),
            attempts: outcome.attempts.iter().map(told).collect(),
        }
    }
}

fn sureness(agreement: &Agreement) -> Sureness {
    let (same, of) = (agreement.largest(), agreement.of);
    Sureness {
        same,
        of,
        share: same as f64 / of as f64,
        interval_95: clopper_pearson(same as u64, of as u64, 0.05),
        groups: agreement.groups.iter().map(|group| group.members.clone()).collect(),
    }
}

fn told(attempt: &Attempt) -> Told<'_> {
    let run = attempt.trial.as_ref().map(|trial| &trial.run);
    Told {
        number: attempt.number,
        standing: attempt.standing(),
        ending: run.map(|run| &run.ending),
        program: attempt.source.as_deref(),
        answer: &attempt.answer,
        changes: attempt.changes.as_deref(),
        output: run.map(|run| run.stdout.as_str()),
        error: run.map(|run| run.stderr.as_str()),
        files: attempt.made(),
        tokens: attempt.tokens,
        seconds: attempt.seconds,
        run_seconds: run.map(|run| run.seconds),
    }
}
