//! The engine as responder.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mynah_engine::sampling::SamplingParams;
use mynah_engine::{Engine, Event, RequestId};
use mynah_model::tokenizer::StreamDecoder;

use crate::{Answer, Desk, Finish, Identity, Prompt, Request, RespondError, Responder, Sampling};

/// What the engine needs to know that is not in the prompt: how texts become tokens.
pub type Tokenize<'t> = dyn Fn(&Prompt) -> Result<Vec<u32>, String> + 't;

/// The engine, with the recommendations of the model's makers.
///
/// As many requests are taken as fill the batch, and as many again so that it stays full. Requests
/// for the same prompt become one request of the engine with several samples, which share the work
/// on the prompt.
pub struct Local<'e> {
    engine: &'e mut Engine,
    identity: Identity,
    tokenize: Box<Tokenize<'e>>,
    recommended: SamplingParams,
    /// How many answers are in flight at most.
    width: usize,
}

impl<'e> Local<'e> {
    /// A responder with `width` answers in flight, and as many that wait.
    pub fn new(
        engine: &'e mut Engine,
        identity: Identity,
        recommended: SamplingParams,
        width: usize,
        tokenize: Box<Tokenize<'e>>,
    ) -> Self {
        Self { engine, identity, tokenize, recommended, width: width.max(1) }
    }

    /// The engine's parameters for these settings.
    fn params(&self, sampling: &Sampling) -> SamplingParams {
        let recommended = &self.recommended;
        SamplingParams {
            temperature: sampling.temperature.unwrap_or(recommended.temperature),
            top_k: sampling.top_k.unwrap_or(recommended.top_k),
            top_p: sampling.top_p.unwrap_or(recommended.top_p),
            min_p: sampling.min_p.unwrap_or(recommended.min_p),
            ..recommended.clone()
        }
    }
}

impl Responder for Local<'_> {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn respond(&mut self, sampling: &Sampling, desk: &mut dyn Desk) -> Result<(), RespondError> {
        let params = self.params(sampling);
        let mut flight = Flight::default();
        let mut tokens: HashMap<Arc<Prompt>, Vec<u32>> = HashMap::new();
        loop {
            if desk.is_stopped() {
                flight.requests.keys().for_each(|&id| {
                    self.engine.cancel(id, None);
                });
                // The engine reports what it dropped, and is empty again.
                while !self.engine.is_idle() {
                    self.engine
                        .step()
                        .map_err(|error| RespondError::Responder(error.to_string()))?;
                }
                return Ok(());
            }
            // Refilled when half of what waits is used up, so that requests for one prompt meet.
            if flight.growing.len() <= self.width + self.width / 2 {
                self.refill(&params, sampling, desk, &mut flight, &mut tokens)?;
            }
            if flight.growing.is_empty() {
                return Ok(());
            }
            let events =
                self.engine.step().map_err(|error| RespondError::Responder(error.to_string()))?;
            for event in events {
                flight.take(event, desk)?;
            }
        }
    }
}

impl Local<'_> {
    /// Takes requests from the desk and hands them to the engine, those for one prompt together.
    fn refill(
        &mut self,
        params: &SamplingParams,
        sampling: &Sampling,
        desk: &mut dyn Desk,
        flight: &mut Flight,
        tokens: &mut HashMap<Arc<Prompt>, Vec<u32>>,
    ) -> Result<(), RespondError> {
        let mut wanted: VecDeque<(Arc<Prompt>, u64, Vec<Request>)> = VecDeque::new();
        let mut n = flight.growing.len();
        while n < 2 * self.width
            && let Some(request) = desk.next()
        {
            n += 1;
            let same = wanted.iter_mut().find(|(prompt, seed, _)| {
                *seed == request.seed && Arc::ptr_eq(prompt, &request.prompt)
            });
            match same {
                Some((_, _, requests)) => requests.push(request),
                None => {
                    wanted.push_back((Arc::clone(&request.prompt), request.seed, vec![request]));
                }
            }
        }
        for (prompt, seed, requests) in wanted {
            let tokens = match tokens.get(&prompt) {
                Some(tokens) => tokens.clone(),
                None => {
                    let made = (self.tokenize)(&prompt).map_err(RespondError::Responder)?;
                    tokens.entry(prompt).or_insert(made).clone()
                }
            };
            let n_samples = requests.iter().map(|request| request.repeat + 1).max().unwrap_or(0);
            let prompt_tokens = tokens.len() as u64;
            let asked = mynah_engine::Request {
                prompt: tokens,
                n_samples,
                max_tokens: sampling.max_tokens,
                sampling: SamplingParams { seed, ..params.clone() },
                stop: sampling.stop.clone(),
                constraint: None,
                adapter: None,
                ignore_end: false,
            };
            let id = match self.engine.submit(asked) {
                Ok(id) => id,
                // A prompt that is too long is the fault of its input, not of the others.
                Err(error) => {
                    for request in requests {
                        desk.failed(request.id, &error.to_string(), 0.0)?;
                    }
                    continue;
                }
            };
            // Samples that are not wanted, because they are there already or come later.
            let is_wanted = |sample: usize| requests.iter().any(|request| request.repeat == sample);
            for sample in (0..n_samples).filter(|&sample| !is_wanted(sample)) {
                self.engine.cancel(id, Some(sample));
            }
            *flight.requests.entry(id).or_default() += requests.len();
            for request in requests {
                let growing = Growing { place: request.id, prompt_tokens, ..Growing::default() };
                flight.growing.insert((id, request.repeat), growing);
            }
        }
        Ok(())
    }
}

/// The answers that are not whole yet.
#[derive(Default)]
struct Flight {
    growing: HashMap<(RequestId, usize), Growing>,
    /// How many answers of each request of the engine are not whole.
    requests: HashMap<RequestId, usize>,
}

#[derive(Default)]
struct Growing {
    /// The name of the request at the desk.
    place: usize,
    prompt_tokens: u64,
    decoder: StreamDecoder,
    text: String,
    n_tokens: u64,
}

impl Flight {
    /// Takes what a step brought for one answer.
    fn take(&mut self, event: Event, desk: &mut dyn Desk) -> Result<(), RespondError> {
        let key = (event.request, event.sample);
        // Samples that were cancelled because nobody wants them.
        let Some(growing) = self.growing.get_mut(&key) else { return Ok(()) };
        growing.n_tokens += event.tokens.len() as u64;
        let text = growing.decoder.push(&event.text);
        growing.text.push_str(&text);
        let Some(finish) = event.finish else { return Ok(()) };
        let Some(mut growing) = self.growing.remove(&key) else { return Ok(()) };
        if let Some(left) = self.requests.get_mut(&event.request) {
            *left -= 1;
            if *left == 0 {
                self.requests.remove(&event.request);
            }
        }
        growing.text.push_str(&growing.decoder.finish());
        let finish = match finish {
            mynah_engine::Finish::Stop | mynah_engine::Finish::StopString(_) => Finish::Stop,
            mynah_engine::Finish::Length | mynah_engine::Finish::Context => Finish::Length,
            mynah_engine::Finish::CacheFull => {
                return desk.failed(growing.place, "memory for the cache is used up", 0.0);
            }
            mynah_engine::Finish::Failed(reason) => {
                return desk.failed(growing.place, &reason, 0.0);
            }
            mynah_engine::Finish::Cancelled => return Ok(()),
        };
        let answer = Answer {
            text: growing.text,
            finish,
            prompt_tokens: Some(growing.prompt_tokens),
            tokens: Some(growing.n_tokens),
            cost: None,
            fingerprint: None,
        };
        desk.answered(growing.place, answer)
    }
}
