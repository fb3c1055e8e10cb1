//! Who answers: the engine, an endpoint, or a script.
//!
//! A responder is synchronous. It takes requests from a [`Desk`] whenever it has room for more, and
//! hands each answer back as soon as it is whole, in any order. So a batch stays full over the
//! bounds of inputs and arms, and whoever sits behind the desk may stop at any moment.
//!
//! Knows nothing of why somebody asks. Prints nothing, reads no environment.

pub mod endpoint;
mod local;
mod script;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use local::{Local, Tokenize};
pub use script::Script;

/// How answers are drawn; what is absent is as the model's makers recommend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// How adventurous: 0 always takes the most likely token.
    pub temperature: Option<f32>,
    /// Choose among so many of the most likely tokens.
    pub top_k: Option<usize>,
    /// Choose among the most likely tokens that together have this probability.
    pub top_p: Option<f32>,
    /// Leave out tokens below this share of the most likely one's probability.
    pub min_p: Option<f32>,
    /// How many tokens an answer may have.
    pub max_tokens: usize,
    /// Texts that end an answer and are not part of it.
    pub stop: Vec<String>,
}

/// What is said to a model: rendered, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prompt {
    /// How the model is told to behave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What was said before in the same conversation, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Exchange>,
    /// What the person says.
    pub user: String,
}

impl Prompt {
    /// A prompt that begins a conversation.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), ..Self::default() }
    }

    /// All texts of it.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let earlier = self.earlier.iter().flat_map(|said| [&*said.user, &*said.answer]);
        self.system.as_deref().into_iter().chain(earlier).chain([&*self.user])
    }
}

/// Something that a person said, and what the model said to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exchange {
    /// What the person said.
    pub user: String,
    /// What the model answered.
    pub answer: String,
}

/// One answer that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names the request at the desk.
    pub id: usize,
    /// What is said. Requests for the same prompt share one.
    pub prompt: Arc<Prompt>,
    /// Decides, with `repeat`, which answer is drawn.
    pub seed: u64,
    /// Which of the answers to this prompt and seed.
    pub repeat: usize,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it, or a stop text was found.
    Stop,
    /// It has as many tokens as were allowed.
    Length,
    /// The provider withheld it.
    Filtered,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What the model said.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the prompt, where the responder counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, where the responder counts them.
    pub tokens: Option<u64>,
    /// What the answer cost, in US dollars, where a price is known; tries that failed included.
    pub cost: Option<f64>,
    /// What the responder says it is, if it says so with each answer (`system_fingerprint`).
    pub fingerprint: Option<String>,
}

/// Which model answers, exactly enough to tell it from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What people call it.
    pub name: String,
    /// Its checksum, or where it is asked.
    pub fingerprint: String,
}

/// Where a responder takes requests and leaves answers.
pub trait Desk {
    /// The next request, or nothing if there are no more or no more are wanted.
    fn next(&mut self) -> Option<Request>;

    /// Takes an answer.
    ///
    /// # Errors
    /// If it cannot be kept; the responder stops with this error.
    fn answered(&mut self, id: usize, answer: Answer) -> Result<(), RespondError>;

    /// Learns that a request could not be answered, though others may be, and what it may have cost
    /// nevertheless, in US dollars.
    ///
    /// # Errors
    /// If too many could not; the responder stops with this error.
    fn failed(&mut self, id: usize, reason: &str, cost: f64) -> Result<(), RespondError>;

    /// Whether requests in flight are to be dropped. Asked often.
    fn is_stopped(&mut self) -> bool;
}

/// Something that answers prompts.
pub trait Responder {
    /// Which model answers.
    fn identity(&self) -> Identity;

    /// Answers requests until the desk has no more, or says stop.
    ///
    /// # Errors
    /// If it cannot answer at all, or the desk cannot keep what it answers.
    fn respond(&mut self, sampling: &Sampling, desk: &mut dyn Desk) -> Result<(), RespondError>;
}

/// Why a responder had to end.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// The model or endpoint cannot answer.
    #[error("{0}")]
    Responder(String),
    /// An answer could not be kept.
    #[error("a sample could not be kept: {0}")]
    Journal(String),
    /// More requests failed than leave a fair comparison.
    #[error("{failed} of {asked} requests failed, the last one because {reason}")]
    Failures {
        /// Requests that failed.
        failed: usize,
        /// Requests that were made.
        asked: usize,
        /// Why the last one failed.
        reason: String,
    },
}
