//! Training models from scratch.

pub mod plan;
