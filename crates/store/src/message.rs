//! Messages, and the hashes that they are known by.
//!
//! The hash is that of the command line `llm` (0.32 and later): BLAKE2b with 16 bytes over JSON
//! with sorted keys and no spaces, of the message and of the hash before it. So a conversation that
//! both programs know is one conversation.

use blake2::Digest as _;
use blake2::digest::consts::U16;
use serde_json::{Value, json};

type Blake2b128 = blake2::Blake2b<U16>;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who says how the model should behave.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

impl Role {
    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::System, Self::User, Self::Assistant, Self::Tool]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What.
    pub text: String,
}

impl Message {
    /// A message.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into() }
    }
}

/// What a message is known by where it follows the message with the hash `parent`.
pub fn message_hash(message: &Message, parent: Option<&str>) -> String {
    let parts = json!([{ "text": message.text, "type": "text" }]);
    let role = message.role.name();
    // Keys in the order of the alphabet.
    content_hash(&json!({ "message": { "parts": parts, "role": role }, "parent": parent }))
}

/// The hash of JSON whose keys are sorted already.
fn content_hash(value: &Value) -> String {
    let digest = Blake2b128::digest(value.to_string().as_bytes());
    digest.iter().fold("b2:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// What JSON schemas are known by: 16 bytes of BLAKE2b over their text, in hexadecimal digits.
pub(crate) fn schema_id(text: &str) -> String {
    let digest = Blake2b128::digest(text.as_bytes());
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Bits that depend on nothing but these texts, for identifiers.
pub(crate) fn bits_of<'t>(texts: impl IntoIterator<Item = &'t str>) -> u128 {
    let mut digest = Blake2b128::new();
    for text in texts {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    u128::from_le_bytes(digest.finalize().into())
}
