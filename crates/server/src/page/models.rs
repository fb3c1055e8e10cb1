//! The models of this computer: which are installed and loaded, fetched while one looks on, removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::queries::Named;
use super::{Page, apart, body};
use crate::models::library_error;
use crate::{ApiError, AppState, Library, LibraryError, Progress};

/// How many models are fetched at once.
const AT_ONCE: usize = 3;
/// The longest name of a model.
const LONGEST: usize = 500;
/// How many pulls are remembered after their end.
const REMEMBERED: usize = 20;

/// What is or was fetched since the server began.
#[derive(Default)]
pub(super) struct Pulls {
    pulls: Mutex<Vec<Arc<Pull>>>,
}

struct Pull {
    name: String,
    is_unwanted: AtomicBool,
    seen: Mutex<Seen>,
}

/// How far it is.
#[derive(Clone, Serialize)]
struct Seen {
    state: Progressing,
    doing: String,
    done: u64,
    of: Option<u64>,
    error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Progressing {
    Running,
    Done,
    Failed,
}

impl Pull {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn is_running(&self) -> bool {
        self.seen().state == Progressing::Running
    }

    /// Fetches the model. Takes long.
    fn run(&self, library: &dyn Library) {
        let tell = |progress: Progress| {
            let Progress { doing, done, of } = progress;
            self.change(|seen| (seen.doing, seen.done, seen.of) = (doing, done, of));
            !self.is_unwanted.load(Ordering::Relaxed)
        };
        let pulled = library.pull(&self.name, &tell);
        self.change(|seen| match pulled {
            Ok(_) => seen.state = Progressing::Done,
            Err(LibraryError { message, hint: None }) => fail(seen, message),
            Err(LibraryError { message, hint: Some(hint) }) => {
                fail(seen, format!("{message} ({hint})"));
            }
        });
    }

    fn fail(&self, message: String) {
        self.change(|seen| fail(seen, message));
    }
}

fn fail(seen: &mut Seen, message: String) {
    (seen.state, seen.error) = (Progressing::Failed, Some(message));
}

impl Pulls {
    /// A pull of this model that is to be begun; none if one is running.
    fn begin(&self, name: &str) -> Result<Option<Arc<Pull>>, ApiError> {
        let mut pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        if pulls.iter().any(|pull| pull.name == name && pull.is_running()) {
            return Ok(None);
        }
        if pulls.iter().filter(|pull| pull.is_running()).count() >= AT_ONCE {
            let message = format!("{AT_ONCE} models are being fetched already");
            return Err(ApiError::unavailable(message, "too_many_pulls"));
        }
        pulls.retain(|pull| pull.name != name);
        let ended = pulls.iter().filter(|pull| !pull.is_running()).count();
        if let Some(oldest) = pulls.iter().position(|pull| !pull.is_running())
            && ended >= REMEMBERED
        {
            pulls.remove(oldest);
        }
        let seen = Seen {
            state: Progressing::Running,
            doing: "asking".to_owned(),
            done: 0,
            of: None,
            error: None,
        };
        let pull = Arc::new(Pull {
            name: name.to_owned(),
            is_unwanted: AtomicBool::new(false),
            seen: Mutex::new(seen),
        });
        pulls.push(Arc::clone(&pull));
        Ok(Some(pull))
    }

    fn stop(&self, name: &str) {
        let pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        for pull in pulls.iter().filter(|pull| pull.name == name) {
            pull.is_unwanted.store(true, Ordering::Relaxed);
        }
    }

    fn list(&self) -> Vec<Value> {
        let pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |pull: &Arc<Pull>| {
            let Seen { state, doing, done, of, error } = pull.seen();
            json!({ "name": pull.name, "state": state, "doing": doing, "done": done, "of": of,
                "error": error })
        };
        pulls.iter().map(line).collect()
    }
}

pub(super) async fn list(State(page): State<Page>) -> Result<Json<Value>, ApiError> {
    let library = Arc::clone(page.app.models().library());
    let list = move || {
        let installed = library.list().map_err(|error| library_error(&error))?;
        Ok((installed, library.known()))
    };
    let (installed, known) = apart(list).await?;
    let loaded = page.app.models().loaded();
    let line = |model: &crate::Installed| {
        let loaded = loaded.iter().find(|loaded| loaded.name == model.name);
        json!({
            "name": model.name,
            "bytes": model.bytes,
            "licence": model.licence,
            "is_loaded": loaded.is_some(),
            "memory_bytes": loaded.map(|loaded| loaded.bytes),
            "in_use": loaded.map_or(0, |loaded| loaded.requests),
        })
    };
    Ok(Json(json!({
        "installed": installed.iter().map(line).collect::<Vec<_>>(),
        "known": known,
        "pulls": page.pulls.list(),
        "memory_bytes": page.app.options().memory_bytes,
        "memory_used": loaded.iter().map(|model| model.bytes).sum::<u64>(),
    })))
}

/// Which model, and whether to fetch it or to stop fetching it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    stop: bool,
}

pub(super) async fn pull(
    State(page): State<Page>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Wanted { name, stop } = body(wanted)?;
    check_reference(&name)?;
    if stop {
        page.pulls.stop(&name);
    } else if let Some(pull) = page.pulls.begin(&name)? {
        let library = Arc::clone(page.app.models().library());
        // Nobody waits for it: how far it is, is in the list. It takes so long that it has a thread
        // of its own, and not one of those that prepare requests.
        let fetching = Arc::clone(&pull);
        let begun = std::thread::Builder::new().name("pull".to_owned());
        if let Err(error) = begun.spawn(move || fetching.run(&*library)) {
            pull.fail(format!("the system has no thread for it: {error}"));
        }
    }
    Ok(Json(json!({ "pulls": page.pulls.list() })))
}

/// Refuses what names files of this computer: a page may fetch models, not read the disk.
fn check_reference(name: &str) -> Result<(), ApiError> {
    let is_remote = ["hf:", "pypi:", "npm:", "https://"].iter().any(|it| name.starts_with(it));
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_short = name.chars().all(is_letter) && !name.starts_with('.') && !name.is_empty();
    if (is_remote && !name.contains(char::is_control) || is_short) && name.len() <= LONGEST {
        return Ok(());
    }
    let message = "a model is named by a short name, or by where it is on the network: \
                   hf:OWNER/REPOSITORY, pypi:PACKAGE, npm:PACKAGE/MEMBER, https://…";
    Err(ApiError::invalid("name", message))
}

pub(super) async fn remove(
    State(app): State<AppState>,
    Query(Named { name }): Query<Named>,
) -> Result<Json<Value>, ApiError> {
    let removed = apart(move || {
        let installed = app.models().library().list().map_err(|error| library_error(&error))?;
        if installed.iter().all(|model| model.name != name) {
            return Err(ApiError::not_found(format!("there is no model {name:?} here")));
        }
        if !app.models().unload(&name) {
            let message = format!("{name} is answering now; try again when it is done");
            return Err(ApiError::unavailable(message, "model_in_use"));
        }
        match app.models().library().remove(&name) {
            Ok(true) => Ok(()),
            Ok(false) => Err(ApiError::not_found(format!("there is no model {name:?} here"))),
            Err(error) => Err(library_error(&error)),
        }
    });
    removed.await?;
    Ok(Json(json!({})))
}
