//! What was asked and answered: listed, searched, shown, deleted.

use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};
use serde::Serialize;

use crate::time::from_text;
use crate::turns::chain;
use crate::words::is_unspaced;
use crate::{Error, Message, Role, Store};

/// Which turns are wanted; all of them if nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// At most so many.
    pub limit: Option<usize>,
    /// Not before this.
    pub since: Option<SystemTime>,
    /// Of this model.
    pub model: Option<String>,
    /// Of this conversation.
    pub thread: Option<String>,
    /// That have these words in what was asked or answered; the best first.
    pub search: Option<String>,
    /// With these identifiers.
    pub ids: Option<Vec<String>>,
    /// Also the samples of experiments, which are many.
    pub with_samples: bool,
}

/// A turn as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// What it is known by.
    pub id: String,
    /// The conversation that it belongs to.
    pub conversation: Option<String>,
    /// What that is called.
    pub conversation_name: Option<String>,
    /// When it was asked, in UTC.
    pub datetime_utc: String,
    /// Which command asked; nothing if it was another program.
    pub command: Option<String>,
    /// The model.
    pub model: String,
    /// What identifies its weights.
    pub fingerprint: Option<String>,
    /// What the model was told beforehand.
    pub system: Option<String>,
    /// What was asked last.
    pub prompt: String,
    /// What was answered.
    pub response: String,
    /// Which of the answers to the same prompt it is, from 0.
    pub sample: Option<u32>,
    /// The seed that draws it again.
    pub seed: Option<u64>,
    /// What was set.
    pub options: serde_json::Value,
    /// The JSON schema that the answer was held to.
    pub schema: Option<serde_json::Value>,
    /// How many tokens the model was given.
    pub input_tokens: Option<i64>,
    /// How many tokens the answer has.
    pub output_tokens: Option<i64>,
    /// How long it took.
    pub duration_ms: Option<f64>,
    /// Why the answer ended.
    pub finish: Option<String>,
}

/// A conversation that can be gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// What it is known by.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// The model that answered last.
    pub model: String,
    /// What was said, oldest first.
    pub messages: Vec<Message>,
}

const ENTRY: &str = "select t.id, t.thread_id, h.name, t.datetime_utc, m.command, t.model,
        m.fingerprint, m.sample, m.seed, t.options_json, c.content, t.input_tokens,
        t.output_tokens, coalesce(m.duration_ms, t.duration_ms), m.finish,
        t.parent_message_hash, t.tip_message_hash
     from turns as t
     left join mynah_turns as m on m.turn_id = t.id
     left join threads as h on h.id = t.thread_id
     left join schemas as c on c.id = t.schema_id";

impl Store {
    /// The turns that a filter lets through, newest first; after a search, the best match first.
    ///
    /// # Errors
    /// If the search cannot be understood, or the file cannot be read.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<Entry>, Error> {
        let (sql, values) = query_of(filter);
        let read = |connection: &Connection| {
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(read_entry(connection, row)?);
            }
            Ok(entries)
        };
        match read(&self.connection) {
            Err(rusqlite::Error::SqliteFailure(_, Some(problem)))
                if filter.search.is_some() && problem.starts_with("fts5:") =>
            {
                let query = filter.search.clone().unwrap_or_default();
                Err(Error::Search { query, problem: problem.replace("fts5: ", "") })
            }
            Err(rusqlite::Error::SqliteFailure(_, Some(problem)))
                if filter.search.is_some() && is_about_words(&problem) =>
            {
                Err(Error::Search { query: filter.search.clone().unwrap_or_default(), problem })
            }
            other => other.map_err(|source| Error::new(&self.path, "read the log", source)),
        }
    }

    /// The turn whose identifier this is, or the only one that ends with it. With nothing, the
    /// newest that is no sample of an experiment.
    ///
    /// # Errors
    /// If there is none or more than one, or the file cannot be read.
    pub fn entry(&self, id: Option<&str>) -> Result<Entry, Error> {
        let filter = match id {
            None => Filter { limit: Some(1), ..Filter::default() },
            Some(id) => Filter {
                ids: Some(self.ids_that_end(id)?),
                limit: Some(2),
                with_samples: true,
                ..Filter::default()
            },
        };
        match <[Entry; 1]>::try_from(self.entries(&filter)?) {
            Ok([entry]) => Ok(entry),
            Err(entries) if entries.is_empty() => Err(self.absent("answer", id.unwrap_or("last"))),
            Err(_) => Err(self.absent("single answer that ends with", id.unwrap_or_default())),
        }
    }

    fn ids_that_end(&self, end: &str) -> Result<Vec<String>, Error> {
        let sql = "select id from turns where id = ?1
                   or (length(?1) >= 4 and substr(id, -length(?1)) = ?1) limit 2";
        self.read("read the log", |connection| {
            connection.prepare(sql)?.query_map([end], |row| row.get(0))?.collect()
        })
    }

    /// A conversation by its identifier, or the end of it; with nothing, the one of the newest turn
    /// that `chat` or `run` kept.
    ///
    /// # Errors
    /// If there is none, or the file cannot be read.
    pub fn conversation(&self, id: Option<&str>) -> Result<Conversation, Error> {
        let sql = "select t.thread_id, h.name, t.model, h.tip_message_hash
             from turns as t join threads as h on h.id = t.thread_id
             left join mynah_turns as m on m.turn_id = t.id
             where case
                when ?1 is null then m.command is not null and m.command != 'try'
                else h.id = ?1 or (length(?1) >= 4 and substr(h.id, -length(?1)) = ?1)
             end order by t.id desc limit 1";
        let found = self.read("read the log", |connection| {
            let row = |row: &Row<'_>| {
                let tip: Option<String> = row.get(3)?;
                Ok(Conversation {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    model: row.get(2)?,
                    messages: chain(connection, tip.as_deref())?,
                })
            };
            connection.query_row(sql, [id], row).optional()
        })?;
        found.ok_or_else(|| self.absent("conversation", id.unwrap_or("last")))
    }

    /// How many turns there are, how many of them are samples of experiments, and how many
    /// conversations.
    pub fn counts(&self) -> Result<(u64, u64, u64), Error> {
        let sql = "select (select count(*) from turns), (select count(*) from mynah_samples),
                          (select count(*) from threads)";
        let count = |row: &Row<'_>, column| row.get(column).map(i64::cast_unsigned);
        self.read("count the answers", |connection| {
            connection
                .query_row(sql, [], |row| Ok((count(row, 0)?, count(row, 1)?, count(row, 2)?)))
        })
    }
}

/// Whether SQLite complains of a search and not of the file.
fn is_about_words(problem: &str) -> bool {
    problem.starts_with("no such column") || problem.starts_with("unterminated string")
}

fn query_of(filter: &Filter) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut conditions: Vec<String> = Vec::new();
    let (mut join, mut order) = ("", "t.id desc");
    let mut condition = |sql: &str, value: Value| {
        values.push(value);
        conditions.push(sql.replace('?', &format!("?{}", values.len())));
    };
    if let Some(since) = filter.since {
        condition("t.datetime_utc >= ?", crate::time::to_text(since).into());
    }
    if let Some(model) = &filter.model {
        condition("? in (t.model, t.resolved_model)", model.clone().into());
    }
    if let Some(thread) = &filter.thread {
        let sql = "(t.thread_id = ? or (length(?) >= 4 and substr(t.thread_id, -length(?)) = ?))";
        condition(sql, thread.clone().into());
    }
    if let Some(ids) = &filter.ids {
        let ids = serde_json::Value::from(ids.clone()).to_string();
        condition("t.id in (select value from json_each(?))", ids.into());
    }
    if let Some(search) = &filter.search {
        join = " join turn_search as q on q.turn_id = t.id";
        if search.chars().any(is_unspaced) {
            // The index has no words for scripts without spaces between them.
            for part in search.split_whitespace() {
                let sql = "(instr(q.prompt, ?) > 0 or instr(q.response, ?) > 0)";
                condition(sql, part.to_owned().into());
            }
        } else {
            join = " join turn_search as q on q.turn_id = t.id
                    join turn_search_fts on turn_search_fts.rowid = q.id";
            // What was asked says more of what a turn is about than what was answered.
            order = "bm25(turn_search_fts, 10.0, 1.0), t.id desc";
            condition("turn_search_fts match ?", words_of(search).into());
        }
    }
    if !filter.with_samples {
        conditions.push("not exists (select 1 from mynah_samples where turn_id = t.id)".to_owned());
    }
    let wanted = match &conditions[..] {
        [] => String::new(),
        conditions => format!(" where {}", conditions.join(" and ")),
    };
    let limit = filter.limit.map_or(String::new(), |n| format!(" limit {n}"));
    (format!("{ENTRY}{join}{wanted} order by {order}{limit}"), values)
}

/// The search in the language of SQLite's index. Whoever writes that language (quotation marks,
/// operators in capitals, a star) means it; other words are looked for as they are.
fn words_of(search: &str) -> String {
    let is_operator = |word: &str| matches!(word, "AND" | "OR" | "NOT" | "NEAR");
    if search.contains(['"', '*']) || search.split_whitespace().any(is_operator) {
        return search.to_owned();
    }
    let words: Vec<String> = search.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    words.join(" ")
}

fn read_entry(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Entry> {
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    let (parent, tip): (Option<String>, Option<String>) = (row.get(15)?, row.get(16)?);
    let given = chain(connection, parent.as_deref())?;
    let said = chain(connection, tip.as_deref())?;
    let response = said.get(given.len()..).unwrap_or_default();
    let system = given.first().filter(|message| message.role == Role::System);
    let asked = given.iter().rev().take_while(|message| message.role != Role::Assistant);
    let asked = asked.filter(|message| message.role == Role::User);
    let mut asked: Vec<&str> = asked.map(|message| message.text.as_str()).collect();
    asked.reverse();
    Ok(Entry {
        id: row.get(0)?,
        conversation: row.get(1)?,
        conversation_name: row.get(2)?,
        datetime_utc: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        command: row.get(4)?,
        model: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
        fingerprint: row.get(6)?,
        system: system.map(|message| message.text.clone()),
        prompt: asked.concat(),
        response: response.iter().map(|message| message.text.as_str()).collect(),
        sample: row.get(7)?,
        seed: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
        options: json(row.get(9)?).unwrap_or_else(|| serde_json::json!({})),
        schema: json(row.get(10)?),
        input_tokens: row.get(11)?,
        output_tokens: row.get(12)?,
        duration_ms: row.get(13)?,
        finish: row.get(14)?,
    })
}

impl Entry {
    /// When it was asked.
    pub fn time(&self) -> Option<SystemTime> {
        from_text(&self.datetime_utc)
    }
}
