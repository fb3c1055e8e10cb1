//! Constrained decoding: answers that fit a JSON schema, a regular expression or a grammar.
//!
//! [`Grammars`] indexes a model's vocabulary once. A [`Constraint`] is made from the
//! text of a grammar and says before each token which ones are allowed; the sampler
//! takes its mask. The work of following grammars is done by the `llguidance` library;
//! here are its limits, our errors, and what makes it fit for exact decoding.
//!
//! # Exact
//!
//! The mask is a function of the grammar and of the tokens so far. Constraints share
//! nothing that changes, so what is allowed, and whether a limit is reached, does not
//! depend on the other answers in flight. Where the grammar demands one particular
//! text and the vocabulary can split it, only the first token of that split is allowed:
//! the tokens are then those that the model was trained on.
//!
//! # JSON Schema
//!
//! Followed are types, properties, items, enum, const, bounds of numbers, lengths,
//! patterns, the common formats, `anyOf`, `allOf`, `oneOf` where the cases exclude each
//! other, and references within the document. What cannot be followed while text is
//! written (`not`, `if`, `uniqueItems`, …) is an error that says what to do instead.
//! Properties are written in the order of the schema. An object that lists its
//! properties gets no others unless `additionalProperties` asks for them. Between the
//! parts stands no space, one, or a line break with an indentation.
//!
//! [`schema_dsl`] writes out the short form `name, age int` as a JSON schema.
//!
//! # WebAssembly
//!
//! Nothing here needs threads. For `wasm32-unknown-unknown`, where the standard
//! library has no clock, the library's feature `wasm` takes the time from elsewhere;
//! `Cargo.toml` turns it on for that target. There, panics cannot be caught, so nothing
//! here relies on that: what is known to panic in the library is checked before.

mod compile;
mod dsl;
mod error;
mod follow;
mod grammars;
mod limits;
mod regex;
mod schema;
mod schema_keywords;
mod schema_locate;
mod schema_values;
mod vocabulary;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;

pub use dsl::{multi_schema, schema_dsl, schema_dsl_multi};
pub use error::ConstraintError;
pub use follow::Constraint;
pub use grammars::Grammars;
pub use limits::Limits;
pub use vocabulary::Vocabulary;
