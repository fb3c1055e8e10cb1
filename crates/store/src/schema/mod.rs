//! The versions of the file. Each is a step forward from the one before; none is ever edited.
//!
//! The number of the version is SQLite's `user_version`. A file of each version is kept as text in
//! `fixtures/store`, and tests bring every one of them up to date.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::Error;
use crate::time::to_text;

/// The steps: the first makes version 1.
const STEPS: [&str; 3] =
    [CONVERSATIONS, include_str!("002_laboratory.sql"), include_str!("003_trainings.sql")];
const CONVERSATIONS: &str = include_str!("001_conversations.sql");

/// The version that is written here.
pub const VERSION: i64 = STEPS.len() as i64;

/// The changes of `llm` 0.36 to its tables, which the first step has made all at once. It looks
/// here for what it still has to do.
const LLM_MIGRATIONS: [&str; 30] = [
    "m001_initial",
    "m002_id_primary_key",
    "m003_chat_id_foreign_key",
    "m004_column_order",
    "m004_drop_provider",
    "m005_debug",
    "m006_new_logs_table",
    "m007_finish_logs_table",
    "m008_reply_to_id_foreign_key",
    "m008_fix_column_order_in_logs",
    "m009_delete_logs_table_if_empty",
    "m010_create_new_log_tables",
    "m011_fts_for_responses",
    "m012_attachments_tables",
    "m013_usage",
    "m014_schemas",
    "m015_fragments_tables",
    "m016_fragments_table_pks",
    "m017_tools_tables",
    "m017_tools_plugin",
    "m018_tool_instances",
    "m019_resolved_model",
    "m020_tool_results_attachments",
    "m021_tool_results_exception",
    "m022_response_reasoning",
    "m023_message_store",
    "m024_tool_instance_references",
    "m025_turn_tools_instance_backfill",
    "m026_message_tree_view",
    "m027_turns_response_json",
];

/// What a file turned out to be.
enum Found {
    /// One of ours, of this version; 0 is an empty file.
    Ours(i64),
    /// `llm`'s own, with all tables that the first step makes.
    Llm,
}

/// Refuses a file that is newer, or not ours. Nothing is written.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    find(connection, path).map(drop)
}

/// Brings the file up to date, in one transaction: it is of the old version or of the new one.
pub(crate) fn migrate(
    connection: &mut Connection,
    path: &Path,
    now: SystemTime,
) -> Result<(), Error> {
    let fault = |source| Error::new(path, "read the version", source);
    if let Found::Ours(VERSION) = find(connection, path)? {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    // Another process may have been here meanwhile.
    let found = find(&transaction, path)?;
    let fault = |source| Error::new(path, "bring the tables up to date", source);
    let done = match found {
        Found::Ours(version) => version as usize,
        Found::Llm => 1,
    };
    for (step, sql) in STEPS.iter().enumerate().skip(done) {
        transaction.execute_batch(sql).map_err(fault)?;
        if step == 0 {
            mark_for_llm(&transaction, now).map_err(fault)?;
        }
    }
    transaction.pragma_update(None, "user_version", VERSION).map_err(fault)?;
    transaction.commit().map_err(fault)
}

/// Refuses what was not written by mynah or `llm`.
fn find(connection: &Connection, path: &Path) -> Result<Found, Error> {
    let fault = |source| Error::new(path, "read the version", source);
    let has = |table: &str| {
        let sql = "select 1 from sqlite_master where type = 'table' and name = ?1";
        connection.query_row(sql, [table], |_| Ok(())).optional().map_err(fault)
    };
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fault)?;
    let is_empty = || {
        let sql = "select not exists (select 1 from sqlite_master)";
        connection.query_row(sql, [], |row| row.get(0)).map_err(fault)
    };
    let path = path.to_owned();
    match (version, has("_llm_migrations")?.is_some()) {
        (0, true) => match first_missing(connection).map_err(fault)? {
            None => Ok(Found::Llm),
            Some(missing) => Err(Error::OldLlm { path, missing }),
        },
        (0, false) if is_empty()? => Ok(Found::Ours(0)),
        (1..=VERSION, true) => Ok(Found::Ours(version)),
        (found, true) if found > VERSION => Err(Error::Newer { path, found, known: VERSION }),
        _ => Err(Error::Foreign { path }),
    }
}

/// The first of `llm`'s changes that this file of `llm` lacks.
fn first_missing(connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
    let mut is_there = connection.prepare("select 1 from _llm_migrations where name = ?1")?;
    for name in LLM_MIGRATIONS {
        if !is_there.exists([name])? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn mark_for_llm(connection: &Connection, now: SystemTime) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("insert into _llm_migrations values (?1, ?2)")?;
    // `llm` has a space between date and time here.
    let now = to_text(now).replace('T', " ");
    LLM_MIGRATIONS.iter().try_for_each(|name| insert.execute(params![name, now]).map(drop))
}
