//! Several processes at once, and one that is killed. The processes are real: this program, started
//! again.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use mynah_store::{Cell, Experiment, Sample, State, Store};
use rusqlite::Connection;
use support::{at, turn};

const FILE: &str = "STORE_TEST_FILE";
const ARM: &str = "STORE_TEST_ARM";
const COUNT: &str = "STORE_TEST_COUNT";

/// Keeps samples, one after the other, and says each time that it did.
#[test]
#[ignore = "a process that the other tests start"]
fn writer() {
    let value = |name| std::env::var(name).unwrap();
    let (arm, n): (String, u32) = (value(ARM), value(COUNT).parse().unwrap());
    let mut store = Store::open(value(FILE).as_ref(), at(0)).unwrap();
    store.begin_experiment(&experiment()).unwrap();
    for repeat in 0..n {
        assert!(store.record_sample("e", &sample(&arm, repeat)).unwrap());
        println!("kept {repeat}");
    }
}

fn experiment() -> Experiment {
    Experiment {
        id: "e".into(),
        name: "race".into(),
        design_hash: "h".into(),
        design: "{}".into(),
        state: State::Running,
        result: None,
        created: at(0),
        ended: None,
    }
}

fn sample(arm: &str, repeat: u32) -> Sample {
    Sample {
        cell: Cell { arm: arm.into(), input: "i".into(), repeat },
        block: 0,
        position: repeat,
        turn: turn("try", "Name a colour.", &format!("{arm} {repeat} {}", "word ".repeat(500))),
        checks: None,
    }
}

fn start(path: &Path, arm: &str, n: u32) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "writer", "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .env(ARM, arm)
        .env(COUNT, n.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[test]
fn two_processes_write_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mynah.db");
    let mut writers = ["a", "b"].map(|arm| start(&path, arm, 150));
    for (child, lines) in &mut writers {
        assert_eq!(lines.filter(|line| line.as_ref().unwrap().contains("kept ")).count(), 150);
        assert!(child.wait().unwrap().success());
    }
    let store = Store::open(&path, at(0)).unwrap();
    assert_eq!(store.filled_cells("e").unwrap().len(), 300);
    assert_eq!(store.counts().unwrap(), (300, 300, 1));
}

#[test]
fn a_process_that_is_killed_loses_at_most_the_sample_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mynah.db");
    for (round, n_before) in [1, 7, 20, 40].into_iter().enumerate() {
        let arm = format!("arm {round}");
        let (mut child, mut lines) = start(&path, &arm, 100_000);
        let mut n_kept = 0;
        while n_kept < n_before {
            n_kept += u32::from(lines.next().unwrap().unwrap().contains("kept "));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died.
        n_kept +=
            lines.filter(|line| line.as_ref().is_ok_and(|it| it.contains("kept "))).count() as u32;
        let mut store = Store::open(&path, at(0)).unwrap();
        let kept = store.samples_of("e").unwrap();
        let kept: Vec<&Sample> =
            kept.iter().map(|kept| &kept.sample).filter(|it| it.cell.arm == arm).collect();
        assert!((n_kept..=n_kept + 1).contains(&(kept.len() as u32)), "{n_kept} {}", kept.len());
        for (repeat, kept) in kept.iter().enumerate() {
            assert_eq!(**kept, sample(&arm, repeat as u32));
        }
        // It goes on where it was.
        assert!(store.record_sample("e", &sample(&arm, 100_000)).unwrap());
        drop(store);
        let connection = Connection::open(&path).unwrap();
        let sound: String =
            connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}
