//! Prompt experiments: what is compared, how samples are drawn and checked, what they show.
//!
//! Knows no model: answers come from a responder, which may be the engine, an endpoint or a script.
//! Prints nothing, reads no environment.

pub mod analysis;
pub mod design;
pub mod outcome;
pub mod statistics;
