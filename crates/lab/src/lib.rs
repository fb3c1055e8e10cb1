//! Prompt experiments: what is compared, how samples are drawn and checked, what they show.
//!
//! An experiment's file becomes an [`experiment::Experiment`]; [`execute::execute`] lets a
//! [`respond::Responder`] answer its schedule and keeps each answer in a [`execute::Journal`]; what
//! the checks say of the answers goes through [`analysis`] into [`results::Results`], which
//! [`present`] draws for a terminal.
//!
//! Knows no model: answers come from a responder, which may be the engine, an endpoint or a script.
//! Prints nothing, reads no environment.

pub mod analysis;
pub mod check;
pub mod design;
pub mod execute;
pub mod experiment;
pub mod folklore;
pub mod judge;
pub mod label;
pub mod outcome;
pub mod passing;
pub mod present;
pub mod report;
pub mod results;
pub mod statistics;
#[cfg(test)]
pub(crate) mod testing;

pub use mynah_respond as respond;
