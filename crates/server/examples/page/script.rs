//! What the scripted model says: it depends on the last word of what was asked.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mynah_store::{Message, Role, Store, Turn};
use serde_json::{Value, json};

/// Everything that a model may try so that a page runs script or fetches something.
const ATTACK: &str = include_str!("attack.md");
const CODE: &str = include_str!("code.md");

pub(super) async fn models() -> Json<Value> {
    let names = ["smollm2-135m", "qwen2.5-coder-0.5b", "gemma3-270m"];
    let model = |name: &str| json!({ "id": name, "object": "model", "owned_by": "mynah" });
    Json(json!({ "object": "list", "data": names.map(model) }))
}

pub(super) async fn answer(State(database): State<PathBuf>, Json(asked): Json<Value>) -> Response {
    let messages: Vec<Message> =
        asked["messages"].as_array().into_iter().flatten().map(message).collect();
    let question = messages.last().map_or("", |message| message.text.as_str());
    let word = question.split_whitespace().next_back().unwrap_or_default().to_owned();
    let model = asked["model"].as_str().unwrap_or_default().to_owned();
    if word == "fail" {
        let error = json!({ "error": { "message": "the model is away", "type": "server_error" } });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(error)).into_response();
    }
    let text = match word.as_str() {
        "attack" => ATTACK.to_owned(),
        "code" => CODE.to_owned(),
        "forever" => String::new(),
        _ => {
            let seed = asked["seed"].as_u64().unwrap_or_default();
            let system = messages.first().filter(|message| message.role == Role::System);
            let as_what = system.map_or(String::new(), |it| format!(" I was told: *{}*", it.text));
            let n = messages.iter().filter(|message| message.role == Role::User).count();
            format!("This is **answer {n}** of {model}, drawn with seed {seed}.{as_what}")
        }
    };
    let turn = Turn {
        command: "serve".to_owned(),
        model,
        fingerprint: None,
        messages,
        answer: String::new(),
        sample: 0,
        seed: asked["seed"].as_u64(),
        temperature: asked["temperature"].as_f64(),
        options: serde_json::Map::new(),
        schema: None,
        input_tokens: Some(12),
        cached_tokens: None,
        output_tokens: None,
        first_token: Some(Duration::from_millis(40)),
        duration: Some(Duration::from_millis(640)),
        finish: "cancelled".to_owned(),
        at: SystemTime::now(),
    };
    let stream = Words {
        rest: text.split_inclusive(' ').map(str::to_owned).rev().collect(),
        is_endless: word == "forever",
        n: 0,
        is_over: false,
        thread: asked["thread"].as_str().map(str::to_owned),
        turn,
        database,
        pause: Box::pin(tokio::time::sleep(Duration::ZERO)),
    };
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}

fn message(value: &Value) -> Message {
    let role = value["role"].as_str().and_then(Role::named).unwrap_or(Role::User);
    Message::new(role, value["content"].as_str().unwrap_or_default())
}

/// Words one after the other. What was said is kept when it ends, or when nobody listens any more.
struct Words {
    rest: Vec<String>,
    is_endless: bool,
    n: u64,
    is_over: bool,
    thread: Option<String>,
    turn: Turn,
    database: PathBuf,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Words {
    fn next(&mut self) -> Option<String> {
        if self.is_endless {
            return Some(format!("{} ", self.n + 1));
        }
        self.rest.pop()
    }
}

impl futures_core::Stream for Words {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let words = &mut *self;
        if words.is_over {
            return Poll::Ready(None);
        }
        if words.pause.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        // Slow enough to be seen growing, and quick enough for a test.
        words.pause = Box::pin(tokio::time::sleep(Duration::from_millis(4)));
        let chunk = if let Some(word) = words.next() {
            words.n += 1;
            words.turn.answer.push_str(&word);
            json!({ "choices": [{ "index": 0, "delta": { "content": word } }] }).to_string()
        } else {
            words.is_over = true;
            "stop".clone_into(&mut words.turn.finish);
            let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
            let usage = json!({ "choices": [],
                "usage": { "prompt_tokens": 12, "completion_tokens": words.n } });
            format!("{end}\n\ndata: {usage}\n\ndata: [DONE]")
        };
        Poll::Ready(Some(Ok(Bytes::from(format!("data: {chunk}\n\n")))))
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if self.n == 0 {
            return;
        }
        self.turn.output_tokens = Some(self.n);
        if let Ok(mut store) = Store::open(&self.database, SystemTime::now()) {
            let _ = store.record_turn(self.thread.as_deref(), &self.turn);
        }
    }
}
