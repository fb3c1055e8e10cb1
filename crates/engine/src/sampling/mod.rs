//! From logits to a token: penalties, truncation, the draw, and stop strings.
//!
//! # Draws are functions of their place
//!
//! [`Sampler::sample`] is a pure function: the token follows from the parameters,
//! the logits, the history, the mask, and a random number that is a function of
//! (seed, sample, position) alone ([`random`]). Nothing is carried from token to
//! token. Since the engine's logits have the same bits alone, in a batch and from a
//! cached prefix, so have the answers.
//!
//! Speculative decoding is then lossless by construction, at any temperature and
//! with any parameters: compute the logits at every drafted position, call
//! [`Sampler::sample`] there with that position and the history up to it, and accept
//! the draft as long as the token that is sampled equals the drafted one. The first
//! token that differs is itself the answer at its place. Every token so obtained is
//! exactly the one that decoding token by token would have chosen; nothing needs to
//! be corrected, and no random state needs to be rolled back.
//!
//! # The same bits everywhere
//!
//! Sums run in one fixed order whatever the width of the vector unit; exponentials
//! are our own and logarithms come from the `libm` crate ([`math`]); equal logits are
//! ordered by token id; no hash table is iterated.
//!
//! # The order of the steps
//!
//! Mask, `logit_bias`, repetition, frequency and presence penalties, DRY, top-k,
//! typical, top-p, min-p, temperature, draw: llama.cpp's default chain. The
//! log-probabilities that [`Sampled`] reports are those of the model, before any step.
//!
//! This module does not know what a token's text is, except to find sequence
//! breakers, and it does not decide when an answer ends: [`StopMatcher`] only says
//! where a stop string is.

mod dry;
pub(crate) mod math;
mod params;
mod penalties;
pub mod random;
mod sampler;
mod select;
mod stop;
mod truncation;
mod workspace;

#[cfg(test)]
mod tests;

pub use dry::Breakers;
pub use params::{Breaker, MAX_BREAKER_BYTES, MAX_BREAKER_TOKENS, MAX_LOGPROBS, SamplingParams};
pub use sampler::{Draw, Sampled, Sampler};
pub use stop::{MAX_STOP_BYTES, MAX_STOP_STRINGS, Stop, StopMatcher};
pub use workspace::Workspace;

/// What can be wrong with sampling parameters, or with what is sampled from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplingError {
    /// A parameter has a value that makes no sense.
    #[error("{field} is {value}, but must be {range}")]
    OutOfRange {
        /// Name of the parameter.
        field: &'static str,
        /// Its value.
        value: String,
        /// The values that are allowed.
        range: &'static str,
    },
    /// A token id that the model does not have.
    #[error("{field} has token {token}, but the model has {vocab_len} tokens")]
    TokenOutOfVocabulary {
        /// Where the id was found.
        field: &'static str,
        /// The id.
        token: u32,
        /// How many tokens there are; ids count from 0.
        vocab_len: usize,
    },
    /// A sequence breaker is text, but there is no vocabulary to look it up in.
    #[error("the sequence breaker {text:?} is text, which needs the vocabulary")]
    BreakerNeedsVocabulary {
        /// The breaker.
        text: String,
    },
    /// The logits are not those of the model that the sampler was made for.
    #[error("got {got} logits, but the vocabulary has {expected} tokens")]
    LogitsLength {
        /// Tokens in the vocabulary.
        expected: usize,
        /// Logits given.
        got: usize,
    },
    /// A mask without a single word.
    #[error("the mask of allowed tokens is empty")]
    EmptyMask,
    /// The model calculated something that is not a number.
    #[error("the logit of token {token} at position {position} is {value}")]
    BadLogit {
        /// Token id.
        token: u32,
        /// NaN or positive infinity.
        value: f32,
        /// Position in the sequence.
        position: u64,
    },
    /// Every token is forbidden.
    #[error("no token may be chosen at position {position}: every one is forbidden")]
    NothingToChoose {
        /// Position in the sequence.
        position: u64,
    },
}
