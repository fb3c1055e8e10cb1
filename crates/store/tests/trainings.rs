//! Runs of training: what is kept is read back, and a run that goes on leaves nothing twice.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use mynah_store::sql::{Limits, Reader};
use mynah_store::{Error, State, Store, Training, TrainingPoint};
use support::at;

fn training() -> Training {
    Training {
        id: "t".to_owned(),
        name: "tales".to_owned(),
        folder: "/tales".to_owned(),
        seed: u64::MAX,
        config: "preset = \"llama\"\n".to_owned(),
        steps: 40,
        state: State::Running,
        bits_per_byte: None,
        created: at(0),
        ended: None,
    }
}

fn point(step: u64) -> TrainingPoint {
    TrainingPoint { step, seconds: Some(1.5), loss: Some(4.0), ..TrainingPoint::default() }
}

#[test]
fn a_run_that_goes_on_has_each_step_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mynah.db");
    let mut store = Store::open(&path, at(0)).unwrap();
    store.begin_training(&training(), 0).unwrap();
    for step in [10, 20, 30] {
        store.record_training_point("t", &point(step)).unwrap();
        store.record_training_sample("t", step, "Once", " upon").unwrap();
        store.record_training_sample("t", step, "Then", " he").unwrap();
    }
    store.end_training("t", State::Stopped, None, at(1)).unwrap();
    assert_eq!(store.training("t").unwrap().unwrap().state, State::Stopped);
    // Its checkpoint was made after step 20.
    store.begin_training(&training(), 20).unwrap();
    let held = TrainingPoint { step: 20, held_out_bits_per_byte: Some(2.0), ..point(20) };
    store.record_training_point("t", &TrainingPoint { seconds: None, loss: None, ..held }).unwrap();
    store.end_training("t", State::Finished, Some(1.75), at(2)).unwrap();
    let kept = store.training("t").unwrap().unwrap();
    let expected = Training {
        state: State::Finished,
        bits_per_byte: Some(1.75),
        ended: Some(at(2)),
        ..training()
    };
    assert_eq!(kept, expected);
    let limits = Limits { rows: 100, bytes: 1 << 20 };
    let reader = Reader::open(&path, at(2), limits, || false).unwrap();
    let rows = |sql: &str| format!("{:?}", reader.answer(sql, &[]).unwrap().remove(0).rows);
    let points = rows("select step, loss, held_out_bits_per_byte from mynah_training_points");
    assert_eq!(points, "[[Integer(10), Real(4.0), Null], [Integer(20), Real(4.0), Real(2.0)]]");
    let samples = rows("select step, position, prompt from mynah_training_samples where step > 10");
    assert_eq!(
        samples,
        "[[Integer(20), Integer(0), Text(\"Once\")], [Integer(20), Integer(1), Text(\"Then\")]]"
    );
}

#[test]
fn what_belongs_to_no_run_is_refused() {
    let mut store = Store::in_memory(at(0)).unwrap();
    assert!(store.record_training_point("none", &point(1)).is_err());
    assert!(store.record_training_sample("none", 1, "a", "b").is_err());
    let error = store.end_training("none", State::Failed, None, at(0)).unwrap_err();
    assert!(matches!(error, Error::Absent { .. }), "{error}");
    assert_eq!(store.training("none").unwrap(), None);
}
