//! What is asked of the engine and what it answers.

use std::sync::Arc;

use mynah_model::forward::Adapter;

use crate::constraint::Constraint;
use crate::sampling::SamplingParams;

/// A prompt to continue.
pub struct Request {
    /// The tokens to continue; at least one.
    pub prompt: Vec<u32>,
    /// How many continuations to draw. They share the work on the prompt.
    pub n_samples: usize,
    /// How many tokens each may have at most.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// Texts that end a continuation and are not part of it.
    pub stop: Vec<String>,
    /// What the text must look like.
    pub constraint: Option<Constraint>,
    /// What was learned on top of the model.
    pub adapter: Option<Arc<Adapter>>,
    /// Continues past tokens that end an answer: for measurements.
    pub ignore_end: bool,
}

impl Request {
    /// One continuation of `prompt` with at most `max_tokens` tokens, always the most likely ones.
    pub fn greedy(prompt: Vec<u32>, max_tokens: usize) -> Self {
        Self {
            prompt,
            n_samples: 1,
            max_tokens,
            sampling: SamplingParams::greedy(),
            stop: Vec::new(),
            constraint: None,
            adapter: None,
            ignore_end: false,
        }
    }
}

/// Names a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// What one step brought for one continuation.
#[derive(Clone, Debug)]
pub struct Event {
    /// Whose.
    pub request: RequestId,
    /// Which of its continuations, from 0.
    pub sample: usize,
    /// The new tokens, the one that ended it included.
    pub tokens: Vec<Token>,
    /// The new text. It may end within a character.
    pub text: Vec<u8>,
    /// How many positions of the prompt were found in the cache.
    pub prompt_cached: usize,
    /// Why it ended, if it did.
    pub finish: Option<Finish>,
}

impl Event {
    /// The end of a continuation that brought nothing more.
    pub(crate) fn end(request: RequestId, sample: usize, finish: Finish) -> Self {
        let finish = Some(finish);
        Self { request, sample, tokens: Vec::new(), text: Vec::new(), prompt_cached: 0, finish }
    }
}

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Its number.
    pub id: u32,
    /// The logarithm of its probability, if asked for.
    pub logprob: Option<f32>,
    /// The most likely tokens with the logarithms of their probabilities, if asked for.
    pub top: Vec<(u32, f32)>,
}

/// Why a continuation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its answer, or the constraint left nothing to add.
    Stop,
    /// This stop string, by its place in the request, was found.
    StopString(usize),
    /// It has as many tokens as the request allows.
    Length,
    /// It is as long as the model can read.
    Context,
    /// It alone needs more pages than the cache has.
    CacheFull,
    /// The request was cancelled.
    Cancelled,
    /// No token could be chosen, for this reason.
    Failed(String),
}

impl Finish {
    /// The name by which records and programs know it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::StopString(_) => "stop_string",
            Self::Length => "length",
            Self::Context => "context",
            Self::CacheFull => "cache_full",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// Nothing to continue.
    #[error("the prompt has no tokens")]
    EmptyPrompt,
    /// Nothing to draw.
    #[error("the request asks for no samples")]
    NoSamples,
    /// The prompt has a token that the model does not have.
    #[error("token {token} of the prompt is not one of the model's {n_vocab}")]
    Token {
        /// The token.
        token: u32,
        /// How many there are.
        n_vocab: usize,
    },
    /// The prompt leaves no room for an answer.
    #[error("the prompt has {n_tokens} tokens and the context holds {context}")]
    TooLong {
        /// Tokens of the prompt.
        n_tokens: usize,
        /// What the model, or the cache if that is smaller, can hold.
        context: usize,
    },
    /// A sampling parameter or stop string is out of range.
    #[error(transparent)]
    Sampling(#[from] crate::sampling::SamplingError),
}
