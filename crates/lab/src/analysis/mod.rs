//! From observations to a verdict.
//!
//! The unit of analysis is the input: the samples of one input are averaged first, and differences
//! of those averages are what is tested. Pooling inputs x seeds as if they were independent is the
//! classic error, and is not offered.

mod compare;
mod error;
mod monitor;
mod paired;
mod result;
#[cfg(test)]
mod tests;
mod verdict;

pub use compare::compare;
pub use error::Error;
pub use monitor::{Monitor, Progress};
pub use result::{Comparison, InputEffect, Procedure, Unit};
