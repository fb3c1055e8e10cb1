//! An experiment: everything that is decided before the first sample.

mod build;
mod draft;
mod fault;
mod file;
mod formats;
mod inputs;
mod template;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};

pub use draft::{Draft, FactorDraft, InputsDraft, MAX_TOKENS, Spot, VariantDraft};
pub use fault::{Fault, Source};
pub use file::read;
pub use template::{Template, TemplateFault};

use crate::check::Checked;
use crate::design::{self, Cell, Factor, Fraction, Layout, Unhashable};
use crate::outcome::{Question, Verdict};
use crate::respond::{Prompt, Sampling};

/// What is compared, on what, how often, and what would matter.
///
/// Made by [`Draft::build`] from a file or a command line; valid once it exists. Its JSON is
/// what the design's hash is taken of, so that everything which could change the result is in it.
#[derive(Clone, Debug, Serialize)]
pub struct Experiment {
    /// What people call it.
    pub name: String,
    /// The models that answer, one after the other, each with a verdict of its own.
    pub models: Vec<String>,
    /// The variants that are compared; if there are factors, one for each combination of levels.
    pub arms: Vec<Arm>,
    /// The factors that the arms cross; empty for free variants.
    pub factors: Vec<Factor>,
    /// Which part of the crossing is run, and what it cannot tell apart.
    pub fraction: Option<Fraction>,
    /// What the variants are applied to.
    pub inputs: Vec<Input>,
    /// How answers are drawn.
    pub sampling: Sampling,
    /// How many answers each arm gives to each input, in each wording.
    pub repeats: usize,
    /// Decides the order and every sample.
    pub seed: u64,
    /// What is asked of the answers; the primary comparison is of the first.
    pub checks: Vec<Checked>,
    /// What the question's two sides are.
    pub compared: Compared,
    /// The comparison that decides.
    pub question: Question,
    /// Whether the run may end as soon as the question is answered.
    pub early: bool,
    /// What may be spent.
    pub budget: Budget,
    /// What must come out for the run to count as a success.
    pub requirement: Option<Requirement>,
    /// Whether the two arms are the same prompt: nothing may be found.
    pub is_aa: bool,
}

/// What the two sides of the question are numbers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Levels of this factor, averaged over the others; arms if absent.
    pub factor: Option<usize>,
}

/// A variant.
#[derive(Clone, Debug, Serialize)]
pub struct Arm {
    /// What it is called in results.
    pub name: String,
    /// Its level of each factor.
    pub levels: Vec<usize>,
    /// Its prompts: one, or one for each wording.
    pub wordings: Vec<Wording>,
}

/// A prompt with places for an input's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wording {
    /// How the model is told to behave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Template>,
    /// What is asked.
    pub prompt: Template,
}

/// What a variant is applied to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// What it is called in results: its `id` or `name`, or its number.
    pub name: String,
    /// The group that it belongs to, numbered from 0; its own number if inputs are not grouped.
    pub group: usize,
    /// Its fields.
    pub fields: Map<String, Value>,
}

/// What may be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Budget {
    /// Samples, of all arms together, for each model.
    pub samples: Option<usize>,
    /// US dollars, for endpoints with a price.
    pub cost: Option<f64>,
}

/// What must come out; otherwise the exit code is 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Requirement {
    /// Verdicts that are good enough; empty for any.
    pub verdict: Wanted,
    /// The least mean of the treatment on the first check.
    pub at_least: Option<f64>,
    /// The greatest mean of the treatment on the first check.
    pub at_most: Option<f64>,
}

/// Which verdict is good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Any.
    #[default]
    Any,
    /// The treatment must be shown to be better.
    Better,
    /// The treatment must be shown to be better, or not to differ.
    NotWorse,
    /// It must be shown that there is no difference that matters.
    Equivalent,
}

impl Wanted {
    /// The one that people call so.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "better" => Some(Self::Better),
            "not worse" | "not-worse" | "not_worse" => Some(Self::NotWorse),
            "equivalent" => Some(Self::Equivalent),
            _ => None,
        }
    }

    /// Whether a verdict is good enough.
    pub fn accepts(self, verdict: Verdict) -> bool {
        match self {
            Self::Any => true,
            Self::Better => verdict == Verdict::Better,
            Self::NotWorse => matches!(verdict, Verdict::Better | Verdict::Equivalent),
            Self::Equivalent => verdict == Verdict::Equivalent,
        }
    }
}

impl Experiment {
    /// The fingerprint of the design: printed before the first sample, and in the report.
    ///
    /// # Errors
    /// If a number in it is not one that JSON can write.
    pub fn hash(&self) -> Result<String, Unhashable> {
        design::hash(self)
    }

    /// How many samples of each arm and input make a whole: wordings times repeats.
    pub fn samples_per_input(&self) -> usize {
        self.n_wordings() * self.repeats
    }

    /// Which side of a comparison an arm stands on: itself, or its level of the compared factor.
    pub fn side(&self, arm: usize) -> usize {
        self.compared.factor.map_or(arm, |factor| self.arms[arm].levels[factor])
    }

    /// What the sides of comparisons are called, in their order.
    pub fn sides(&self) -> Vec<String> {
        match self.compared.factor.map(|factor| &self.factors[factor]) {
            Some(factor) => {
                factor.levels.iter().map(|level| format!("{}={level}", factor.name)).collect()
            }
            None => self.arms.iter().map(|arm| arm.name.clone()).collect(),
        }
    }

    /// How many wordings every arm has.
    pub fn n_wordings(&self) -> usize {
        self.arms.iter().map(|arm| arm.wordings.len()).min().unwrap_or(0)
    }

    /// The size of the design; `inputs_per_block` inputs are answered before the next are begun.
    pub fn layout(&self) -> Layout {
        let per_input = self.arms.len() * self.samples_per_input();
        Layout {
            arms: self.arms.len(),
            inputs: self.inputs.len(),
            paraphrases: self.n_wordings(),
            repeats: self.repeats,
            inputs_per_block: match self.budget.cost {
                // Money may run out at any sample, and half an input says nothing.
                Some(_) => 1,
                None => SAMPLES_PER_BLOCK.div_ceil(per_input.max(1)),
            },
        }
    }

    /// What is said to the model for a place in the schedule.
    pub fn prompt(&self, cell: &Cell) -> Prompt {
        let arm = &self.arms[cell.arm];
        let wording = &arm.wordings[cell.paraphrase];
        let fields = &self.inputs[cell.input].fields;
        let value = |name: &str| fields.get(name).map(as_text);
        Prompt {
            system: wording.system.as_ref().map(|template| template.render(value)),
            user: wording.prompt.render(value),
            ..Prompt::default()
        }
    }

    /// The seed of all samples of an arm's wording on an input; repeats are told apart beside it.
    ///
    /// Arms do not share seeds: the same prompt against itself would otherwise give the same
    /// answers twice.
    pub fn seed_of(&self, cell: &Cell) -> u64 {
        let parts = [cell.arm as u64, cell.paraphrase as u64, cell.input as u64];
        // Below 2^31: what every endpoint takes as a seed, and short enough to be typed again.
        parts.iter().fold(self.seed, |seed, &part| mix(seed ^ mix(part + 1))) >> 33
    }
}

/// About as many samples as two engines' batches: a block is a minute of a small model at most.
const SAMPLES_PER_BLOCK: usize = 256;

/// SplitMix64's finaliser (Steele, Lea & Flood 2014): every bit of the result depends on all bits.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A field as it stands in a prompt: texts as they are, everything else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The name that was probably meant: the nearest, if it is near enough.
pub fn suggest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = |name: &&&str| distance(word, name) <= 1 + word.chars().count() / 4;
    names.iter().filter(near).min_by_key(|name| distance(word, name)).copied()
}

/// How many characters must be changed, added, left out or swapped with their neighbour.
///
/// Source: Damerau 1964, in the restricted form (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
