//! `mynah train` as a person meets it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use program::{ended, mynah};
use serde_json::Value;

fn at(home: &Path, arguments: &[&str]) -> Command {
    let mut command = mynah(home, arguments);
    command.current_dir(home);
    command
}

fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    ended(at(home, arguments).output().unwrap())
}

/// Paragraphs that a very small model can learn something of.
fn text() -> String {
    let who = ["the king", "a miller", "the old queen", "a sailor", "my brother", "the fox"];
    let did = ["saw", "followed", "forgot", "painted", "sold"];
    let what = ["a red boat", "the mountain", "two silver coins", "the letter", "an empty house"];
    let sentence = |i: usize| {
        let of = |words: &[&'static str], n: usize| words[(i * n + i / 7) % words.len()];
        format!("Then {} {} {}.", of(&who, 5), of(&did, 3), of(&what, 11))
    };
    let paragraphs = (0..400).map(|p| {
        let sentences: Vec<String> = (0..6).map(|s| sentence(p * 6 + s)).collect();
        sentences.join(" ")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

const SETTINGS: &str = "seed = 3\n[model]\ndepth = 1\nwidth = 32\ncontext = 32\n\
    [batch]\nsequences = 4\n[schedule]\nsteps = 120\n\
    [watch]\nevaluate_every = 40\nsample_every = 60\ncheckpoint_every = 5\nheld_out = 0.1\n";

fn prepare(home: &Path) {
    fs::write(home.join("tale.txt"), text()).unwrap();
    fs::write(home.join("small.toml"), SETTINGS).unwrap();
}

const TRAIN: [&str; 7] =
    ["train", "small.toml", "tale.txt", "--vocabulary", "300", "--threads", "2"];

fn events(home: &Path, folder: &str) -> Vec<Value> {
    let log = fs::read_to_string(home.join(folder).join("training/log-3.jsonl")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All that happened, without how long it took.
fn without_time(mut events: Vec<Value>) -> Vec<Value> {
    events.iter_mut().for_each(|event| {
        event.as_object_mut().unwrap().remove("seconds");
    });
    events
}

#[test]
fn a_model_is_trained_exported_and_speaks() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    prepare(home);
    let (status, out, err) = run(home, &[&TRAIN[..], &["--out", "tale"]].concat());
    assert_eq!((status, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("step 120/120") && err.contains("read again: logits differ by"), "{err}");
    let losses: Vec<f64> = events(home, "tale")
        .iter()
        .filter(|event| event["event"] == "step")
        .map(|event| event["loss"].as_f64().unwrap())
        .collect();
    assert_eq!(losses.len(), 120);
    assert!(losses[119] < 0.7 * losses[0], "{} {}", losses[0], losses[119]);
    for file in ["model.safetensors", "config.json", "tokenizer.json", "tale.gguf", "README.md"] {
        assert!(home.join("tale").join(file).is_file(), "{file}");
    }
    let report = fs::read_to_string(home.join("tale/report.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("tale.txt"));

    // The folder and the file say the same, and what comes without a prompt is a beginning.
    let speak = |model: &str, more: &[&str]| {
        let arguments = ["run", model, "-n", "12", "--seed", "1", "--temperature", "0"];
        let (status, out, err) = run(home, &[&arguments[..], more].concat());
        assert_eq!(status, 0, "{err}");
        out
    };
    assert_eq!(speak("./tale", &["Then the"]), speak("./tale/tale.gguf", &["Then the"]));
    assert!(!speak("./tale", &[]).trim().is_empty());

    let (status, _, err) = run(home, &[&TRAIN[..], &["--out", "tale"]].concat());
    assert_eq!(status, 2);
    assert!(err.contains("tale has a run already") && err.contains("--resume goes on"), "{err}");
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bits() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    prepare(home);
    let (status, _, err) = run(home, &[&TRAIN[..], &["--out", "whole"]].concat());
    assert_eq!(status, 0, "{err}");
    let mut child = at(home, &[&TRAIN[..], &["--out", "killed"]].concat()).spawn().unwrap();
    let log = home.join("killed/training/log-3.jsonl");
    let checkpoint = home.join("killed/training/checkpoint-3");
    // Between two checkpoints, as far as one can choose.
    while !checkpoint.exists() || fs::read_to_string(&log).unwrap().lines().count() < 12 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = events_so_far(&log);
    assert!(before < 120, "{before} steps were made before it was killed");
    // Another number of threads makes no difference.
    let (status, _, err) = run(home, &["train", "--resume", "killed", "--threads", "1"]);
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("going on after step "), "{err}");
    assert_eq!(without_time(events(home, "killed")), without_time(events(home, "whole")));
    let weights = |folder: &str| fs::read(home.join(folder).join("model.safetensors")).unwrap();
    assert!(weights("killed") == weights("whole"));
}

fn events_so_far(log: &Path) -> usize {
    fs::read_to_string(log).unwrap().matches("\"event\":\"step\"").count()
}

#[test]
fn what_cannot_be_trained_is_said_clearly() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    prepare(home);
    let fails = |arguments: &[&str], expected: &[&str]| {
        let (status, _, err) = run(home, arguments);
        assert_ne!(status, 0, "{err}");
        expected.iter().for_each(|part| assert!(err.contains(part), "{part:?} not in {err}"));
    };
    fs::write(home.join("wrong.toml"), "[model]\ndepht = 3\n").unwrap();
    fails(&["train", "wrong.toml", "tale.txt"], &["wrong.toml", "line 2", "depht"]);
    fs::write(home.join("wrong.toml"), "[model]\ndepth = 1\nwidth = 33\n").unwrap();
    fails(&["train", "wrong.toml", "tale.txt", "--steps", "1"], &["model.width", "33", "32"]);
    fails(&["train", "none.txt"], &["cannot read", "none.txt"]);
    fs::write(home.join("bytes.txt"), [0xff, 0xfe, 0]).unwrap();
    fails(&["train", "bytes.txt"], &["bytes.txt", "UTF-8"]);
    fails(&["train", "--resume", "none"], &["none has no run to go on with", "--resume takes"]);
    fails(&["train", "tale.txt", "--tui"], &["--tui needs a terminal"]);
    fails(&["train", "tale.txt", "--budget", "10"], &["it must be like 90s, 10m"]);

    // A checkpoint that is damaged, and one of other data, are refused.
    let (status, _, err) = run(home, &[&TRAIN[..], &["--out", "tale"]].concat());
    assert_eq!(status, 0, "{err}");
    let checkpoint = home.join("tale/training/checkpoint-3");
    let whole = fs::read(&checkpoint).unwrap();
    let mut damaged = whole.clone();
    let last = damaged.len() - 40;
    damaged[last] ^= 1;
    fs::write(&checkpoint, damaged).unwrap();
    fails(&["train", "--resume", "tale"], &["checkpoint-3 is damaged"]);
    fs::write(&checkpoint, whole).unwrap();
    let config = home.join("tale/training/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("steps = 120", "steps = 130")).unwrap();
    fails(&["train", "--resume", "tale"], &["settings"]);
}

#[test]
fn sizes_are_compared_on_ones_own_text() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    prepare(home);
    let arguments = ["plan", "--what-if", "tale.txt", "--spend", "4s", "--budget", "1m", "--json"];
    let (status, out, err) = run(home, &arguments);
    assert_eq!(status, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 9);
    assert!(runs.iter().all(|run| run["bits_per_byte"].as_f64().unwrap() > 0.0));
    let sizes = report["sizes"].as_array().unwrap();
    assert!(sizes.iter().any(|size| size["depth"] == report["best_depth"]));
    for size in sizes {
        let number = |key: &str| size[key].as_f64().unwrap();
        assert!(number("low") <= number("bits_per_byte") && number("low") < number("high"));
    }
}
