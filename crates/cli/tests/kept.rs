//! What `mynah run` and `mynah chat` keep, with a real model.
//!
//! The models are in the folder that `MYNAH_TEST_MODELS` names; `cargo xtask test` fetches them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::SystemTime;

use mynah_store::{Entry, Filter, Store};
use program::model;
use rusqlite::Connection;

/// Runs a command with the model, and with this on standard input.
fn mynah(home: &Path, command: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = program::mynah(home, &[command, "-m"])
        .arg(model())
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What it prints, which must succeed without a word beside it.
fn prints(home: &Path, command: &str, arguments: &[&str], input: &str) -> String {
    let output = mynah(home, command, arguments, input);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && err.is_empty(), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is kept, the oldest first.
fn kept(home: &Path) -> Vec<Entry> {
    let store = Store::open(&home.join("mynah.db"), SystemTime::UNIX_EPOCH).unwrap();
    let mut entries = store.entries(&Filter::default()).unwrap();
    entries.reverse();
    entries
}

const RUN: &[&str] = &["--seed", "3", "-n", "6", "--temperature", "0.5", "--system", "Be brief."];

#[test]
fn answers_are_kept_with_all_that_draws_them_again() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [RUN, &["--samples", "2", "--json", "Name a colour."]].concat();
    let printed: serde_json::Value =
        serde_json::from_str(&prints(home.path(), "run", &arguments, "")).unwrap();
    let kept = kept(home.path());
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].conversation, kept[1].conversation);
    for (i, entry) in kept.iter().enumerate() {
        let printed = &printed[i];
        assert_eq!(entry.response, printed["text"].as_str().unwrap());
        assert_eq!(entry.model, printed["model"]["name"].as_str().unwrap());
        assert_eq!(entry.output_tokens, Some(printed["tokens"].as_array().unwrap().len() as i64));
        assert_eq!(entry.input_tokens, printed["timings"]["prompt_tokens"].as_i64());
        assert_eq!((entry.sample, entry.seed), (Some(i as u32), Some(3)));
        assert_eq!(entry.options["max_tokens"], 6);
        assert_eq!(
            (&entry.options["temperature"], &entry.options["seed"]),
            (&0.5.into(), &3.into())
        );
        assert_eq!(entry.system.as_deref(), Some("Be brief."));
        assert_eq!(entry.prompt, "Name a colour.");
        assert_eq!(entry.finish.as_deref(), printed["finish_reason"].as_str());
        assert!(entry.duration_ms.unwrap() > 0.0 && entry.time().is_some());
    }
    let arguments = ["--schema", "name", "--seed", "1", "-n", "30", "A name."];
    prints(home.path(), "run", &arguments, "");
    let last = self::kept(home.path()).pop().unwrap();
    assert_eq!(last.schema.unwrap()["properties"]["name"]["type"], "string");
}

#[test]
fn a_person_may_want_nothing_kept() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [RUN, &["--no-log", "Name a colour."]].concat();
    let answer = prints(home.path(), "run", &arguments, "");
    prints(home.path(), "chat", &["--no-log", "-n", "4", "-q"], "Hello\n");
    assert!(!home.path().join("mynah.db").exists());
    let path = home.path().join("mynah.db");
    Store::open(&path, SystemTime::UNIX_EPOCH).unwrap().set_records(false).unwrap();
    let arguments = [RUN, &["Name a colour."]].concat();
    assert_eq!(prints(home.path(), "run", &arguments, ""), answer);
    assert!(kept(home.path()).is_empty());
}

#[test]
fn a_log_that_fails_costs_nobody_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [RUN, &["Name a colour."]].concat();
    let answer = prints(home.path(), "run", &[&arguments[..], &["--no-log"]].concat(), "");
    let path = home.path().join("mynah.db");
    let check = |says: &str| {
        let output = mynah(home.path(), "run", &arguments, "");
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), answer);
        assert!(
            err.starts_with("warning: the answer was not kept: ") && err.contains(says),
            "{err}"
        );
        assert_eq!(err.matches("warning").count(), 1, "{err}");
    };
    fs::write(&path, "not a database, whatever its name may say. ".repeat(100)).unwrap();
    check("is damaged, or no database at all");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    check("mynah.db");
    fs::remove_dir(&path).unwrap();
    drop(Store::open(&path, SystemTime::UNIX_EPOCH).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    check("is in use by another program");
    // One warning for a whole conversation.
    let output = mynah(home.path(), "chat", &["-n", "4"], "Hello\nAnd again\n");
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(err.matches("warning").count(), 1, "{err}");
    assert!(output.status.success());
}

#[test]
fn a_conversation_is_one_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let chat = ["-n", "5", "--seed", "1", "-q"];
    prints(home.path(), "chat", &chat, "My name is Ada.\nWhat is my name?\n/clear\nHello.\n");
    let first = kept(home.path());
    assert_eq!(first.len(), 3);
    assert_eq!(first[0].conversation, first[1].conversation);
    assert_ne!(first[1].conversation, first[2].conversation, "/clear begins another");
    let thread = first[0].conversation.clone().unwrap();
    let go_on = [&chat[..], &["--continue", &thread]].concat();
    prints(home.path(), "chat", &go_on, "Say it again.\n");
    let all = kept(home.path());
    assert_eq!(all.len(), 4);
    assert_eq!(all[3].conversation.as_deref(), Some(thread.as_str()));
    let store = Store::open(&home.path().join("mynah.db"), SystemTime::UNIX_EPOCH).unwrap();
    let said = store.conversation(Some(&thread)).unwrap().messages;
    let said: Vec<&str> = said.iter().map(|message| message.text.as_str()).collect();
    let expected = [
        "My name is Ada.",
        &first[0].response,
        "What is my name?",
        &first[1].response,
        "Say it again.",
        &all[3].response,
    ];
    assert_eq!(said, expected);
    let output = mynah(home.path(), "chat", &["--continue", "zzzzzz"], "Hello\n");
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("there is no conversation \"zzzzzz\""), "{err}");
    assert!(err.contains("hint: `mynah logs`"), "{err}");
}
