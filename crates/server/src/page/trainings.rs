//! Runs of training: which there are, how far each is, what was measured, and the report.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::apart;
use super::experiments::{confined, look, report_of};
use crate::{ApiError, AppState};

const LIST: &str = "
    select t.id, t.name, t.state, t.folder, t.seed, t.steps, t.bits_per_byte, t.created_utc,
        t.ended_utc,
        coalesce((select max(step) from mynah_training_points where training_id = t.id), 0) as step
    from mynah_trainings as t where :id = '' or t.id = :id
    order by t.created_utc desc, t.id desc";

/// No more of them than the page's limit on rows: the last ones count most, and a run keeps about
/// as many.
const POINTS: &str = "
    select step, seconds, loss, bits_per_byte, held_out_bits_per_byte as held_out
    from mynah_training_points where training_id = :id order by step";

const SAMPLES: &str = "
    select step, prompt, substr(text, 1, 4000) as text from mynah_training_samples
    where training_id = :id order by step desc, position limit 12";

const CONFIG: &str = "select config_toml from mynah_trainings where id = :id";

pub(super) async fn list(State(app): State<AppState>) -> Result<Json<Value>, ApiError> {
    let lines = look(&app, String::new(), &[LIST]).await?.pop().unwrap_or_default();
    let lines: Vec<Value> = lines.into_iter().map(|line| tidied(line, &app)).collect();
    Ok(Json(json!({ "trainings": lines })))
}

pub(super) async fn one(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let found = look(&app, id.clone(), &[LIST, POINTS, SAMPLES, CONFIG]).await?;
    let [mut lines, points, samples, config] = <[_; 4]>::try_from(found).unwrap_or_default();
    if id.is_empty() || lines.is_empty() {
        return Err(absent(&id));
    }
    let mut line = tidied(lines.remove(0), &app);
    line["points"] = points.into();
    line["samples"] = samples.into();
    line["config"] = config.first().map_or(Value::Null, |row| row["config_toml"].clone());
    Ok(Json(line))
}

fn tidied(mut line: Value, app: &AppState) -> Value {
    let id = line["id"].as_str().unwrap_or_default();
    let has_report = report_of(app, id).is_some_and(|path| path.is_file());
    line["has_report"] = has_report.into();
    line
}

fn absent(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no training {id:?}"))
}

pub(super) async fn report(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let path = report_of(&app, &id);
    let html =
        apart(move || path.and_then(|path| std::fs::read(path).ok()).ok_or_else(|| absent(&id)));
    Ok(confined(html.await?))
}
