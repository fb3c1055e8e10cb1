//! Constrained decoding.

mod vocabulary;

pub use vocabulary::Vocabulary;
