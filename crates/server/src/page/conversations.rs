//! Conversations: listed, read as trees, gone on with, searched.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use mynah_store::{Entry, Error, Filter, Store, Tree};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, with_store};
use crate::{ApiError, AppState};

/// How many conversations are listed if nobody says.
const LISTED: usize = 50;
/// How many answers a search finds at most.
const FOUND: usize = 30;
/// The longest name of anything.
const LONGEST_NAME: usize = 200;

/// How often it is looked whether an answer is kept, and how long between two looks: two seconds.
const LOOKS: usize = 80;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// How many are wanted.
#[derive(Deserialize)]
pub(super) struct Wanted {
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): State<AppState>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, ApiError> {
    let limit = wanted.limit.unwrap_or(LISTED);
    let read = move |store: &mut Store| Ok((store.threads(limit)?, store.records()?));
    let (lines, records) = with_store(&app, read).await?;
    // Who is told that nothing is kept need not wait for it.
    let records = records && app.options().records;
    Ok(Json(json!({ "conversations": lines, "records": records })))
}

/// How many answers are known already.
#[derive(Deserialize)]
pub(super) struct Known {
    after: Option<usize>,
}

/// A conversation. With `after` it is waited for until it has more answers than that, as an answer is
/// kept a moment after it was sent; `null` if that does not come.
pub(super) async fn tree(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(known): Query<Known>,
) -> Result<Json<Option<Tree>>, ApiError> {
    let Some(n) = known.after else {
        return with_store(&app, move |store| store.tree(&id)).await.map(Some).map(Json);
    };
    for _ in 0..LOOKS {
        let id = id.clone();
        let read = move |store: &mut Store| match store.tree(&id) {
            Err(Error::Absent { .. }) => Ok(None),
            other => other.map(Some),
        };
        let tree = with_store(&app, read).await?;
        if tree.as_ref().is_some_and(|tree| tree.turns.len() > n) {
            return Ok(Json(tree));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(Json(None))
}

/// What is to be different about a conversation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    tip: Option<String>,
}

pub(super) async fn change(
    State(app): State<AppState>,
    Path(id): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let change = body(change)?;
    if let Some(name) = &change.name {
        check_name(name)?;
    }
    let work = move |store: &mut Store| {
        if let Some(name) = &change.name {
            store.rename_thread(&id, name.trim())?;
        }
        if let Some(tip) = &change.tip {
            store.set_tip(&id, tip)?;
        }
        Ok(())
    };
    with_store(&app, work).await?;
    Ok(Json(json!({})))
}

/// Refuses a name that is none.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let is_text = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if is_text && name.chars().count() <= LONGEST_NAME {
        return Ok(());
    }
    let message = format!("a name is 1 to {LONGEST_NAME} characters on one line");
    Err(ApiError::invalid("name", message))
}

pub(super) async fn delete(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let n = with_store(&app, move |store| store.delete_thread(&id)).await?;
    Ok(Json(json!({ "answers": n })))
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Words {
    q: String,
}

pub(super) async fn search(
    State(app): State<AppState>,
    Query(Words { q }): Query<Words>,
) -> Result<Json<Value>, ApiError> {
    if q.trim().is_empty() {
        return Ok(Json(json!({ "hits": [] })));
    }
    let filter = Filter { search: Some(q), limit: Some(FOUND), ..Filter::default() };
    let hits = with_store(&app, move |store| store.entries(&filter)).await?;
    let hits: Vec<Value> = hits.iter().map(hit).collect();
    Ok(Json(json!({ "hits": hits })))
}

fn hit(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "conversation": entry.conversation,
        "conversation_name": entry.conversation_name,
        "datetime_utc": entry.datetime_utc,
        "model": entry.model,
        "prompt": entry.prompt,
        "response": entry.response,
    })
}
