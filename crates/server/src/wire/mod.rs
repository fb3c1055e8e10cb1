//! What is asked, read from the bodies of requests.
//!
//! Each API has its own words for the same things; what is read from any of them is an [`Ask`]. A
//! field that makes no sense is an error that names it. Fields that nothing here knows are passed
//! over, as clients send many; those that ask for something that cannot be had are refused.

mod anthropic;
mod ask;
mod chat;
mod completions;
mod embeddings;
mod fields;
mod responses;

pub(crate) use ask::{Ask, Form, Input, Prompt};
pub(crate) use completions::read_tokens;
pub(crate) use embeddings::EmbeddingAsk;
pub(crate) use fields::Fields;

use crate::{ApiError, Limits};

/// The APIs whose requests are read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI's `/v1/chat/completions`.
    Chat,
    /// OpenAI's `/v1/completions`.
    Completions,
    /// OpenAI's `/v1/responses`.
    Responses,
    /// Anthropic's `/v1/messages`.
    Messages,
}

/// Reads what is asked.
///
/// # Errors
/// If the body is no JSON, or a field makes no sense.
pub(crate) fn read(kind: Kind, body: &[u8], limits: &Limits) -> Result<Ask, ApiError> {
    let value = fields::parse(body)?;
    let fields = Fields::of(&value, "")?;
    match kind {
        Kind::Chat => chat::read(&fields, limits),
        Kind::Completions => completions::read(&fields, limits),
        Kind::Responses => responses::read(&fields, limits),
        Kind::Messages => anthropic::read(&fields, limits),
    }
}

/// Reads what texts are to be embedded.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_embeddings(body: &[u8], limits: &Limits) -> Result<EmbeddingAsk, ApiError> {
    let value = fields::parse(body)?;
    embeddings::read(&Fields::of(&value, "")?, limits)
}

/// Reads any object; for the small requests that are read where they are answered.
pub(crate) fn read_object(body: &[u8]) -> Result<serde_json::Value, ApiError> {
    let value = fields::parse(body)?;
    Fields::of(&value, "")?;
    Ok(value)
}

/// Reads a request and tells only whether that can be done: for tests with hostile input.
///
/// # Errors
/// If the request is refused.
pub fn check(kind: Kind, body: &[u8]) -> Result<(), ApiError> {
    let ask = read(kind, body, &Limits::default())?;
    // What comes next that depends on nothing but the request.
    crate::tools::schema(&ask.tools, &ask.choice);
    let mut finder = crate::tools::Finder::new(&ask.tools);
    finder.push(&String::from_utf8_lossy(body));
    finder.finish();
    read_embeddings(body, &Limits::default()).map(drop).or(Ok(()))
}
