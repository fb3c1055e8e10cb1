//! Conversations, in the shape in which templates know them.

use minijinja::Value;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

/// A message of a conversation.
///
/// Reads and writes the JSON of the OpenAI API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, `tool` or a name that the template knows.
    pub role: String,
    /// What is said; a message that only calls tools may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What the model thought before it spoke.
    #[serde(
        default,
        rename = "reasoning_content",
        alias = "reasoning",
        alias = "thinking",
        skip_serializing_if = "Option::is_none"
    )]
    pub reasoning: Option<String>,
    /// The tools that the model wants to be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that this message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The name of the speaker or of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text.
    Text(String),
    /// Parts, each an object with a `type`, such as `{"type": "text", "text": "…"}`.
    Parts(Vec<Json>),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the answer will refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Always `function`.
    #[serde(default = "function", rename = "type")]
    pub kind: String,
    /// Which function with which arguments.
    pub function: FunctionCall,
}

/// The function that is called and its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// An object, or a string that holds one as JSON.
    #[serde(default)]
    pub arguments: Json,
}

fn function() -> String {
    "function".to_owned()
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ToolCall>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Message {
    /// A message of text.
    pub fn text(role: impl Into<String>, text: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(Content::Text(text.into())), ..Self::default() }
    }

    /// The message as a template sees it.
    ///
    /// `write` turns each string into what the template is to see in its place. If `joins_parts`,
    /// parts of text become one text, each on its own line.
    pub(super) fn to_value(
        &self,
        joins_parts: bool,
        write: &mut impl FnMut(&str) -> String,
    ) -> Value {
        let mut pairs = vec![("role", Value::from(self.role.as_str()))];
        match &self.content {
            None => pairs.push(("content", Value::from(()))),
            Some(Content::Text(text)) => pairs.push(("content", Value::from(write(text)))),
            Some(Content::Parts(parts)) if joins_parts => {
                let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
                let text = texts.collect::<Vec<_>>().join("\n");
                pairs.push(("content", Value::from(write(&text))));
            }
            Some(Content::Parts(parts)) => {
                let parts = parts.iter().map(|part| value_of(part, write)).collect::<Vec<_>>();
                pairs.push(("content", Value::from(parts)));
            }
        }
        if let Some(reasoning) = &self.reasoning {
            // Templates know it by either name, and transformers gives both.
            let reasoning = write(reasoning);
            pairs.push(("reasoning_content", Value::from(reasoning.as_str())));
            pairs.push(("thinking", Value::from(reasoning)));
        }
        if !self.tool_calls.is_empty() {
            let calls = self.tool_calls.iter().map(|call| call.to_value(write));
            pairs.push(("tool_calls", Value::from(calls.collect::<Vec<_>>())));
        }
        for (key, text) in [("tool_call_id", &self.tool_call_id), ("name", &self.name)] {
            if let Some(text) = text {
                pairs.push((key, Value::from(write(text))));
            }
        }
        Value::from_pairs(pairs)
    }
}

impl ToolCall {
    fn to_value(&self, write: &mut impl FnMut(&str) -> String) -> Value {
        let mut pairs = Vec::new();
        if let Some(id) = &self.id {
            pairs.push(("id", Value::from(write(id))));
        }
        pairs.push(("type", Value::from(write(&self.kind))));
        // Templates expect an object. The API's wire format has it as a string.
        let parsed = self
            .function
            .arguments
            .as_str()
            .and_then(|text| serde_json::from_str::<Json>(text).ok().filter(Json::is_object));
        let arguments = value_of(parsed.as_ref().unwrap_or(&self.function.arguments), write);
        let name = Value::from(write(&self.function.name));
        let function = Value::from_pairs([("name", name), ("arguments", arguments)]);
        pairs.push(("function", function));
        Value::from_pairs(pairs)
    }
}

/// JSON as a template sees it. `write` turns each string, and each key, into what is to be seen.
pub(super) fn value_of(json: &Json, write: &mut impl FnMut(&str) -> String) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (None, Some(value)) => Value::from(value),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(write(text)),
        Json::Array(items) => {
            Value::from(items.iter().map(|item| value_of(item, write)).collect::<Vec<_>>())
        }
        Json::Object(fields) => Value::from_pairs(
            fields
                .iter()
                .map(|(key, value)| (write(key), value_of(value, write)))
                .collect::<Vec<_>>(),
        ),
    }
}

/// JSON as it is.
#[cfg(test)]
pub(super) fn plain_value(json: &Json) -> Value {
    value_of(json, &mut str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_read_from_the_wire_format() {
        let message: Message = serde_json::from_value(json!({
            "role": "assistant", "content": null, "reasoning": "hm", "refusal": null,
            "tool_calls": [{"id": "1", "type": "function",
                "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}))
        .unwrap();
        assert_eq!(message.content, None);
        assert_eq!(message.reasoning.as_deref(), Some("hm"));
        assert_eq!(
            message.to_value(false, &mut str::to_owned).to_string(),
            "{'role': 'assistant', 'content': None, 'reasoning_content': 'hm', 'thinking': 'hm', \
             'tool_calls': [{'id': '1', 'type': 'function', 'function': \
             {'name': 'f', 'arguments': {'a': 1}}}]}"
        );
        let message: Message =
            serde_json::from_value(json!({"role": "user", "content": "hi", "tool_calls": null}))
                .unwrap();
        assert_eq!(message, Message::text("user", "hi"));
        assert_eq!(
            serde_json::to_value(&message).unwrap(),
            json!({"role": "user", "content": "hi"})
        );
    }

    #[test]
    fn parts_stay_parts_or_become_lines() {
        let message: Message = serde_json::from_value(json!({"role": "user", "content":
            [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}))
        .unwrap();
        let joined = message.to_value(true, &mut str::to_owned);
        assert_eq!(joined.get_attr("content").unwrap().as_str(), Some("a\nb"));
        let parts = message.to_value(false, &mut str::to_owned).get_attr("content").unwrap();
        assert_eq!(parts.len(), Some(3));
    }

    #[test]
    fn every_string_passes_through() {
        let json = json!({"a": ["b", {"c": 1.5}], "d": null});
        let mut seen = Vec::new();
        value_of(&json, &mut |text| {
            seen.push(text.to_owned());
            String::new()
        });
        seen.sort();
        assert_eq!(seen, ["a", "b", "c", "d"]);
    }
}
