//! Against a small server that misbehaves.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use super::*;

/// Answers the n-th request with the n-th of `replies` and the others with the last; what came in
/// is kept.
fn server(replies: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut text = Vec::new();
            let mut piece = [0; 4096];
            // Up to the end of the body that the header promises.
            let whole = |text: &[u8]| {
                let text = String::from_utf8_lossy(text).to_lowercase();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
                let length =
                    head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
            };
            while !whole(&text) {
                match stream.read(&mut piece) {
                    Ok(n) if n > 0 => text.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
            kept.lock().unwrap().push(String::from_utf8_lossy(&text).into_owned());
            let reply = replies.get(n).or(replies.last()).cloned().unwrap_or_default();
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    (url, seen)
}

fn reply(status: &str, header: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{header}\r\n{body}",
        body.len()
    )
}

fn good(text: &str) -> String {
    let body = serde_json::json!({
        "choices": [{ "message": { "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 1000, "completion_tokens": 100 },
        "system_fingerprint": "fp_1",
    });
    reply("200 OK", "", &body.to_string())
}

/// Asks for `left` answers and keeps what comes.
struct Asking {
    left: usize,
    answers: Vec<Answer>,
    failures: Vec<String>,
    /// What failures may have cost.
    lost: f64,
}

impl Desk for Asking {
    fn next(&mut self) -> Option<Request> {
        self.left = self.left.checked_sub(1)?;
        let prompt = Arc::new(Prompt::new("Hello"));
        Some(Request { id: self.left, prompt, seed: 5, repeat: 0 })
    }

    fn answered(&mut self, _: usize, answer: Answer) -> Result<(), RespondError> {
        self.answers.push(answer);
        Ok(())
    }

    fn failed(&mut self, _: usize, reason: &str, cost: f64) -> Result<(), RespondError> {
        self.failures.push(reason.to_owned());
        self.lost += cost;
        Ok(())
    }

    fn is_stopped(&mut self) -> bool {
        false
    }
}

struct Asked {
    result: Result<(), RespondError>,
    answers: Vec<Answer>,
    failures: Vec<String>,
    lost: f64,
    waits: Vec<Duration>,
    seen: Vec<String>,
}

fn settings(url: String) -> Settings {
    Settings {
        url,
        model: "m".to_owned(),
        key: Some(Secret::new("sk-secret\n")),
        concurrency: 1,
        per_minute: None,
        price: Some(Price { input: 1.0, output: 10.0 }),
        patience: Patience { tries: 4, timeout: Duration::from_secs(5), ..Patience::default() },
    }
}

/// Asks a server for `n` answers; waits are noted and not waited.
fn ask(replies: Vec<String>, n: usize, concurrency: usize) -> Asked {
    let (url, seen) = server(replies);
    let waits = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&waits);
    let pause = move |wait: Duration, _: &AtomicBool| noted.lock().unwrap().push(wait);
    let settings = Settings { concurrency, ..settings(url) };
    let mut endpoint = Endpoint::with_pause(settings, Box::new(pause)).unwrap();
    let mut desk = Asking { left: n, answers: Vec::new(), failures: Vec::new(), lost: 0.0 };
    let sampling = Sampling { max_tokens: 60, temperature: Some(0.5), ..Sampling::default() };
    let result = endpoint.respond(&sampling, &mut desk);
    let (waits, seen) = (waits.lock().unwrap().clone(), seen.lock().unwrap().clone());
    Asked { result, answers: desk.answers, failures: desk.failures, lost: desk.lost, waits, seen }
}

#[test]
fn an_answer_comes_with_its_cost() {
    let asked = ask(vec![good("Hi")], 1, 1);
    asked.result.unwrap();
    let answer = &asked.answers[0];
    assert_eq!((answer.text.as_str(), answer.fingerprint.as_deref()), ("Hi", Some("fp_1")));
    assert!((answer.cost.unwrap() - 0.002).abs() < 1e-12);
    let seen = asked.seen[0].to_lowercase();
    assert!(seen.starts_with("post /v1/chat/completions"), "{seen}");
    assert!(seen.contains("authorization: bearer sk-secret\r\n"), "{seen}");
    assert!(seen.contains("\"temperature\":0.5") && seen.contains("\"seed\":5"), "{seen}");
}

#[test]
fn what_passes_is_tried_again_when_the_server_says() {
    let busy = reply("429 Too Many Requests", "retry-after: 7\r\n", "slow down");
    let broken = reply("500 Internal Server Error", "", "oops");
    let asked = ask(vec![busy, broken, good("Hi")], 1, 1);
    asked.result.unwrap();
    assert_eq!(asked.answers.len(), 1);
    assert_eq!(asked.waits, [Duration::from_secs(7), Duration::from_secs(2)]);
}

#[test]
fn garbage_and_broken_replies_are_tried_again_and_then_given_up() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"choices\"".to_owned();
    let garbage = reply("200 OK", "", "<html>");
    let empty = reply("200 OK", "", "{\"choices\": []}");
    let asked = ask(vec![cut, garbage, empty, "nonsense".to_owned()], 1, 1);
    asked.result.unwrap();
    assert!(
        asked.answers.is_empty() && asked.failures[0].contains("4 tries"),
        "{:?}",
        asked.failures
    );
    assert_eq!(asked.waits.len(), 3);
    // The server may have drawn an answer each time: 9 tokens of prompt and 60 of answer, but for
    // what is no HTTP.
    assert!(asked.lost >= 3.0 * (9.0 + 600.0) / 1e6, "{}", asked.lost);
}

#[test]
fn a_server_may_say_when_in_a_date() {
    let header = "date: Wed, 21 Oct 2026 07:28:00 GMT\r\n\
                  retry-after: Wed, 21 Oct 2026 07:28:30 GMT\r\n";
    let past = "date: Wed, 21 Oct 2026 07:28:00 GMT\r\n\
                retry-after: Wed, 21 Oct 2026 07:27:00 GMT\r\n";
    let busy = |header| reply("503 Service Unavailable", header, "");
    let asked = ask(vec![busy(header), busy(past), good("Hi")], 1, 1);
    asked.result.unwrap();
    assert_eq!(asked.waits, [Duration::from_secs(30), Duration::ZERO]);
    assert!((asked.answers[0].cost.unwrap() - 0.002).abs() < 1e-12, "a refusal costs nothing");
}

#[test]
fn what_a_failed_try_may_have_cost_is_counted() {
    let asked = ask(vec![reply("200 OK", "", "<html>"), good("Hi")], 1, 1);
    asked.result.unwrap();
    let cost = asked.answers[0].cost.unwrap();
    assert!((cost - (0.002 + (9.0 + 600.0) / 1e6)).abs() < 1e-12, "{cost}");
}

#[test]
fn an_answer_without_counts_is_taken_for_the_longest() {
    let body = r#"{"choices": [{"message": {"content": "Hi"}}]}"#;
    let asked = ask(vec![reply("200 OK", "", body)], 1, 1);
    let cost = asked.answers[0].cost.unwrap();
    assert!((cost - (9.0 + 600.0) / 1e6).abs() < 1e-12, "{cost}");
}

#[test]
fn settings_that_not_all_endpoints_know_are_sent_when_they_are_set() {
    let (url, seen) = server(vec![good("Hi")]);
    let mut endpoint = Endpoint::new(settings(url)).unwrap();
    let mut desk = Asking { left: 1, answers: Vec::new(), failures: Vec::new(), lost: 0.0 };
    let sampling =
        Sampling { top_k: Some(7), min_p: Some(0.25), max_tokens: 9, ..Sampling::default() };
    endpoint.respond(&sampling, &mut desk).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen[0].contains("\"top_k\":7") && seen[0].contains("\"min_p\":0.25"), "{}", seen[0]);
    assert!(!seen[0].contains("temperature") && !seen[0].contains("top_p"), "{}", seen[0]);
}

#[test]
fn a_server_that_wants_an_hour_is_not_waited_for() {
    let asked = ask(vec![reply("429 Too Many Requests", "retry-after: 3600\r\n", "")], 1, 1);
    assert!(asked.waits.is_empty() && asked.failures.len() == 1);
}

#[test]
fn a_refused_key_ends_everything_and_is_not_repeated() {
    let asked = ask(vec![reply("401 Unauthorized", "", "bad key sk-secret")], 3, 1);
    let error = asked.result.unwrap_err().to_string();
    assert!(error.contains("401") && !error.contains("sk-secret"), "{error}");
    assert_eq!(asked.seen.len(), 1);
}

#[test]
fn a_redirect_is_not_followed() {
    let asked = ask(vec![reply("302 Found", "location: http://127.0.0.1:1/\r\n", "")], 1, 1);
    assert!(asked.failures[0].contains("302"), "{:?}", asked.failures);
    assert_eq!(asked.seen.len(), 1);
}

#[test]
fn where_nobody_is_nobody_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let mut endpoint = Endpoint::new(settings(url.clone())).unwrap();
    let mut desk = Asking { left: 3, answers: Vec::new(), failures: Vec::new(), lost: 0.0 };
    let sampling = Sampling { max_tokens: 9, ..Sampling::default() };
    let error = endpoint.respond(&sampling, &mut desk).unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("does not answer"), "{error}");
    assert!(desk.failures.is_empty());
}

#[test]
fn several_requests_are_open_at_once() {
    let asked = ask(vec![good("Hi")], 20, 4);
    asked.result.unwrap();
    assert_eq!((asked.answers.len(), asked.seen.len()), (20, 20));
}

#[test]
fn a_key_is_never_sent_in_the_open() {
    let fail = |url: &str| Endpoint::new(settings(url.to_owned())).err().unwrap();
    assert!(matches!(fail("http://example.org/v1"), EndpointError::Plain(_)));
    assert!(matches!(fail("http://localhost.example.org/v1"), EndpointError::Plain(_)));
    assert!(matches!(fail("ftp://localhost/"), EndpointError::Address(_)));
    assert!(matches!(fail("nonsense"), EndpointError::Address(_)));
    assert!(Endpoint::new(settings("http://[::1]:8080/v1".to_owned())).is_ok());
    let key = Some(Secret::new("a b"));
    let settings = Settings { key, ..settings("https://example.org/v1".to_owned()) };
    assert_eq!(Endpoint::new(settings.clone()).err(), Some(EndpointError::Key));
    assert!(!format!("{settings:?}").contains("a b"));
}
