//! Anthropic's messages.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{Begun, Sent, begin};
use crate::answers::{Delta, End, Usage, Whole};
use crate::stream::{Events, events};
use crate::tools::Call;
use crate::wire::{self, Kind};
use crate::{ApiError, AppState, random};

/// The path by which errors take Anthropic's shape.
const PATH: &str = "/v1/messages";

pub(super) async fn answer(State(state): State<AppState>, sent: Sent) -> Response {
    match try_answer(&state, &sent).await {
        Ok(response) => response,
        Err(error) => error.response(PATH),
    }
}

async fn try_answer(state: &AppState, sent: &Sent) -> Result<Response, ApiError> {
    let mut begun = begin(state, Kind::Messages, sent).await?;
    if begun.ask.stream {
        return Ok(events(|events| stream(begun, events)));
    }
    let deltas = std::mem::take(&mut begun.deltas);
    let mut wholes = begun.generation.all(deltas).await?;
    let whole = wholes.pop().unwrap_or_default();
    let end = whole.end.clone().unwrap_or(End::Stop);
    let mut body = message(&begun.model, begun.generation.usage());
    body["content"] = content(&whole);
    body["stop_reason"] = stop_reason(&end).into();
    body["stop_sequence"] = stop_sequence(&end);
    Ok(axum::Json(body).into_response())
}

/// Tells how many tokens a conversation has.
pub(super) async fn count(State(state): State<AppState>, sent: Sent) -> Response {
    let count = async {
        let ask = wire::read(Kind::Messages, &sent.body, &state.options().limits)?;
        state.count(ask).await
    };
    match count.await {
        Ok(n) => axum::Json(json!({"input_tokens": n})).into_response(),
        Err(error) => error.response(PATH),
    }
}

/// A message in which nothing is said yet.
fn message(model: &str, used: Usage) -> Value {
    json!({"id": random::name("msg_"), "type": "message", "role": "assistant", "model": model,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(used)})
}

/// What was in the cache is counted apart from what was read.
fn usage(usage: Usage) -> Value {
    json!({"input_tokens": usage.prompt - usage.cached, "output_tokens": usage.completion,
        "cache_read_input_tokens": usage.cached, "cache_creation_input_tokens": 0})
}

fn content(whole: &Whole) -> Value {
    let text = (!whole.text.is_empty() || whole.calls.is_empty())
        .then(|| json!({"type": "text", "text": whole.text}));
    let calls = whole.calls.iter().map(|call| {
        let mut block = tool_use(call);
        block["input"] = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        block
    });
    text.into_iter().chain(calls).collect()
}

/// A call without its arguments.
fn tool_use(call: &Call) -> Value {
    json!({"type": "tool_use", "id": random::name("toolu_"), "name": call.name, "input": {}})
}

fn stop_reason(end: &End) -> &'static str {
    match end {
        End::Stop => "end_turn",
        End::StopString(_) => "stop_sequence",
        End::Length => "max_tokens",
        End::Calls => "tool_use",
    }
}

fn stop_sequence(end: &End) -> Value {
    match end {
        End::StopString(text) => text.as_str().into(),
        _ => Value::Null,
    }
}

/// The blocks of a message that is sent as it grows.
struct Blocks {
    events: Events,
    /// How many were begun.
    n: usize,
    /// Whether the last is text, and not yet ended.
    in_text: bool,
}

impl Blocks {
    fn begin(&mut self, block: &Value) {
        let index = self.n;
        self.n += 1;
        let event = json!({"type": "content_block_start", "index": index, "content_block": block});
        self.events.event("content_block_start", &event);
    }

    fn go_on(&mut self, delta: &Value) {
        let index = self.n - 1;
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        self.events.event("content_block_delta", &event);
    }

    fn end(&mut self) {
        let event = json!({"type": "content_block_stop", "index": self.n - 1});
        self.events.event("content_block_stop", &event);
        self.in_text = false;
    }

    fn text(&mut self, text: &str) {
        if !self.in_text {
            self.begin(&json!({"type": "text", "text": ""}));
            self.in_text = true;
        }
        self.go_on(&json!({"type": "text_delta", "text": text}));
    }

    fn call(&mut self, call: &Call) {
        if self.in_text {
            self.end();
        }
        self.begin(&tool_use(call));
        self.go_on(&json!({"type": "input_json_delta", "partial_json": call.arguments}));
        self.end();
    }
}

/// Sends the answer as it grows.
async fn stream(begun: Begun, events: Events) {
    let Begun { model, mut generation, mut deltas, .. } = begun;
    let mut blocks = Blocks { events, n: 0, in_text: false };
    let start = json!({"type": "message_start", "message": message(&model, generation.usage())});
    blocks.events.event("message_start", &start);
    let mut end = End::Stop;
    loop {
        for delta in deltas {
            match delta {
                Delta::Text { text, .. } => blocks.text(&text),
                Delta::Call { call, .. } => blocks.call(&call),
                // Anthropic's API has no such tool here, so nothing asks for it.
                Delta::Ran { .. } => {}
                Delta::End { end: why, .. } => end = why,
            }
        }
        if !blocks.events.flush().await {
            return;
        }
        deltas = match blocks.events.next(&mut generation).await {
            None => return,
            Some(Ok(deltas)) if deltas.is_empty() => break,
            Some(Ok(deltas)) => deltas,
            Some(Err(error)) => {
                blocks.events.event("error", &error.anthropic());
                blocks.events.flush().await;
                return;
            }
        };
    }
    if blocks.n == 0 {
        blocks.text("");
    }
    if blocks.in_text {
        blocks.end();
    }
    let delta = json!({"stop_reason": stop_reason(&end), "stop_sequence": stop_sequence(&end)});
    let event =
        json!({"type": "message_delta", "delta": delta, "usage": usage(generation.usage())});
    blocks.events.event("message_delta", &event);
    blocks.events.event("message_stop", &json!({"type": "message_stop"}));
    blocks.events.flush().await;
}
