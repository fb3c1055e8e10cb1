//! Every route, called without a connection.

mod exchange;
mod experiments;
mod files;
mod models;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use mynah_kernels::CacheFormat;
use mynah_store::{Message, Role, Store, Turn};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{Access, AppState, Limits, Options};

/// A server with a store of its own.
struct Served {
    folder: tempfile::TempDir,
    app: Router,
}

/// What a route answered.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The field at fault, of a refusal in OpenAI's shape.
    fn fault(&self) -> (u16, String) {
        let param = self.json()["error"]["param"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), param)
    }
}

impl Served {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options {
            access: Access::default(),
            model: None,
            memory_bytes: 1 << 30,
            cache_positions: 1024,
            cache_format: CacheFormat::F16,
            database: folder.path().join("mynah.db"),
            records: true,
            limits: Limits::default(),
            code: None,
        };
        change(&mut options);
        let state = AppState::new(Arc::new(models::Shelf::default()), options);
        Self { folder, app: crate::router(state) }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("mynah.db")
    }

    fn store(&self) -> Store {
        Store::open(&self.database(), at(0)).unwrap()
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answered { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answered {
        self.send(request("GET", path).body(Body::empty()).unwrap()).await
    }

    async fn delete(&self, path: &str) -> Answered {
        self.send(request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answered {
        let request = request("POST", path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "localhost:8080")
}

/// Noon of 1 March 2026 and so many seconds.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400 + seconds)
}

fn turn(prompt: &str, answer: &str, seconds: u64) -> Turn {
    Turn {
        command: "serve".to_owned(),
        model: "smollm2-135m".to_owned(),
        fingerprint: None,
        messages: vec![Message::new(Role::User, prompt)],
        answer: answer.to_owned(),
        sample: 0,
        seed: Some(7),
        temperature: Some(0.5),
        options: json!({ "temperature": 0.5, "seed": 7 }).as_object().cloned().unwrap(),
        schema: None,
        input_tokens: Some(12),
        cached_tokens: None,
        output_tokens: Some(34),
        first_token: Some(Duration::from_millis(20)),
        duration: Some(Duration::from_millis(750)),
        finish: "stop".to_owned(),
        at: at(seconds),
    }
}

/// A conversation whose first question was answered twice.
fn conversation(served: &Served) -> String {
    let mut store = served.store();
    let thread = store.record_turn(None, &turn("Name a colour.", "Red.", 1)).unwrap().thread;
    store.record_turn(Some(&thread), &turn("Name a colour.", "Blue.", 2)).unwrap();
    thread
}

#[tokio::test]
async fn conversations_are_listed_read_changed_and_deleted() {
    let served = Served::new();
    let empty = served.get("/api/conversations").await.json();
    assert_eq!(empty, json!({ "conversations": [], "records": true }));
    let id = conversation(&served);
    let list = served.get("/api/conversations?limit=5").await.json();
    assert_eq!(list["conversations"][0]["id"], json!(id));
    assert_eq!(list["conversations"][0]["n_turns"], 2);
    let path = format!("/api/conversations/{id}");
    let tree = served.get(&path).await.json();
    let texts: Vec<&str> = tree["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["Name a colour.", "Red.", "Blue."]);
    assert_eq!(tree["tip"], tree["messages"][2]["hash"]);
    assert_eq!(tree["turns"][0]["seed"], "7");
    assert_eq!(served.get(&format!("{path}?after=1")).await.json(), tree);
    let red = tree["messages"][1]["hash"].clone();
    let changed = served.post(&path, json!({ "name": " Colours ", "tip": red })).await;
    assert_eq!(changed.status, StatusCode::OK);
    let tree = served.get(&path).await.json();
    assert_eq!((&tree["name"], &tree["tip"]), (&json!("Colours"), &red));
    // The terminal goes on from there too.
    let said = served.store().conversation(Some(&id)).unwrap().messages;
    assert_eq!(said.last().unwrap().text, "Red.");
    assert_eq!(served.delete(&path).await.json(), json!({ "answers": 2 }));
    assert_eq!(served.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_its_field() {
    let served = Served::new();
    let id = conversation(&served);
    let path = format!("/api/conversations/{id}");
    for (body, status, field) in [
        (json!({ "name": "" }), 400, "name"),
        (json!({ "name": "a\nb" }), 400, "name"),
        (json!({ "name": "x".repeat(201) }), 400, "name"),
        (json!({ "tip": "b2:00" }), 404, ""),
        (json!({ "nonsense": 1 }), 400, ""),
        (json!([]), 400, ""),
    ] {
        assert_eq!(
            served.post(&path, body.clone()).await.fault(),
            (status, field.into()),
            "{body}"
        );
    }
    assert_eq!(served.get("/api/conversations/none").await.fault().0, 404);
    assert_eq!(served.delete("/api/conversations/none").await.fault().0, 404);
    let form = request("POST", &path).body(Body::from("name=x")).unwrap();
    assert_eq!(served.send(form).await.fault().0, 400, "a form of another page is no JSON");
    assert_eq!(served.get("/api/nothing").await.fault().0, 404);
    assert_eq!(served.get("/api/import").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn words_are_found() {
    let served = Served::new();
    let id = conversation(&served);
    let hits = served.get("/api/search?q=blue").await.json();
    assert_eq!(hits["hits"].as_array().unwrap().len(), 1);
    assert_eq!(hits["hits"][0]["conversation"], json!(id));
    assert_eq!(hits["hits"][0]["response"], "Blue.");
    assert_eq!(served.get("/api/search?q=").await.json(), json!({ "hits": [] }));
    assert_eq!(served.get("/api/search?q=%22open").await.fault(), (400, "q".into()));
}

#[tokio::test]
async fn whoever_is_told_that_nothing_is_kept_need_not_wait() {
    let served = Served::with(|options| options.records = false);
    assert_eq!(served.get("/api/conversations").await.json()["records"], false);
    let served = Served::new();
    served.store().set_records(false).unwrap();
    assert_eq!(served.get("/api/conversations").await.json()["records"], false);
}

#[tokio::test]
async fn what_is_kept_wants_the_key_and_the_page_does_not() {
    let served = Served::with(|options| options.access.key = Some("secret".into()));
    assert_eq!(served.get("/").await.status, StatusCode::OK);
    for path in ["/api/conversations", "/api/models", "/api/experiments", "/api/export"] {
        assert_eq!(served.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let shown = request("GET", "/api/conversations").header(header::AUTHORIZATION, "Bearer secret");
    assert_eq!(served.send(shown.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn questions_are_answered_each_for_itself() {
    let served = Served::new();
    conversation(&served);
    let queries = json!([
        "select model as bar_label, count(*) as bar_quantity from turns group by 1",
        "select :word as a, ':no' as b, 9223372036854775807 as c, x'0aff' as d, null as e, 1.5 as f",
        "select 1 fron turns",
        "delete from turns",
        "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
        "select 1 as a; select 2 as b",
    ]);
    let asked = json!({ "queries": queries, "parameters": { "word": "42", "other": "x" } });
    let results = served.post("/api/sql", asked).await.json()["results"].take();
    let bars = &results[0]["tables"][0];
    assert_eq!((&bars["shape"], &bars["rows"]), (&json!("bars"), &json!([["smollm2-135m", 2]])));
    let row = json!([42, ":no", "9223372036854775807", { "bytes": "0aff" }, null, 1.5]);
    assert_eq!(results[1]["tables"][0]["rows"], json!([row]));
    assert_eq!(results[2]["error"]["offset"], 14);
    assert!(results[3]["error"]["message"].as_str().unwrap().contains("only reading"));
    assert_eq!(results[4]["tables"][0]["is_cut"], true);
    assert_eq!(results[4]["tables"][0]["rows"].as_array().unwrap().len(), 1000);
    assert_eq!(results[5]["tables"].as_array().unwrap().len(), 2);
    assert_eq!(served.store().counts().unwrap().0, 2, "nothing was deleted");
    let many = json!({ "queries": vec!["select 1"; 51] });
    assert_eq!(served.post("/api/sql", many).await.fault(), (400, "queries".into()));
}

#[tokio::test]
async fn queries_are_kept_by_name() {
    let served = Served::new();
    let saved = json!({ "name": "mine", "sql": "select 1" });
    assert_eq!(served.post("/api/queries", saved).await.status, StatusCode::OK);
    let list = served.get("/api/queries").await.json()["queries"].take();
    let own = list.as_array().unwrap().iter().find(|it| it["name"] == "mine").unwrap();
    assert_eq!((&own["sql"], &own["is_built_in"]), (&json!("select 1"), &json!(false)));
    assert!(list.as_array().unwrap().iter().any(|it| it["name"] == "year"));
    assert_eq!(served.delete("/api/queries?name=mine").await.status, StatusCode::OK);
    assert_eq!(served.delete("/api/queries?name=year").await.status, StatusCode::NOT_FOUND);
    let nameless = json!({ "name": " ", "sql": "select 1" });
    assert_eq!(served.post("/api/queries", nameless).await.fault(), (400, "name".into()));
    let empty = json!({ "name": "x", "sql": " " });
    assert_eq!(served.post("/api/queries", empty).await.fault(), (400, "sql".into()));
}
