//! Experiments: how far they are, and their reports.

use std::fs;

use axum::http::{StatusCode, header};
use mynah_store::{Cell, Experiment, Sample, State, Store};
use serde_json::json;

use super::{Served, at, turn};

const HASH: &str = "0123456789abcdef0123456789abcdef";

fn begin(store: &mut Store, id: &str, hash: &str, design: &str) {
    let experiment = Experiment {
        id: id.into(),
        name: "capitals".into(),
        design_hash: hash.into(),
        design: design.into(),
        state: State::Running,
        result: None,
        created: at(0),
        ended: None,
    };
    store.begin_experiment(&experiment).unwrap();
}

fn sample(store: &mut Store, id: &str, arm: &str, repeat: u32, answer: &str) {
    let cell = Cell { arm: arm.into(), input: "0".into(), repeat };
    let turn = turn("Name it.", answer, u64::from(repeat));
    let sample = Sample { cell, block: 0, position: repeat, turn, checks: None };
    store.record_sample(id, &sample).unwrap();
}

#[tokio::test]
async fn one_that_is_running_is_watched() {
    let served = Served::new();
    let design = json!({
        "arms": [
            { "name": "plain", "wordings": [{ "prompt": "Name it." }] },
            { "name": "kind", "wordings": [{ "system": "Be kind.", "prompt": "Name it, please." }] },
        ],
        "inputs": [{}, {}],
        "repeats": 5,
    });
    let mut store = served.store();
    begin(&mut store, "e1", HASH, &design.to_string());
    sample(&mut store, "e1", "plain", 0, "four");
    let seen = served.get("/api/experiments").await.json()["experiments"][0].take();
    assert_eq!((&seen["n_done"], &seen["n_planned"]), (&json!(1), &json!(20)));
    assert_eq!((&seen["state"], &seen["models"]), (&json!("running"), &json!(["smollm2-135m"])));
    assert_eq!(seen["has_report"], false);
    // Another process goes on; who looks again sees more.
    sample(&mut store, "e1", "kind", 1, "fortyfour");
    sample(&mut store, "e1", "plain", 2, "sixsix");
    let one = served.get("/api/experiments/e1").await.json();
    assert_eq!(one["n_done"], 3);
    assert_eq!(one["arms"][0]["arm"], "plain");
    assert_eq!(
        (&one["arms"][0]["samples"], &one["arms"][0]["characters"]),
        (&json!(2), &json!(5.0))
    );
    assert_eq!(one["samples"][0]["answer"], "sixsix", "the newest comes first");
    assert_eq!(
        one["prompts"][1],
        json!({ "arm": "kind", "system": "Be kind.", "prompt": "Name it, please." })
    );
    assert_eq!(served.get("/api/experiments/none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_report_is_shown_in_an_origin_of_its_own() {
    let served = Served::new();
    let mut store = served.store();
    begin(&mut store, "e1", HASH, "{}");
    assert_eq!(served.get("/api/experiments/e1/report").await.status, StatusCode::NOT_FOUND);
    let folder = served.folder.path().join("reports");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(format!("{HASH}.html")), "<!doctype html>report").unwrap();
    assert_eq!(served.get("/api/experiments/e1").await.json()["has_report"], true);
    let report = served.get("/api/experiments/e1/report").await;
    assert_eq!(report.text(), "<!doctype html>report");
    let policy = report.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("sandbox allow-scripts;") && !policy.contains("same-origin"));
}

#[tokio::test]
async fn a_file_that_somebody_changed_is_no_way_to_others() {
    let served = Served::new();
    let mut store = served.store();
    fs::create_dir(served.folder.path().join("reports")).unwrap();
    fs::write(served.folder.path().join("secret.html"), "secret").unwrap();
    begin(&mut store, "e1", "../secret", "{ not JSON");
    let seen = served.get("/api/experiments").await.json();
    assert_eq!(seen["experiments"][0]["n_planned"], json!(null));
    assert_eq!(seen["experiments"][0]["has_report"], false);
    assert_eq!(served.get("/api/experiments/e1/report").await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/api/experiments/e1").await.status, StatusCode::OK);
}
