//! The mathematics of experiments, on slices of numbers.
//!
//! Nothing here knows what was measured. Every procedure names its source, is held against SciPy,
//! statsmodels or R by the fixtures in `fixtures/statistics`, and is tried on simulated experiments
//! whose truth is known. Procedures that draw random numbers take a seed and give the same result
//! on every machine.

pub mod agreement;
pub mod betting;
pub mod bootstrap;
pub mod correction;
pub mod distribution;
pub mod kolmogorov;
pub mod mann_whitney;
pub mod many;
pub mod minimise;
pub mod mixed;
pub mod multiplicity;
pub mod paired_binary;
pub mod pass_at_k;
pub mod proportion;
pub mod random;
pub mod shrink;
pub mod sign_flip;
pub mod student;
pub mod summary;
pub mod wilcoxon;

use serde::Serialize;

/// A test's statistic and its p-value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Test {
    /// The number that the test looks at; each test says which.
    pub statistic: f64,
    /// Chance of a statistic at least as extreme if there is no effect, two-sided.
    pub p_value: f64,
}

/// The values that the data do not rule out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end; minus infinity where the data cannot exclude anything.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Says whether `value` lies in the interval, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}
