//! What can be wrong with a tokenizer's data.

use crate::checkpoint::MetadataError;

/// A tokenizer that cannot be made from the data given.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A fact in the metadata is absent or of another kind.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The vocabulary is of a kind that is not implemented.
    #[error("tokenizer model `{name}` is not one of gpt2, llama, t5, bert, gemma4")]
    UnknownModel {
        /// The value of `tokenizer.ggml.model`.
        name: String,
    },
    /// No pre-tokenizer has this name.
    #[error("pre-tokenizer `{name}` is not known")]
    UnknownPreTokenizer {
        /// The value of `tokenizer.ggml.pre`.
        name: String,
    },
    /// Two lists that belong to the same tokens differ in length.
    #[error("`{key}` has {got} entries for {expected} tokens")]
    LengthMismatch {
        /// The list at fault.
        key: &'static str,
        /// How many tokens there are.
        expected: usize,
        /// How many entries the list has.
        got: usize,
    },
    /// A list has no entries.
    #[error("`{key}` is empty")]
    Empty {
        /// The list at fault.
        key: &'static str,
    },
    /// The vocabulary's text does not fit 4 GiB, or has more tokens than 2^31.
    #[error("the vocabulary is too large: {tokens} tokens")]
    TooLarge {
        /// How many tokens there are.
        tokens: usize,
    },
    /// A token is named that the vocabulary does not have.
    #[error("`{key}` names token {id}, the vocabulary has {tokens}")]
    IdOutOfRange {
        /// Where the number stands.
        key: String,
        /// The number.
        id: u64,
        /// How many tokens there are.
        tokens: usize,
    },
    /// A score is not a number.
    #[error("the score of token {id} is not a number")]
    ScoreNotANumber {
        /// The token.
        id: u32,
    },
    /// A character outside the vocabulary could not be written in any token.
    #[error("the vocabulary has neither byte tokens nor an unknown token")]
    NoFallback,
    /// A pattern is not a regular expression that can be compiled.
    #[error("the pattern `{pattern}` does not compile: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What the compiler says.
        reason: String,
    },
    /// The table of character replacements is damaged.
    #[error("the character map is damaged: {reason}")]
    CharacterMap {
        /// What is wrong.
        reason: &'static str,
    },
    /// A file is not JSON, or not of the shape it must have.
    #[error("{file}: {source}")]
    Json {
        /// Which file.
        file: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A part of tokenizer.json lacks a field or has it in another shape.
    #[error("tokenizer.json: {part}: {problem}")]
    Malformed {
        /// Where in the file.
        part: String,
        /// What is wrong.
        problem: String,
    },
    /// A part of tokenizer.json asks for something that is not implemented.
    #[error("tokenizer.json: {part}: `{value}` is not supported")]
    Unsupported {
        /// Where in the file.
        part: String,
        /// What it asks for.
        value: String,
    },
    /// The tokenizer cannot be said in GGUF's keys.
    #[error("this tokenizer has no form in GGUF: {reason}")]
    NotInGguf {
        /// What GGUF has no word for.
        reason: String,
    },
}
