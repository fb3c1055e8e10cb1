//! Sequences in flight: batching, prefix cache, sampling, constraints.

pub mod constraint;
pub mod sampling;
