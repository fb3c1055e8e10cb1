//! Experiments, samples and judgements: what is kept is read back, and nothing is kept twice.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::HashSet;

use mynah_store::{Cell, Choice, Error, Experiment, Label, Message, Role, Sample, State, Store};
use support::{at, turn};

fn experiment(id: &str) -> Experiment {
    Experiment {
        id: id.to_owned(),
        name: "capitals".to_owned(),
        design_hash: "sha256:ab".to_owned(),
        design: r#"{"arms": ["plain", "capitals"]}"#.to_owned(),
        state: State::Running,
        result: None,
        created: at(0),
        ended: None,
    }
}

fn sample(arm: &str, input: &str, repeat: u32, answer: &str) -> Sample {
    Sample {
        cell: Cell { arm: arm.to_owned(), input: input.to_owned(), repeat },
        block: repeat / 2,
        position: repeat,
        turn: turn("try", &format!("{arm} {input}"), answer),
        checks: Some(r#"{"markdown": true}"#.to_owned()),
    }
}

#[test]
fn samples_come_back_as_they_were_kept() {
    let mut store = Store::in_memory(at(0)).unwrap();
    assert!(store.begin_experiment(&experiment("e1")).unwrap());
    let mut first = sample("plain", "a", 0, "# Title");
    first.turn.messages.insert(0, Message::new(Role::System, "Write Markdown."));
    first.turn.schema = Some(serde_json::json!({"type": "object"}));
    let mut second = sample("plain", "a", 1, "");
    second.turn.seed = Some(u64::MAX);
    second.turn.temperature = None;
    second.turn.options.clear();
    second.turn.first_token = None;
    second.checks = None;
    assert!(store.record_sample("e1", &first).unwrap());
    assert_eq!(store.record_samples("e1", &[first.clone(), second.clone()]).unwrap(), 1);
    let kept = store.samples_of("e1").unwrap();
    let samples: Vec<&Sample> = kept.iter().map(|kept| &kept.sample).collect();
    assert_eq!(samples, [&first, &second]);
    let cells: HashSet<Cell> = [first.cell.clone(), second.cell.clone()].into();
    assert_eq!(store.filled_cells("e1").unwrap(), cells);
    assert!(store.filled_cells("e2").unwrap().is_empty());
}

#[test]
fn a_cell_is_filled_once() {
    let mut store = Store::in_memory(at(0)).unwrap();
    store.begin_experiment(&experiment("e1")).unwrap();
    assert!(store.record_sample("e1", &sample("plain", "a", 0, "one")).unwrap());
    assert!(!store.record_sample("e1", &sample("plain", "a", 0, "two")).unwrap());
    let kept = store.samples_of("e1").unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].sample.turn.answer, "one");
    let error = store.record_sample("none", &sample("plain", "a", 0, "one")).unwrap_err();
    assert!(matches!(error, Error::Absent { what: "experiment", .. }), "{error}");
}

#[test]
fn an_experiment_ends_and_goes_on() {
    let mut store = Store::in_memory(at(0)).unwrap();
    let mut planned = experiment("e1");
    assert!(store.begin_experiment(&planned).unwrap());
    assert!(!store.begin_experiment(&planned).unwrap(), "it is there");
    assert_eq!(store.experiment("e1").unwrap(), Some(planned.clone()));
    store.set_state("e1", State::Finished, Some(r#"{"verdict": "better"}"#), at(9)).unwrap();
    planned.state = State::Finished;
    planned.result = Some(r#"{"verdict": "better"}"#.to_owned());
    planned.ended = Some(at(9));
    assert_eq!(store.experiments(Some("sha256:ab")).unwrap(), [planned.clone()]);
    assert_eq!(store.experiments(Some("sha256:cd")).unwrap(), []);
    store.set_state("e1", State::Running, None, at(10)).unwrap();
    planned.state = State::Running;
    planned.ended = None;
    assert_eq!(store.experiments(None).unwrap(), [planned], "what came out before is kept");
    assert!(store.set_state("e2", State::Failed, None, at(1)).is_err());
}

#[test]
fn answers_are_judged_again_and_by_people() {
    let mut store = Store::in_memory(at(0)).unwrap();
    store.begin_experiment(&experiment("e1")).unwrap();
    let samples = [sample("plain", "a", 0, "x"), sample("capitals", "a", 0, "y")];
    store.record_samples("e1", &samples).unwrap();
    let kept = store.samples_of("e1").unwrap();
    store.set_checks(kept[0].id, r#"{"markdown": false}"#).unwrap();
    let checked = store.samples_of("e1").unwrap();
    assert_eq!(checked[0].sample.checks.as_deref(), Some(r#"{"markdown": false}"#));
    let mut label = Label {
        left: kept[1].id,
        right: kept[0].id,
        criterion: "better".to_owned(),
        person: "ada".to_owned(),
        choice: Choice::Left,
        note: None,
        at: at(3),
    };
    store.record_label(&label).unwrap();
    label.choice = Choice::Tie;
    label.note = Some("on second thought".to_owned());
    store.record_label(&label).unwrap();
    assert_eq!(store.labels_of("e1").unwrap(), [label.clone()]);
    label.left = mynah_store::SampleId(99);
    assert!(store.record_label(&label).is_err(), "there is no such sample");
}
