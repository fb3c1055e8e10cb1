//! Sequences in flight: which rows a step computes, and what comes of them.
//!
//! A step computes one row for each sequence that is answering, rows for guesses at what follows
//! where there is room, and rows of prompts that are still to be read, oldest first. Whether a
//! sequence is computed alone or with others, in one piece or several, again after it made room,
//! or from a prefix that another left: its tokens are the same.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use mynah_kernels::{CacheFormat, PAGE, Pool};
use mynah_model::forward::{self, KvCache, Model, Row, Scratch};

use crate::constraint::Vocabulary;
use crate::pages::Pages;
use crate::request::{Event, Finish, Request, RequestError, RequestId};
use crate::sampling::{Breakers, Sampler, StopMatcher, Workspace};
use crate::sequence::{Sequence, Start};
use crate::speculation::Speculator;

mod step;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How many positions the cache holds, all sequences together.
    pub cache_positions: usize,
    /// How keys and values are stored.
    pub cache_format: CacheFormat,
    /// How many sequences are computed at once at most.
    pub max_sequences: usize,
    /// How many rows a step computes at most while no sequence is answering.
    pub max_rows: usize,
    /// How many rows of prompts a step computes at most while sequences are answering: a bound on
    /// how long their next tokens take.
    pub prompt_rows: usize,
    /// Up to how many answering sequences guesses are worth their rows.
    pub max_speculating: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache_positions: 32 * 1024,
            cache_format: CacheFormat::F16,
            max_sequences: 256,
            max_rows: 512,
            prompt_rows: 128,
            max_speculating: 2,
        }
    }
}

/// What the engine has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Positions of prompts that were computed.
    pub prompt_computed: u64,
    /// Positions of prompts that were found in the cache.
    pub prompt_cached: u64,
    /// Tokens that were chosen.
    pub generated: u64,
    /// Guesses that were computed.
    pub guessed: u64,
    /// Guesses that turned out right.
    pub guessed_right: u64,
    /// Sequences that made room for others and were computed again.
    pub preempted: u64,
    /// Steps.
    pub steps: u64,
}

/// What a thread needs to choose tokens.
#[derive(Default)]
struct Choosing {
    workspace: Workspace,
    /// A copy of logits that several sequences draw from.
    logits: Vec<f32>,
}

/// A model with a cache, and the sequences in flight.
pub struct Engine {
    model: Arc<Model>,
    vocabulary: Arc<dyn Vocabulary>,
    options: EngineOptions,
    pool: Pool,
    cache: KvCache,
    pages: Pages,
    scratch: Scratch,
    workspaces: Vec<Mutex<Choosing>>,
    speculator: Option<Box<dyn Speculator>>,
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    rows: Vec<Row>,
    /// Ended outside a step; reported by the next.
    ended: Vec<Event>,
    /// The adapters in use, each with the number that tells its pages apart.
    adapters: Vec<Arc<forward::Adapter>>,
    next_request: u64,
    next_age: u64,
    counts: Counts,
}

impl Engine {
    /// An engine for a model. `vocabulary` says what its tokens stand for.
    pub fn new(
        model: Arc<Model>,
        vocabulary: Arc<dyn Vocabulary>,
        pool: Pool,
        options: EngineOptions,
    ) -> Self {
        let n_pages = options.cache_positions.div_ceil(PAGE);
        let cache = KvCache::new(model.architecture(), options.cache_format, n_pages);
        let workspaces = (0..pool.n_threads()).map(|_| Mutex::default()).collect();
        Self {
            model,
            vocabulary,
            options,
            pool,
            cache,
            pages: Pages::new(n_pages),
            scratch: Scratch::new(),
            workspaces,
            speculator: None,
            waiting: VecDeque::new(),
            running: Vec::new(),
            rows: Vec::new(),
            ended: Vec::new(),
            adapters: Vec::new(),
            next_request: 0,
            next_age: 0,
            counts: Counts::default(),
        }
    }

    /// Lets `speculator` guess tokens that are computed ahead. It changes how fast tokens come,
    /// never which.
    pub fn speculate(&mut self, speculator: Option<Box<dyn Speculator>>) {
        self.speculator = speculator;
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What the tokens stand for.
    pub fn vocabulary(&self) -> &Arc<dyn Vocabulary> {
        &self.vocabulary
    }

    /// The threads, for work between steps.
    pub fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// How many positions one sequence can have: what the model was made for, or what the cache
    /// holds.
    pub fn context(&self) -> usize {
        self.model.architecture().context_length.min(self.pages.len() * PAGE)
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many pages no sequence holds.
    pub fn available_pages(&self) -> usize {
        self.pages.available()
    }

    /// How many pages there are.
    pub fn n_pages(&self) -> usize {
        self.pages.len()
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && self.ended.is_empty()
    }

    /// How many sequences are computed and how many wait.
    pub fn load(&self) -> (usize, usize) {
        (self.running.len(), self.waiting.len())
    }

    /// Takes a request; what comes of it, the following steps tell.
    ///
    /// # Errors
    /// If it cannot be answered.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, RequestError> {
        let n_vocab = self.model.architecture().n_vocab;
        if request.prompt.is_empty() {
            return Err(RequestError::EmptyPrompt);
        }
        if request.n_samples == 0 {
            return Err(RequestError::NoSamples);
        }
        if let Some(&token) = request.prompt.iter().find(|&&token| token as usize >= n_vocab) {
            return Err(RequestError::Token { token, n_vocab });
        }
        let (n_tokens, context) = (request.prompt.len(), self.context());
        if n_tokens >= context {
            return Err(RequestError::TooLong { n_tokens, context });
        }
        let breakers = if request.sampling.has_dry() {
            Breakers::resolve(&request.sampling.dry_sequence_breakers, &*self.vocabulary)
        } else {
            Breakers::default()
        };
        let sampler = Sampler::with_breakers(&request.sampling, n_vocab, breakers)?;
        let kind = self.kind(request.adapter.as_ref());
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.waiting.push_back(Sequence::new(Start {
            request: id,
            branches: (1..request.n_samples).collect(),
            prompt: request.prompt,
            max_tokens: request.max_tokens.max(1),
            ignore_end: request.ignore_end,
            kind,
            adapter: request.adapter,
            sampler,
            stop: StopMatcher::new(&request.stop)?,
            constraint: request.constraint,
        }));
        Ok(id)
    }

    /// The number that tells the pages of sequences with this adapter apart.
    fn kind(&mut self, adapter: Option<&Arc<forward::Adapter>>) -> u32 {
        let Some(adapter) = adapter else { return 0 };
        let known = self.adapters.iter().position(|known| Arc::ptr_eq(known, adapter));
        let place = known.unwrap_or_else(|| {
            self.adapters.push(Arc::clone(adapter));
            self.adapters.len() - 1
        });
        place as u32 + 1
    }

    /// Ends a request, all its continuations or the one named; its pages are free at once. The next
    /// step reports it. Returns whether there was anything to end.
    pub fn cancel(&mut self, request: RequestId, sample: Option<usize>) -> bool {
        let before = self.ended.len();
        let asked = |s: usize| sample.is_none_or(|sample| sample == s);
        for sequence in self.waiting.iter_mut().chain(&mut self.running) {
            if sequence.request != request {
                continue;
            }
            // Continuations that have yet to branch off.
            for sample in sequence.branches.extract_if(.., |s| asked(*s)) {
                self.ended.push(Event::end(request, sample, Finish::Cancelled));
            }
            if asked(sequence.sample) {
                if sequence.branches.is_empty() {
                    sequence.finish = Some(Finish::Cancelled);
                } else {
                    // Another continuation takes over what was read of the prompt.
                    self.ended.push(Event::end(request, sequence.sample, Finish::Cancelled));
                    let sample = sequence.branches.remove(0);
                    sequence.become_sample(sample);
                }
            }
        }
        self.end_finished();
        self.ended.len() > before
    }

    /// Lets the sequences go that have ended, and reports them.
    fn end_finished(&mut self) {
        let done = |sequence: &mut Sequence| sequence.finish.is_some();
        let mut gone: Vec<Sequence> = self.running.extract_if(.., done).collect();
        if self.waiting.iter().any(|sequence| sequence.finish.is_some()) {
            let waiting = std::mem::take(&mut self.waiting).into_iter();
            let (ended, left): (Vec<_>, _) = waiting.partition(|s| s.finish.is_some());
            self.waiting = left.into();
            gone.extend(ended);
        }
        for mut sequence in gone {
            sequence.release(&mut self.pages);
            if let Some(speculator) = &mut self.speculator {
                speculator.forget(sequence.name());
            }
            self.ended.push(sequence.report());
        }
    }
}
