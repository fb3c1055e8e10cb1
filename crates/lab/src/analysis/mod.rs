//! From observations to a verdict.
//!
//! The unit of analysis is the input: the samples of one input are averaged first, and differences
//! of those averages are what is tested. Pooling inputs x seeds as if they were independent is the
//! classic error, and is not offered.

mod compare;
mod error;
mod family;
pub mod judge;
mod model;
mod monitor;
mod paired;
mod result;
mod secondary;
mod spread;
#[cfg(test)]
mod tests;
mod verdict;

pub use compare::compare;
pub use error::Error;
pub use family::{Family, Member, Purpose, compare_all};
pub use model::{Model, ModelError, model};
pub use monitor::{Monitor, Progress};
pub(crate) use paired::{answers, input_difference};
pub use result::{Comparison, InputEffect, Procedure, Unit};
pub use spread::{Spread, spread};
