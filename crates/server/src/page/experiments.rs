//! Experiments: which there are, how far each is, what the answers say, and the report.
//!
//! Two processes write into the store, and neither waits for this one: what is running is watched by
//! looking again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use mynah_store::Store;
use mynah_store::sql::{Limits, Reader, SqlError, Table};
use serde_json::{Map, Value, json};

use super::queries::{ask, value};
use super::{apart, told, with_store};
use crate::{ApiError, AppState};

/// How long looking may take.
const PATIENCE: Duration = Duration::from_secs(5);
const LIMITS: Limits = Limits { rows: 200, bytes: 16 << 20 };

/// Lines of the list. A design is JSON that this program wrote, unless somebody changed the file.
const LIST: &str = "
    select e.id, e.name, e.state, e.created_utc, e.ended_utc, e.design_hash,
        (select count(*) from mynah_samples where experiment_id = e.id) as n_done,
        case when json_valid(e.design_json) then
            json_array_length(e.design_json, '$.arms') * json_array_length(e.design_json, '$.inputs')
            * json_array_length(e.design_json, '$.arms[0].wordings')
            * (e.design_json ->> '$.repeats') end as n_planned,
        (select json_group_array(distinct t.model) from turns as t where t.thread_id = e.id)
            as models
    from mynah_experiments as e where :id = '' or e.id = :id
    order by e.created_utc desc, e.id desc";

/// What the arms have so far.
const ARMS: &str = "
    select arm, count(*) as samples, avg(length(answer)) as characters,
        avg(output_tokens) as tokens
    from mynah_answers where experiment_id = :id group by arm order by min(position)";

/// The answers that came last.
const NEWEST: &str = "
    select arm, input, repeat, substr(answer, 1, 4000) as answer, finish
    from mynah_answers where experiment_id = :id order by id desc limit 12";

/// The prompts of the arms.
const PROMPTS: &str = "
    select a.value ->> '$.name' as arm, a.value ->> '$.wordings[0].system' as system,
        a.value ->> '$.wordings[0].prompt' as prompt
    from mynah_experiments as e, json_each(e.design_json, '$.arms') as a
    where e.id = :id and json_valid(e.design_json)";

pub(super) async fn list(State(app): State<AppState>) -> Result<Json<Value>, ApiError> {
    let lines = look(&app, String::new(), &[LIST]).await?.pop().unwrap_or_default();
    let lines: Vec<Value> = lines.into_iter().map(|line| tidied(line, &app)).collect();
    Ok(Json(json!({ "experiments": lines })))
}

pub(super) async fn one(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let found = look(&app, id.clone(), &[LIST, ARMS, NEWEST, PROMPTS]).await?;
    let [mut lines, arms, samples, prompts] = <[_; 4]>::try_from(found).unwrap_or_default();
    if id.is_empty() || lines.is_empty() {
        return Err(ApiError::not_found(format!("there is no experiment {id:?}")));
    }
    let mut line = tidied(lines.remove(0), &app);
    line["arms"] = arms.into();
    line["samples"] = samples.into();
    line["prompts"] = prompts.into();
    Ok(Json(line))
}

/// A line as the page wants it.
fn tidied(mut line: Value, app: &AppState) -> Value {
    let models = line["models"].as_str().and_then(|text| serde_json::from_str(text).ok());
    line["models"] = models.unwrap_or_else(|| json!([]));
    let hash = line["design_hash"].as_str().unwrap_or_default();
    let has_report = report_of(app, hash).is_some_and(|path| path.is_file());
    line["has_report"] = has_report.into();
    line
}

/// Asks questions about an experiment; each row becomes an object.
pub(super) async fn look(
    app: &AppState,
    id: String,
    questions: &'static [&'static str],
) -> Result<Vec<Vec<Value>>, ApiError> {
    let path = app.options().database.clone();
    apart(move || {
        let now = SystemTime::now();
        drop(Store::open(&path, now).map_err(|error| told(&error))?);
        let deadline = Instant::now() + PATIENCE;
        let is_late = move || Instant::now() >= deadline;
        let reader = Reader::open(&path, now, LIMITS, is_late).map_err(|error| told(&error))?;
        let parameters = BTreeMap::from([("id".to_owned(), id)]);
        let answer = |sql: &&str| match ask(&reader, sql, &parameters) {
            Ok(mut tables) => Ok(tables.pop().map(objects).unwrap_or_default()),
            Err(SqlError::Stopped) => {
                let message = "the experiments are too large to be looked through in time";
                Err(ApiError::unavailable(message, "too_slow"))
            }
            Err(error) => Err(ApiError::internal(error.to_string())),
        };
        questions.iter().map(answer).collect()
    })
    .await
}

fn objects(table: Table) -> Vec<Value> {
    let names = table.columns;
    let object = |row: Vec<_>| {
        let fields = names.iter().cloned().zip(row.iter().map(value));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    table.rows.into_iter().map(object).collect()
}

/// Where `mynah try` puts the report of a design, and `mynah train` that of a run: beside the store.
pub(super) fn report_of(app: &AppState, hash: &str) -> Option<PathBuf> {
    // What stands in the file may be anything, and becomes part of a path.
    let is_hash = hash.len() >= 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let folder = app.options().database.parent()?;
    is_hash.then(|| folder.join("reports").join(format!("{hash}.html")))
}

pub(super) async fn report(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let none = format!("there is no report of {id:?}");
    let experiment = with_store(&app, move |store| store.experiment(&id)).await?;
    let path = experiment.and_then(|it| report_of(&app, &it.design_hash));
    let html = apart(move || {
        path.and_then(|path| std::fs::read(path).ok()).ok_or_else(|| ApiError::not_found(none))
    });
    Ok(confined(html.await?))
}

/// A report, which brings a policy of its own. Here it is also put into an origin of its own, so that
/// nothing in it could ask this server anything.
pub(super) fn confined(html: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "sandbox allow-scripts; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
