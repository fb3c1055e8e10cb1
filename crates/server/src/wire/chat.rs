//! OpenAI's chat completions.

use mynah_model::template::{Content, FunctionCall, Message, ToolCall};
use serde_json::Value;

use super::ask::{
    Ask, Form, Input, check_choice, check_samples, read_schema, read_stop, read_tool, take_code,
};
use super::fields::{Fields, mistyped};
use crate::code;
use crate::tools::Choice;
use crate::{ApiError, Limits};

/// Reads a request.
pub(super) fn read(fields: &Fields<'_>, limits: &Limits) -> Result<Ask, ApiError> {
    for (key, why) in [
        ("audio", "this server does not speak"),
        ("functions", "use `tools`"),
        ("function_call", "use `tool_choice`"),
        ("web_search_options", "this server does not search the web"),
    ] {
        fields.refuse(key, why)?;
    }
    let max = fields.count("max_completion_tokens", 1, usize::MAX)?;
    let mut ask = Ask {
        input: Input::Chat(read_messages(fields, limits)?),
        stop: read_stop(fields, "stop")?,
        n: fields.count("n", 1, limits.samples)?.unwrap_or(1),
        max_tokens: max.or(fields.count("max_tokens", 1, usize::MAX)?),
        form: read_form(fields)?,
        include_usage: match fields.object("stream_options")? {
            Some(options) => options.flag("include_usage")?.unwrap_or(false),
            None => false,
        },
        user: fields.text("user")?.map(str::to_owned),
        ..Ask::begin(fields)?
    };
    ask.logprobs = match (fields.flag("logprobs")?, fields.count("top_logprobs", 0, 20)?) {
        (Some(true), top) => Some(top.unwrap_or(0)),
        (_, None | Some(0)) => None,
        (_, Some(_)) => {
            return Err(fields.unsupported("top_logprobs", "it needs `logprobs: true`"));
        }
    };
    for (i, tool) in fields.list("tools", limits.tools)?.unwrap_or_default().iter().enumerate() {
        let tool = Fields::of(tool, &format!("{}[{i}]", fields.name("tools")))?;
        if take_code(&mut ask, &tool)? {
            continue;
        }
        let kind = tool.text("type")?.unwrap_or("function");
        if kind != "function" {
            return Err(tool.unknown("type", kind, "function or code_interpreter"));
        }
        let function = tool.object("function")?.ok_or_else(|| tool.missing("function"))?;
        ask.tools.push(read_tool(&function, "parameters")?);
    }
    ask.choice = read_choice(fields)?;
    check_choice(fields, &ask)?;
    check_samples(fields, &ask, limits)?;
    Ok(ask)
}

/// Reads `response_format`.
fn read_form(fields: &Fields<'_>) -> Result<Form, ApiError> {
    let Some(format) = fields.object("response_format")? else { return Ok(Form::Text) };
    let text = |key: &str| format.text(key)?.map(str::to_owned).ok_or_else(|| format.missing(key));
    match format.text("type")?.ok_or_else(|| format.missing("type"))? {
        "text" => Ok(Form::Text),
        "json_object" => match format.get("schema") {
            // llama.cpp's way to say it.
            Some(_) => read_schema(&format, "schema"),
            None => Ok(Form::Object),
        },
        "json_schema" => {
            let schema = format.object("json_schema")?;
            read_schema(&schema.ok_or_else(|| format.missing("json_schema"))?, "schema")
        }
        "regex" => Ok(Form::Regex(text("regex")?)),
        "grammar" => Ok(Form::Grammar(text("grammar")?)),
        other => {
            let known = "text, json_object, json_schema, regex or grammar";
            Err(format.unknown("type", other, known))
        }
    }
}

/// Reads `tool_choice`.
fn read_choice(fields: &Fields<'_>) -> Result<Choice, ApiError> {
    let known = "none, auto, required, or a function";
    match fields.get("tool_choice") {
        None => Ok(Choice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "none" => Ok(Choice::None),
            "auto" => Ok(Choice::Auto),
            "required" | "any" => Ok(Choice::Required),
            other => Err(fields.unknown("tool_choice", other, known)),
        },
        Some(value) => {
            let choice = Fields::of(value, &fields.name("tool_choice"))?;
            if choice.text("type")? == Some(code::NAME) {
                return Ok(Choice::Named(code::NAME.to_owned()));
            }
            let function = choice.object("function")?.unwrap_or(choice);
            let name = function.text("name")?.ok_or_else(|| function.missing("name"))?;
            Ok(Choice::Named(name.to_owned()))
        }
    }
}

fn read_messages(fields: &Fields<'_>, limits: &Limits) -> Result<Vec<Message>, ApiError> {
    let list = fields.need("messages").and(fields.list("messages", limits.messages))?;
    let list = list.unwrap_or_default();
    if list.is_empty() {
        return Err(ApiError::invalid(fields.name("messages"), "there are no messages"));
    }
    let message = |(i, message): (usize, &Value)| {
        read_message(&Fields::of(message, &format!("{}[{i}]", fields.name("messages")))?)
    };
    list.iter().enumerate().map(message).collect()
}

fn read_message(fields: &Fields<'_>) -> Result<Message, ApiError> {
    let role = fields.text("role")?.ok_or_else(|| fields.missing("role"))?;
    let role = match role {
        "developer" => "system",
        "system" | "user" | "assistant" | "tool" => role,
        other => {
            let known = "system, developer, user, assistant or tool";
            return Err(fields.unknown("role", other, known));
        }
    };
    let calls = fields.list("tool_calls", 128)?.unwrap_or_default();
    let calls = calls.iter().enumerate().map(|(i, call)| {
        read_call(&Fields::of(call, &format!("{}[{i}]", fields.name("tool_calls")))?)
    });
    let message = Message {
        role: role.to_owned(),
        content: read_content(fields, "content")?.map(Content::Text),
        reasoning: fields.text("reasoning_content")?.map(str::to_owned),
        tool_calls: calls.collect::<Result<_, _>>()?,
        tool_call_id: fields.text("tool_call_id")?.map(str::to_owned),
        name: fields.text("name")?.map(str::to_owned),
    };
    if message.content.is_none() && message.tool_calls.is_empty() {
        return Err(fields.missing("content"));
    }
    Ok(message)
}

fn read_call(fields: &Fields<'_>) -> Result<ToolCall, ApiError> {
    let function = fields.object("function")?.ok_or_else(|| fields.missing("function"))?;
    let name = function.text("name")?.ok_or_else(|| function.missing("name"))?;
    Ok(ToolCall {
        id: fields.text("id")?.map(str::to_owned),
        kind: "function".to_owned(),
        function: FunctionCall {
            name: name.to_owned(),
            arguments: function.text("arguments")?.unwrap_or("{}").into(),
        },
    })
}

/// Reads a text, or a list of parts that are texts.
pub(super) fn read_content(fields: &Fields<'_>, key: &str) -> Result<Option<String>, ApiError> {
    let parts = match fields.get(key) {
        None => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(text.clone())),
        Some(Value::Array(parts)) => parts,
        Some(other) => {
            return Err(mistyped(&fields.name(key), "a string or a list of parts", other));
        }
    };
    let mut texts = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let part = Fields::of(part, &format!("{}[{i}]", fields.name(key)))?;
        let key = match part.text("type")?.unwrap_or("text") {
            "text" | "input_text" | "output_text" => "text",
            "refusal" => "refusal",
            other => {
                let why = format!("{other:?} is nothing that this server's models read; send text");
                return Err(part.unsupported("type", &why));
            }
        };
        texts.push(part.text(key)?.ok_or_else(|| part.missing(key))?);
    }
    Ok(Some(texts.join("\n")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Kind, read};
    use super::*;

    fn read_json(value: &Value) -> Result<Ask, ApiError> {
        read(Kind::Chat, value.to_string().as_bytes(), &Limits::default())
    }

    fn with(key: &str, value: Value) -> Value {
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        request[key] = value;
        request
    }

    #[test]
    fn what_can_be_said_is_read() {
        let ask = read_json(&json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true}, "n": 2,
            "messages": [
                {"role": "developer", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": "42"}],
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "logprobs": true, "top_logprobs": 3, "seed": -1, "max_completion_tokens": 5,
            "stop": "x", "logit_bias": {"7": -100}, "user": "me", "unknown": [1],
        }))
        .unwrap();
        let Input::Chat(messages) = &ask.input else { panic!("it is a chat") };
        assert_eq!(messages[0], Message::text("system", "be brief"));
        assert_eq!(messages[1], Message::text("user", "a\nb"));
        assert_eq!(messages[2].tool_calls[0].function.name, "f");
        assert_eq!((ask.n, ask.max_tokens, ask.logprobs), (2, Some(5), Some(3)));
        assert_eq!(ask.choice, Choice::Named("f".into()));
        assert!(ask.stream && ask.include_usage);
        let params = ask.sampling.over(&mynah_engine::sampling::SamplingParams::default());
        assert_eq!((params.seed, params.logit_bias[&7]), (u64::MAX, -100.0));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let cases = [
            (json!([]), None),
            (json!({}), Some("messages")),
            (json!({"messages": []}), Some("messages")),
            (json!({"messages": [{"role": "user"}]}), Some("messages[0].content")),
            (json!({"messages": [{"role": "me", "content": ""}]}), Some("messages[0].role")),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
                Some("messages[0].content[0].type"),
            ),
            (with("temperature", json!("warm")), Some("temperature")),
            (with("temperature", json!(-1)), Some("temperature")),
            (with("min_p", json!(2)), Some("min_p")),
            (with("n", json!(0)), Some("n")),
            (with("n", json!(1_000_000)), Some("n")),
            (with("stop", json!(["a", 1])), Some("stop[1]")),
            (with("stop", json!([""])), Some("stop")),
            (with("logit_bias", json!({"a": 1})), Some("logit_bias")),
            (with("logit_bias", json!({"1": "a"})), Some("logit_bias.1")),
            (with("top_logprobs", json!(2)), Some("top_logprobs")),
            (with("response_format", json!({"type": "xml"})), Some("response_format.type")),
            (
                with("response_format", json!({"type": "json_schema", "json_schema": {}})),
                Some("response_format.json_schema.schema"),
            ),
            (with("tools", json!([{"type": "function"}])), Some("tools[0].function")),
            (
                with("tools", json!([{"type": "function", "function": {"name": "a b"}}])),
                Some("tools[0].function.name"),
            ),
            (with("tool_choice", json!("required")), Some("tool_choice")),
            (with("functions", json!([{}])), Some("functions")),
            (with("thread", json!("../x")), Some("thread")),
        ];
        for (request, param) in cases {
            let error = read_json(&request).unwrap_err();
            assert_eq!((error.param(), error.status().as_u16()), (param, 400), "{request}");
        }
    }
}
