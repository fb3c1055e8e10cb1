//! What is decided before the first sample: factors, sizes, the order of the samples, and the
//! fingerprint of all of it.

mod factors;
mod fraction;
mod hash;
mod plan;
mod schedule;

pub use factors::{Factor, columns, full};
pub use fraction::{Alias, Fraction, FractionError, fraction};
pub use hash::{Unhashable, hash};
pub use plan::{
    Plan, Split, Variances, arm_size, detectable, inputs_needed, paired_size, pilot, plan,
};
pub use schedule::{Cell, Layout, schedule};
