//! The command line `llm` finds its own tables here, and what it kept is found by us.
//!
//! `fixtures/store/llm-0.36.json` is what `llm` itself makes; `dev/reference/llm_logs.py` made it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::Duration;

use mynah_store::{Filter, Message, Role, Store, Turn, message_hash};
use rusqlite::Connection;
use serde_json::{Value, json};
use support::{at, open_file, turn};

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/store/llm-0.36.json")).unwrap()
}

/// Columns, keys and indexes of a table, as the reference has them.
fn table(connection: &Connection, name: &str) -> Value {
    let all = |sql: &str, read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<Value>| {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], read).unwrap();
        rows.map(Result::unwrap).collect::<Vec<Value>>()
    };
    let columns = all(&format!("pragma table_info(\"{name}\")"), |row| {
        let kind: String = row.get(2)?;
        Ok(json!([row.get::<_, String>(1)?, kind.to_uppercase(), row.get::<_, i64>(5)?]))
    });
    let mut keys = all(&format!("pragma foreign_key_list(\"{name}\")"), |row| {
        Ok(json!([row.get::<_, String>(3)?, row.get::<_, String>(2)?, row.get::<_, String>(4)?]))
    });
    keys.sort_by_key(ToString::to_string);
    let indexes = all(&format!("pragma index_list(\"{name}\")"), |row| {
        Ok(json!([row.get::<_, String>(1)?, row.get::<_, bool>(2)?, row.get::<_, String>(3)?]))
    });
    let mut indexes: Vec<Value> = indexes
        .iter()
        .filter(|index| index[2] == "c")
        .map(|index| {
            let sql = format!("pragma index_info(\"{}\")", index[0].as_str().unwrap());
            let columns = all(&sql, |row| Ok(json!(row.get::<_, String>(2)?)));
            json!({ "unique": index[1], "columns": columns })
        })
        .collect();
    indexes.sort_by_key(|index| index["columns"].to_string());
    json!({ "columns": columns, "keys": keys, "indexes": indexes })
}

#[test]
fn its_tables_are_here_with_its_columns_keys_and_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mynah.db");
    drop(Store::open(&path, at(0)).unwrap());
    let connection = Connection::open(&path).unwrap();
    let reference = reference();
    let tables = reference["tables"].as_object().unwrap();
    assert!(tables.len() > 25);
    for (name, expected) in tables {
        let mut found = table(&connection, name);
        if name == "message_tree" {
            // A view has columns; of what types SQLite does not say.
            let names = |table: &Value| {
                let columns = table["columns"].as_array().unwrap();
                columns.iter().map(|column| column[0].clone()).collect::<Vec<_>>()
            };
            assert_eq!(names(&found), names(expected));
            found = expected.clone();
        }
        assert_eq!(&found, expected, "{name}");
    }
    let mut statement = connection.prepare("select name from _llm_migrations").unwrap();
    let mut done: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut expected: Vec<String> =
        serde_json::from_value(reference["migrations"].clone()).unwrap();
    done.sort();
    expected.sort();
    assert_eq!(done, expected, "it has nothing left to do");
}

/// The reference's conversation, kept by us.
fn conversation() -> (Store, Value) {
    let reference = reference();
    let mut store = Store::in_memory(at(0)).unwrap();
    let said = reference["conversation"]["said"].as_array().unwrap();
    let system = reference["conversation"]["system"].as_str().unwrap();
    let mut messages = vec![Message::new(Role::System, system)];
    let mut thread = None;
    for (i, pair) in said.iter().enumerate() {
        messages.push(Message::new(Role::User, pair[0].as_str().unwrap()));
        let turn = Turn {
            messages: messages.clone(),
            at: at(i as u64) + Duration::from_millis(250),
            options: json!({"temperature": 0.5, "seed": 7}).as_object().unwrap().clone(),
            model: "scripted".to_owned(),
            cached_tokens: None,
            ..turn("chat", "", pair[1].as_str().unwrap())
        };
        let id = store.record_turn(thread.as_deref(), &turn).unwrap();
        messages.push(Message::new(Role::Assistant, pair[1].as_str().unwrap()));
        thread = Some(id.thread);
    }
    (store, reference)
}

#[test]
fn a_conversation_is_kept_as_it_keeps_it() {
    let (store, reference) = conversation();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    store.back_up(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    let rows = |sql: &str| {
        let mut statement = connection.prepare(sql).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let value = |i| match row.get_ref(i).unwrap() {
                rusqlite::types::ValueRef::Null => Value::Null,
                rusqlite::types::ValueRef::Integer(n) => json!(n),
                rusqlite::types::ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
                other => panic!("{other:?}"),
            };
            let pairs = names.iter().enumerate().map(|(i, name)| (name.clone(), value(i)));
            all.push(Value::Object(pairs.collect()));
        }
        all
    };
    let mut expected = reference.clone();
    let messages = "select hash, parent_hash, role from messages order by rowid";
    assert_eq!(Value::from(rows(messages)), reference["messages"]);
    let parts =
        "select message_hash, position, type, tool_name, text, payload from parts order by id";
    assert_eq!(Value::from(rows(parts)), reference["parts"]);
    // Identifiers are each writer's own, and JSON may have spaces.
    let mut turns = Value::from(rows("select * from turns order by id"));
    for turns in [&mut turns, &mut expected["turns"]] {
        for turn in turns.as_array_mut().unwrap() {
            let options: Value =
                serde_json::from_str(turn["options_json"].as_str().unwrap()).unwrap();
            let turn = turn.as_object_mut().unwrap();
            turn.remove("id");
            turn.remove("thread_id");
            turn.insert("options_json".to_owned(), options);
        }
    }
    assert_eq!(turns, expected["turns"]);
    let search = rows("select id, prompt, response from turn_search order by id");
    for (row, expected) in search.iter().zip(expected["turn_search"].as_array().unwrap()) {
        assert_eq!((&row["id"], &row["prompt"]), (&expected["id"], &expected["prompt"]));
        assert_eq!(row["response"], expected["response"]);
    }
    let threads = rows("select name, tip_message_hash, forked_from from threads");
    assert_eq!(threads.len(), 1);
    assert_eq!(threads[0]["name"], reference["threads"][0]["name"]);
    assert_eq!(threads[0]["tip_message_hash"], reference["threads"][0]["tip_message_hash"]);
}

#[test]
fn a_long_question_names_its_conversation_by_its_beginning() {
    let mut store = Store::in_memory(at(0)).unwrap();
    let long = "Why  is\nthe sky blue in the day and red in the evening?";
    store.record_turn(None, &turn("run", long, "x")).unwrap();
    let entry = store.entry(None).unwrap();
    // As llm's `_conversation_name` does with the same text.
    assert_eq!(entry.conversation_name.as_deref(), Some("Why is the sky blue in the day …"));
}

#[test]
fn its_own_file_becomes_ours_and_stays_its() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    // A file of `llm`: ours of version 1, without our number.
    open_file(&path, include_str!("../../../fixtures/store/version-1.sql"));
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 0).unwrap();
    drop(connection);
    let mut store = Store::open(&path, at(0)).unwrap();
    let kept = store.entries(&Filter::default()).unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1].system.as_deref(), Some("Be brief."));
    assert_eq!(
        (kept[1].prompt.as_str(), kept[1].command.as_deref()),
        ("What is the capital of France?", None)
    );
    store.record_turn(kept[0].conversation.as_deref(), &turn("chat", "And now?", "Yes.")).unwrap();
    assert_eq!(store.entries(&Filter::default()).unwrap().len(), 3);
}

#[test]
fn a_file_of_an_older_llm_is_not_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "create table _llm_migrations (name text primary key, applied_at text);
             insert into _llm_migrations values ('m001_initial', '2023-07-01');",
        )
        .unwrap();
    drop(connection);
    let error = Store::open(&path, at(0)).err().unwrap();
    assert!(
        error.to_string().ends_with("an older llm, which lacks m002_id_primary_key"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("llm logs -d"));
}

#[test]
fn a_hash_depends_on_all_that_was_said_before() {
    let message = Message::new(Role::User, "Hi");
    let (alone, after) = (message_hash(&message, None), message_hash(&message, Some("b2:00")));
    assert_ne!(alone, after);
    assert_ne!(alone, message_hash(&Message::new(Role::Assistant, "Hi"), None));
}
