//! Models: listed, fetched, removed.

use std::sync::Mutex;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Served;
use crate::{Installed, Known, Library, LibraryError, Opened, Progress};

/// A library of one model to which others are added.
pub(super) struct Shelf {
    names: Mutex<Vec<String>>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { names: Mutex::new(vec!["here".to_owned()]) }
    }
}

fn installed(name: &str) -> Installed {
    Installed { name: name.to_owned(), bytes: 1000, licence: Some("MIT".to_owned()), created: 0 }
}

fn fault(message: &str) -> LibraryError {
    LibraryError { message: message.to_owned(), hint: Some("try another".to_owned()) }
}

impl Library for Shelf {
    fn list(&self) -> Result<Vec<Installed>, LibraryError> {
        Ok(self.names.lock().unwrap().iter().map(|name| installed(name)).collect())
    }

    fn default_name(&self) -> String {
        "here".to_owned()
    }

    fn open(&self, _: &str) -> Result<Opened, LibraryError> {
        Err(fault("there are no weights"))
    }

    fn pull(
        &self,
        reference: &str,
        tell: &(dyn Fn(Progress) -> bool + Sync),
    ) -> Result<Installed, LibraryError> {
        let progress = |done| Progress { doing: "weights".to_owned(), done, of: Some(100) };
        match reference {
            "endless" => {
                while tell(progress(50)) {
                    std::thread::yield_now();
                }
                Err(fault("it was stopped"))
            }
            "broken" => Err(fault("the network is away")),
            name => {
                tell(progress(100));
                self.names.lock().unwrap().push(name.to_owned());
                Ok(installed(name))
            }
        }
    }

    fn remove(&self, name: &str) -> Result<bool, LibraryError> {
        let mut names = self.names.lock().unwrap();
        let n = names.len();
        names.retain(|own| own != name);
        Ok(names.len() < n)
    }

    fn known(&self) -> Vec<Known> {
        vec![Known {
            name: "more".to_owned(),
            description: "A small one.".to_owned(),
            bytes: 5,
            licence: "MIT".to_owned(),
            needs_consent: false,
        }]
    }

    fn warn(&self, _: &str) {}
}

/// What is known of a pull, once `wanted` is.
async fn pull_when(served: &Served, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let list = served.get("/api/models").await.json()["pulls"].take();
        let pull = list.as_array().unwrap().iter().find(|pull| pull["name"] == name).cloned();
        if let Some(pull) = pull.filter(|pull| wanted(pull)) {
            return pull;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn models_are_listed_with_what_they_take() {
    let served = Served::new();
    let list = served.get("/api/models").await.json();
    let here = json!({ "name": "here", "bytes": 1000, "licence": "MIT", "is_loaded": false,
        "memory_bytes": null, "in_use": 0 });
    assert_eq!(list["installed"], json!([here]));
    assert_eq!(list["known"][0]["name"], "more");
    assert_eq!((&list["memory_bytes"], &list["memory_used"]), (&json!(1 << 30), &json!(0)));
}

#[tokio::test]
async fn a_model_is_fetched_while_one_looks_on() {
    let served = Served::new();
    let pull = |body: Value| served.post("/api/models/pull", body);
    assert_eq!(pull(json!({ "name": "more" })).await.status, StatusCode::OK);
    pull_when(&served, "more", |pull| pull["state"] == "done").await;
    assert_eq!(served.get("/api/models").await.json()["installed"][1]["name"], "more");
    pull(json!({ "name": "endless" })).await;
    let seen = pull_when(&served, "endless", |pull| pull["done"] == 50).await;
    assert_eq!((&seen["state"], &seen["of"]), (&json!("running"), &json!(100)));
    let again = pull(json!({ "name": "endless" })).await.json();
    assert_eq!(again["pulls"].as_array().unwrap().len(), 2, "it is fetched once");
    pull(json!({ "name": "endless", "stop": true })).await;
    pull_when(&served, "endless", |pull| pull["state"] == "failed").await;
    pull(json!({ "name": "broken" })).await;
    let seen = pull_when(&served, "broken", |pull| pull["state"] == "failed").await;
    assert_eq!(seen["error"], "the network is away (try another)");
}

#[tokio::test]
async fn no_file_of_this_computer_is_fetched() {
    let served = Served::new();
    for name in [
        "/etc/passwd",
        "../x",
        "./x",
        "~/x",
        "a/b",
        "file:///etc/passwd",
        "FILE:/x",
        "http://x/y",
        "C:\\x",
        "",
        " ",
        ".hidden",
        "hf:a\nb",
    ] {
        let refused = served.post("/api/models/pull", json!({ "name": name })).await;
        assert_eq!(refused.fault(), (400, "name".into()), "{name:?}");
    }
    assert_eq!(served.get("/api/models").await.json()["pulls"], json!([]));
}

#[tokio::test]
async fn a_model_is_removed_once() {
    let served = Served::new();
    assert_eq!(served.delete("/api/models?name=here").await.status, StatusCode::OK);
    assert_eq!(served.delete("/api/models?name=here").await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.delete("/api/models?name=..%2Fx").await.status, StatusCode::NOT_FOUND);
}
