//! Models, tokens, health and numbers: small requests with small answers.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use mynah_model::tokenizer::SpecialText;
use serde_json::{Value, json};

use super::Sent;
use crate::models::{LoadedInfo, library_error};
use crate::wire::{self, Fields};
use crate::{ApiError, AppState, Installed};

/// What is installed, the default first.
pub(super) async fn models(State(state): State<AppState>) -> Result<Response, ApiError> {
    let mut installed = installed(&state).await?;
    let default = state.models().default_name();
    installed.sort_by_key(|model| (model.name != default, model.name.clone()));
    let loaded = state.models().loaded();
    let data: Vec<Value> = installed.iter().map(|model| described(model, &loaded)).collect();
    let ids = |model: Option<&Installed>| model.map(|model| model.name.clone());
    // The last three are for Anthropic's clients, which read the same list.
    let body = json!({"object": "list", "data": data, "has_more": false,
        "first_id": ids(installed.first()), "last_id": ids(installed.last())});
    Ok(axum::Json(body).into_response())
}

pub(super) async fn model(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let installed = installed(&state).await?;
    match installed.iter().find(|model| model.name == name) {
        Some(model) => {
            let described = described(model, &state.models().loaded());
            Ok(axum::Json(described).into_response())
        }
        None => {
            let names: Vec<String> = installed.into_iter().map(|model| model.name).collect();
            Err(ApiError::no_model(&name, &names))
        }
    }
}

async fn installed(state: &AppState) -> Result<Vec<Installed>, ApiError> {
    let library = state.models().library().clone();
    tokio::task::spawn_blocking(move || library.list())
        .await
        .map_err(|_| ApiError::internal("listing the models failed"))?
        .map_err(|error| library_error(&error))
}

fn described(model: &Installed, loaded: &[LoadedInfo]) -> Value {
    let loaded = loaded.iter().find(|loaded| loaded.name == model.name);
    json!({"id": model.name, "object": "model", "created": model.created, "owned_by": "mynah",
        "type": "model", "display_name": model.name, "size": model.bytes, "licence": model.licence,
        "loaded": loaded})
}

/// The tokens of a text.
pub(super) async fn tokenize(
    State(state): State<AppState>,
    sent: Sent,
) -> Result<Response, ApiError> {
    let value = wire::read_object(&sent.body)?;
    let fields = Fields::of(&value, "")?;
    let key = ["content", "prompt", "text"].into_iter().find(|key| fields.get(key).is_some());
    let key = key.unwrap_or("content");
    let text = fields.text(key)?.ok_or_else(|| fields.missing(key))?.to_owned();
    let adds = fields.flag("add_special")?.unwrap_or(false);
    let parses = fields.flag("parse_special")?.unwrap_or(false);
    let with_pieces = fields.flag("with_pieces")?.unwrap_or(false);
    let model = state.models().get(fields.text("model")?.filter(|name| !name.is_empty())).await?;
    let encode = move || {
        let special = if parses { SpecialText::Parse } else { SpecialText::AsText };
        let tokenizer = &model.tokenizer;
        let tokens = if adds {
            tokenizer.encode_prompt(&text, special)
        } else {
            tokenizer.encode(&text, special)
        };
        let piece = |id: &u32| {
            let bytes = tokenizer.token_name(*id);
            match std::str::from_utf8(bytes) {
                Ok(text) => json!({"id": id, "piece": text}),
                Err(_) => json!({"id": id, "piece": bytes}),
            }
        };
        let n = tokens.len();
        let tokens = if with_pieces { tokens.iter().map(piece).collect() } else { json!(tokens) };
        json!({"tokens": tokens, "count": n, "model": model.name})
    };
    let body = tokio::task::spawn_blocking(encode).await;
    Ok(axum::Json(body.map_err(|_| ApiError::internal("splitting failed"))?).into_response())
}

/// The text of tokens.
pub(super) async fn detokenize(
    State(state): State<AppState>,
    sent: Sent,
) -> Result<Response, ApiError> {
    let value = wire::read_object(&sent.body)?;
    let fields = Fields::of(&value, "")?;
    let list = fields.list("tokens", usize::MAX)?.ok_or_else(|| fields.missing("tokens"))?;
    let tokens = wire::read_tokens(list, "tokens")?;
    let model = state.models().get(fields.text("model")?.filter(|name| !name.is_empty())).await?;
    if let Some(i) = tokens.iter().position(|&token| token as usize >= model.n_vocab) {
        let message = format!("there is no token {}: the model has {}", tokens[i], model.n_vocab);
        return Err(ApiError::invalid(format!("tokens[{i}]"), message));
    }
    let text = String::from_utf8_lossy(&model.tokenizer.decode(&tokens)).into_owned();
    Ok(axum::Json(json!({"content": text, "model": model.name})).into_response())
}

/// Whether the server answers.
pub(super) async fn health(State(state): State<AppState>) -> Response {
    let status = if state.is_ending() { "ending" } else { "ok" };
    axum::Json(json!({"status": status})).into_response()
}

/// What was counted, for Prometheus.
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    let text = state.metrics().write(&state.models().snapshots());
    let mut response = text.into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
