//! OpenAI's chat completions.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use mynah_engine::Token;
use mynah_model::tokenizer::Tokenizer;
use serde_json::{Map, Value, json};

use super::{Begun, Sent, begin, finish_reason, logprob, token_text, usage};
use crate::answers::{Delta, End, Whole};
use crate::interpreting::Ran;
use crate::stream::{Events, events};
use crate::tools::Call;
use crate::wire::{Ask, Kind};
use crate::{ApiError, AppState, random};

pub(super) async fn answer(
    State(state): State<AppState>,
    sent: Sent,
) -> Result<Response, ApiError> {
    let mut begun = begin(&state, Kind::Chat, &sent).await?;
    if begun.ask.stream {
        return Ok(events(|events| stream(begun, events)));
    }
    let deltas = std::mem::take(&mut begun.deltas);
    let wholes = begun.generation.all(deltas).await?;
    let choices = wholes.into_iter().enumerate().map(|(i, whole)| choice(&begun, i, whole));
    let body = json!({
        "id": random::name("chatcmpl-"),
        "object": "chat.completion",
        "created": begun.created,
        "model": begun.model,
        "choices": choices.collect::<Vec<_>>(),
        "usage": usage(begun.generation.usage()),
    });
    Ok(axum::Json(body).into_response())
}

fn choice(begun: &Begun, index: usize, whole: Whole) -> Value {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null});
    if whole.calls.is_empty() || !whole.text.is_empty() {
        message["content"] = whole.text.into();
    }
    if !whole.calls.is_empty() {
        message["tool_calls"] = whole.calls.iter().map(call).collect();
    }
    if !whole.ran.is_empty() {
        message["code_interpreter_calls"] = whole.ran.iter().map(code_call).collect();
    }
    let end = whole.end.unwrap_or(End::Stop);
    json!({
        "index": index,
        "message": message,
        "logprobs": logprobs(&begun.ask, &begun.generation.model.tokenizer, &whole.tokens),
        "finish_reason": finish_reason(&end),
    })
}

fn call(call: &Call) -> Value {
    json!({
        "id": random::name("call_"),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

/// A program that was run. The API has no place for it; this is one that clients pass over.
fn code_call(ran: &Ran) -> Value {
    json!({
        "id": ran.id,
        "type": "code_interpreter",
        "code": ran.source,
        "outputs": ran.outcome.outputs(),
    })
}

/// Probabilities, if they were asked for.
fn logprobs(ask: &Ask, tokenizer: &Tokenizer, tokens: &[Token]) -> Value {
    if ask.logprobs.is_none() {
        return Value::Null;
    }
    let one = |id: u32, logprob: f32| {
        let (token, bytes) = token_text(tokenizer, id);
        let fields = [
            ("token".to_owned(), Value::from(token)),
            ("logprob".to_owned(), logprob.into()),
            ("bytes".to_owned(), bytes.into()),
        ];
        Map::from_iter(fields)
    };
    let content = tokens.iter().map(|token| {
        let mut told = one(token.id, logprob(token));
        let finite = |x: f32| if x.is_finite() { x } else { -9999.0 };
        let top = token.top.iter().map(|&(id, x)| Value::Object(one(id, finite(x))));
        told.insert("top_logprobs".to_owned(), top.collect());
        Value::Object(told)
    });
    json!({"content": content.collect::<Vec<_>>(), "refusal": null})
}

/// Sends answers as they grow.
async fn stream(begun: Begun, mut events: Events) {
    let Begun { model, created, ask, mut generation, mut deltas } = begun;
    let id = random::name("chatcmpl-");
    let chunk = |choices: Value| {
        json!({"id": id, "object": "chat.completion.chunk", "created": created, "model": model,
            "choices": choices})
    };
    let choice = |i: usize, delta: Value, logprobs: Value, end: Value| json!([{"index": i, "delta": delta, "logprobs": logprobs, "finish_reason": end}]);
    for i in 0..ask.n_samples() {
        let delta = json!({"role": "assistant", "content": ""});
        events.data(&chunk(choice(i, delta, Value::Null, Value::Null)));
    }
    loop {
        for delta in deltas {
            let choices = match delta {
                Delta::Text { sample, text, tokens } => {
                    let told = logprobs(&ask, &generation.model.tokenizer, &tokens);
                    choice(sample, json!({"content": text}), told, Value::Null)
                }
                Delta::Call { sample, index, call: found } => {
                    let mut found = call(&found);
                    found["index"] = index.into();
                    choice(sample, json!({"tool_calls": [found]}), Value::Null, Value::Null)
                }
                Delta::Ran { ran } => {
                    let delta = json!({"code_interpreter_calls": [code_call(&ran)]});
                    choice(0, delta, Value::Null, Value::Null)
                }
                Delta::End { sample, end } => {
                    choice(sample, json!({}), Value::Null, finish_reason(&end).into())
                }
            };
            events.data(&chunk(choices));
        }
        if !events.flush().await {
            return;
        }
        deltas = match events.next(&mut generation).await {
            None => return,
            Some(Ok(deltas)) if deltas.is_empty() => break,
            Some(Ok(deltas)) => deltas,
            Some(Err(error)) => {
                events.data(&error.openai());
                break;
            }
        };
    }
    if ask.include_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(generation.usage());
        events.data(&last);
    }
    events.done();
    events.flush().await;
}
