//! Anthropic's messages.

use mynah_model::template::{Content, FunctionCall, Message, ToolCall};
use serde_json::Value;

use super::ask::{Ask, Form, Input, check_choice, read_schema, read_stop, read_tool};
use super::fields::{Fields, mistyped};
use crate::tools::Choice;
use crate::{ApiError, Limits};

/// Reads a request. `max_tokens`, which the API demands, is read by who needs it.
pub(super) fn read(fields: &Fields<'_>, limits: &Limits) -> Result<Ask, ApiError> {
    let mut messages = Vec::new();
    if let Some(text) = read_text(fields, "system")? {
        messages.push(Message::text("system", text));
    }
    let list = fields.need("messages").and(fields.list("messages", limits.messages))?;
    let list = list.unwrap_or_default();
    if list.is_empty() {
        return Err(ApiError::invalid(fields.name("messages"), "there are no messages"));
    }
    for (i, message) in list.iter().enumerate() {
        let message = Fields::of(message, &format!("{}[{i}]", fields.name("messages")))?;
        read_message(&message, &mut messages)?;
    }
    let mut ask = Ask {
        input: Input::Chat(messages),
        stop: read_stop(fields, "stop_sequences")?,
        max_tokens: fields.count("max_tokens", 1, usize::MAX)?,
        form: read_form(fields)?,
        user: match fields.object("metadata")? {
            Some(metadata) => metadata.text("user_id")?.map(str::to_owned),
            None => None,
        },
        ..Ask::begin(fields)?
    };
    for (i, tool) in fields.list("tools", limits.tools)?.unwrap_or_default().iter().enumerate() {
        let tool = Fields::of(tool, &format!("{}[{i}]", fields.name("tools")))?;
        let kind = tool.text("type")?.unwrap_or("custom");
        if kind != "custom" {
            return Err(tool.unsupported("type", "this server has no tools of its own"));
        }
        ask.tools.push(read_tool(&tool, "input_schema")?);
    }
    ask.choice = match fields.object("tool_choice")? {
        None => Choice::Auto,
        Some(choice) => match choice.text("type")?.ok_or_else(|| choice.missing("type"))? {
            "auto" => Choice::Auto,
            "none" => Choice::None,
            "any" => Choice::Required,
            "tool" => {
                let name = choice.text("name")?.ok_or_else(|| choice.missing("name"))?;
                Choice::Named(name.to_owned())
            }
            other => return Err(choice.unknown("type", other, "auto, any, tool or none")),
        },
    };
    check_choice(fields, &ask)?;
    Ok(ask)
}

/// Reads `output_config.format`.
fn read_form(fields: &Fields<'_>) -> Result<Form, ApiError> {
    let Some(config) = fields.object("output_config")? else { return Ok(Form::Text) };
    let Some(format) = config.object("format")? else { return Ok(Form::Text) };
    match format.text("type")?.ok_or_else(|| format.missing("type"))? {
        "json_schema" => read_schema(&format, "schema"),
        other => Err(format.unknown("type", other, "json_schema")),
    }
}

/// Reads a message; results of tools in it become messages of their own.
fn read_message(fields: &Fields<'_>, messages: &mut Vec<Message>) -> Result<(), ApiError> {
    let role = match fields.text("role")?.ok_or_else(|| fields.missing("role"))? {
        role @ ("user" | "assistant" | "system") => role,
        other => return Err(fields.unknown("role", other, "user or assistant")),
    };
    let blocks = match fields.need("content")? {
        Value::String(text) => {
            messages.push(Message::text(role, text.as_str()));
            return Ok(());
        }
        Value::Array(blocks) => blocks,
        other => {
            return Err(mistyped(&fields.name("content"), "a string or a list of blocks", other));
        }
    };
    let mut texts = Vec::new();
    let mut calls = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        let block = Fields::of(block, &format!("{}[{i}]", fields.name("content")))?;
        match block.text("type")?.ok_or_else(|| block.missing("type"))? {
            "text" => texts.push(block.text("text")?.ok_or_else(|| block.missing("text"))?),
            "tool_use" => {
                let name = block.text("name")?.ok_or_else(|| block.missing("name"))?;
                let input = block.object("input")?.ok_or_else(|| block.missing("input"))?;
                calls.push(ToolCall {
                    id: block.text("id")?.map(str::to_owned),
                    kind: "function".to_owned(),
                    function: FunctionCall {
                        name: name.to_owned(),
                        arguments: Value::Object(input.map().clone()),
                    },
                });
            }
            "tool_result" => {
                let id = block.text("tool_use_id")?;
                messages.push(Message {
                    role: "tool".to_owned(),
                    content: Some(Content::Text(read_text(&block, "content")?.unwrap_or_default())),
                    tool_call_id: Some(id.ok_or_else(|| block.missing("tool_use_id"))?.to_owned()),
                    ..Message::default()
                });
            }
            // What a model thought is not given back to it.
            "thinking" | "redacted_thinking" => {}
            other => {
                let why = format!("{other:?} is nothing that this server's models read; send text");
                return Err(block.unsupported("type", &why));
            }
        }
    }
    if !texts.is_empty() || !calls.is_empty() {
        let content = (!texts.is_empty()).then(|| Content::Text(texts.join("\n")));
        let role = role.to_owned();
        messages.push(Message { role, content, tool_calls: calls, ..Message::default() });
    }
    Ok(())
}

/// Reads a text, or blocks of text.
fn read_text(fields: &Fields<'_>, key: &str) -> Result<Option<String>, ApiError> {
    super::chat::read_content(fields, key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Kind, read};
    use super::*;

    fn read_json(value: &Value) -> Result<Ask, ApiError> {
        read(Kind::Messages, value.to_string().as_bytes(), &Limits::default())
    }

    #[test]
    fn blocks_become_messages() {
        let ask = read_json(&json!({
            "system": [{"type": "text", "text": "be brief"}], "max_tokens": 7, "top_k": 5,
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "wait"},
                    {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]},
                    {"type": "text", "text": "so?"}]}],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any"}, "stop_sequences": ["END"],
            "metadata": {"user_id": "me"},
        }))
        .unwrap();
        let Input::Chat(messages) = &ask.input else { panic!("it is a chat") };
        let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
        assert_eq!(ask.choice, Choice::Required);
        assert_eq!((ask.max_tokens, ask.stop.len()), (Some(7), 1));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (request, param) in [
            (json!({"messages": []}), "messages"),
            (
                json!({"messages": [{"role": "user", "content": ""}],
                    "output_config": {"format": {"type": "xml"}}}),
                "output_config.format.type",
            ),
            (json!({"messages": [{"role": "tool", "content": ""}]}), "messages[0].role"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
                "messages[0].content[0].type",
            ),
            (
                json!({"messages": [{"role": "user", "content": "x"}], "tool_choice": {"type": "any"}}),
                "tool_choice",
            ),
        ] {
            assert_eq!(read_json(&request).unwrap_err().param(), Some(param), "{request}");
        }
    }
}
