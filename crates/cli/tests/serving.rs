//! `mynah serve` as a person starts and ends it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use program::{ended, model, mynah};

fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    ended(mynah(home, arguments).output().unwrap())
}

#[test]
fn others_are_not_let_in_by_mistake() {
    let home = tempfile::tempdir().unwrap();
    let (status, out, err) = run(home.path(), &["serve", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "error: others can reach 0.0.0.0, and there is no key\n\
         hint: put one into MYNAH_API_KEY or --key-file, or say --no-auth\n"
    );
    let (status, _, err) = run(home.path(), &["serve", "--allow-origin", "example.org"]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("is not an origin"), "{err}");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    fs::write(&key, "secret\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (status, _, err) = run(home.path(), &["serve", "--key-file", key.to_str().unwrap()]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("others may read the key") && err.contains("chmod 600"), "{err}");
}

/// Sends a request and reads the whole response.
fn ask(address: &str, method: &str, path: &str, key: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let n = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {n}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[cfg(unix)]
#[test]
fn a_model_is_served_and_its_answers_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let path = model();
    let mut serve = mynah(home.path(), &["serve", "-m", path.to_str().unwrap(), "--port", "0"]);
    let mut server = serve.env("MYNAH_API_KEY", "secret").spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap();

    assert!(ask(address, "GET", "/v1/models", "wrong", "").starts_with("HTTP/1.1 401"));
    let listed = ask(address, "GET", "/v1/models", "secret", "");
    assert!(listed.contains("\"id\":\"smollm2-135m-q4_1\""), "{listed}");
    let asked = r#"{"messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0, "max_tokens": 20}"#;
    let answer = ask(address, "POST", "/v1/chat/completions", "secret", asked);
    assert!(answer.contains("Paris"), "{answer}");

    let id = server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(server.wait().unwrap().success());
    let (_, out, err) = run(home.path(), &["logs", "--json"]);
    let kept: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!(kept[0]["command"], "serve");
    assert_eq!(kept[0]["prompt"], "What is the capital of France?");
}

#[test]
fn the_page_is_served_and_its_comparison_is_an_experiment() {
    let home = tempfile::tempdir().unwrap();
    let path = model();
    let mut serve = mynah(home.path(), &["serve", "-m", path.to_str().unwrap(), "--port", "0"]);
    let mut server = serve.spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap();
    let page = ask(address, "GET", "/", "", "");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(page.contains("<script type=\"module\" src=\"page/app.js\">"), "{page}");
    let models = ask(address, "GET", "/api/models", "", "");
    assert!(models.contains("\"name\":\"smollm2-135m-q4_1\""), "{models}");
    let column = |system: &str| serde_json::json!({ "model": path, "system": system, "prompt": "Name a {{bird}}." });
    let asked = serde_json::json!({
        "name": "birds",
        "columns": [column(""), column("Answer in one word.")],
        "sampling": { "max_tokens": 4 },
        "check": { "type": "words" },
    });
    let answer = ask(address, "POST", "/api/experiment-file", "", &asked.to_string());
    let (head, file) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    fs::write(home.path().join("birds.toml"), file).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let mut plan = mynah(home.path(), &["try", "birds.toml", "--plan"]);
    let (status, out, err) = ended(plan.current_dir(home.path()).output().unwrap());
    assert_eq!(status, 0, "{out}{err}\n{file}");
    assert!(out.contains("samples"), "{out}");
}
