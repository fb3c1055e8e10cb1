//! What an experiment measured: the numbers that every analysis starts from.

use serde::{Deserialize, Serialize};

/// What kind of number a check gives, which decides how it is analysed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Scale {
    /// Passed (1) or not (0).
    Binary,
    /// A number on a line. Bounds, where the check has them, allow looking early.
    Continuous {
        /// The least value that the check can give.
        low: Option<f64>,
        /// The greatest value that the check can give.
        high: Option<f64>,
    },
    /// A grade: only its order means something.
    Ordinal,
}

/// One sample's measurement and where in the design it stands.
///
/// The unit of analysis is the input: samples of one input are never counted as independent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Which variant answered; an index into the design's arms.
    pub arm: usize,
    /// Which input it answered; an index into the design's inputs.
    pub input: usize,
    /// The group that the input belongs to (a document, an author); the input itself if ungrouped.
    pub group: usize,
    /// Which rewording of the variant was used; 0 if there is one.
    pub paraphrase: usize,
    /// Which repetition: seeds are numbered from 0.
    pub repeat: usize,
    /// What the check said of the answer.
    pub value: f64,
}

/// The comparison that was decided on before the first sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The arm in question.
    pub treatment: usize,
    /// The arm that it is compared with.
    pub control: usize,
    /// The smallest difference that would matter, in the check's unit; on an ordinal scale the
    /// chance to be the higher grade less the chance to be the lower.
    pub margin: f64,
    /// Chance of an interval that misses: 0.05 for 95 %.
    pub alpha: f64,
    /// Whether a lower value is the better one (a length, a perplexity).
    pub lower_is_better: bool,
}

/// What may be said of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// The treatment is better: the interval lies on the good side of zero.
    Better,
    /// The treatment is worse.
    Worse,
    /// No difference that would matter: two one-sided tests place it within the margin. Said even
    /// if the difference is shown not to be zero: it is shown to be too small to matter.
    Equivalent,
    /// The samples do not say.
    Inconclusive {
        /// How many more inputs it would take, if that can be told.
        more_inputs: Option<u64>,
    },
}
