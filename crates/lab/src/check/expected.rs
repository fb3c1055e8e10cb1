//! What an answer is compared with: the same for all inputs, or what a field of each input says.

use std::borrow::Cow;

use serde_json::Value;

use super::{Answered, OptionFault, Options};

/// What is expected of an answer.
pub(super) enum Expected {
    /// The same of every answer.
    Same(String),
    /// What this field of the input says.
    Field(String),
}

impl Expected {
    /// Takes the key `key`, or the key `field`; one of them must be there, and not both.
    pub(super) fn take(options: &mut Options, key: &'static str) -> Result<Self, OptionFault> {
        let (same, field) = (options.take(key), options.text("field")?);
        match (same, field) {
            (Some(Value::String(text)), None) => Ok(Self::Same(text)),
            (Some(Value::Number(number)), None) => Ok(Self::Same(number.to_string())),
            (Some(other), None) => {
                let message = format!("{key} must be a text or a number, not {other}");
                Err(OptionFault::new(Some(key), message))
            }
            (None, Some(field)) => Ok(Self::Field(field)),
            (Some(_), Some(_)) => {
                let message = format!("{key} and field exclude each other");
                Err(OptionFault::new(Some("field"), message))
            }
            (None, None) => {
                let hint = format!("field = \"answer\" takes {key} from the input's field answer");
                Err(OptionFault::new(None, format!("{key} is missing")).hint(hint))
            }
        }
    }

    /// The fields that every input must have.
    pub(super) fn fields(&self) -> Vec<String> {
        match self {
            Self::Same(_) => Vec::new(),
            Self::Field(field) => vec![field.clone()],
        }
    }

    /// What is expected of this answer.
    pub(super) fn of<'a>(&'a self, answered: &Answered<'a>) -> Result<Cow<'a, str>, String> {
        let field = match self {
            Self::Same(text) => return Ok(Cow::Borrowed(text)),
            Self::Field(field) => field,
        };
        match answered.input.get(field) {
            Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
            Some(other) => Ok(Cow::Owned(other.to_string())),
            None => Err(format!("the input has no field {field:?}")),
        }
    }
}
