//! OpenAI's older completions: texts that are continued as they are.

use serde_json::Value;

use super::ask::{Ask, Form, Input, Prompt, check_samples, read_stop};
use super::fields::{Fields, mistyped};
use crate::{ApiError, Limits};

/// How many tokens an answer has if nothing is said: what the API has always had.
const MAX_TOKENS: usize = 16;

/// Reads a request.
pub(super) fn read(fields: &Fields<'_>, limits: &Limits) -> Result<Ask, ApiError> {
    fields.refuse("suffix", "this server only continues texts")?;
    if fields.get("best_of").is_some_and(|n| n != 1 && Some(n) != fields.get("n")) {
        return Err(fields.unsupported("best_of", "ask for `n` answers and choose"));
    }
    let ask = Ask {
        input: Input::Prompts(read_prompts(fields, limits)?),
        stop: read_stop(fields, "stop")?,
        n: fields.count("n", 1, limits.samples)?.unwrap_or(1),
        max_tokens: fields.count("max_tokens", 1, usize::MAX)?.or(Some(MAX_TOKENS)),
        logprobs: fields.count("logprobs", 0, 20)?,
        echo: fields.flag("echo")?.unwrap_or(false),
        form: match (fields.text("regex")?, fields.text("grammar")?) {
            (Some(regex), _) => Form::Regex(regex.to_owned()),
            (None, Some(grammar)) => Form::Grammar(grammar.to_owned()),
            (None, None) => Form::Text,
        },
        include_usage: match fields.object("stream_options")? {
            Some(options) => options.flag("include_usage")?.unwrap_or(false),
            None => false,
        },
        user: fields.text("user")?.map(str::to_owned),
        ..Ask::begin(fields)?
    };
    if ask.echo && ask.logprobs.is_some() {
        return Err(fields.unsupported("echo", "probabilities of the prompt are not told"));
    }
    check_samples(fields, &ask, limits)?;
    Ok(ask)
}

/// Reads a text, a list of texts, a list of tokens, or a list of those.
fn read_prompts(fields: &Fields<'_>, limits: &Limits) -> Result<Vec<Prompt>, ApiError> {
    let name = fields.name("prompt");
    let list = match fields.need("prompt")? {
        Value::String(text) => return Ok(vec![Prompt::Text(text.clone())]),
        Value::Array(list) => list,
        other => return Err(mistyped(&name, "a string or a list", other)),
    };
    if list.first().is_some_and(Value::is_number) {
        return Ok(vec![Prompt::Tokens(read_tokens(list, &name)?)]);
    }
    let list = fields.list("prompt", limits.prompts)?.unwrap_or_default();
    if list.is_empty() {
        return Err(ApiError::invalid(name, "there is no prompt"));
    }
    let prompt = |(i, prompt): (usize, &Value)| match prompt {
        Value::String(text) => Ok(Prompt::Text(text.clone())),
        Value::Array(tokens) => Ok(Prompt::Tokens(read_tokens(tokens, &format!("{name}[{i}]"))?)),
        other => Err(mistyped(&format!("{name}[{i}]"), "a string or a list of tokens", other)),
    };
    list.iter().enumerate().map(prompt).collect()
}

/// Reads numbers of tokens.
pub(crate) fn read_tokens(list: &[Value], name: &str) -> Result<Vec<u32>, ApiError> {
    let token = |(i, token): (usize, &Value)| {
        let id = token.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| mistyped(&format!("{name}[{i}]"), "the number of a token", token))
    };
    list.iter().enumerate().map(token).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Kind, read};
    use super::*;

    #[test]
    fn prompts_come_in_four_forms() {
        let prompts = |value: Value| -> Result<Vec<Prompt>, ApiError> {
            let body = json!({"prompt": value}).to_string();
            match read(Kind::Completions, body.as_bytes(), &Limits::default())?.input {
                Input::Prompts(prompts) => Ok(prompts),
                Input::Chat(_) => panic!("it is no chat"),
            }
        };
        let text = |text: &str| Prompt::Text(text.to_owned());
        assert_eq!(prompts(json!("a")), Ok(vec![text("a")]));
        assert_eq!(prompts(json!(["a", "b"])), Ok(vec![text("a"), text("b")]));
        assert_eq!(prompts(json!([1, 2])), Ok(vec![Prompt::Tokens(vec![1, 2])]));
        assert_eq!(prompts(json!([[1], "b"])), Ok(vec![Prompt::Tokens(vec![1]), text("b")]));
        for (value, param) in [
            (json!([]), "prompt"),
            (json!({}), "prompt"),
            (json!([1, -1]), "prompt[1]"),
            (json!(["a", [0.5]]), "prompt[1][0]"),
            (json!(["a", 1]), "prompt[1]"),
        ] {
            assert_eq!(prompts(value).unwrap_err().param(), Some(param));
        }
    }
}
