//! `mynah corpus` and `mynah plan` as a person meets them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::fs;
use std::path::Path;
use std::process::Command;

use program::{ended, mynah};

fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    ended(at(home, arguments).output().unwrap())
}

/// The program in a folder of its own.
fn at(home: &Path, arguments: &[&str]) -> Command {
    let mut command = mynah(home, arguments);
    command.current_dir(home);
    command
}

const PROSE: &str = "The old harbour lies to the west of the town, and in the evening the boats come \
    back with the tide. Fishermen sort their catch on the quay while gulls wait for what is left.";

fn write(home: &Path) {
    let record = |text: &str| serde_json::json!({ "text": text }).to_string();
    let lines = [record(PROSE), record(PROSE), record("Write to a@example.org about the boats.")];
    fs::write(home.join("in.jsonl"), lines.join("\n")).unwrap();
}

#[test]
fn texts_are_added_cleaned_and_counted() {
    let home = tempfile::tempdir().unwrap();
    write(home.path());
    let (status, out, err) = run(home.path(), &["corpus", "add", "in.jsonl"]);
    assert_eq!((status, out.as_str()), (0, ""), "{err}");
    assert!(err.starts_with("in.jsonl: 3 documents, "), "{err}");
    assert!(err.contains("warning: the licence of 3 documents of in.jsonl is not known"), "{err}");
    assert!(err.contains("hint: `mynah corpus allow 1 --licence SPDX` if you know it"), "{err}");
    let (_, out, _) = run(home.path(), &["corpus", "list"]);
    assert!(out.contains("unknown, kept apart"), "{out}");
    let (status, _, err) = run(home.path(), &["corpus", "allow", "1", "--licence", "cc0-1.0"]);
    assert_eq!((status, err.as_str()), (0, "in.jsonl is under CC0-1.0\n"));

    let report = home.path().join("report.html");
    let arguments = ["corpus", "clean", "--report", report.to_str().unwrap()];
    let (status, out, err) = run(home.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("exact-duplicate") && out.contains("as document 1"), "{out}");
    assert!(err.ends_with("2 of 3 documents are used, 212 B of 385 B\n"), "{err}");
    assert!(fs::read_to_string(&report).unwrap().contains("2 of 3 documents are used"));

    let (_, out, _) = run(home.path(), &["corpus", "stats"]);
    assert!(out.contains("duplicates        1 exact, 0 near"), "{out}");
    let sql = "select rule, count(*) as n from edits group by 1";
    let (status, out, _) = run(home.path(), &["corpus", "stats", "--json", "--sql", sql]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(json.as_array().unwrap().iter().any(|row| row["rule"] == "personal-email"), "{json}");
    assert_eq!(status, 0);
    let (status, _, err) = run(home.path(), &["corpus", "stats", "--sql", "delete from documents"]);
    assert_eq!(status, 2);
    assert!(err.contains("only reading is allowed here"), "{err}");

    let tokenizer = home.path().join("tokenizer.json");
    let tokenizer = tokenizer.to_str().unwrap();
    let (status, _, err) =
        run(home.path(), &["corpus", "tokenizer", tokenizer, "--size", "300", "--json"]);
    assert_eq!(status, 0, "{err}");
    let (_, out, _) = run(home.path(), &["corpus", "stats", "--tokenizer", tokenizer, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(json["tokens"].as_u64().unwrap() > 20, "{json}");
    let (status, _, err) = run(home.path(), &["corpus", "rm", "in.jsonl"]);
    assert_eq!((status, err.as_str()), (0, "removed in.jsonl: 3 documents, 420 B\n"));
}

#[test]
fn slips_of_the_pen_are_told_before_anything_happens() {
    let home = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], complaint: &str| {
        let (status, out, err) = run(home.path(), arguments);
        assert_ne!(status, 0);
        assert_eq!(out, "");
        assert!(err.contains(complaint), "{err}");
    };
    check(&["corpus", "stats"], "hint: `mynah corpus add PATH` makes one");
    check(&["corpus", "add", "englsh"], "there is no file or collection \"englsh\"");
    check(&["corpus", "add", "./nothing.txt"], "there is no ./nothing.txt");
    check(&["plan", "--on", "h300"], "there are: a100, h100, h200");
    check(&["plan", "--budget", "10"], "it must be like 90s, 10m");
    assert!(!home.path().join("corpus").exists());
}

#[test]
fn a_published_training_is_planned() {
    let home = tempfile::tempdir().unwrap();
    let arguments = "plan --parameters 2.5B --tokens 1.4T --vocabulary 51200 --context 2048 --on a100 \
         --count 96 --utilisation 0.69 --json";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let (status, out, err) = run(home.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let days = json["seconds"].as_f64().unwrap() / 86_400.0;
    assert!((13.0..15.5).contains(&days), "{json}");
    assert!((33_000.0..39_500.0).contains(&json["dollars"].as_f64().unwrap()), "{json}");
}

/// A process that is killed in the middle loses nothing that it had finished, and the next goes on.
#[cfg(unix)]
#[test]
fn an_add_that_is_killed_goes_on() {
    use std::io::Write as _;

    let home = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(home.path().join("large.jsonl")).unwrap();
    for i in 0..6000 {
        let text = format!("document {i} {PROSE} {}", format!("{i} words ").repeat(400));
        writeln!(file, "{}", serde_json::json!({ "text": text })).unwrap();
    }
    let arguments = ["corpus", "add", "large.jsonl", "--licence", "CC0-1.0"];
    let mut child = at(home.path(), &arguments).spawn().unwrap();
    // As soon as there is something to lose.
    let database = home.path().join("corpus/corpus.db-wal");
    while !database.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (status, _, err) = run(home.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    let sql = "select count(*) as n, count(distinct place) as places, \
         (select completed_at is not null from sources) as whole from documents";
    let (_, out, _) = run(home.path(), &["corpus", "stats", "--json", "--sql", sql]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json[0], serde_json::json!({ "n": 6000, "places": 6000, "whole": 1 }));
    // Every text can be read back.
    let (status, out, _) = run(home.path(), &["corpus", "clean", "--json"]);
    assert_eq!(status, 0);
    assert!(
        serde_json::from_str::<serde_json::Value>(&out).unwrap().as_array().unwrap().len() > 20
    );
}
