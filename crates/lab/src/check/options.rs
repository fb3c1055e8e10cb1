//! The keys of a check, read one by one; what is left over is a mistake.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::KINDS;
use crate::experiment::suggest;

/// What is wrong with the keys of a check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionFault {
    /// The key whose value is wrong; none if it is the check as a whole.
    pub key: Option<String>,
    /// Whether the key itself should not be there, rather than its value.
    pub is_key: bool,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl OptionFault {
    /// A fault of the value of `key`, or of the check.
    pub fn new(key: Option<&str>, message: impl Into<String>) -> Self {
        let key = key.map(str::to_owned);
        Self { key, is_key: false, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// There is no such kind of check.
    pub(super) fn kind(kind: &str) -> Self {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let hint = match suggest(kind, &names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names.join(", ")),
        };
        Self::new(Some("type"), format!("there is no check {kind:?}")).hint(hint)
    }
}

/// The keys of a check that were not read yet.
pub struct Options {
    keys: Map<String, Value>,
    asked: Vec<&'static str>,
    /// Where files named in the keys lie.
    pub folder: PathBuf,
}

impl Options {
    pub(super) fn new(keys: Map<String, Value>, folder: PathBuf) -> Self {
        Self { keys, asked: Vec::new(), folder }
    }

    /// Takes a key.
    pub fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.keys.shift_remove(key)
    }

    /// Takes a text.
    pub fn text(&mut self, key: &'static str) -> Result<Option<String>, OptionFault> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(key, "a text", &other)),
        }
    }

    /// Takes a text that must be there.
    pub fn required_text(&mut self, key: &'static str) -> Result<String, OptionFault> {
        let missing = || OptionFault::new(None, format!("{key} is missing"));
        self.text(key)?.ok_or_else(missing)
    }

    /// Takes texts: an array, or one text with commas between them as on the command line.
    pub fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, OptionFault> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => {
                let parts = text.split(',').map(|part| part.trim().to_owned());
                Ok(Some(parts.filter(|part| !part.is_empty()).collect()))
            }
            Some(Value::Array(items)) => {
                let one = |item: Value| match item {
                    Value::String(text) => Ok(text),
                    other => Err(wrong(key, "an array of texts", &other)),
                };
                items.into_iter().map(one).collect::<Result<_, _>>().map(Some)
            }
            Some(other) => Err(wrong(key, "a text or an array of texts", &other)),
        }
    }

    /// Takes a number; on the command line it is written in a text.
    pub fn number(&mut self, key: &'static str) -> Result<Option<f64>, OptionFault> {
        let value = self.take(key);
        let number = match &value {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match (number.filter(|number| number.is_finite()), value) {
            (Some(number), _) => Ok(Some(number)),
            (None, other) => Err(wrong(key, "a number", &other.unwrap_or_default())),
        }
    }

    /// Takes yes or no.
    pub fn flag(&mut self, key: &'static str) -> Result<Option<bool>, OptionFault> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(key, "true or false", &other)),
        }
    }

    /// Refuses keys that nobody asked for.
    pub(super) fn finish(self) -> Result<(), OptionFault> {
        let Some(key) = self.keys.keys().next() else { return Ok(()) };
        let mut fault = OptionFault::new(Some(key), format!("unknown key {key}"));
        fault.is_key = true;
        fault.hint = Some(match suggest(key, &self.asked) {
            Some(near) => format!("did you mean {near}?"),
            None if self.asked.is_empty() => "this check has no keys of its own".to_owned(),
            None => format!("it knows {}", self.asked.join(", ")),
        });
        Err(fault)
    }
}

fn wrong(key: &str, expected: &str, found: &Value) -> OptionFault {
    OptionFault::new(Some(key), format!("{key} must be {expected}, not {found}"))
}
