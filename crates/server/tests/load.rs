//! Many connections at once, of which most behave badly: nothing breaks, nothing is lost, and in the
//! end everything is as it was.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_server::{AppState, Limits, Options, Server};
use serde_json::{Value, json};

use support::{Random, Shelf, options};

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// How many connections there are at once.
const N_CONNECTIONS: u64 = 64;
/// How many requests each of them makes.
const N_REQUESTS: usize = 6;

/// Memory is counted for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server with connections, which ends with the test.
struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(options: Options) -> Self {
        let state = AppState::new(Arc::new(Shelf::default()), options);
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), state).unwrap();
        let address = server.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let run = move || server.run(|| is_stopped.load(Ordering::Relaxed)).unwrap();
        Self { address, stop, thread: Some(std::thread::spawn(run)) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // A test that hangs is to fail.
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// Sends a request and reads the whole response: status, headers, body.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect();
        write!(stream, "{}", request(method, path, body)).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (status_of(&text), text)
    }

    fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.ask("GET", "/metrics", "");
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{model=\"tiny\"}}")));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn request(method: &str, path: &str, body: &str) -> String {
    let n = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {n}\r\n\r\n{body}"
    )
}

fn status_of(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
}

fn chat(random: &mut Random, stream: bool) -> String {
    let text = "word ".repeat(1 + random.below(60));
    json!({
        "messages": [
            {"role": "system", "content": "You are the same for everybody. ".repeat(3)},
            {"role": "user", "content": text}],
        "max_tokens": 1 + random.below(60),
        "seed": random.below(1000),
        "n": 1 + random.below(2),
        "stream": stream,
    })
    .to_string()
}

/// What one connection does, and what may come back.
fn misbehave(server: &Running, random: &mut Random) {
    const CHAT: &str = "/v1/chat/completions";
    match random.below(8) {
        // Asks and reads, whole or in pieces.
        kind @ (0 | 1) => {
            let (status, text) = server.ask("POST", CHAT, &chat(random, kind == 1));
            match status {
                200 if kind == 1 => assert!(text.contains("data: [DONE]"), "{text}"),
                200 => assert!(text.contains("\"finish_reason\""), "{text}"),
                429 => assert!(text.contains("retry-after"), "{text}"),
                _ => panic!("{text}"),
            }
        }
        // Goes away at once, or after some bytes of the answer.
        2 | 3 => {
            let mut stream = server.connect();
            write!(stream, "{}", request("POST", CHAT, &chat(random, true))).unwrap();
            let mut some = vec![0; random.below(2000)];
            let _ = stream.read(&mut some);
        }
        // Reads byte by byte and goes away in the middle.
        4 => {
            let mut stream = server.connect();
            write!(stream, "{}", request("POST", CHAT, &chat(random, true))).unwrap();
            for _ in 0..random.below(300) {
                if stream.read(&mut [0]).unwrap_or(0) == 0 {
                    break;
                }
            }
        }
        // Sends what is no request.
        5 => {
            let mut bytes: Vec<u8> = (0..random.below(500)).map(|_| random.bits() as u8).collect();
            bytes.extend(b"\r\n\r\n");
            let mut stream = server.connect();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut text = Vec::new();
            let _ = stream.read_to_end(&mut text);
        }
        // Sends a body that is no JSON, or says less than it has.
        6 => {
            let whole = chat(random, false);
            let cut: String = whole.chars().take(random.below(whole.len())).collect();
            let (status, text) = server.ask("POST", CHAT, &cut);
            assert_eq!(status, 400, "{text}");
        }
        // Sends too much.
        _ => {
            let mut stream = server.connect();
            let head =
                request("POST", CHAT, "").replace("content-length: 0", "content-length: 999999999");
            write!(stream, "{head}").unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            assert_eq!(status_of(&line), 413, "{line}");
        }
    }
}

fn round(server: &Running, seed: u64) {
    std::thread::scope(|scope| {
        for i in 0..N_CONNECTIONS {
            scope.spawn(move || {
                let mut random = Random(seed * 1000 + i);
                for _ in 0..N_REQUESTS {
                    misbehave(server, &mut random);
                }
            });
        }
    });
    // Who went away last is noticed with the next step, which this one needs too.
    loop {
        let body = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1});
        let (status, text) = server.ask("POST", "/v1/chat/completions", &body.to_string());
        assert!(status == 200 || status == 429, "{text}");
        if server.metric("mynah_running_sequences") + server.metric("mynah_waiting_requests") == 0 {
            return;
        }
    }
}

#[test]
fn bad_clients_change_nothing() {
    let _alone = alone();
    // Fewer pages than all answers need at once, and fewer places than connections.
    let limits = Limits { requests: 40, sequences: 16, connections: 48, ..options().limits };
    let server = Running::start(Options { limits, cache_positions: 2048, ..options() });
    round(&server, 1);
    let (pages, before) = (server.metric("mynah_cache_pages"), MEMORY.current_usage());
    assert_eq!(server.metric("mynah_cache_pages_available"), pages);
    for seed in 2..4 {
        round(&server, seed);
    }
    assert_eq!(server.metric("mynah_cache_pages_available"), pages, "every page is free again");
    let grown = MEMORY.current_usage().saturating_sub(before);
    // What the allocator holds for the threads and connections of a round differs a little.
    assert!(grown < 2 << 20, "{grown} bytes more than before");
    assert!(server.metric("mynah_cancelled_total") > 0, "somebody went away");
    let (_, metrics) = server.ask("GET", "/metrics", "");
    assert!(!metrics.contains("status=\"500\""), "{metrics}");
    server.end();
}

/// Options under which an answer can be long.
fn roomy() -> Options {
    Options { cache_positions: support::CONTEXT, ..options() }
}

/// Begins an answer that would take long, and reads until something of it is there.
fn begin_long(server: &Running) -> BufReader<TcpStream> {
    let mut stream = server.connect();
    let body = json!({"messages": [{"role": "user", "content": "hi"}], "stream": true,
        "logit_bias": {"257": -1e6}});
    write!(stream, "{}", request("POST", "/v1/chat/completions", &body.to_string())).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("\"content\":\"") || line.contains("\"content\":\"\"") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    reader
}

#[test]
fn who_goes_away_frees_its_work() {
    let _alone = alone();
    let server = Running::start(roomy());
    drop(begin_long(&server));
    // It was cancelled before a step, not at its end.
    while server.metric("mynah_running_sequences") > 0 {}
    assert_eq!(server.metric("mynah_cancelled_total"), 1);
    assert!(server.metric("mynah_generated_tokens_total") < support::CONTEXT as u64 / 2);
    server.end();
}

#[test]
fn a_long_prompt_does_not_stop_others() {
    let _alone = alone();
    let server = Running::start(roomy());
    let mut reader = begin_long(&server);
    let body =
        json!({"messages": [{"role": "user", "content": "x".repeat(1900)}], "max_tokens": 1});
    std::thread::scope(|scope| {
        let long = scope.spawn(|| server.ask("POST", "/v1/chat/completions", &body.to_string()));
        let mut n_meanwhile = 0;
        let mut line = String::new();
        while !long.is_finished() {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the answer goes on");
            n_meanwhile += usize::from(line.starts_with("data: "));
        }
        assert_eq!(long.join().unwrap().0, 200);
        // 1,900 positions at 128 a step.
        assert!(n_meanwhile >= 5, "{n_meanwhile} events");
    });
    drop(reader);
    server.end();
}

#[test]
fn streams_end_properly_when_the_server_does() {
    let _alone = alone();
    let limits = Limits { grace: Duration::ZERO, ..options().limits };
    let server = Running::start(Options { limits, ..roomy() });
    let mut reader = begin_long(&server);
    let address = server.address;
    std::thread::scope(|scope| {
        scope.spawn(move || server.end());
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        // Chunked: the last chunk is there, so the body is whole.
        assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
        let events = rest.lines().filter_map(|line| line.strip_prefix("data: "));
        let events: Vec<&str> = events.collect();
        assert_eq!(events.last(), Some(&"[DONE]"));
        let error: Value = serde_json::from_str(events[events.len() - 2]).unwrap();
        assert_eq!(error["error"]["code"], "shutting_down");
    });
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let _alone = alone();
    let server = Running::start(options());
    let many: String = (0..200).map(|i| format!("x-{i}: y\r\n")).collect();
    for head in [format!("x: {}\r\n", "y".repeat(1_000_000)), many] {
        let mut stream = server.connect();
        let _ = write!(stream, "GET /health HTTP/1.1\r\nhost: localhost\r\n{head}\r\n");
        let mut text = String::new();
        // The connection may be closed before everything was sent.
        let _ = stream.read_to_string(&mut text);
        assert!(text.is_empty() || status_of(&text) == 431, "{text}");
    }
    assert_eq!(server.ask("GET", "/health", "").0, 200);
    server.end();
}
