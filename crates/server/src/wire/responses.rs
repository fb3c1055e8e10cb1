//! OpenAI's responses: conversations as a list of items. Nothing is remembered between requests.

use mynah_model::template::{Content, FunctionCall, Message, ToolCall};
use serde_json::Value;

use super::ask::{Ask, Form, Input, check_choice, read_schema, read_tool, take_code};
use super::chat::read_content;
use super::fields::{Fields, mistyped};
use crate::code::{self, Outcome};
use crate::tools::Choice;
use crate::{ApiError, Limits};

/// Reads a request.
pub(super) fn read(fields: &Fields<'_>, limits: &Limits) -> Result<Ask, ApiError> {
    let not_kept = "this server does not go on with earlier responses; send the whole `input`";
    fields.refuse("previous_response_id", not_kept)?;
    fields.refuse("conversation", not_kept)?;
    fields.refuse("background", "this server answers while the client waits")?;
    fields.refuse("prompt", "this server keeps no prompts; send `input`")?;
    let mut messages = Vec::new();
    if let Some(text) = fields.text("instructions")? {
        messages.push(Message::text("system", text));
    }
    match fields.need("input")? {
        Value::String(text) => messages.push(Message::text("user", text.as_str())),
        Value::Array(_) => {
            let items = fields.list("input", limits.messages)?.unwrap_or_default();
            for (i, item) in items.iter().enumerate() {
                let item = Fields::of(item, &format!("{}[{i}]", fields.name("input")))?;
                read_item(&item, &mut messages)?;
            }
        }
        other => return Err(mistyped(&fields.name("input"), "a string or a list", other)),
    }
    if messages.is_empty() {
        return Err(ApiError::invalid(fields.name("input"), "there is nothing to answer"));
    }
    let mut ask = Ask {
        input: Input::Chat(messages),
        max_tokens: fields.count("max_output_tokens", 1, usize::MAX)?,
        form: read_form(fields)?,
        user: fields.text("user")?.map(str::to_owned),
        ..Ask::begin(fields)?
    };
    for (i, tool) in fields.list("tools", limits.tools)?.unwrap_or_default().iter().enumerate() {
        let tool = Fields::of(tool, &format!("{}[{i}]", fields.name("tools")))?;
        let kind = tool.text("type")?.ok_or_else(|| tool.missing("type"))?;
        if take_code(&mut ask, &tool)? {
            continue;
        }
        if kind != "function" {
            let why = "this server has no tool of its own but code_interpreter";
            return Err(tool.unsupported("type", why));
        }
        ask.tools.push(read_tool(&tool, "parameters")?);
    }
    ask.choice = read_choice(fields)?;
    check_choice(fields, &ask)?;
    Ok(ask)
}

/// Reads one item of the conversation.
fn read_item(item: &Fields<'_>, messages: &mut Vec<Message>) -> Result<(), ApiError> {
    let text = |key: &str| item.text(key)?.map(str::to_owned).ok_or_else(|| item.missing(key));
    match item.text("type")?.unwrap_or("message") {
        "message" => {
            let role = match item.text("role")?.ok_or_else(|| item.missing("role"))? {
                "developer" => "system",
                role @ ("system" | "user" | "assistant") => role,
                other => {
                    let known = "system, developer, user or assistant";
                    return Err(item.unknown("role", other, known));
                }
            };
            let content = read_content(item, "content")?.ok_or_else(|| item.missing("content"))?;
            messages.push(Message::text(role, content));
        }
        "function_call" => {
            let call = ToolCall {
                id: Some(text("call_id")?),
                kind: "function".to_owned(),
                function: FunctionCall {
                    name: text("name")?,
                    arguments: text("arguments")?.into(),
                },
            };
            // Calls that follow each other, or a text, are one message.
            match messages.last_mut().filter(|last| last.role == "assistant") {
                Some(last) => last.tool_calls.push(call),
                None => messages.push(Message {
                    role: "assistant".to_owned(),
                    tool_calls: vec![call],
                    ..Message::default()
                }),
            }
        }
        "function_call_output" => messages.push(Message {
            role: "tool".to_owned(),
            content: read_content(item, "output")?.map(Content::Text),
            tool_call_id: Some(text("call_id")?),
            ..Message::default()
        }),
        "code_interpreter_call" => {
            let (id, code) = (text("id")?, text("code")?);
            messages.extend(code_call(&id, &code, item)?);
        }
        // What a model thought is not given back to it.
        "reasoning" => {}
        other => {
            let known = "message, function_call or function_call_output";
            return Err(item.unknown("type", other, known));
        }
    }
    Ok(())
}

/// A program that the server ran earlier, as the model saw it.
fn code_call(id: &str, source: &str, item: &Fields<'_>) -> Result<[Message; 2], ApiError> {
    let outputs = item.list("outputs", 1024)?.unwrap_or_default();
    let logs = outputs.iter().filter_map(|output| output.get("logs")?.as_str());
    let images = outputs.iter().filter(|output| output["type"] == "image");
    let urls = images.filter_map(|output| Some(output.get("url")?.as_str()?.to_owned()));
    let (logs, images) = (logs.collect::<Vec<_>>().join("\n"), urls.collect());
    let outcome = Outcome { logs, images, is_done: true };
    Ok(code::messages(id, source, &outcome))
}

/// Reads `text.format`.
fn read_form(fields: &Fields<'_>) -> Result<Form, ApiError> {
    let Some(text) = fields.object("text")? else { return Ok(Form::Text) };
    let Some(format) = text.object("format")? else { return Ok(Form::Text) };
    match format.text("type")?.ok_or_else(|| format.missing("type"))? {
        "text" => Ok(Form::Text),
        "json_object" => Ok(Form::Object),
        "json_schema" => read_schema(&format, "schema"),
        other => Err(format.unknown("type", other, "text, json_object or json_schema")),
    }
}

/// Reads `tool_choice`.
fn read_choice(fields: &Fields<'_>) -> Result<Choice, ApiError> {
    match fields.get("tool_choice") {
        None => Ok(Choice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "none" => Ok(Choice::None),
            "auto" => Ok(Choice::Auto),
            "required" => Ok(Choice::Required),
            other => Err(fields.unknown("tool_choice", other, "none, auto or required")),
        },
        Some(value) => {
            let choice = Fields::of(value, &fields.name("tool_choice"))?;
            if choice.text("type")? == Some(code::NAME) {
                return Ok(Choice::Named(code::NAME.to_owned()));
            }
            let name = choice.text("name")?.ok_or_else(|| choice.missing("name"))?;
            Ok(Choice::Named(name.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Kind, read};
    use super::*;

    fn read_json(value: &Value) -> Result<Ask, ApiError> {
        read(Kind::Responses, value.to_string().as_bytes(), &Limits::default())
    }

    #[test]
    fn items_become_messages() {
        let ask = read_json(&json!({
            "instructions": "be brief", "max_output_tokens": 9,
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
                {"type": "reasoning", "summary": []},
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "1"}],
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
            "text": {"format": {"type": "text"}},
        }))
        .unwrap();
        let Input::Chat(messages) = &ask.input else { panic!("it is a chat") };
        let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool"]);
        assert_eq!(messages[2].tool_calls.len(), 2);
        assert_eq!((ask.max_tokens, ask.tools.len()), (Some(9), 1));
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        for (request, param) in [
            (json!({}), "input"),
            (json!({"input": []}), "input"),
            (json!({"input": "hi", "previous_response_id": "r"}), "previous_response_id"),
            (json!({"input": [{"type": "item_reference"}]}), "input[0].type"),
            (json!({"input": [{"role": "tool", "content": ""}]}), "input[0].role"),
            (json!({"input": "hi", "tools": [{"type": "web_search"}]}), "tools[0].type"),
            (
                json!({"input": "hi", "text": {"format": {"type": "json_schema"}}}),
                "text.format.schema",
            ),
        ] {
            assert_eq!(read_json(&request).unwrap_err().param(), Some(param), "{request}");
        }
    }
}
