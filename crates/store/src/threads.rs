//! Conversations as trees: listed, read whole, renamed, led to another of their branches.
//!
//! What was edited or answered again stands beside what was there; a conversation is a name for the
//! message that it has come to, and may be led to another.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;

use crate::{Error, Store};

/// Every message that a conversation's turns lead to. `?1` is the conversation.
const REACHED: &str = "with recursive reached (hash) as (
        select tip_message_hash from turns where thread_id = ?1
        union select parent_message_hash from turns where thread_id = ?1
        union select tip_message_hash from threads where id = ?1
        union select m.parent_hash from reached as r join messages as m on m.hash = r.hash)";

/// A line of the list of conversations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreadLine {
    /// What it is known by.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// The model that answered last.
    pub model: String,
    /// When something was last said, in UTC.
    pub datetime_utc: String,
    /// How many answers it has.
    pub n_turns: u64,
}

/// A conversation with all its branches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tree {
    /// What it is known by.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// The message that it has come to.
    pub tip: Option<String>,
    /// The messages of all branches; each comes after the one that it follows.
    pub messages: Vec<Node>,
    /// The answers, in the order in which they were drawn.
    pub turns: Vec<DrawnTurn>,
}

/// A message of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// What it is known by.
    pub hash: String,
    /// The message that it follows.
    pub parent: Option<String>,
    /// Who said it.
    pub role: String,
    /// What.
    pub text: String,
}

/// How an answer of a tree was drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrawnTurn {
    /// What it is known by.
    pub id: String,
    /// The message that was answered.
    pub parent: Option<String>,
    /// The answer.
    pub tip: Option<String>,
    /// Which command asked.
    pub command: Option<String>,
    /// The model.
    pub model: String,
    /// What was set.
    pub options: serde_json::Value,
    /// The seed that draws it again, as text: it has 64 bits, and JSON's readers often 53.
    pub seed: Option<String>,
    /// How many tokens the model was given.
    pub input_tokens: Option<i64>,
    /// How many tokens the answer has.
    pub output_tokens: Option<i64>,
    /// How long until the first token.
    pub first_token_ms: Option<f64>,
    /// How long it took.
    pub duration_ms: Option<f64>,
    /// Why the answer ended.
    pub finish: Option<String>,
    /// When it was asked, in UTC.
    pub datetime_utc: String,
}

impl Store {
    /// The conversations, the one in which something was last said first; no experiments.
    pub fn threads(&self, limit: usize) -> Result<Vec<ThreadLine>, Error> {
        let sql = "select h.id, h.name, t.model, t.datetime_utc, g.n
             from (select thread_id, max(id) as last, count(*) as n from turns group by thread_id)
                as g
             join threads as h on h.id = g.thread_id join turns as t on t.id = g.last
             where not exists (select 1 from mynah_experiments as e where e.id = h.id)
             order by g.last desc limit ?1";
        let line = |row: &Row<'_>| {
            Ok(ThreadLine {
                id: row.get(0)?,
                name: row.get(1)?,
                model: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                datetime_utc: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                n_turns: row.get::<_, i64>(4)?.cast_unsigned(),
            })
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("list the conversations", |connection| {
            connection.prepare(sql)?.query_map([limit], line)?.collect()
        })
    }

    /// A conversation with all its branches.
    ///
    /// # Errors
    /// If there is none with this identifier, or the file cannot be read.
    pub fn tree(&self, id: &str) -> Result<Tree, Error> {
        let found = self.read("read a conversation", |connection| {
            let sql = "select name, tip_message_hash from threads where id = ?1";
            let row = connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)));
            let Some((name, tip)) = row.optional()? else { return Ok(None) };
            let (messages, turns) = (messages(connection, id)?, turns(connection, id)?);
            Ok(Some(Tree { id: id.to_owned(), name, tip, messages, turns }))
        })?;
        found.ok_or_else(|| self.absent("conversation", id))
    }

    /// Calls a conversation something else.
    ///
    /// # Errors
    /// If there is none with this identifier, or it cannot be written.
    pub fn rename_thread(&mut self, id: &str, name: &str) -> Result<(), Error> {
        let n = self.change("rename a conversation", |transaction| {
            transaction.execute("update threads set name = ?2 where id = ?1", [id, name])
        })?;
        if n == 0 { Err(self.absent("conversation", id)) } else { Ok(()) }
    }

    /// Leads a conversation to another of its messages: whoever goes on with it goes on from there.
    ///
    /// # Errors
    /// If it has no such message, or it cannot be written.
    pub fn set_tip(&mut self, id: &str, hash: &str) -> Result<(), Error> {
        let sql = format!(
            "{REACHED} update threads set tip_message_hash = ?2
             where id = ?1 and ?2 in (select hash from reached)"
        );
        let n = self.change("lead a conversation elsewhere", |transaction| {
            transaction.execute(&sql, params![id, hash])
        })?;
        if n == 0 { Err(self.absent("message of this conversation", hash)) } else { Ok(()) }
    }

    /// Deletes a conversation with all its branches. Returns how many answers it had.
    ///
    /// # Errors
    /// If there is none with this identifier, or it cannot be written.
    pub fn delete_thread(&mut self, id: &str) -> Result<usize, Error> {
        let turns: Vec<String> = self.read("read a conversation", |connection| {
            let mut statement = connection.prepare("select id from turns where thread_id = ?1")?;
            statement.query_map([id], |row| row.get(0))?.collect()
        })?;
        if turns.is_empty() {
            return Err(self.absent("conversation", id));
        }
        self.delete(&turns)
    }
}

fn messages(connection: &Connection, thread: &str) -> rusqlite::Result<Vec<Node>> {
    let sql = format!(
        "{REACHED} select m.hash, m.parent_hash, coalesce(m.role, ''), coalesce(
            (select group_concat(text, '') from (select text from parts
                where message_hash = m.hash and type = 'text' order by position)), '')
         from reached as r join messages as m on m.hash = r.hash order by m.rowid"
    );
    let node = |row: &Row<'_>| {
        Ok(Node { hash: row.get(0)?, parent: row.get(1)?, role: row.get(2)?, text: row.get(3)? })
    };
    connection.prepare(&sql)?.query_map([thread], node)?.collect()
}

fn turns(connection: &Connection, thread: &str) -> rusqlite::Result<Vec<DrawnTurn>> {
    let sql = "select t.id, t.parent_message_hash, t.tip_message_hash, m.command, t.model,
            t.options_json, m.seed, t.input_tokens, t.output_tokens, m.first_token_ms,
            coalesce(m.duration_ms, t.duration_ms), m.finish, t.datetime_utc
         from turns as t left join mynah_turns as m on m.turn_id = t.id
         where t.thread_id = ?1 order by t.id";
    let turn = |row: &Row<'_>| {
        let options: Option<String> = row.get(5)?;
        let options = options.and_then(|text| serde_json::from_str(&text).ok());
        Ok(DrawnTurn {
            id: row.get(0)?,
            parent: row.get(1)?,
            tip: row.get(2)?,
            command: row.get(3)?,
            model: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
            options: options.unwrap_or_else(|| serde_json::json!({})),
            seed: row.get::<_, Option<i64>>(6)?.map(|seed| seed.cast_unsigned().to_string()),
            input_tokens: row.get(7)?,
            output_tokens: row.get(8)?,
            first_token_ms: row.get(9)?,
            duration_ms: row.get(10)?,
            finish: row.get(11)?,
            datetime_utc: row.get::<_, Option<String>>(12)?.unwrap_or_default(),
        })
    };
    connection.prepare(sql)?.query_map([thread], turn)?.collect()
}
