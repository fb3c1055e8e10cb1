//! Numbers that nobody chose: seeds and the names of answers. Nothing secret comes from here.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

fn bits() -> u64 {
    // The standard library seeds its hash tables from the operating system's randomness.
    RandomState::new().build_hasher().finish()
}

/// A seed that is short enough to be typed again.
pub(crate) fn seed() -> u64 {
    bits() >> 32
}

/// A name for an answer, such as `chatcmpl-…`.
pub(crate) fn name(prefix: &str) -> String {
    format!("{prefix}{:016x}{:08x}", bits(), bits() >> 32)
}
