//! The loop: write, run, read the error, repair, until it works or the budget is spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mynah_respond::{Exchange, Prompt, Responder, Sampling};
use serde::Serialize;

use crate::Ending;
use crate::agree::Agreement;
use crate::changes;
use crate::ground::{Given, Ground, Made, Standing, Trial};
use crate::prompt;
use crate::round::{self, Asked, Candidate, RoundError};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// In the person's words.
    pub text: &'a str,
    /// What was said before in the conversation.
    pub earlier: &'a [Exchange],
}

/// How much may be spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// How often a program may be asked for.
    pub attempts: usize,
    /// How many tokens may be written, all answers together.
    pub tokens: u64,
    /// How long it may take.
    pub time: Duration,
}

/// How it is gone about.
pub struct Manner<'a> {
    /// How answers are drawn.
    pub sampling: Sampling,
    /// Decides which.
    pub seed: u64,
    /// How many candidates each attempt draws.
    pub samples: usize,
    /// How many programs run at once.
    pub parallel: usize,
    /// What may be spent.
    pub budget: Budget,
    /// Set when the person stops it.
    pub stop: &'a AtomicBool,
}

/// One time round the loop: what was kept of its candidates.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// From 1.
    pub number: usize,
    /// What the model wrote.
    pub answer: String,
    /// The program in it, if there was one.
    pub source: Option<String>,
    /// What it did.
    pub trial: Option<Trial>,
    /// How far the candidates agree, if there were several.
    pub agreement: Option<Agreement>,
    /// Tokens that were written, those of all candidates.
    pub tokens: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What changed since the attempt before, as a unified difference.
    pub changes: Option<String>,
}

impl Attempt {
    /// How far it came.
    pub fn standing(&self) -> Standing {
        self.trial.as_ref().map_or(Standing::NoProgram, |trial| trial.standing)
    }

    /// The files it made.
    pub fn made(&self) -> &[Made] {
        self.trial.as_ref().map_or(&[], |trial| &trial.made)
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The last attempt works.
    Works,
    /// No attempt is left.
    AttemptsSpent,
    /// No token is left.
    TokensSpent,
    /// No time is left.
    TimeSpent,
    /// The person stopped it.
    Stopped,
}

/// What came of a task.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// All attempts.
    pub attempts: Vec<Attempt>,
    /// Why there are no more.
    pub end: End,
}

impl Outcome {
    /// The attempt that works, if one does.
    pub fn working(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|_| self.end == End::Works)
    }

    /// The attempt that came farthest; the latest of those.
    pub fn closest(&self) -> Option<&Attempt> {
        self.attempts.iter().max_by_key(|attempt| attempt.standing())
    }
}

/// Sees attempts while they are made.
pub trait Watch {
    /// An attempt begins: the model is asked.
    fn begun(&mut self, number: usize);

    /// An attempt was made.
    fn tried(&mut self, attempt: &Attempt);
}

/// Has programs written and run until one works or the budget is spent.
///
/// # Errors
/// If the model cannot answer or programs cannot be run.
pub fn work(
    task: &Task<'_>,
    manner: &Manner<'_>,
    responder: &mut dyn Responder,
    ground: &Ground<'_>,
    watch: &mut dyn Watch,
) -> Result<Outcome, RoundError> {
    let until = Instant::now().checked_add(manner.budget.time);
    let first = first_prompt(task, ground);
    let (mut attempts, mut prompt): (Vec<Attempt>, _) = (Vec::new(), Arc::new(first.clone()));
    loop {
        if let Some(end) = spent(manner, &attempts, until) {
            return Ok(Outcome { attempts, end });
        }
        let number = attempts.len() + 1;
        watch.begun(number);
        let start = Instant::now();
        let asked = Asked {
            prompt: Arc::clone(&prompt),
            n: manner.samples.max(1),
            // Another seed: the same complaint about the same program is not answered alike.
            seed: manner.seed.wrapping_add(number as u64 - 1),
            sampling: &sampling(manner, &attempts),
            parallel: manner.parallel,
            stop: manner.stop,
            until,
        };
        let candidates = round::draw(&asked, responder, ground)?;
        let Some(mut attempt) = kept(candidates, manner.samples > 1, ground.tests.is_some()) else {
            let end = spent(manner, &attempts, until).unwrap_or(End::TimeSpent);
            return Ok(Outcome { attempts, end });
        };
        attempt.number = number;
        attempt.seconds = start.elapsed().as_secs_f64();
        let before = attempts.iter().rev().find_map(|attempt| attempt.source.as_deref());
        attempt.changes =
            before.zip(attempt.source.as_deref()).map(|(old, new)| changes::unified(old, new));
        watch.tried(&attempt);
        let complaint = prompt::complaint(attempt.trial.as_ref());
        prompt = Arc::new(prompt::again(&first, &attempt.answer, complaint));
        let works = attempt.standing() == Standing::Works;
        attempts.push(attempt);
        if works {
            return Ok(Outcome { attempts, end: End::Works });
        }
    }
}

/// The prompt that the loop begins with.
pub fn first_prompt(task: &Task<'_>, ground: &Ground<'_>) -> Prompt {
    let is_new = |given: &&Given| given.before >= ground.cells.len();
    let given: Vec<Given> = ground.given.iter().filter(is_new).cloned().collect();
    Prompt {
        system: Some(prompt::system(ground.interpreter.packages(), ground.in_session)),
        earlier: task.earlier.to_vec(),
        user: prompt::task(task.text, &given, ground.tests),
    }
}

fn n_tokens(attempts: &[Attempt]) -> u64 {
    attempts.iter().map(|attempt| attempt.tokens).sum()
}

/// How answers are drawn with what is left of the budget.
fn sampling(manner: &Manner<'_>, attempts: &[Attempt]) -> Sampling {
    let left = manner.budget.tokens.saturating_sub(n_tokens(attempts));
    let each = usize::try_from(left / manner.samples.max(1) as u64).unwrap_or(usize::MAX).max(1);
    let max_tokens = manner.sampling.max_tokens.min(each);
    Sampling { max_tokens, ..manner.sampling.clone() }
}

/// Why no further attempt is made, if so.
fn spent(manner: &Manner<'_>, attempts: &[Attempt], until: Option<Instant>) -> Option<End> {
    let was_stopped = attempts.last().and_then(|attempt| attempt.trial.as_ref());
    let was_stopped = was_stopped.is_some_and(|trial| trial.run.ending == Ending::Stopped);
    if was_stopped || manner.stop.load(Ordering::Relaxed) {
        Some(End::Stopped)
    } else if attempts.len() >= manner.budget.attempts {
        Some(End::AttemptsSpent)
    } else if n_tokens(attempts) >= manner.budget.tokens {
        Some(End::TokensSpent)
    } else if until.is_some_and(|until| Instant::now() >= until) {
        Some(End::TimeSpent)
    } else {
        None
    }
}

/// What a candidate did, if it works; candidates that did the same are equal in this. With tests
/// that is to pass them, whatever is printed; otherwise to print and make the same, and to have
/// functions that do the same where that was looked at.
fn behaviour(candidate: &Candidate, has_tests: bool) -> Option<Behaviour<'_>> {
    let trial = candidate.trial.as_ref().filter(|trial| trial.standing == Standing::Works)?;
    if has_tests {
        return Some(("", &[], None));
    }
    Some((trial.run.stdout.as_str(), &trial.made, trial.behaviour.as_deref()))
}

/// What is printed, what is made, and what functions do.
type Behaviour<'a> = (&'a str, &'a [Made], Option<&'a str>);

/// The candidate that stands for all: the first of the largest group that agrees, or the one that
/// came farthest.
fn kept(candidates: Vec<Candidate>, several: bool, has_tests: bool) -> Option<Attempt> {
    let tokens = candidates.iter().map(|candidate| candidate.answer.tokens.unwrap_or(0)).sum();
    let behaviours: Vec<_> = candidates.iter().map(|one| behaviour(one, has_tests)).collect();
    let agreement = Agreement::of(&behaviours);
    let standing = |candidate: &Candidate| {
        candidate.trial.as_ref().map_or(Standing::NoProgram, |trial| trial.standing)
    };
    // Of several that came equally far, the first.
    let farthest = candidates.iter().enumerate().rev().max_by_key(|(_, one)| standing(one));
    let place = agreement.kept().or(farthest.map(|(place, _)| place))?;
    let Candidate { answer, source, trial } = candidates.into_iter().nth(place)?;
    let agreement = several.then_some(agreement);
    Some(Attempt {
        number: 0,
        answer: answer.text,
        source,
        trial,
        agreement,
        tokens,
        seconds: 0.0,
        changes: None,
    })
}
