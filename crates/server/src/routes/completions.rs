//! OpenAI's older completions.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use mynah_engine::Token;
use mynah_model::tokenizer::Tokenizer;
use serde_json::{Map, Value, json};

use super::{Begun, Sent, begin, finish_reason, logprob, token_text, usage};
use crate::answers::{Delta, End};
use crate::stream::{Events, events};
use crate::wire::{Ask, Input, Kind, Prompt};
use crate::{ApiError, AppState, random};

pub(super) async fn answer(
    State(state): State<AppState>,
    sent: Sent,
) -> Result<Response, ApiError> {
    let mut begun = begin(&state, Kind::Completions, &sent).await?;
    if begun.ask.stream {
        return Ok(events(|events| stream(begun, events)));
    }
    let deltas = std::mem::take(&mut begun.deltas);
    let wholes = begun.generation.all(deltas).await?;
    let tokenizer = &begun.generation.model.tokenizer;
    let choices = wholes.into_iter().enumerate().map(|(i, whole)| {
        let text = echoed(&begun.ask, tokenizer, i) + &whole.text;
        let told = logprobs(&begun.ask, tokenizer, &whole.tokens, &mut 0);
        let end = whole.end.unwrap_or(End::Stop);
        json!({"index": i, "text": text, "logprobs": told, "finish_reason": finish_reason(&end)})
    });
    let body = json!({
        "id": random::name("cmpl-"),
        "object": "text_completion",
        "created": begun.created,
        "model": begun.model,
        "choices": choices.collect::<Vec<_>>(),
        "usage": usage(begun.generation.usage()),
    });
    Ok(axum::Json(body).into_response())
}

/// The prompt of an answer, if it is part of it.
fn echoed(ask: &Ask, tokenizer: &Tokenizer, sample: usize) -> String {
    match &ask.input {
        Input::Prompts(prompts) if ask.echo => match &prompts[sample / ask.n] {
            Prompt::Text(text) => text.clone(),
            Prompt::Tokens(tokens) => {
                String::from_utf8_lossy(&tokenizer.decode(tokens)).into_owned()
            }
        },
        _ => String::new(),
    }
}

/// Probabilities, if they were asked for. `offset`: where the first token stands in the answer, in
/// characters; left where the next one will stand.
fn logprobs(ask: &Ask, tokenizer: &Tokenizer, tokens: &[Token], offset: &mut usize) -> Value {
    if ask.logprobs.is_none() {
        return Value::Null;
    }
    let mut told = [const { Vec::new() }; 4];
    for token in tokens {
        let (text, _) = token_text(tokenizer, token.id);
        let top = token.top.iter().map(|&(id, x)| {
            let x = if x.is_finite() { x } else { -9999.0 };
            (token_text(tokenizer, id).0, Value::from(x))
        });
        told[3].push(Value::from(*offset));
        *offset += text.chars().count();
        told[0].push(Value::from(text));
        told[1].push(Value::from(logprob(token)));
        told[2].push(Value::Object(top.collect::<Map<_, _>>()));
    }
    let [names, logprobs, top, offsets] = told;
    json!({"tokens": names, "token_logprobs": logprobs, "top_logprobs": top, "text_offset": offsets})
}

/// Sends answers as they grow.
async fn stream(begun: Begun, mut events: Events) {
    let Begun { model, created, ask, mut generation, mut deltas } = begun;
    let id = random::name("cmpl-");
    let chunk = |choices: Value| {
        json!({"id": id, "object": "text_completion", "created": created, "model": model,
            "choices": choices})
    };
    let choice = |i: usize, text: &str, logprobs: Value, end: Value| json!([{"index": i, "text": text, "logprobs": logprobs, "finish_reason": end}]);
    let mut offsets = vec![0; ask.n_samples()];
    if ask.echo {
        for i in 0..ask.n_samples() {
            let text = echoed(&ask, &generation.model.tokenizer, i);
            events.data(&chunk(choice(i, &text, Value::Null, Value::Null)));
        }
    }
    loop {
        for delta in deltas {
            let choices = match delta {
                Delta::Text { sample, text, tokens } => {
                    let tokenizer = &generation.model.tokenizer;
                    let told = logprobs(&ask, tokenizer, &tokens, &mut offsets[sample]);
                    choice(sample, &text, told, Value::Null)
                }
                Delta::End { sample, end } => {
                    choice(sample, "", Value::Null, finish_reason(&end).into())
                }
                // No tools are offered here.
                Delta::Call { .. } | Delta::Ran { .. } => continue,
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
