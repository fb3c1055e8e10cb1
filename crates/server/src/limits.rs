//! What a request may ask for, and how long it may take to ask.
//!
//! Schemas, regular expressions and grammars have limits of their own, which are the engine's
//! (`mynah_engine::constraint::Limits`), and so have sampling parameters and stop strings.

use std::time::Duration;

/// Bounds on what clients can make the server hold or do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// Bytes of a request's first line and headers; more are taken if they come at once.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// How long the head of a request may take to come.
    pub head_time: Duration,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// How long the body of a request may take to come.
    pub body_time: Duration,
    /// Messages of a conversation.
    pub messages: usize,
    /// Tools of a request.
    pub tools: usize,
    /// Prompts, or texts to embed, of a request.
    pub prompts: usize,
    /// Answers of a request, all its prompts together.
    pub samples: usize,
    /// Requests that a model answers or that wait for it.
    pub requests: usize,
    /// Answers that are computed at once.
    pub sequences: usize,
    /// How long a request may wait for its turn.
    pub wait: Duration,
    /// Bytes of an answer that its reader has not taken yet.
    pub unread_bytes: usize,
    /// How long answers may go on after the server was asked to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head_bytes: 64 << 10,
            headers: 64,
            head_time: Duration::from_secs(10),
            body_bytes: 4 << 20,
            body_time: Duration::from_secs(30),
            messages: 4096,
            tools: 128,
            prompts: 256,
            samples: 128,
            requests: 128,
            sequences: 64,
            wait: Duration::from_mins(1),
            unread_bytes: 1 << 20,
            grace: Duration::from_secs(5),
        }
    }
}
