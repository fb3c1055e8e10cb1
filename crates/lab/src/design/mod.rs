//! What is decided before the first sample: the order of the samples and the design's hash.

mod hash;
mod schedule;

pub use hash::{Unhashable, hash};
pub use schedule::{Cell, Layout, schedule};
