//! OpenAI's responses.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{Begun, Sent, begin};
use crate::answers::{Delta, End, Usage};
use crate::interpreting::Ran;
use crate::stream::{Events, events};
use crate::tools::Call;
use crate::wire::{Ask, Form, Kind};
use crate::{ApiError, AppState, random};

pub(super) async fn answer(
    State(state): State<AppState>,
    sent: Sent,
) -> Result<Response, ApiError> {
    let mut begun = begin(&state, Kind::Responses, &sent).await?;
    if begun.ask.stream {
        return Ok(events(|events| stream(begun, events)));
    }
    let deltas = std::mem::take(&mut begun.deltas);
    let mut wholes = begun.generation.all(deltas).await?;
    let whole = wholes.pop().unwrap_or_default();
    let ran = whole.ran.iter().map(code_call);
    let text = (!whole.text.is_empty() || whole.calls.is_empty())
        .then(|| message(&random::name("msg_"), &whole.text, "completed"));
    let calls = whole.calls.iter().map(call);
    let output: Vec<Value> = ran.chain(text).chain(calls).collect();
    let end = whole.end.unwrap_or(End::Stop);
    let mut body = Envelope::new(&begun).write(&output, Some(&end));
    body["usage"] = usage(begun.generation.usage());
    Ok(axum::Json(body).into_response())
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt + usage.completion,
    })
}

/// A text as an item of the output.
fn message(id: &str, text: &str, status: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant", "status": status,
        "content": [part(text)]})
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// A call as an item of the output.
fn call(call: &Call) -> Value {
    json!({"type": "function_call", "id": random::name("fc_"), "call_id": random::name("call_"),
        "name": call.name, "arguments": call.arguments, "status": "completed"})
}

/// A program that was run as an item of the output.
fn code_call(ran: &Ran) -> Value {
    json!({"type": "code_interpreter_call", "id": ran.id, "code": ran.source,
        "container_id": "response", "status": "completed", "outputs": ran.outcome.outputs()})
}

/// What a response says of itself, whatever its output.
struct Envelope {
    id: String,
    created: u64,
    model: String,
    ask: Ask,
}

impl Envelope {
    fn new(begun: &Begun) -> Self {
        let (model, ask) = (begun.model.clone(), begun.ask.clone());
        Self { id: random::name("resp_"), created: begun.created, model, ask }
    }

    /// The response with this output; without an end it goes on.
    fn write(&self, output: &[Value], end: Option<&End>) -> Value {
        let tools = self.ask.tools.iter().map(|tool| {
            json!({"type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters, "strict": false})
        });
        let code = self.ask.code.as_ref().map(|_| json!({"type": "code_interpreter"}));
        let format = match &self.ask.form {
            Form::Text | Form::Regex(_) | Form::Grammar(_) => json!({"type": "text"}),
            Form::Object => json!({"type": "json_object"}),
            Form::Schema { schema, .. } => {
                json!({"type": "json_schema", "name": "answer", "schema": schema})
            }
        };
        let (status, why) = match end {
            None => ("in_progress", Value::Null),
            Some(End::Length) => ("incomplete", json!({"reason": "max_output_tokens"})),
            Some(_) => ("completed", Value::Null),
        };
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": null,
            "incomplete_details": why,
            "instructions": null,
            "max_output_tokens": self.ask.max_tokens,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "temperature": null,
            "top_p": null,
            "text": {"format": format},
            "tool_choice": "auto",
            "tools": tools.chain(code).collect::<Vec<_>>(),
            "usage": null,
            "metadata": {},
        })
    }
}

/// The items of a response that is sent as it grows.
struct Items {
    events: Events,
    n_events: usize,
    /// Those that are whole.
    output: Vec<Value>,
    /// The name and text of the one that is not.
    text: Option<(String, String)>,
}

impl Items {
    /// Writes an event, numbered as the API does.
    fn event(&mut self, name: &str, mut value: Value) {
        value["type"] = name.into();
        value["sequence_number"] = self.n_events.into();
        self.n_events += 1;
        self.events.event(name, &value);
    }

    fn text(&mut self, new: &str) {
        let index = self.output.len();
        if self.text.is_none() {
            let id = random::name("msg_");
            let item = json!({"type": "message", "id": id, "role": "assistant",
                "status": "in_progress", "content": []});
            self.event("response.output_item.added", json!({"output_index": index, "item": item}));
            self.event(
                "response.content_part.added",
                json!({"item_id": id, "output_index": index, "content_index": 0, "part": part("")}),
            );
            self.text = Some((id, String::new()));
        }
        let Some((id, text)) = &mut self.text else { return };
        text.push_str(new);
        let value = json!({"item_id": id, "output_index": index, "content_index": 0, "delta": new,
            "logprobs": []});
        self.event("response.output_text.delta", value);
    }

    fn end_text(&mut self) {
        let Some((id, text)) = self.text.take() else { return };
        let index = self.output.len();
        let place = json!({"item_id": id, "output_index": index, "content_index": 0});
        let mut done = place.clone();
        done["text"] = text.as_str().into();
        done["logprobs"] = json!([]);
        self.event("response.output_text.done", done);
        let mut done = place;
        done["part"] = part(&text);
        self.event("response.content_part.done", done);
        let item = message(&id, &text, "completed");
        self.event("response.output_item.done", json!({"output_index": index, "item": item}));
        self.output.push(item);
    }

    fn call(&mut self, found: &Call) {
        self.end_text();
        let index = self.output.len();
        let item = call(found);
        let mut begun = item.clone();
        begun["arguments"] = "".into();
        begun["status"] = "in_progress".into();
        self.event("response.output_item.added", json!({"output_index": index, "item": begun}));
        let place = json!({"item_id": item["id"], "output_index": index});
        let mut delta = place.clone();
        delta["delta"] = item["arguments"].clone();
        self.event("response.function_call_arguments.delta", delta);
        let mut done = place;
        done["arguments"] = item["arguments"].clone();
        done["name"] = item["name"].clone();
        self.event("response.function_call_arguments.done", done);
        self.event("response.output_item.done", json!({"output_index": index, "item": item}));
        self.output.push(item);
    }
}

impl Items {
    /// A program that was run, with the events that tell of it.
    fn ran(&mut self, ran: &Ran) {
        self.end_text();
        let index = self.output.len();
        let item = code_call(ran);
        let mut begun = item.clone();
        begun["status"] = "in_progress".into();
        begun["code"] = "".into();
        begun["outputs"] = json!([]);
        self.event("response.output_item.added", json!({"output_index": index, "item": begun}));
        let place = json!({"item_id": ran.id, "output_index": index});
        self.event("response.code_interpreter_call.in_progress", place.clone());
        let mut code = place.clone();
        code["delta"] = ran.source.as_str().into();
        self.event("response.code_interpreter_call_code.delta", code);
        let mut code = place.clone();
        code["code"] = ran.source.as_str().into();
        self.event("response.code_interpreter_call_code.done", code);
        self.event("response.code_interpreter_call.interpreting", place.clone());
        self.event("response.code_interpreter_call.completed", place);
        self.event("response.output_item.done", json!({"output_index": index, "item": item}));
        self.output.push(item);
    }
}

/// Sends the answer as it grows.
async fn stream(begun: Begun, events: Events) {
    let envelope = Envelope::new(&begun);
    let Begun { mut generation, mut deltas, .. } = begun;
    let mut items = Items { events, n_events: 0, output: Vec::new(), text: None };
    for name in ["response.created", "response.in_progress"] {
        items.event(name, json!({"response": envelope.write(&[], None)}));
    }
    let mut end = End::Stop;
    loop {
        for delta in deltas {
            match delta {
                Delta::Text { text, .. } => items.text(&text),
                Delta::Call { call, .. } => items.call(&call),
                Delta::Ran { ran } => items.ran(&ran),
                Delta::End { end: why, .. } => end = why,
            }
        }
        if !items.events.flush().await {
            return;
        }
        deltas = match items.events.next(&mut generation).await {
            None => return,
            Some(Ok(deltas)) if deltas.is_empty() => break,
            Some(Ok(deltas)) => deltas,
            Some(Err(error)) => {
                let mut failed = envelope.write(&items.output, None);
                failed["status"] = "failed".into();
                let code = error.code().unwrap_or("server_error");
                failed["error"] = json!({"code": code, "message": error.to_string()});
                items.event("response.failed", json!({"response": failed}));
                items.events.flush().await;
                return;
            }
        };
    }
    if items.output.is_empty() && items.text.is_none() {
        items.text("");
    }
    items.end_text();
    let mut body = envelope.write(&items.output, Some(&end));
    body["usage"] = usage(generation.usage());
    let name = if end == End::Length { "response.incomplete" } else { "response.completed" };
    items.event(name, json!({"response": body}));
    items.events.flush().await;
}
