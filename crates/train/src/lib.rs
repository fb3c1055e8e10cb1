//! Training: forward beside backward, optimisers, checkpoints, export, reports.
//!
//! The way of a step: [`data`] cuts packed sequences out of documents; [`model`] computes the loss
//! and the gradient of a batch, a few sequences at a time, in memory that was taken once;
//! [`optimiser`] moves the weights; [`run`] repeats that, looks at held-out text, keeps
//! checkpoints, and [`export`] writes what every other program reads.
//!
//! Everything random is a function of the seed and of what it is for (`random.rs`), so that a
//! place in a run is a few numbers. Sums have an order that does not depend on the number of
//! threads. Together: the same seed gives the same losses, bit for bit, however often a run was
//! killed and continued.
//!
//! What it does not do: print, read the environment, clean text, train a tokenizer.

pub mod checkpoint;
pub mod config;
pub mod data;
pub mod evaluate;
pub mod export;
pub mod journal;
pub mod model;
pub mod optimiser;
pub mod plan;
mod random;
pub mod report;
pub mod rules;
pub mod run;
pub mod schedule;
mod spike;
mod svg;
pub mod trainer;
