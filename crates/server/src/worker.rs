//! The thread of a loaded model: it owns the engine and advances it.
//!
//! Between steps it lets requests in, drops those whose reader is gone, and hands out what the step
//! brought. It never waits for a reader.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mynah_engine::{Engine, Event, Finish, Request, RequestError, RequestId};
use mynah_model::tokenizer::StreamDecoder;
use mynah_store::Turn;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TryRecvError};

use crate::ApiError;
use crate::mailbox::{Growth, Post, Update};
use crate::metrics::ModelMetrics;
use crate::queue::Queue;
use crate::record::{Kept, Recorder};

/// A prompt that is to be answered.
pub(crate) struct Submission {
    /// What is asked of the engine.
    pub(crate) request: Request,
    /// Who asks, for turns.
    pub(crate) who: String,
    /// When it came.
    pub(crate) arrived: Instant,
    /// Until when it may wait for its turn.
    pub(crate) until: Instant,
    /// Where the answers go.
    pub(crate) post: Post,
    /// How they are kept, if they are.
    pub(crate) kept: Option<Asked>,
    /// Its place among those that are let in; free when this is dropped.
    pub(crate) place: Arc<Place>,
}

/// What is kept of a request before it is answered.
pub(crate) struct Asked {
    /// The conversation that it belongs to, if the request named it.
    pub(crate) thread: Option<String>,
    /// Everything but the answer.
    pub(crate) turn: Turn,
}

/// One of the places for requests that a model answers or that wait for it.
pub(crate) struct Place(Arc<ModelMetrics>);

impl Place {
    /// Takes a place, if there are fewer than `limit` requests.
    pub(crate) fn take(metrics: &Arc<ModelMetrics>, limit: usize) -> Result<Arc<Self>, ApiError> {
        let more = |n: u64| (n < limit as u64).then_some(n + 1);
        metrics
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map(|_| Arc::new(Self(Arc::clone(metrics))))
            .map_err(|_| ApiError::busy(limit))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A handle on the thread. Dropping it ends the thread and waits for that.
pub(crate) struct Worker {
    submissions: Option<Sender<Submission>>,
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread for an engine; at most `most` submissions wait to be seen by it.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub(crate) fn start(
        name: &str,
        engine: Engine,
        most: usize,
        metrics: Arc<ModelMetrics>,
        recorder: Option<Arc<Recorder>>,
    ) -> std::io::Result<Self> {
        let (sender, submissions) = mpsc::channel(most);
        let is_ending = Arc::new(AtomicBool::new(false));
        let run = Run {
            engine,
            submissions,
            queue: Queue::new(),
            flight: HashMap::new(),
            metrics,
            recorder,
            is_ending: Arc::clone(&is_ending),
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(|| run.run())?;
        Ok(Self { submissions: Some(sender), is_ending, thread: Some(thread) })
    }

    /// Hands a prompt over.
    ///
    /// # Errors
    /// If there are too many, or the thread has ended.
    pub(crate) fn submit(&self, submission: Submission) -> Result<(), ApiError> {
        let Some(sender) = &self.submissions else { return Err(failed()) };
        sender.try_send(submission).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ApiError::busy(sender.max_capacity()),
            mpsc::error::TrySendError::Closed(_) => failed(),
        })
    }

    /// Ends all answers with the next step, and lets no further ones in.
    pub(crate) fn cancel_all(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.cancel_all();
        drop(self.submissions.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread has failed with is told to who it was answering; later ones hear this.
fn failed() -> ApiError {
    ApiError::internal("the model's thread has ended; the server must be started again")
}

/// The thread's own.
struct Run {
    engine: Engine,
    submissions: Receiver<Submission>,
    queue: Queue<Submission>,
    flight: HashMap<RequestId, InFlight>,
    metrics: Arc<ModelMetrics>,
    recorder: Option<Arc<Recorder>>,
    is_ending: Arc<AtomicBool>,
}

impl Run {
    fn run(mut self) {
        while self.receive() {
            self.take_out();
            self.let_in();
            match self.engine.step() {
                Ok(events) => {
                    // Who has an answer finds it counted.
                    self.tell_metrics();
                    events.into_iter().for_each(|event| self.hand_out(event));
                }
                Err(error) => {
                    let error = ApiError::internal(format!("the engine failed: {error}"));
                    self.flight
                        .values()
                        .for_each(|one| one.post.send(Update::Refused(error.clone())));
                    return;
                }
            }
        }
    }

    /// Takes what was submitted; waits if there is nothing else to do. Whether to go on.
    fn receive(&mut self) -> bool {
        if self.engine.is_idle() && self.queue.len() == 0 {
            match self.submissions.blocking_recv() {
                Some(submission) => self.enqueue(submission),
                None => return false,
            }
        }
        loop {
            match self.submissions.try_recv() {
                Ok(submission) => self.enqueue(submission),
                Err(TryRecvError::Empty) => return true,
                // Nobody can ask any more, and nobody waits for what is left.
                Err(TryRecvError::Disconnected) => {
                    return !self.engine.is_idle() || self.queue.len() > 0;
                }
            }
        }
    }

    fn enqueue(&mut self, submission: Submission) {
        let who = submission.who.clone();
        self.queue.push(&who, submission.until, submission);
    }

    /// Drops what nobody waits for, and what has waited too long.
    fn take_out(&mut self) {
        let is_ending = self.is_ending.load(Ordering::Relaxed);
        let is_in_vain = |one: &Submission| one.post.is_in_vain();
        let (mut n_expired, mut n_cancelled) = (0, 0);
        for gone in self.queue.take_out(Instant::now(), is_in_vain) {
            if gone.post.is_in_vain() {
                n_cancelled += 1;
                continue;
            }
            n_expired += 1;
            let message = "the request has waited too long for its turn; try again later";
            gone.post.send(Update::Refused(ApiError::unavailable(message, "queue_timeout")));
        }
        if is_ending {
            for gone in self.queue.drain() {
                gone.post.send(Update::Refused(ending()));
            }
        }
        for (&id, flight) in &mut self.flight {
            if !flight.is_cancelled && (is_ending || flight.post.is_in_vain()) {
                flight.is_cancelled = true;
                n_cancelled += 1;
                self.engine.cancel(id, None);
            }
        }
        if n_expired + n_cancelled > 0 {
            self.metrics.update(|model| {
                model.expired += n_expired;
                model.cancelled += n_cancelled;
            });
        }
    }

    /// Gives the engine requests while it has room; what it cannot begin yet waits here, where
    /// turns go round.
    fn let_in(&mut self) {
        while self.engine.load().1 == 0
            && let Some(submission) = self.queue.pop()
        {
            let Submission { request, arrived, post, kept, place, .. } = submission;
            let n_samples = request.n_samples;
            let wants_tokens = request.sampling.logprobs.is_some();
            let n_prompt = request.prompt.len();
            match self.engine.submit(request) {
                Ok(id) => {
                    post.send(Update::Begun);
                    let growing = (0..n_samples).map(|_| Growing::default()).collect();
                    self.flight.insert(
                        id,
                        InFlight {
                            post,
                            kept,
                            arrived,
                            n_prompt,
                            wants_tokens,
                            growing,
                            n_left: n_samples,
                            prompt_cached: 0,
                            has_begun: false,
                            is_cancelled: false,
                            _place: place,
                        },
                    );
                }
                Err(error) => post.send(Update::Refused(refusal(&error))),
            }
        }
    }

    /// Passes on what a step brought for one answer.
    fn hand_out(&mut self, event: Event) {
        let Some(flight) = self.flight.get_mut(&event.request) else { return };
        if !event.tokens.is_empty() && !flight.has_begun {
            flight.has_begun = true;
            let time = flight.arrived.elapsed();
            self.metrics.update(|model| model.first_token.add(time));
        }
        let id = event.request;
        flight.take(event);
        if flight.n_left == 0
            && let Some(flight) = self.flight.remove(&id)
            && let Some(recorder) = &self.recorder
            && let Some(kept) = flight.into_kept()
        {
            recorder.keep(kept);
        }
    }

    fn tell_metrics(&self) {
        let (running, in_engine) = self.engine.load();
        let waiting = (in_engine + self.queue.len()) as u64;
        self.metrics.update(|model| {
            model.counts = self.engine.counts();
            model.running = running as u64;
            model.waiting = waiting;
            model.pages = self.engine.n_pages() as u64;
            model.pages_available = self.engine.available_pages() as u64;
        });
    }
}

/// Says that the server ends.
pub(crate) fn ending() -> ApiError {
    ApiError::unavailable("the server ends", "shutting_down")
}

/// Why the engine does not take a request, with the field at fault.
fn refusal(error: &RequestError) -> ApiError {
    let message = error.to_string();
    match error {
        RequestError::TooLong { .. } | RequestError::EmptyPrompt | RequestError::Token { .. } => {
            ApiError::invalid("prompt", message)
        }
        RequestError::NoSamples => ApiError::invalid("n", message),
        RequestError::Sampling(_) => ApiError::malformed(message),
    }
}

/// A request that the engine has.
struct InFlight {
    post: Post,
    kept: Option<Asked>,
    arrived: Instant,
    n_prompt: usize,
    wants_tokens: bool,
    growing: Vec<Growing>,
    /// How many of its answers are not whole.
    n_left: usize,
    prompt_cached: usize,
    has_begun: bool,
    is_cancelled: bool,
    _place: Arc<Place>,
}

/// An answer that is not whole yet.
#[derive(Default)]
struct Growing {
    decoder: StreamDecoder,
    /// Everything so far, if it is to be kept.
    text: String,
    n_tokens: usize,
    first_token: Option<Duration>,
    end: Option<(Finish, Duration)>,
}

impl InFlight {
    fn take(&mut self, event: Event) {
        let Event { sample, tokens, text, finish, prompt_cached, .. } = event;
        let growing = &mut self.growing[sample];
        let mut text = growing.decoder.push(&text);
        if finish.is_some() {
            text.push_str(&growing.decoder.finish());
        }
        if !tokens.is_empty() {
            growing.first_token.get_or_insert_with(|| self.arrived.elapsed());
        }
        growing.n_tokens += tokens.len();
        if self.kept.is_some() {
            growing.text.push_str(&text);
        }
        self.prompt_cached = self.prompt_cached.max(prompt_cached);
        let n_tokens = tokens.len();
        if n_tokens > 0 || !text.is_empty() {
            let tokens = if self.wants_tokens { tokens } else { Vec::new() };
            let prompt_cached = self.prompt_cached;
            let growth = Growth { sample, text, n_tokens, tokens, prompt_cached };
            self.post.send(Update::Grown(growth));
        }
        if let Some(finish) = finish {
            growing.end = Some((finish.clone(), self.arrived.elapsed()));
            self.n_left -= 1;
            self.post.send(Update::Ended { sample, finish });
        }
    }

    /// The answers as they are kept, if they are.
    fn into_kept(self) -> Option<Kept> {
        let Asked { thread, turn } = self.kept?;
        let turns = self.growing.into_iter().enumerate().filter_map(|(sample, growing)| {
            let (finish, duration) = growing.end?;
            // What was dropped before it said anything is not an answer.
            if growing.n_tokens == 0 && finish == Finish::Cancelled {
                return None;
            }
            Some(Turn {
                answer: growing.text,
                sample: sample as u32,
                input_tokens: Some(self.n_prompt as u64),
                cached_tokens: Some(self.prompt_cached as u64),
                output_tokens: Some(growing.n_tokens as u64),
                first_token: growing.first_token,
                duration: Some(duration),
                finish: finish.name().to_owned(),
                ..turn.clone()
            })
        });
        Some(Kept { thread, turns: turns.collect() })
    }
}
