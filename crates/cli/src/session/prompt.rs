//! From what people write to the tokens that a model continues.

use std::sync::Arc;

use mynah_model::template::{self, ChatInput, ChatTemplate, TemplateError};
use mynah_model::tokenizer::{SpecialText, Tokenizer};
use serde::{Deserialize, Serialize};

use super::Loaded;
use crate::failure::Hint as _;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    User,
    Assistant,
}

/// Something that is said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) content: String,
}

impl Message {
    pub(crate) fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    pub(crate) fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }

    /// The message as templates know it.
    fn to_template(&self) -> template::Message {
        let role = match self.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        template::Message::text(role, self.content.as_str())
    }
}

/// How a model is asked.
pub(crate) struct Prompts {
    tokenizer: Arc<Tokenizer>,
    /// Why there is none, if so: a text can be continued all the same.
    template: Result<ChatTemplate, TemplateError>,
}

impl Prompts {
    /// Prompts for a model, with the template that was given in place of its own.
    ///
    /// # Errors
    /// If the template that was given is none.
    pub(crate) fn new(loaded: &Loaded, given: Option<&str>) -> anyhow::Result<Self> {
        let tokenizer = Arc::clone(&loaded.tokenizer);
        let template = match given {
            Some(source) => Ok(ChatTemplate::new(source, &tokenizer)?),
            None => ChatTemplate::from_metadata(&loaded.facts, &tokenizer, false),
        };
        Ok(Self { tokenizer, template })
    }

    /// Whether the model has no template: it continues texts, and knows no conversations.
    pub(crate) fn are_texts_only(&self) -> bool {
        matches!(self.template, Err(TemplateError::Missing))
    }

    /// The tokens of a text that is continued as it is. Names of control tokens in it are text.
    pub(crate) fn raw(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode_prompt(text, SpecialText::AsText)
    }

    /// The tokens of a conversation that the model is to answer. What people wrote in it is text,
    /// whatever it is.
    ///
    /// # Errors
    /// If the model has no template, or the template does not take the conversation.
    pub(crate) fn conversation(
        &self,
        system: Option<&str>,
        messages: &[Message],
    ) -> anyhow::Result<Vec<u32>> {
        let template = match &self.template {
            Ok(template) => template,
            Err(error) => {
                return Err(error.clone())
                    .hint("`mynah run --raw` continues a text as it is, without a conversation");
            }
        };
        let system = system.map(|text| template::Message::text("system", text));
        let messages: Vec<template::Message> =
            system.into_iter().chain(messages.iter().map(Message::to_template)).collect();
        let input =
            ChatInput { messages: &messages, add_generation_prompt: true, ..ChatInput::default() };
        let rendered = template.render(&input)?;
        Ok(self.tokenizer.encode_rendered(&rendered))
    }
}
