//! Sequences in flight: batching, prefix cache, sampling, constraints.
//!
//! The engine is synchronous: [`Engine::step`] advances every sequence and returns what came of
//! it. It opens no file, reads no clock and spawns no thread of its own; who calls it decides when.

pub mod constraint;
mod embed;
mod engine;
mod pages;
mod request;
pub mod sampling;
mod sequence;
mod speculation;

pub use embed::{EmbedError, Embedder};
pub use engine::{Counts, Engine, EngineOptions};
pub use request::{Event, Finish, Request, RequestError, RequestId, Token};
pub use speculation::{DraftModel, PromptLookup, SequenceName, Speculator};
