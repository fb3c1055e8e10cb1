//! Draws the samples of an experiment, keeps each at once, looks while they come, and stops.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::check::Outcome;
use crate::design::Cell;
use crate::respond::{Answer, Identity};

/// One sample: where it stands in the design, what was answered, what the checks say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its place.
    pub cell: Cell,
    /// The seed that it was drawn with.
    pub seed: u64,
    /// What was answered.
    pub answer: Answer,
    /// What each check says, in their order. Not kept in the journal: checks may be changed.
    #[serde(default)]
    pub outcomes: Vec<Outcome>,
}

/// What a sample is called: no two samples of a design and model share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The variant.
    pub arm: usize,
    /// The wording.
    pub paraphrase: usize,
    /// The input.
    pub input: usize,
    /// Which repetition.
    pub repeat: usize,
    /// The seed.
    pub seed: u64,
}

/// Where samples are kept, each as soon as it is drawn.
pub trait Journal {
    /// The samples that were kept of this design, by this model.
    ///
    /// # Errors
    /// If they cannot be read.
    fn kept(&mut self, design: &str, model: &Identity) -> Result<HashMap<Key, Answer>, String>;

    /// Keeps a sample.
    ///
    /// # Errors
    /// If it cannot be kept; the run stops.
    fn keep(
        &mut self,
        design: &str,
        model: &Identity,
        key: Key,
        answer: &Answer,
    ) -> Result<(), String>;
}
