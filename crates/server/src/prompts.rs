//! From conversations to the tokens that a model continues.

use std::sync::Arc;

use mynah_model::checkpoint::Metadata;
use mynah_model::template::{ChatInput, ChatTemplate, Content, Message, TemplateError};
use mynah_model::tokenizer::Tokenizer;
use serde_json::{Map, Value};

use crate::ApiError;
use crate::tools::{self, Tool};

/// How a model is asked.
pub(crate) struct Prompts {
    tokenizer: Arc<Tokenizer>,
    /// Why there is none, if so: a text can be continued all the same.
    plain: Result<ChatTemplate, TemplateError>,
    /// A template that tells the model of tools, if there is one.
    for_tools: Option<ChatTemplate>,
}

impl Prompts {
    /// Prompts for a model by what its file says.
    pub(crate) fn new(facts: &Metadata, tokenizer: Arc<Tokenizer>) -> Self {
        let plain = ChatTemplate::from_metadata(facts, &tokenizer, false);
        let for_tools = ChatTemplate::from_metadata(facts, &tokenizer, true);
        // A template that does not name them would drop them without a word.
        let for_tools = for_tools.ok().filter(|template| template.source().contains("tools"));
        Self { tokenizer, plain, for_tools }
    }

    /// The tokens of a conversation that the model is to answer. What people wrote in it is text,
    /// whatever it is.
    ///
    /// # Errors
    /// If the model has no template, or the template does not take the conversation.
    pub(crate) fn conversation(
        &self,
        messages: &[Message],
        offered: &[Tool],
        extra: &Map<String, Value>,
    ) -> Result<Vec<u32>, ApiError> {
        let uses_tools = !offered.is_empty()
            || messages.iter().any(|m| m.role == "tool" || !m.tool_calls.is_empty());
        let in_words;
        let (template, messages, shown): (_, &[Message], Vec<Value>) = match &self.for_tools {
            Some(template) if uses_tools => {
                (template, messages, offered.iter().map(Tool::to_template).collect())
            }
            _ => {
                let template = self.plain.as_ref().map_err(|error| {
                    let message = format!("{error}; /v1/completions continues a text as it is");
                    ApiError::invalid("messages", message)
                })?;
                in_words = if uses_tools { say_in_words(messages, offered) } else { Vec::new() };
                let messages = if uses_tools { &in_words } else { messages };
                (template, messages, Vec::new())
            }
        };
        let input = ChatInput {
            messages,
            tools: &shown,
            add_generation_prompt: true,
            extra: extra.clone(),
            now: None,
        };
        let rendered = template.render(&input).map_err(|error| {
            ApiError::invalid("messages", format!("the model's template says: {error}"))
        })?;
        Ok(self.tokenizer.encode_rendered(&rendered))
    }
}

/// A conversation with tools for a template that does not know of them: what is offered stands in
/// the system's message, calls and results are text.
fn say_in_words(messages: &[Message], offered: &[Tool]) -> Vec<Message> {
    let mut said: Vec<Message> = messages.iter().map(in_words).collect();
    if offered.is_empty() {
        return said;
    }
    let instructions = tools::instructions(offered);
    match said.first_mut().filter(|first| first.role == "system") {
        Some(system) => {
            let text = text_of(system);
            system.content = Some(Content::Text(format!("{text}\n\n{instructions}")));
        }
        None => said.insert(0, Message::text("system", instructions)),
    }
    said
}

fn in_words(message: &Message) -> Message {
    let text = text_of(message);
    if message.role == "tool" {
        let who = message.name.as_deref().or(message.tool_call_id.as_deref()).unwrap_or("the tool");
        return Message::text("user", format!("Result of {who}:\n{text}"));
    }
    if message.tool_calls.is_empty() {
        return message.clone();
    }
    let calls = message
        .tool_calls
        .iter()
        .map(|call| tools::written(&call.function.name, &call.function.arguments));
    let parts: Vec<String> =
        std::iter::once(text).filter(|text| !text.is_empty()).chain(calls).collect();
    Message::text(message.role.as_str(), parts.join("\n"))
}

/// What a message says, parts joined by line breaks.
pub(crate) fn text_of(message: &Message) -> String {
    match &message.content {
        None => String::new(),
        Some(Content::Text(text)) => text.clone(),
        Some(Content::Parts(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
    }
}

/// What a message is kept as: its text, with the calls as they were written.
pub(crate) fn kept_text(message: &Message) -> String {
    text_of(&if message.role == "tool" { message.clone() } else { in_words(message) })
}
