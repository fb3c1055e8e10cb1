//! Draws answers in one batch, and tries each program out as soon as it is whole.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use mynah_respond::{Answer, Desk, Prompt, Request, RespondError, Responder, Sampling};

use crate::extract;
use crate::ground::{Ground, GroundError, Trial};

/// An answer, and what became of its program.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) answer: Answer,
    /// The program, if there was one in the answer.
    pub(crate) source: Option<String>,
    pub(crate) trial: Option<Trial>,
}

/// What is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) prompt: Arc<Prompt>,
    pub(crate) n: usize,
    pub(crate) seed: u64,
    pub(crate) sampling: &'a Sampling,
    /// How many programs run at once.
    pub(crate) parallel: usize,
    /// Set when the person stops it.
    pub(crate) stop: &'a AtomicBool,
    /// When the time is up.
    pub(crate) until: Option<Instant>,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The model cannot answer.
    #[error(transparent)]
    Respond(#[from] RespondError),
    /// A program could not be tried out.
    #[error(transparent)]
    Ground(#[from] GroundError),
}

/// Draws `n` answers and runs their programs. Fewer come back if it was stopped or the time was up.
pub(crate) fn draw(
    asked: &Asked<'_>,
    responder: &mut dyn Responder,
    ground: &Ground<'_>,
) -> Result<Vec<Candidate>, RoundError> {
    let (give, given) = channel::<(usize, Answer)>();
    let given = Mutex::new(given);
    let mut tried = thread::scope(|scope| {
        let threads: Vec<_> = (0..asked.parallel.clamp(1, asked.n.max(1)))
            .map(|_| scope.spawn(|| run_all(&given, ground, asked.stop)))
            .collect();
        let prompts = (0..asked.n).map(|repeat| Request {
            id: repeat,
            prompt: Arc::clone(&asked.prompt),
            seed: asked.seed,
            repeat,
        });
        let mut desk = Drawing { requests: prompts.collect(), give, asked, last: None };
        let responded = responder.respond(asked.sampling, &mut desk);
        let last = desk.last.take();
        // Nothing more is given: the threads end when they have run what there is.
        drop(desk);
        let mut tried = Vec::new();
        for thread in threads {
            // A thread that panicked has found a fault of mynah's; it is not hidden.
            let done = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            tried.extend(done?);
        }
        responded?;
        if let Some(reason) = last.filter(|_| tried.is_empty()) {
            return Err(RoundError::Respond(RespondError::Responder(reason)));
        }
        Ok(tried)
    })?;
    tried.sort_by_key(|(place, _)| *place);
    Ok(tried.into_iter().map(|(_, candidate)| candidate).collect())
}

/// Runs what comes until nothing more does.
fn run_all(
    given: &Mutex<Receiver<(usize, Answer)>>,
    ground: &Ground<'_>,
    stop: &AtomicBool,
) -> Result<Vec<(usize, Candidate)>, GroundError> {
    let mut done = Vec::new();
    loop {
        let next = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((place, answer)) = next else { return Ok(done) };
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        done.push((place, try_answer(answer, ground, stop)?));
    }
}

/// Takes the program out of an answer and tries it out.
fn try_answer(
    answer: Answer,
    ground: &Ground<'_>,
    stop: &AtomicBool,
) -> Result<Candidate, GroundError> {
    let source = match extract::fenced(&answer.text) {
        Some(source) => Some(source),
        None if extract::has_fence(&answer.text) => None,
        None => ground.parses(&answer.text, stop)?.then(|| answer.text.clone()),
    };
    let trial = source.as_deref().map(|source| ground.try_out(source, stop)).transpose()?;
    Ok(Candidate { answer, source, trial })
}

/// The desk of one round.
struct Drawing<'a> {
    requests: VecDeque<Request>,
    give: Sender<(usize, Answer)>,
    asked: &'a Asked<'a>,
    /// Why the last request that failed did.
    last: Option<String>,
}

impl Desk for Drawing<'_> {
    fn next(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    fn answered(&mut self, id: usize, answer: Answer) -> Result<(), RespondError> {
        // It fails only if all threads ended with an error, which `draw` returns.
        let _ = self.give.send((id, answer));
        Ok(())
    }

    fn failed(&mut self, _: usize, reason: &str, _: f64) -> Result<(), RespondError> {
        self.last = Some(reason.to_owned());
        Ok(())
    }

    fn is_stopped(&mut self) -> bool {
        let is_late = self.asked.until.is_some_and(|until| Instant::now() >= until);
        is_late || self.asked.stop.load(Ordering::Relaxed)
    }
}
