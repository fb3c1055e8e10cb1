//! The file itself: its versions, what it refuses, copies of it, and what deleting leaves.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;

use mynah_store::{
    Cell, Choice, Error, Experiment, Filter, Label, Message, Role, Sample, SampleId, State, Store,
    Training, TrainingPoint, Turn, VERSION,
};
use rusqlite::Connection;
use support::{at, open_file, turn};

fn experiment() -> Experiment {
    Experiment {
        id: "e".into(),
        name: "e".into(),
        design_hash: "h".into(),
        design: "{}".into(),
        state: State::Running,
        result: None,
        created: at(0),
        ended: None,
    }
}

fn sample(arm: &str) -> Sample {
    Sample {
        cell: Cell { arm: arm.into(), input: "i".into(), repeat: 0 },
        block: 0,
        position: 0,
        turn: turn("try", "question", arm),
        checks: None,
    }
}

fn training() -> Training {
    Training {
        id: "t".to_owned(),
        name: "tales".to_owned(),
        folder: "/tales".to_owned(),
        seed: 1,
        config: "preset = \"llama\"\n".to_owned(),
        steps: 2,
        state: State::Running,
        bits_per_byte: None,
        created: at(0),
        ended: None,
    }
}

fn label(left: SampleId, right: SampleId) -> Label {
    Label {
        left,
        right,
        criterion: "better".into(),
        person: "ada".into(),
        choice: Choice::Left,
        note: None,
        at: at(0),
    }
}

fn fixture(version: i64) -> String {
    let name = format!("../../fixtures/store/version-{version}.sql");
    fs::read_to_string(&name).unwrap_or_else(|error| {
        panic!("{name}: {error}; `dev/reference/llm_logs.py dump` makes it, once and for all")
    })
}

#[test]
fn every_earlier_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.db");
    drop(Store::open(&fresh, at(0)).unwrap());
    for version in 1..=VERSION {
        let path = folder.path().join(format!("{version}.db"));
        open_file(&path, &fixture(version));
        let store = Store::open(&path, at(0)).unwrap();
        let filter = Filter { with_samples: true, ..Filter::default() };
        let entries = store.entries(&filter).unwrap();
        assert!(entries.len() >= 2, "version {version} has lost what was in it");
        let found = store.entries(&Filter { search: Some("capital".into()), ..filter }).unwrap();
        assert_eq!(found.len(), 1, "version {version}");
        drop(store);
        assert_eq!(tables(&path), tables(&fresh), "version {version}");
        drop(Store::open(&path, at(0)).unwrap());
    }
}

/// Every table, index, trigger and view with its columns.
fn tables(path: &std::path::Path) -> Vec<(String, String)> {
    let connection = Connection::open(path).unwrap();
    let sql = "select m.type || ' ' || m.name, coalesce(group_concat(c.name || ' ' || c.type), '')
               from sqlite_master as m left join pragma_table_info(m.name) as c
               where m.name not like 'sqlite_%' group by m.type, m.name order by 1";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mynah.db");
    drop(Store::open(&path, at(0)).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
    drop(connection);
    let error = Store::open(&path, at(0)).err().unwrap();
    assert!(matches!(error, Error::Newer { found, .. } if found == VERSION + 1), "{error}");
    assert!(error.to_string().contains("was written by a newer mynah"), "{error}");
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("create table t (x)").unwrap();
    let before = fs::read(&other).unwrap();
    assert!(matches!(Store::open(&other, at(0)), Err(Error::Foreign { .. })));
    assert_eq!(fs::read(&other).unwrap(), before);
    let text = folder.path().join("text.db");
    fs::write(&text, "no database, but long enough to be taken for one".repeat(100)).unwrap();
    let error = Store::open(&text, at(0)).err().unwrap();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert_eq!(fs::read(&text).unwrap().len(), 4800);
    let empty = folder.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    assert!(Store::open(&empty, at(0)).is_ok(), "an empty file is a new one");
    assert!(matches!(Store::open(folder.path(), at(0)), Err(Error::Sqlite { .. })));
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/mynah.db");
    drop(Store::open(&path, at(0)).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing beside it");
}

#[test]
fn a_copy_is_whole_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("mynah.db"), folder.path().join("copy.db"));
    let mut store = Store::open(&path, at(0)).unwrap();
    for i in 0..50 {
        store.record_turn(None, &turn("run", &format!("question {i}"), "answer")).unwrap();
    }
    let mut writer = Store::open(&path, at(0)).unwrap();
    fs::write(&copy, "the old copy").unwrap();
    store.back_up(&copy).unwrap();
    writer.record_turn(None, &turn("run", "later", "answer")).unwrap();
    let copied = Store::open(&copy, at(0)).unwrap();
    assert_eq!(copied.counts().unwrap(), (50, 0, 50));
    assert_eq!(store.counts().unwrap(), (51, 0, 51));
    let nowhere = folder.path().join("mynah.db/copy.db");
    assert!(store.back_up(&nowhere).is_err());
}

#[test]
fn what_is_deleted_is_gone_and_what_others_need_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mynah.db");
    let mut store = Store::open(&path, at(0)).unwrap();
    let secret = "the zanzibar password";
    let first = store.record_turn(None, &turn("chat", "shared beginning", "yes")).unwrap();
    let mut second = turn("chat", "shared beginning", "yes");
    second.messages.push(Message::new(Role::Assistant, "yes"));
    second.messages.push(Message::new(Role::User, secret));
    second.answer = "I keep it".to_owned();
    let second = store.record_turn(Some(&first.thread), &second).unwrap();
    assert_eq!(store.delete(std::slice::from_ref(&second.turn)).unwrap(), 1);
    assert_eq!(store.delete(&[second.turn]).unwrap(), 0);
    let conversation = store.conversation(Some(&first.thread)).unwrap();
    assert_eq!(conversation.messages.len(), 2, "it goes back to where it was");
    let search = Filter { search: Some("zanzibar".into()), ..Filter::default() };
    assert!(store.entries(&search).unwrap().is_empty());
    for file in ["mynah.db", "mynah.db-wal"] {
        let bytes = fs::read(folder.path().join(file)).unwrap_or_default();
        let has = bytes.windows(8).any(|window| window == b"zanzibar");
        assert!(!has, "{file} still has what was deleted");
    }
    assert_eq!(store.delete(&[first.turn]).unwrap(), 1);
    assert_eq!(store.counts().unwrap(), (0, 0, 0));
    let connection = Connection::open(&path).unwrap();
    let left: i64 = connection
        .query_row(
            "select (select count(*) from messages) + (select count(*) from parts)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0);
    let sound: String =
        connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn a_sample_is_deleted_with_what_was_said_of_it() {
    let mut store = Store::in_memory(at(0)).unwrap();
    store.begin_experiment(&experiment()).unwrap();
    store.record_samples("e", &[sample("a"), sample("b")]).unwrap();
    let kept = store.samples_of("e").unwrap();
    store.record_label(&label(kept[0].id, kept[1].id)).unwrap();
    let filter = Filter { with_samples: true, ..Filter::default() };
    let ids: Vec<String> =
        store.entries(&filter).unwrap().into_iter().map(|entry| entry.id).take(1).collect();
    assert_eq!(store.delete(&ids).unwrap(), 1);
    assert_eq!((store.samples_of("e").unwrap().len(), store.labels_of("e").unwrap().len()), (1, 0));
}

#[test]
fn turns_of_one_millisecond_keep_their_order() {
    let mut store = Store::in_memory(at(0)).unwrap();
    let turns: Vec<Turn> = (0..200)
        .map(|sample| Turn { sample, ..turn("run", "Name a colour.", &format!("colour {sample}")) })
        .collect();
    let ids = store.record_turns(None, &turns).unwrap();
    assert!(ids.is_sorted_by(|a, b| a.turn < b.turn && a.thread == b.thread));
    let shown = store.entries(&Filter::default()).unwrap();
    assert!(shown.iter().map(|entry| entry.sample.unwrap()).eq((0..200).rev()));
    assert_eq!(store.entry(None).unwrap().response, "colour 199");
}

/// Makes a file of the present version that has something in every table of ours:
/// `STORE_TEST_FILE=/tmp/now.db cargo test -p mynah-store --test file -- --ignored`, then
/// `dev/reference/llm_logs.py dump /tmp/now.db` makes the fixture.
#[test]
#[ignore = "makes a fixture"]
fn a_file_of_this_version() {
    let path = std::env::var("STORE_TEST_FILE").unwrap();
    let mut store = Store::open(path.as_ref(), at(0)).unwrap();
    store.record_turn(None, &turn("run", "What is the capital of France?", "Paris.")).unwrap();
    store.begin_experiment(&experiment()).unwrap();
    store.record_samples("e", &[sample("a"), sample("b")]).unwrap();
    let kept = store.samples_of("e").unwrap();
    store.record_label(&label(kept[0].id, kept[1].id)).unwrap();
    store.set_state("e", State::Finished, Some("{}"), at(9)).unwrap();
    store.begin_training(&training(), 0).unwrap();
    let point = TrainingPoint { step: 1, loss: Some(3.5), ..TrainingPoint::default() };
    store.record_training_point("t", &point).unwrap();
    store.record_training_sample("t", 1, "Once", " upon a time").unwrap();
    store.end_training("t", State::Finished, Some(1.5), at(9)).unwrap();
    store.save_query("mine", "select 1", at(0)).unwrap();
    store.set_records(true).unwrap();
}
