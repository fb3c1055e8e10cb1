//! OpenAI's embeddings.

use serde_json::Value;

use super::ask::Prompt;
use super::completions::read_tokens;
use super::fields::{Fields, mistyped};
use crate::{ApiError, Limits};

/// What texts are to be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmbeddingAsk {
    /// With which model.
    pub(crate) model: Option<String>,
    /// The texts.
    pub(crate) input: Vec<Prompt>,
    /// Whether numbers are sent as base64 of four bytes each, little endian.
    pub(crate) as_base64: bool,
    /// How many of the first numbers are wanted.
    pub(crate) dimensions: Option<usize>,
    /// Whether the beginning of a text that is too long will do.
    pub(crate) truncate: bool,
}

/// Reads a request.
pub(super) fn read(fields: &Fields<'_>, limits: &Limits) -> Result<EmbeddingAsk, ApiError> {
    let name = fields.name("input");
    let input = match fields.need("input")? {
        Value::String(text) => vec![Prompt::Text(text.clone())],
        Value::Array(list) if list.first().is_some_and(Value::is_number) => {
            vec![Prompt::Tokens(read_tokens(list, &name)?)]
        }
        Value::Array(_) => {
            let list = fields.list("input", limits.prompts)?.unwrap_or_default();
            let one = |(i, item): (usize, &Value)| match item {
                Value::String(text) => Ok(Prompt::Text(text.clone())),
                Value::Array(list) => {
                    Ok(Prompt::Tokens(read_tokens(list, &format!("{name}[{i}]"))?))
                }
                other => Err(mistyped(&format!("{name}[{i}]"), "a string", other)),
            };
            list.iter().enumerate().map(one).collect::<Result<_, _>>()?
        }
        other => return Err(mistyped(&name, "a string or a list", other)),
    };
    if input.is_empty() {
        return Err(ApiError::invalid(name, "there is no text"));
    }
    Ok(EmbeddingAsk {
        model: fields.text("model")?.filter(|name| !name.is_empty()).map(str::to_owned),
        input,
        as_base64: match fields.text("encoding_format")? {
            None | Some("float") => false,
            Some("base64") => true,
            Some(other) => {
                return Err(fields.unknown("encoding_format", other, "float or base64"));
            }
        },
        dimensions: fields.count("dimensions", 1, usize::MAX)?,
        truncate: fields.flag("truncate")?.unwrap_or(false),
    })
}
