//! Counts how often programs pass, at once and after repairs.
//!
//! Answers are drawn in batches over all problems; programs run on threads beside that, and one that
//! fails is asked about again as soon as that is known. A repair is told the test that failed, so
//! what passes after repairs is not what passes at once: the two are told apart.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use mynah_respond::{Answer, Desk, Request, RespondError, Responder, Sampling};
use serde::Serialize;

use crate::extract;
use crate::ground::{Ground, GroundError, Standing, Trial};
use crate::problems::Problem;
use crate::round::RoundError;
use crate::{Interpreter, changes, prompt};

/// What is measured.
pub struct Plan<'a> {
    /// On these.
    pub problems: &'a [Problem],
    /// How many programs are drawn for each.
    pub samples: usize,
    /// How often one that fails is repaired at most.
    pub repairs: usize,
    /// Whether programs are run at all: without, only drawing is timed.
    pub runs: bool,
    /// How answers are drawn.
    pub sampling: Sampling,
    /// Decides which.
    pub seed: u64,
    /// How many programs run at once.
    pub parallel: usize,
    /// Set when the person stops it.
    pub stop: &'a AtomicBool,
}

/// One program and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// How far it came.
    pub standing: Standing,
    /// Tokens of the answer.
    pub tokens: u64,
    /// How long it ran.
    pub seconds: f64,
    /// Whether it is the program before it without assertions.
    pub only_deletes_assertions: bool,
    /// The program, as the model wrote it.
    pub source: Option<String>,
    /// The last line of its error.
    pub error: Option<String>,
}

/// A sample: the first program, and its repairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Which problem.
    pub problem: usize,
    /// Which of the samples for it.
    pub sample: usize,
    /// All programs; none if the model could not be asked.
    pub tried: Vec<Tried>,
}

impl Sample {
    /// Whether the first program passes.
    pub fn passes_at_once(&self) -> bool {
        self.tried.first().is_some_and(|tried| tried.standing == Standing::Works)
    }

    /// Whether one passes in the end.
    pub fn passes(&self) -> bool {
        self.tried.last().is_some_and(|tried| tried.standing == Standing::Works)
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// All samples, those of the first problem first.
    pub samples: Vec<Sample>,
    /// How long it took from the first request to the last result.
    pub seconds: f64,
    /// How much of that nothing was drawn, because results were waited for.
    pub waiting_seconds: f64,
    /// How long programs ran, added up over threads.
    pub running_seconds: f64,
    /// Requests that the model could not answer, and why the last one.
    pub unanswered: usize,
    /// Why the last of them was not.
    pub reason: Option<String>,
    /// Whether the person stopped it.
    pub is_stopped: bool,
}

/// Sees how far it is: samples that have ended, of how many.
pub type Tell<'t> = dyn FnMut(usize, usize) + 't;

/// Draws samples for all problems and runs them.
///
/// # Errors
/// If the model cannot answer, or a program cannot be run.
pub fn measure(
    plan: &Plan<'_>,
    responder: &mut dyn Responder,
    interpreter: &dyn Interpreter,
    scratch: &Path,
    tell: &mut Tell<'_>,
) -> Result<Measured, RoundError> {
    let start = Instant::now();
    let (jobs, taken) = channel::<Job>();
    let taken = Mutex::new(taken);
    let (report, done) = channel();
    thread::scope(|scope| {
        for _ in 0..plan.parallel.max(1) {
            let (report, taken) = (report.clone(), &taken);
            scope.spawn(move || run_all(taken, &report, plan, (interpreter, scratch)));
        }
        drop(report);
        let mut drawing = Drawing::new(plan, jobs, done, tell);
        let mut waiting_seconds = 0.0;
        loop {
            responder.respond(&plan.sampling, &mut drawing)?;
            let waited = Instant::now();
            if drawing.is_stopped() || !drawing.wait()? {
                break;
            }
            waiting_seconds += waited.elapsed().as_secs_f64();
        }
        if let Some(error) = drawing.fault {
            return Err(error.into());
        }
        Ok(Measured {
            samples: drawing.samples,
            seconds: start.elapsed().as_secs_f64(),
            waiting_seconds,
            running_seconds: drawing.running_seconds,
            unanswered: drawing.unanswered,
            reason: drawing.reason,
            is_stopped: plan.stop.load(Ordering::Relaxed),
        })
    })
}

/// An answer whose program is to be run.
struct Job {
    id: usize,
    answer: Answer,
}

/// What became of it.
struct Done {
    id: usize,
    answer: Answer,
    source: Option<String>,
    trial: Option<Trial>,
}

fn run_all(
    taken: &Mutex<Receiver<Job>>,
    report: &Sender<Result<Done, GroundError>>,
    plan: &Plan<'_>,
    (interpreter, scratch): (&dyn Interpreter, &Path),
) {
    loop {
        let next = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { id, answer }) = next else { return };
        let problem = &plan.problems[id / (plan.repairs + 1) / plan.samples];
        let ground = ground(interpreter, scratch, problem);
        let source = if plan.runs { extract::fenced(&answer.text) } else { None };
        let trial = source
            .as_deref()
            .map(|source| ground.try_out(&problem.program(source), plan.stop))
            .transpose();
        let done = trial.map(|trial| Done { id, answer, source, trial });
        if report.send(done).is_err() {
            return;
        }
    }
}

fn ground<'a>(
    interpreter: &'a dyn Interpreter,
    scratch: &'a Path,
    problem: &'a Problem,
) -> Ground<'a> {
    let tests = Some(problem.tests.as_str());
    Ground {
        interpreter,
        scratch,
        given: &[],
        cells: &[],
        in_session: false,
        tests,
        functions: &[],
    }
}

/// The desk: requests go out, answers go to the threads that run them, repairs come back.
struct Drawing<'p, 't> {
    plan: &'p Plan<'p>,
    requests: VecDeque<Request>,
    jobs: Sender<Job>,
    done: Receiver<Result<Done, GroundError>>,
    tell: &'p mut Tell<'t>,
    samples: Vec<Sample>,
    /// Programs that run or wait for it.
    n_running: usize,
    n_ended: usize,
    running_seconds: f64,
    unanswered: usize,
    reason: Option<String>,
    fault: Option<GroundError>,
}

impl<'p, 't> Drawing<'p, 't> {
    fn new(
        plan: &'p Plan<'p>,
        jobs: Sender<Job>,
        done: Receiver<Result<Done, GroundError>>,
        tell: &'p mut Tell<'t>,
    ) -> Self {
        let places = (0..plan.problems.len())
            .flat_map(|problem| (0..plan.samples).map(move |sample| (problem, sample)));
        let request = |(problem, repeat): (usize, usize)| Request {
            id: (problem * plan.samples + repeat) * (plan.repairs + 1),
            prompt: Arc::clone(&plan.problems[problem].prompt),
            seed: plan.seed,
            repeat,
        };
        Self {
            plan,
            requests: places.clone().map(request).collect(),
            jobs,
            done,
            tell,
            samples: places
                .map(|(problem, sample)| Sample { problem, sample, tried: Vec::new() })
                .collect(),
            n_running: 0,
            n_ended: 0,
            running_seconds: 0.0,
            unanswered: 0,
            reason: None,
            fault: None,
        }
    }

    /// Waits for a result, if one is to come. Whether there is more to draw or to wait for.
    fn wait(&mut self) -> Result<bool, RespondError> {
        self.collect();
        if self.requests.is_empty() && self.n_running > 0 {
            match self.done.recv() {
                Ok(done) => self.take(done),
                // Its senders go only when a thread panics.
                Err(_) => {
                    let reason = "the threads that run programs are gone".to_owned();
                    return Err(RespondError::Responder(reason));
                }
            }
        }
        let is_more = !self.requests.is_empty() || self.n_running > 0;
        Ok(is_more && self.fault.is_none())
    }

    /// Takes the results that are there.
    fn collect(&mut self) {
        while let Ok(done) = self.done.try_recv() {
            self.take(done);
        }
    }

    fn take(&mut self, done: Result<Done, GroundError>) {
        self.n_running -= 1;
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.fault.get_or_insert(error);
                return;
            }
        };
        let (place, attempt) = self.place(done.id);
        let tried = &self.samples[place].tried;
        let before = tried.last().and_then(|tried| tried.source.as_deref());
        let deletes = before
            .zip(done.source.as_deref())
            .is_some_and(|(old, new)| changes::only_deletes_assertions(old, new));
        let seconds = done.trial.as_ref().map_or(0.0, |trial| trial.run.seconds);
        let standing = done.trial.as_ref().map_or(Standing::NoProgram, |trial| trial.standing);
        let error = done.trial.as_ref().map(|trial| trial.said().to_owned());
        self.running_seconds += seconds;
        let repair = (standing != Standing::Works && attempt < self.plan.repairs && self.plan.runs)
            .then(|| self.repair(&done));
        self.samples[place].tried.push(Tried {
            standing,
            tokens: done.answer.tokens.unwrap_or(0),
            seconds,
            only_deletes_assertions: deletes,
            source: done.source,
            error: error.filter(|error| !error.is_empty()),
        });
        match repair {
            Some(request) => self.requests.push_back(request),
            None => self.end(),
        }
    }

    fn repair(&self, done: &Done) -> Request {
        let (place, attempt) = self.place(done.id);
        let problem = &self.plan.problems[self.samples[place].problem];
        let complaint = prompt::complaint(done.trial.as_ref());
        Request {
            id: done.id + 1,
            prompt: Arc::new(prompt::again(&problem.prompt, &done.answer.text, complaint)),
            seed: self.plan.seed.wrapping_add(attempt as u64 + 1),
            repeat: self.samples[place].sample,
        }
    }

    fn end(&mut self) {
        self.n_ended += 1;
        (self.tell)(self.n_ended, self.samples.len());
    }

    /// Which sample a request is for, and which of its programs.
    fn place(&self, id: usize) -> (usize, usize) {
        (id / (self.plan.repairs + 1), id % (self.plan.repairs + 1))
    }
}

impl Desk for Drawing<'_, '_> {
    fn next(&mut self) -> Option<Request> {
        self.collect();
        self.requests.pop_front()
    }

    fn answered(&mut self, id: usize, answer: Answer) -> Result<(), RespondError> {
        self.n_running += 1;
        let sent = self.jobs.send(Job { id, answer });
        sent.map_err(|_| {
            RespondError::Responder("the threads that run programs are gone".to_owned())
        })
    }

    fn failed(&mut self, _: usize, reason: &str, _: f64) -> Result<(), RespondError> {
        self.unanswered += 1;
        self.reason = Some(reason.to_owned());
        self.end();
        Ok(())
    }

    fn is_stopped(&mut self) -> bool {
        self.fault.is_some() || self.plan.stop.load(Ordering::Relaxed)
    }
}

/// Runs the canonical solutions: what became of each, in the order of the problems.
///
/// # Errors
/// If one could not be run.
pub fn canonical(
    problems: &[Problem],
    interpreter: &dyn Interpreter,
    scratch: &Path,
    parallel: usize,
    stop: &AtomicBool,
) -> Result<Vec<Trial>, GroundError> {
    let next = AtomicUsize::new(0);
    let mut trials = thread::scope(|scope| {
        let run = || {
            let mut done = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(problem) = problems.get(place) else { break };
                let ground = ground(interpreter, scratch, problem);
                done.push((place, ground.try_out(&problem.canonical, stop)?));
            }
            Ok::<_, GroundError>(done)
        };
        let threads: Vec<_> = (0..parallel.max(1)).map(|_| scope.spawn(run)).collect();
        let mut trials = Vec::new();
        for thread in threads {
            let done = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            trials.extend(done?);
        }
        Ok::<_, GroundError>(trials)
    })?;
    trials.sort_by_key(|(place, _)| *place);
    Ok(trials.into_iter().map(|(_, trial)| trial).collect())
}
