//! Questions in SQL, and those that are kept by name.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use mynah_store::Store;
use mynah_store::sql::{Limits, Reader, Shape, SqlError, Table, Value as SqlValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::conversations::check_name;
use super::{Page, apart, body, told, with_store};
use crate::{ApiError, AppState};

/// How many questions a page may ask at once.
const MOST: usize = 50;
/// How long all of them together may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the answer to each may hold.
const LIMITS: Limits = Limits { rows: 1000, bytes: 8 << 20 };
/// Numbers beyond this lose digits in a browser.
const EXACT: u64 = 1 << 53;

/// Questions, and values for their parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Questions {
    queries: Vec<String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

pub(super) async fn answer(
    State(page): State<Page>,
    questions: Result<Json<Questions>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Questions { queries, parameters } = body(questions)?;
    if queries.len() > MOST {
        let message = format!("{} queries are more than {MOST}", queries.len());
        return Err(ApiError::invalid("queries", message));
    }
    let turn = page.questions.acquire_owned().await;
    let path = page.app.options().database.clone();
    let results = apart(move || {
        let results = answers(&path, &queries, &parameters);
        drop(turn);
        results
    });
    Ok(Json(json!({ "results": results.await? })))
}

/// What each question has for an answer, or what is wrong with it.
fn answers(
    path: &Path,
    queries: &[String],
    parameters: &BTreeMap<String, String>,
) -> Result<Vec<Value>, ApiError> {
    let now = SystemTime::now();
    // Makes the file, or brings it up to date: a reader could not.
    drop(Store::open(path, now).map_err(|error| told(&error))?);
    let deadline = Instant::now() + PATIENCE;
    let is_late = move || Instant::now() >= deadline;
    let reader = Reader::open(path, now, LIMITS, is_late).map_err(|error| told(&error))?;
    Ok(queries.iter().map(|sql| in_json(ask(&reader, sql, parameters))).collect())
}

/// Answers a question with those of the values that it has a parameter for; what nobody said is
/// empty.
pub(super) fn ask(
    reader: &Reader,
    sql: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<Vec<Table>, SqlError> {
    let named = reader.parameters(sql)?.into_iter().map(|name| {
        let value = parameters.get(&name).cloned().unwrap_or_default();
        (name, value)
    });
    reader.answer(sql, &named.collect::<Vec<_>>())
}

fn in_json(answer: Result<Vec<Table>, SqlError>) -> Value {
    match answer {
        Ok(tables) => json!({ "tables": tables.iter().map(table).collect::<Vec<_>>() }),
        Err(error) => {
            let offset = match &error {
                SqlError::Syntax { offset, .. } => *offset,
                _ => None,
            };
            json!({ "error": { "message": error.to_string(), "offset": offset } })
        }
    }
}

fn table(table: &Table) -> Value {
    let row = |row: &Vec<SqlValue>| Value::Array(row.iter().map(value).collect());
    json!({
        "columns": table.columns,
        "rows": table.rows.iter().map(row).collect::<Vec<_>>(),
        "is_cut": table.is_cut,
        "shape": shape(table),
    })
}

/// A value; numbers that a browser cannot hold become texts.
pub(super) fn value(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(n) if n.unsigned_abs() > EXACT => Value::from(n.to_string()),
        SqlValue::Integer(n) => Value::from(*n),
        SqlValue::Real(x) if x.is_finite() => Value::from(*x),
        SqlValue::Real(x) => Value::from(x.to_string()),
        SqlValue::Text(text) => Value::from(text.as_str()),
        SqlValue::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            json!({ "bytes": digits.collect::<String>() })
        }
    }
}

fn shape(table: &Table) -> &'static str {
    match table.shape() {
        Shape::Bars(_) => "bars",
        Shape::BigNumbers(_) => "big_number",
        Shape::WordCloud(_) => "word_cloud",
        Shape::Markdown(_) => "markdown",
        Shape::Html(_) => "html",
        Shape::Progress(_) => "progress",
        Shape::Table => "table",
    }
}

pub(super) async fn list(State(app): State<AppState>) -> Result<Json<Value>, ApiError> {
    let queries = with_store(&app, |store| store.queries()).await?;
    Ok(Json(json!({ "queries": queries })))
}

/// A query to be kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuery {
    name: String,
    sql: String,
}

pub(super) async fn save(
    State(app): State<AppState>,
    query: Result<Json<NewQuery>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let NewQuery { name, sql } = body(query)?;
    check_name(&name)?;
    if sql.trim().is_empty() {
        return Err(ApiError::invalid("sql", "there is no query"));
    }
    let save = move |store: &mut Store| store.save_query(name.trim(), &sql, SystemTime::now());
    with_store(&app, save).await?;
    Ok(Json(json!({})))
}

/// Which one.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

pub(super) async fn remove(
    State(app): State<AppState>,
    Query(Named { name }): Query<Named>,
) -> Result<Json<Value>, ApiError> {
    with_store(&app, move |store| store.remove_query(&name)).await?;
    Ok(Json(json!({})))
}
