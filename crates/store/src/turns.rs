//! Answers, each with the conversation that it answers: what `run`, `chat` and `try` keep.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::message::{bits_of, message_hash, schema_id};
use crate::time::{milliseconds, to_text};
use crate::{Error, Message, Role, Store, id};

/// How many characters of what was asked name a conversation, as in `llm`.
const NAME_LENGTH: usize = 32;

/// One answer of a model, and what it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Which command asked: run, chat, try, ...
    pub command: String,
    /// What the model is called.
    pub model: String,
    /// What identifies its weights, such as their SHA-256.
    pub fingerprint: Option<String>,
    /// Everything that the model was given, oldest first.
    pub messages: Vec<Message>,
    /// What it answered.
    pub answer: String,
    /// Which of the answers to the same prompt it is, from 0.
    pub sample: u32,
    /// The seed that draws the same answer again.
    pub seed: Option<u64>,
    /// 0 if the most likely token was always taken.
    pub temperature: Option<f64>,
    /// Everything that was set, by name.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// The JSON schema that the answer was held to.
    pub schema: Option<serde_json::Value>,
    /// How many tokens the model was given.
    pub input_tokens: Option<u64>,
    /// How many of them were in the cache.
    pub cached_tokens: Option<u64>,
    /// How many tokens the answer has.
    pub output_tokens: Option<u64>,
    /// How long until the first token.
    pub first_token: Option<Duration>,
    /// How long until the last.
    pub duration: Option<Duration>,
    /// Why the answer ended: stop, length, ...
    pub finish: String,
    /// When it was asked.
    pub at: SystemTime,
}

/// What a turn is known by in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnId {
    /// The turn.
    pub turn: String,
    /// The conversation that it belongs to.
    pub thread: String,
}

impl Store {
    /// Keeps a turn. Without a thread it begins a conversation of its own.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record_turn(&mut self, thread: Option<&str>, turn: &Turn) -> Result<TurnId, Error> {
        let mut ids = self.record_turns(thread, std::slice::from_ref(turn))?;
        ids.pop().ok_or_else(|| self.absent("turn", ""))
    }

    /// Keeps several turns of one conversation in one transaction: all of them or none.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn record_turns(
        &mut self,
        thread: Option<&str>,
        turns: &[Turn],
    ) -> Result<Vec<TurnId>, Error> {
        self.change("keep an answer", |transaction| {
            let mut thread = thread.map(str::to_owned);
            let mut ids = Vec::with_capacity(turns.len());
            for turn in turns {
                let id = insert_turn(transaction, thread.as_deref(), None, turn)?;
                thread = Some(id.thread.clone());
                ids.push(id);
            }
            Ok(ids)
        })
    }

    /// The conversation that has come to the last of these messages, the newest if there are
    /// several: what a client that sends everything again goes on with.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn thread_at(&self, messages: &[Message]) -> Result<Option<String>, Error> {
        let mut tip = None;
        for message in messages {
            tip = Some(message_hash(message, tip.as_deref()));
        }
        let Some(tip) = tip else { return Ok(None) };
        self.read("look for a conversation", |connection| {
            let sql = "select id from threads where tip_message_hash = ?1 order by id desc limit 1";
            connection.prepare_cached(sql)?.query_row([tip], |row| row.get(0)).optional()
        })
    }
}

/// Writes a turn within a transaction. `name` is that of the thread, if it must be made; otherwise
/// it is called by what was asked.
pub(crate) fn insert_turn(
    connection: &Connection,
    thread: Option<&str>,
    name: Option<&str>,
    turn: &Turn,
) -> rusqlite::Result<TurnId> {
    let parent = ensure_chain(connection, None, &turn.messages)?;
    let answer = Message::new(Role::Assistant, turn.answer.as_str());
    let tip = ensure_chain(connection, parent.as_deref(), std::slice::from_ref(&answer))?;
    let bits = bits_of([
        thread.unwrap_or_default(),
        tip.as_deref().unwrap_or_default(),
        &turn.model,
        &turn.sample.to_string(),
        &turn.seed.unwrap_or_default().to_string(),
    ]);
    let turn_id = free_id(connection, turn.at, bits)?;
    let thread = thread.map_or_else(|| id::new(turn.at, bits ^ 1), str::to_owned);
    let at = to_text(turn.at);
    connection
        .prepare_cached(
            "insert into threads (id, name, tip_message_hash, datetime_utc) values (?1, ?2, ?3, ?4)
             on conflict (id) do update set tip_message_hash = excluded.tip_message_hash",
        )?
        .execute(params![thread, name.map_or_else(|| name_of(turn), str::to_owned), tip, at])?;
    let schema =
        turn.schema.as_ref().map(|schema| ensure_schema(connection, schema)).transpose()?;
    let details = turn.cached_tokens.map(|n| format!("{{\"cached_tokens\": {n}}}"));
    connection
        .prepare_cached(
            "insert into turns (id, thread_id, parent_message_hash, tip_message_hash, model,
                options_json, schema_id, input_tokens, output_tokens, token_details, duration_ms,
                datetime_utc)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            turn_id,
            thread,
            parent,
            tip,
            turn.model,
            (!turn.options.is_empty()).then(|| options_text(turn)),
            schema,
            turn.input_tokens.map(|n| n as i64),
            turn.output_tokens.map(|n| n as i64),
            details,
            turn.duration.map(|time| milliseconds(time).round() as i64),
            at,
        ])?;
    connection
        .prepare_cached(
            "insert into mynah_turns (turn_id, command, sample, seed, temperature, fingerprint,
                finish, first_token_ms, duration_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            turn_id,
            turn.command,
            turn.sample,
            turn.seed.map(u64::cast_signed),
            turn.temperature,
            turn.fingerprint,
            turn.finish,
            turn.first_token.map(milliseconds),
            turn.duration.map(milliseconds),
        ])?;
    index_words(connection, &turn_id, turn)?;
    Ok(TurnId { turn: turn_id, thread })
}

fn options_text(turn: &Turn) -> String {
    serde_json::Value::Object(turn.options.clone()).to_string()
}

/// Writes the messages that are not there yet. Returns the hash of the last.
fn ensure_chain(
    connection: &Connection,
    parent: Option<&str>,
    messages: &[Message],
) -> rusqlite::Result<Option<String>> {
    let mut insert_message = connection.prepare_cached(
        "insert into messages (hash, parent_hash, role) values (?1, ?2, ?3) on conflict do nothing",
    )?;
    let mut insert_part = connection.prepare_cached(
        "insert into parts (message_hash, position, type, text) values (?1, 0, 'text', ?2)",
    )?;
    let mut tip = parent.map(str::to_owned);
    for message in messages {
        let hash = message_hash(message, tip.as_deref());
        if insert_message.execute(params![hash, tip, message.role.name()])? > 0 {
            insert_part.execute(params![hash, message.text])?;
        }
        tip = Some(hash);
    }
    Ok(tip)
}

fn ensure_schema(connection: &Connection, schema: &serde_json::Value) -> rusqlite::Result<String> {
    let text = schema.to_string();
    let id = schema_id(&text);
    let sql = "insert into schemas values (?1, ?2) on conflict do nothing";
    connection.prepare_cached(sql)?.execute(params![id, text])?;
    Ok(id)
}

/// The identifier with these bits, or one that is greater than all of the same millisecond: turns
/// sort as they were written.
fn free_id(connection: &Connection, at: SystemTime, bits: u128) -> rusqlite::Result<String> {
    let (first, last) = id::range(at);
    let mut taken =
        connection.prepare_cached("select max(id) from turns where id between ?1 and ?2")?;
    let taken: Option<String> = taken.query_row(params![first, last], |row| row.get(0))?;
    let id = id::new(at, bits);
    Ok(match taken {
        Some(taken) if taken >= id => id::after(&taken).unwrap_or(id),
        _ => id,
    })
}

/// Puts what was asked last, and the answer, where words are searched.
fn index_words(connection: &Connection, turn_id: &str, turn: &Turn) -> rusqlite::Result<()> {
    let prompt = turn.messages.last().filter(|message| message.role == Role::User);
    let prompt = prompt.map_or("", |message| &message.text);
    if prompt.is_empty() && turn.answer.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached("insert into turn_search (turn_id, prompt, response) values (?1, ?2, ?3)")?
        .execute(params![turn_id, prompt, turn.answer])
        .map(drop)
}

/// The beginning of what was asked, on one line.
fn name_of(turn: &Turn) -> String {
    let asked = turn.messages.iter().rev().find(|message| message.role == Role::User);
    let asked = asked.or(turn.messages.first()).map_or("", |message| &message.text);
    let words = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= NAME_LENGTH {
        return words;
    }
    words.chars().take(NAME_LENGTH - 1).chain(['…']).collect()
}

/// The messages up to the one with this hash, oldest first. What is no text is left out.
pub(crate) fn chain(connection: &Connection, tip: Option<&str>) -> rusqlite::Result<Vec<Message>> {
    let mut message =
        connection.prepare_cached("select parent_hash, role from messages where hash = ?1")?;
    let mut text = connection.prepare_cached(
        "select coalesce(group_concat(text, ''), '') from
            (select text from parts where message_hash = ?1 and type = 'text' order by position)",
    )?;
    let mut messages = Vec::new();
    let mut next = tip.map(str::to_owned);
    while let Some(hash) = next {
        let found: Option<(Option<String>, Option<String>)> =
            message.query_row([&hash], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((parent, role)) = found else { break };
        if let Some(role) = role.as_deref().and_then(Role::named) {
            let text: String = text.query_row([&hash], |row| row.get(0))?;
            messages.push(Message { role, text });
        }
        // A hash covers the one before it, so only a forged file has a circle.
        next = parent.filter(|_| messages.len() < 1_000_000);
    }
    messages.reverse();
    Ok(messages)
}
