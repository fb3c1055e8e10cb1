//! What is asked of an answer: a number for each, and a reason that people can read.
//!
//! A kind of check is a file here and a line in [`KINDS`]. It is made from the keys of a `[[check]]`
//! table, or from `--check NAME=ARGUMENT`, where the argument stands for the kind's main key.

mod code;
mod expected;
mod fence;
mod json;
mod judge;
mod language;
mod length;
mod markdown;
mod number;
mod options;
mod perplexity;
mod process;
mod program;
pub(crate) mod refusal;
mod regex;
mod similarity;
#[cfg(test)]
mod testing;
mod text;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use options::{OptionFault, Options};

use crate::judge::Judge;
use crate::outcome::Scale;
use crate::respond::{Answer, Prompt, Sampling};

/// What a check says of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The number: 0 or 1 on a binary scale, a grade on an ordinal one.
    pub value: f64,
    /// Why, for people: what was missing, where it went wrong. Never empty for a failure.
    pub reason: String,
}

impl Outcome {
    /// A pass.
    pub fn passed() -> Self {
        Self { value: 1.0, reason: String::new() }
    }

    /// A failure, and why.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { value: 0.0, reason: reason.into() }
    }

    /// A pass if `reason` is absent, else a failure because of it.
    pub fn of(reason: Option<String>) -> Self {
        reason.map_or_else(Self::passed, Self::failed)
    }

    /// A measurement.
    pub fn measured(value: f64) -> Self {
        Self { value, reason: String::new() }
    }
}

/// An answer with all that a check may look at.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// What was said to the model.
    pub prompt: &'a Prompt,
    /// The fields of the input that was answered, for what differs from input to input: the
    /// expected answer, the tests that a program must pass.
    pub input: &'a Map<String, Value>,
    /// The answer.
    pub answer: &'a Answer,
}

/// What checks may need from outside; whoever runs the experiment provides it.
///
/// Each has a default that says it is not available.
pub trait Tools {
    /// Turns texts into vectors of length 1.
    fn embed(&mut self, _texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        Err("no embedding model is at hand".to_owned())
    }

    /// The mean log-probability of `text`'s tokens after `prompt`, by the named model.
    fn log_probability(&mut self, _model: &str, _prompt: &str, _text: &str) -> Result<f64, String> {
        Err("no model is at hand that says how likely a text is".to_owned())
    }

    /// Answers by the named model, one for each prompt and in their order: for judges.
    fn ask(
        &mut self,
        _model: &str,
        _prompts: &[Prompt],
        _sampling: &Sampling,
        _seed: u64,
    ) -> Result<Vec<Answer>, String> {
        Err("no judge is at hand".to_owned())
    }
}

/// Tools for checks that need none.
pub struct NoTools;

impl Tools for NoTools {}

/// A property of single answers.
pub trait Check: Send + Sync {
    /// What kind of number it gives.
    fn scale(&self) -> Scale;

    /// Whether a lower number is the better one, unless the experiment says otherwise.
    fn lower_is_better(&self) -> bool {
        false
    }

    /// Why no answer under these settings can ever pass, if so: told before any sample is drawn.
    fn impossible(&self, _sampling: &Sampling) -> Option<String> {
        None
    }

    /// Fields that every input must have.
    fn fields(&self) -> Vec<String> {
        Vec::new()
    }

    /// The judge, if it is one: it looks at all answers together, by [`crate::judge::judge`].
    fn judge(&self) -> Option<&Judge> {
        None
    }

    /// Looks at an answer.
    ///
    /// # Errors
    /// If it cannot be looked at, which is not the answer's fault: a program is missing, say.
    fn check(&self, answered: &Answered, tools: &mut dyn Tools) -> Result<Outcome, String>;
}

/// A check as the experiment asks for it.
#[derive(Clone, Serialize)]
pub struct Checked {
    /// What it is called in results; unique in the experiment.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its keys, as they were given: part of the design's hash.
    pub options: Map<String, Value>,
    /// What looks at answers.
    #[serde(skip)]
    pub check: Arc<dyn Check>,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.name, self.kind, self.options)
    }
}

/// A kind of check: how it is made.
pub struct Kind {
    /// What it is called in files and on the command line.
    pub name: &'static str,
    /// The key that `--check NAME=ARGUMENT` sets; none if it takes no argument.
    pub main_key: Option<&'static str>,
    /// What it does, in one line, for `mynah try --help` and errors.
    pub about: &'static str,
    /// Makes it from its keys. Files named in them are relative to `Options::folder`.
    pub make: fn(&mut Options) -> Result<Arc<dyn Check>, OptionFault>,
}

/// Every kind of check.
pub const KINDS: &[Kind] = &[
    markdown::KIND,
    json::KIND,
    regex::KIND,
    text::CONTAINS,
    text::EQUALS,
    number::KIND,
    length::CHARACTERS,
    length::WORDS,
    length::SENTENCES,
    length::TOKENS,
    language::KIND,
    refusal::REFUSAL,
    refusal::NO_REFUSAL,
    similarity::KIND,
    perplexity::KIND,
    program::KIND,
    code::KIND,
    judge::JUDGE,
    judge::PREFERENCE,
];

/// A reason that fits in a line, of what may be endless.
pub(crate) fn shorten(reason: &str) -> String {
    const LONGEST: usize = 200;
    let line = reason.replace(['\n', '\r'], " ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Makes a check of a kind from its keys. `folder`: where files named in the keys lie.
///
/// # Errors
/// If there is no such kind, or a key is unknown, missing or wrong; the fault names the key.
pub fn make(kind: &str, keys: Map<String, Value>, folder: PathBuf) -> Result<Checked, OptionFault> {
    let Some(known) = KINDS.iter().find(|known| known.name == kind) else {
        return Err(OptionFault::kind(kind));
    };
    let mut options = Options::new(keys.clone(), folder);
    let check = (known.make)(&mut options)?;
    options.finish()?;
    Ok(Checked { name: kind.to_owned(), kind: kind.to_owned(), options: keys, check })
}

/// Makes a check from `NAME` or `NAME=ARGUMENT`, as on the command line.
///
/// # Errors
/// As [`make`].
pub fn make_short(text: &str, folder: PathBuf) -> Result<Checked, OptionFault> {
    let (kind, argument) = match text.split_once('=') {
        Some((kind, argument)) => (kind, Some(argument)),
        None => (text, None),
    };
    let mut keys = Map::new();
    if let Some(argument) = argument {
        let known = KINDS.iter().find(|known| known.name == kind);
        let known = known.ok_or_else(|| OptionFault::kind(kind))?;
        let Some(key) = known.main_key else {
            return Err(OptionFault::new(None, format!("{kind} takes no argument")));
        };
        keys.insert(key.to_owned(), Value::String(argument.to_owned()));
    }
    let mut checked = make(kind, keys, folder)?;
    text.clone_into(&mut checked.name);
    Ok(checked)
}
