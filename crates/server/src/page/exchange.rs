//! Conversations as files: taken out whole, with all their branches, and taken in again.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use mynah_store::{Message, Role, Store, Tree, Turn};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{body, with_store};
use crate::{ApiError, AppState};

/// What such a file says that it is.
const FORMAT: &str = "mynah-conversations";
/// The version that is written, and the latest that is read.
const VERSION: u64 = 1;

pub(super) async fn export_one(
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let tree = with_store(&app, move |store| store.tree(&id)).await?;
    Ok(Json(file(&[tree])))
}

pub(super) async fn export_all(State(app): State<AppState>) -> Result<Json<Value>, ApiError> {
    let trees = with_store(&app, |store| {
        store.threads(usize::MAX)?.iter().map(|line| store.tree(&line.id)).collect::<Result<_, _>>()
    });
    let trees: Vec<Tree> = trees.await?;
    Ok(Json(file(&trees)))
}

fn file(trees: &[Tree]) -> Value {
    json!({ "format": FORMAT, "version": VERSION, "conversations": trees })
}

/// A file of conversations. What it says is not believed: the hashes in it only say what follows
/// what, and are computed anew.
#[derive(Deserialize)]
pub(super) struct File {
    format: String,
    version: u64,
    conversations: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Conversation {
    name: Option<String>,
    tip: Option<String>,
    messages: Vec<Node>,
    turns: Vec<Drawn>,
}

#[derive(Deserialize)]
struct Node {
    hash: String,
    parent: Option<String>,
    role: Role,
    text: String,
}

#[derive(Deserialize)]
struct Drawn {
    parent: Option<String>,
    tip: Option<String>,
    command: Option<String>,
    model: String,
    #[serde(default)]
    options: Map<String, Value>,
    seed: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    first_token_ms: Option<f64>,
    duration_ms: Option<f64>,
    finish: Option<String>,
    datetime_utc: String,
}

pub(super) async fn import(
    State(app): State<AppState>,
    file: Result<Json<File>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let file = body(file)?;
    if file.format != FORMAT {
        let message = format!("this is no file of conversations: format is {:?}", file.format);
        return Err(ApiError::invalid("format", message));
    }
    if file.version > VERSION {
        let message = format!(
            "the file was written by a newer mynah: it has version {}, and this one knows {VERSION}",
            file.version
        );
        return Err(ApiError::invalid("version", message));
    }
    let now = SystemTime::now();
    let read = |(i, conversation): (usize, Conversation)| {
        conversation
            .read(now)
            .map_err(|problem| ApiError::invalid(format!("conversations[{i}]"), problem))
    };
    let all: Vec<Read> =
        file.conversations.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let (conversations, turns) = (all.len(), all.iter().map(|one| one.turns.len()).sum::<usize>());
    with_store(&app, move |store| all.iter().try_for_each(|one| one.keep(store))).await?;
    Ok(Json(json!({ "conversations": conversations, "answers": turns })))
}

/// A conversation that can be kept.
struct Read {
    name: Option<String>,
    tip: Option<String>,
    turns: Vec<Turn>,
}

impl Conversation {
    /// Makes a turn of each answer, or says what is wrong.
    fn read(self, now: SystemTime) -> Result<Read, String> {
        let known: HashMap<&str, &Node> =
            self.messages.iter().map(|node| (node.hash.as_str(), node)).collect();
        let turn = |(i, drawn): (usize, &Drawn)| {
            drawn.turn(&known, now).map_err(|problem| format!("turns[{i}]: {problem}"))
        };
        let turns: Vec<Turn> = self.turns.iter().enumerate().map(turn).collect::<Result<_, _>>()?;
        if turns.is_empty() {
            return Err("it has no answer".to_owned());
        }
        Ok(Read { name: self.name, tip: self.tip, turns })
    }
}

impl Drawn {
    fn turn(&self, known: &HashMap<&str, &Node>, now: SystemTime) -> Result<Turn, String> {
        let time =
            |ms: Option<f64>| ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
        let answer = self.tip.as_deref().and_then(|tip| known.get(tip));
        let answer = answer.ok_or("its answer is not among the messages")?;
        if answer.role != Role::Assistant {
            return Err("its answer is not the model's".to_owned());
        }
        Ok(Turn {
            command: self.command.clone().unwrap_or_else(|| "import".to_owned()),
            model: self.model.clone(),
            fingerprint: None,
            messages: messages(known, self.parent.as_deref())?,
            answer: answer.text.clone(),
            sample: 0,
            seed: self.seed.as_deref().and_then(|seed| seed.parse().ok()),
            temperature: self.options.get("temperature").and_then(Value::as_f64),
            options: self.options.clone(),
            schema: None,
            input_tokens: self.input_tokens,
            cached_tokens: None,
            output_tokens: self.output_tokens,
            first_token: time(self.first_token_ms),
            duration: time(self.duration_ms),
            finish: self.finish.clone().unwrap_or_else(|| "stop".to_owned()),
            at: mynah_store::time::from_text(&self.datetime_utc).unwrap_or(now),
        })
    }
}

/// The messages up to one, oldest first.
fn messages(known: &HashMap<&str, &Node>, last: Option<&str>) -> Result<Vec<Message>, String> {
    let (mut messages, mut seen, mut next) = (Vec::new(), HashSet::new(), last);
    while let Some(hash) = next {
        if !seen.insert(hash) {
            return Err("its messages go round in a circle".to_owned());
        }
        let node = known.get(hash).ok_or_else(|| format!("the message {hash:?} is missing"))?;
        messages.push(Message::new(node.role, node.text.as_str()));
        next = node.parent.as_deref();
    }
    messages.reverse();
    Ok(messages)
}

impl Read {
    fn keep(&self, store: &mut Store) -> Result<(), mynah_store::Error> {
        let kept = store.record_turns(None, &self.turns)?;
        let Some(thread) = kept.first().map(|kept| &kept.thread) else { return Ok(()) };
        if let Some(name) = &self.name {
            store.rename_thread(thread, name)?;
        }
        match &self.tip {
            // The file's hashes are ours if it was not changed; if not, the newest answer stays.
            Some(tip) => match store.set_tip(thread, tip) {
                Err(mynah_store::Error::Absent { .. }) => Ok(()),
                other => other,
            },
            None => Ok(()),
        }
    }
}
