//! What is answered where.

mod chat;
mod completions;
mod embeddings;
mod messages;
mod plain;
mod responses;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use mynah_engine::Token;
use mynah_model::tokenizer::Tokenizer;
use serde_json::{Value, json};

use crate::answers::{Delta, End, Generation, Usage};
use crate::listen::Peer;
use crate::wire::{self, Ask, Kind};
use crate::{ApiError, AppState, guard};

/// The routes of the APIs, by which responses are counted too.
const ROUTES: [&str; 11] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/models",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/tokenize",
    "/detokenize",
    "/health",
    "/metrics",
];

/// Everything that the server answers.
pub fn router(state: AppState) -> Router {
    let limit = state.options().limits.body_bytes;
    let api = Router::new()
        .route("/v1/chat/completions", post(chat::answer))
        .route("/v1/completions", post(completions::answer))
        .route("/v1/responses", post(responses::answer))
        .route("/v1/embeddings", post(embeddings::answer))
        .route("/v1/messages", post(messages::answer))
        .route("/v1/messages/count_tokens", post(messages::count))
        .route("/v1/models", get(plain::models))
        .route("/v1/models/{*name}", get(plain::model))
        .route("/tokenize", post(plain::tokenize))
        .route("/detokenize", post(plain::detokenize))
        .route("/health", get(plain::health))
        .route("/metrics", get(plain::metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state.clone());
    api.merge(crate::page::router(state.clone()))
        .layer(DefaultBodyLimit::max(limit))
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .layer(middleware::from_fn_with_state(state, count))
}

/// Counts responses by route; what is none of the APIs' is the page's.
async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let route = ROUTES.iter().find(|route| path == **route).copied().unwrap_or("other");
    let response = next.run(request).await;
    state.metrics().response(route, response.status().as_u16());
    response
}

async fn not_found(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    ApiError::not_found(format!("there is no {method} {path}")).response(path)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    ApiError::wrong_method(format!("{path} does not answer {method}")).response(path)
}

/// A request's body, and who sent it.
pub(crate) struct Sent {
    body: Bytes,
    /// Whose turn it is when many wait.
    who: String,
}

impl FromRequest<AppState> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let body = read_body(request.into_body(), state).await;
        let who = peer.map_or_else(String::new, |ip: IpAddr| ip.to_string());
        body.map(|body| Self { body, who }).map_err(|error| error.response(&path))
    }
}

async fn read_body(body: Body, state: &AppState) -> Result<Bytes, ApiError> {
    let limits = &state.options().limits;
    let limit = limits.body_bytes;
    if hyper::body::Body::size_hint(&body).lower() > limit as u64 {
        return Err(ApiError::too_large(limit));
    }
    match tokio::time::timeout(limits.body_time, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(body)) => Ok(body),
        // The other reason, that the connection broke, nobody hears of.
        Ok(Err(_)) => Err(ApiError::too_large(limit)),
        Err(_) => Err(ApiError::slow_body()),
    }
}

/// What is asked, and the answers to it that have begun.
struct Begun {
    /// The model's name, for the response.
    model: String,
    /// When it was asked, in seconds since 1970.
    created: u64,
    ask: Ask,
    generation: Generation,
    deltas: Vec<Delta>,
}

/// Reads what is asked and begins to answer.
async fn begin(state: &AppState, kind: Kind, sent: &Sent) -> Result<Begun, ApiError> {
    let ask = wire::read(kind, &sent.body, &state.options().limits)?;
    let (generation, deltas) = state.begin(ask.clone(), &sent.who).await?;
    let model = generation.model.name.clone();
    Ok(Begun { model, created: now_s(), ask, generation, deltas })
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}

/// The name of an end in OpenAI's older APIs.
fn finish_reason(end: &End) -> &'static str {
    match end {
        End::Stop | End::StopString(_) => "stop",
        End::Length => "length",
        End::Calls => "tool_calls",
    }
}

/// How many tokens there were, as OpenAI's older APIs tell it.
fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}

/// The text of a token for people, and its bytes for programs.
fn token_text(tokenizer: &Tokenizer, id: u32) -> (String, Vec<u8>) {
    let bytes = tokenizer.token_name(id);
    (String::from_utf8_lossy(bytes).into_owned(), bytes.to_vec())
}

/// The logarithm of a probability; one that is 0 has none, which JSON cannot write.
fn logprob(token: &Token) -> f32 {
    token.logprob.filter(|x| x.is_finite()).unwrap_or(-9999.0)
}
