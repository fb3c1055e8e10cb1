//! `mynah try` as a person or a script meets it, with a real model.
//!
//! The models are in the folder that `MYNAH_TEST_MODELS` names; `cargo xtask test` fetches them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::fs;
use std::path::Path;

use program::{ended, model, mynah};

fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = mynah(home, &["try"]);
    ended(command.args(arguments).current_dir(home).output().unwrap())
}

const PROMPTS: [&str; 3] = [
    "Name a fruit for {{text}}.",
    "--against",
    "List three fruits for {{text}}, as a Markdown list.",
];

/// The experiment that the tests run: four inputs, two prompts, three seeds, twelve tokens.
fn arguments<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = PROMPTS.to_vec();
    arguments.extend(["--inputs", "notes.txt", "--check", "markdown", "--check", "words"]);
    arguments.extend(["-m", model, "--seeds", "3", "-n", "12", "--seed", "5"]);
    arguments.extend(more);
    arguments
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("notes.txt"), "Anna\nBob\nClara\nDavid\n").unwrap();
    home
}

#[test]
fn a_run_is_the_same_again_and_resumed_without_a_sample() {
    let (home, model) = (home(), model());
    let model = model.to_str().unwrap();
    let (status, out, err) = run(home.path(), &arguments(model, &["--json"]));
    assert_eq!(status, 0, "{err}");
    let first: serde_json::Value = serde_json::from_str(&out).unwrap();
    let samples = first["models"][0]["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 24);
    // The page finds the report by the design.
    let report = home.path().join(format!("reports/{}.html", first["design"].as_str().unwrap()));
    assert!(fs::read_to_string(report).unwrap().starts_with("<!doctype html>"));
    let (_, out, _) = run(home.path(), &arguments(model, &["--json", "--resume"]));
    let again: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(again["models"][0]["resumed"], 24);
    assert_eq!(again["models"][0]["findings"], first["models"][0]["findings"]);
    let (_, out, _) = run(home.path(), &arguments(model, &["--json", "--no-log"]));
    let drawn: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(drawn["models"][0]["samples"], first["models"][0]["samples"]);
}

#[test]
fn a_requirement_that_is_not_met_ends_with_100() {
    let (home, model) = (home(), model());
    let more = ["--aa", "--require", "better"];
    let mut arguments = arguments(model.to_str().unwrap(), &more);
    arguments.drain(1..3);
    let (status, out, err) = run(home.path(), &arguments);
    assert_eq!(status, 100, "{out}{err}");
    assert!(out.contains("a prompt against itself"), "{out}");
    assert!(err.contains("error: what was required did not come out"), "{err}");
}

#[test]
fn mistakes_are_told_before_a_model_is_loaded() {
    let home = home();
    let refused = |arguments: &[&str]| {
        let (status, _, err) = run(home.path(), arguments);
        assert_eq!(status, 2, "{err}");
        err
    };
    let absent = ["-m", "absent.gguf", "--inputs", "notes.txt", "--check", "markdown"];
    let err = refused(&[&["Hello {{txt}}", "--against", "Hi {{text}}"][..], &absent].concat());
    assert!(err.contains("prompts:1:7: ") && err.contains("^^^^^^^"), "{err}");
    let err =
        refused(&[&["Hello", "--against", "Hi", "--check", "markdwon"][..], &absent].concat());
    assert!(err.contains("did you mean markdown?"), "{err}");
    let err = refused(&[&["Hello"][..], &absent].concat());
    assert!(err.contains("--aa"), "{err}");
    fs::write(home.path().join("e.toml"), "promt = \"x\"\n").unwrap();
    let err = refused(&["e.toml"]);
    assert!(
        err.contains("e.toml:1:1: unknown key promt") && err.contains("did you mean prompt?"),
        "{err}"
    );
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let home = home();
    let key = home.path().join("key");
    fs::write(&key, "sk-very-secret\n").unwrap();
    let more = ["--endpoint", "http://127.0.0.1:9/v1", "--key-file", key.to_str().unwrap()];
    let (status, out, err) = run(home.path(), &arguments("m", &more));
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("chmod 600") && !format!("{out}{err}").contains("very-secret"), "{err}");
}
