//! An experiment that is not checked yet: what a file or a command line said, and where.

use std::ops::Range;

use crate::check::Checked;
use crate::respond::Sampling;

use super::inputs::Row;
use super::{Budget, Requirement, Source};

/// Something that was written, and where it stands in the draft's source.
#[derive(Clone, Debug)]
pub struct Spot<T> {
    /// What was written.
    pub value: T,
    /// Where; for what was not written, nothing.
    pub span: Option<Range<usize>>,
}

impl<T> Spot<T> {
    /// Something that stands nowhere.
    pub fn nowhere(value: T) -> Self {
        Self { value, span: None }
    }
}

/// A variant, as it was written.
#[derive(Clone, Debug)]
pub struct VariantDraft {
    /// Its name.
    pub name: Spot<String>,
    /// How the model is told to behave.
    pub system: Option<Spot<String>>,
    /// Its prompt, and other wordings of it.
    pub prompts: Vec<Spot<String>>,
}

/// A factor, as it was written: the texts that stand for its levels.
#[derive(Clone, Debug)]
pub struct FactorDraft {
    /// Its name, which is a variable of the prompt.
    pub name: Spot<String>,
    /// Its levels: name and text.
    pub levels: Vec<(String, Spot<String>)>,
}

/// The inputs, read but not named.
pub struct InputsDraft {
    pub(super) source: Source,
    pub(super) rows: Vec<Row>,
    /// The field that groups are named by.
    pub group: Option<String>,
}

impl InputsDraft {
    /// Reads the inputs of a file.
    ///
    /// # Errors
    /// If it is not what its name says, or empty.
    pub fn read(source: Source) -> Result<Self, super::Fault> {
        let rows = super::inputs::read(&source)?;
        Ok(Self { source, rows, group: None })
    }
}

/// An experiment that is not checked yet. [`Draft::build`] checks it.
pub struct Draft {
    /// What spans point into.
    pub source: Source,
    /// What people call it.
    pub name: String,
    /// The models.
    pub models: Vec<String>,
    /// Free variants; or one, whose prompt names the factors.
    pub variants: Vec<VariantDraft>,
    /// Factors.
    pub factors: Vec<FactorDraft>,
    /// How many combinations of the factors are run, if not all.
    pub fraction: Option<Spot<usize>>,
    /// What the variants are applied to; absent for prompts without variables.
    pub inputs: Option<InputsDraft>,
    /// How answers are drawn.
    pub sampling: Sampling,
    /// How many answers each arm gives to each input.
    pub repeats: Option<usize>,
    /// Decides the order and every sample.
    pub seed: u64,
    /// The checks, each with its place.
    pub checks: Vec<(Checked, Option<Range<usize>>)>,
    /// The variant in question, by name; the second if absent.
    pub treatment: Option<Spot<String>>,
    /// What it is compared with; the first if absent.
    pub control: Option<Spot<String>>,
    /// The smallest difference that would matter.
    pub margin: Option<f64>,
    /// Chance of an interval that misses.
    pub alpha: f64,
    /// Whether a lower number is better, if not as the check says.
    pub lower_is_better: Option<bool>,
    /// Whether the run may end early; if absent, it may where that can be of use.
    pub early: Option<bool>,
    /// What may be spent.
    pub budget: Budget,
    /// What must come out.
    pub requirement: Option<Requirement>,
    /// How many formats of each prompt are tried beside it.
    pub paraphrases: usize,
    /// Whether the first variant is compared with itself.
    pub is_aa: bool,
}

/// How many tokens an answer may have if nobody says.
pub const MAX_TOKENS: usize = 100;

impl Draft {
    /// An empty draft.
    pub fn new(source: Source, name: impl Into<String>) -> Self {
        Self {
            source,
            name: name.into(),
            models: Vec::new(),
            variants: Vec::new(),
            factors: Vec::new(),
            fraction: None,
            inputs: None,
            sampling: Sampling { max_tokens: MAX_TOKENS, ..Sampling::default() },
            repeats: None,
            seed: 0,
            checks: Vec::new(),
            treatment: None,
            control: None,
            margin: None,
            alpha: 0.05,
            lower_is_better: None,
            early: None,
            budget: Budget::default(),
            requirement: None,
            paraphrases: 0,
            is_aa: false,
        }
    }
}
