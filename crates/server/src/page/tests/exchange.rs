//! Conversations as files, and comparisons as experiments' files.

use axum::http::{StatusCode, header};
use mynah_lab::experiment::{Source, read};
use serde_json::{Value, json};

use super::{Served, conversation};

/// The parts of a tree that do not depend on when it was taken in.
fn said(tree: &Value) -> (Value, Value, Value) {
    let turns = tree["turns"].as_array().unwrap().iter().map(|turn| {
        json!([turn["tip"], turn["model"], turn["seed"], turn["options"], turn["datetime_utc"]])
    });
    (tree["name"].clone(), tree["messages"].clone(), turns.collect())
}

#[tokio::test]
async fn what_was_taken_out_is_the_same_when_it_is_taken_in() {
    let from = Served::new();
    let id = conversation(&from);
    let path = format!("/api/conversations/{id}");
    let red = from.get(&path).await.json()["messages"][1]["hash"].clone();
    from.post(&path, json!({ "name": "Colours", "tip": red })).await;
    let all = from.get("/api/export").await.json();
    assert_eq!(all, from.get(&format!("{path}/export")).await.json());
    let to = Served::new();
    let taken = to.post("/api/import", all.clone()).await.json();
    assert_eq!(taken, json!({ "conversations": 1, "answers": 2 }));
    let back = to.get("/api/export").await.json();
    assert_eq!(said(&back["conversations"][0]), said(&all["conversations"][0]));
    assert_eq!(back["conversations"][0]["tip"], red, "it stands where it stood");
}

#[tokio::test]
async fn a_file_that_is_none_changes_nothing() {
    let served = Served::new();
    let message = json!({ "hash": "a", "parent": null, "role": "user", "text": "?" });
    let answer = json!({ "hash": "b", "parent": "a", "role": "assistant", "text": "!" });
    let turn = json!({ "parent": "a", "tip": "b", "model": "m", "datetime_utc": "yesterday" });
    let file = |messages: Value, turns: Value| {
        json!({ "format": "mynah-conversations", "version": 1,
            "conversations": [{ "name": "n", "tip": "b", "messages": messages, "turns": turns }] })
    };
    let good = file(json!([message, answer]), json!([turn]));
    let changed = |pointer: &str, value: Value| {
        let mut file = good.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        file
    };
    let first = "/conversations/0";
    for (file, field, problem) in [
        (changed("/format", json!("other")), "format", "no file of conversations"),
        (changed("/version", json!(2)), "version", "newer mynah"),
        (changed(&format!("{first}/messages/0/parent"), json!("a")), "conversations[0]", "circle"),
        (changed(&format!("{first}/messages/0/hash"), json!("x")), "conversations[0]", "missing"),
        (changed(&format!("{first}/turns/0/tip"), json!("a")), "conversations[0]", "the model's"),
        (changed(&format!("{first}/turns/0/tip"), json!("x")), "conversations[0]", "not among"),
        (changed(&format!("{first}/turns"), json!([])), "conversations[0]", "no answer"),
        (changed(&format!("{first}/messages/0/role"), json!("god")), "", "unknown variant"),
        (json!({ "messages": [] }), "", "missing field"),
    ] {
        let refused = served.post("/api/import", file).await;
        assert_eq!(refused.fault(), (400, field.to_owned()), "{}", refused.text());
        assert!(refused.text().contains(problem), "{}", refused.text());
    }
    assert_eq!(served.get("/api/conversations").await.json()["conversations"], json!([]));
    assert_eq!(served.post("/api/import", good).await.status, StatusCode::OK);
}

/// What `mynah try` makes of a file.
fn experiment(text: &str) -> mynah_lab::experiment::Experiment {
    let source = Source { name: "compare.toml".into(), text: text.into() };
    let nothing = |_: &str| Err("there are no files here".to_owned());
    let draft = read(&source, &nothing).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    draft.build().unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

#[tokio::test]
async fn a_comparison_becomes_an_experiment() {
    let served = Served::new();
    let awkward = "Say \"{{name}}\" \\ {%, and\n'''done''' \u{7f}\u{1} 用中文 {{ }}";
    let asked = json!({
        "name": "odd \"name\"",
        "columns": [
            { "model": "smollm2-135m", "system": null, "prompt": awkward },
            { "model": "qwen2.5-coder-0.5b", "system": "Be {{kind}}.", "prompt": awkward },
            { "model": "smollm2-135m", "system": "  ", "prompt": awkward },
        ],
        "sampling": { "temperature": 0.7, "top_k": 40, "max_tokens": 50, "stop": ["\n\n", "\""] },
        "seed": 5,
        "check": { "type": "contains", "argument": "a \"text\"" },
    });
    let answer = served.post("/api/experiment-file", asked).await;
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/toml; charset=utf-8");
    let made = experiment(answer.text());
    assert_eq!(made.name, "odd \"name\"");
    assert_eq!(made.models, ["smollm2-135m", "qwen2.5-coder-0.5b"]);
    assert_eq!(made.arms.len(), 2, "the third column asks what the first asks");
    let prompt = |arm: usize| {
        let cell = mynah_lab::design::Cell { block: 0, input: 0, arm, paraphrase: 0, repeat: 0 };
        made.prompt(&cell)
    };
    assert_eq!((prompt(0).user.as_str(), prompt(0).system), (awkward, None));
    assert_eq!(prompt(1).system.as_deref(), Some("Be {{kind}}."));
    assert_eq!(made.sampling.temperature, Some(0.7));
    assert_eq!((made.sampling.top_k, made.sampling.max_tokens, made.seed), (Some(40), 50, 5));
    assert_eq!(made.sampling.stop, ["\n\n", "\""]);
}

#[tokio::test]
async fn models_alone_and_every_check_make_an_experiment() {
    let served = Served::new();
    let column =
        |model: &str| json!({ "model": model, "system": null, "prompt": "What is 2 + 2?" });
    for (kind, argument) in [
        ("words", ""),
        ("contains", "4"),
        ("regex", "^[0-9]+$"),
        ("number", "4"),
        ("json", ""),
        ("markdown", ""),
        ("no_refusal", ""),
    ] {
        let asked = json!({ "name": "sum", "columns": [column("a"), column("b")],
            "check": { "type": kind, "argument": argument } });
        let made = experiment(served.post("/api/experiment-file", asked).await.text());
        assert_eq!((made.models.len(), made.arms.len(), made.checks.len()), (2, 2, 1), "{kind}");
    }
    for (change, field) in [
        (json!({ "check": { "type": "code" } }), "check.type"),
        (json!({ "check": { "type": "regex" } }), "check.argument"),
        (json!({ "columns": [] }), "columns"),
        (json!({ "columns": [column("")] }), "columns"),
        (json!({ "columns": [{ "model": "a", "system": null, "prompt": " " }] }), "columns"),
    ] {
        let mut asked =
            json!({ "name": "x", "columns": [column("a")], "check": { "type": "json" } });
        asked.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap());
        assert_eq!(served.post("/api/experiment-file", asked).await.fault(), (400, field.into()));
    }
}
