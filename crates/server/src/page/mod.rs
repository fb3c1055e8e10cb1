//! The page, and what only it asks for (`/api/…`).
//!
//! The page's files are in the binary ([`assets`]). Answers are drawn, and kept, through `/v1` as for
//! everybody else; here are the conversations in the store ([`conversations`], [`exchange`]), questions in SQL
//! ([`queries`]), experiments ([`experiments`], [`experiment_file`]) and the models that are
//! installed ([`models`]).
//!
//! Who may ask is decided before: see [`guard`](crate::guard). What is written here is written by
//! whoever may ask; what is read is shown by a page that runs none of it.

mod assets;
mod conversations;
mod exchange;
mod experiment_file;
mod experiments;
mod models;
mod queries;
#[cfg(test)]
mod tests;
mod trainings;

use std::error::Error as _;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};
use mynah_store::Store;
use tokio::sync::Semaphore;

use crate::{ApiError, AppState};

/// How large an import may be.
const IMPORT_BYTES: usize = 64 << 20;
/// How many questions in SQL are answered at once: each keeps a core busy.
const QUESTIONS: usize = 2;

/// What the page's routes share.
#[derive(Clone)]
struct Page {
    app: AppState,
    pulls: Arc<models::Pulls>,
    questions: Arc<Semaphore>,
}

impl FromRef<Page> for AppState {
    fn from_ref(page: &Page) -> Self {
        page.app.clone()
    }
}

/// The page's routes. It has no fallback: what nobody serves is answered by
/// [`router`](crate::router).
pub(crate) fn router(state: AppState) -> Router {
    let pulls = Arc::new(models::Pulls::default());
    let page = Page { app: state, pulls, questions: Arc::new(Semaphore::new(QUESTIONS)) };
    let api = Router::new()
        .route("/api/conversations", get(conversations::list))
        .route(
            "/api/conversations/{id}",
            get(conversations::tree).post(conversations::change).delete(conversations::delete),
        )
        .route("/api/conversations/{id}/export", get(exchange::export_one))
        .route("/api/search", get(conversations::search))
        .route("/api/export", get(exchange::export_all))
        .route("/api/sql", post(queries::answer))
        .route("/api/queries", get(queries::list).post(queries::save).delete(queries::remove))
        .route("/api/models", get(models::list).delete(models::remove))
        .route("/api/models/pull", post(models::pull))
        .route("/api/experiments", get(experiments::list))
        .route("/api/experiments/{id}", get(experiments::one))
        .route("/api/experiments/{id}/report", get(experiments::report))
        .route("/api/trainings", get(trainings::list))
        .route("/api/trainings/{id}", get(trainings::one))
        .route("/api/trainings/{id}/report", get(trainings::report))
        .route("/api/experiment-file", post(experiment_file::write))
        .route("/api/import", post(exchange::import).layer(DefaultBodyLimit::max(IMPORT_BYTES)))
        .with_state(page);
    api.merge(assets::router())
}

/// The body of a request, or why it is none.
fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(rejection) => Err(ApiError::malformed(rejection.body_text())),
    }
}

/// Works on the store where waiting for the disk stops nobody.
async fn with_store<T: Send + 'static>(
    app: &AppState,
    work: impl FnOnce(&mut Store) -> Result<T, mynah_store::Error> + Send + 'static,
) -> Result<T, ApiError> {
    let path = app.options().database.clone();
    let open = move || {
        let worked = Store::open(&path, SystemTime::now()).and_then(|mut store| work(&mut store));
        worked.map_err(|error| told(&error))
    };
    apart(open).await
}

/// Does something that takes its time on a thread of its own.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(ApiError::internal("the work broke off")))
}

/// What the store says, for whoever asked.
fn told(error: &mynah_store::Error) -> ApiError {
    use mynah_store::Error;
    let mut message = error.to_string();
    if let Some(source) = error.source() {
        message += &format!(": {source}");
    }
    if let Some(hint) = error.hint() {
        message += &format!(" ({hint})");
    }
    match error {
        // The path of the file is nobody's business who only looks for what is not there.
        Error::Absent { what, name, .. } => {
            ApiError::not_found(format!("there is no {what} {name:?}"))
        }
        Error::Search { .. } => ApiError::invalid("q", message),
        Error::Busy { .. } => ApiError::unavailable(message, "store_busy"),
        _ => ApiError::internal(message),
    }
}
