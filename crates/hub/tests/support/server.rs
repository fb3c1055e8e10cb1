//! A small HTTP server on this machine that behaves well or badly, as a test wants it.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "it serves tests")]

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What lies at a path.
#[derive(Clone)]
pub(crate) struct Page {
    /// The body.
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Sent as it is.
    pub(crate) headers: Vec<(String, String)>,
    /// Whether parts are sent when they are asked for.
    pub(crate) sends_parts: bool,
    /// Whether the length is told before the body.
    pub(crate) tells_length: bool,
    /// Where it redirects to instead.
    pub(crate) location: Option<String>,
}

/// What goes wrong with one answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection ends after this many bytes of the body.
    Cut(usize),
    /// The byte at this place of the whole page is another one.
    Flip(usize),
    /// This status comes instead, with these headers.
    Status(u16, Vec<(String, String)>),
    /// After this many bytes nothing comes any more, until the server ends.
    Stall(usize),
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The path with the query.
    pub(crate) path: String,
    /// Headers by name, in lower case.
    pub(crate) headers: HashMap<String, String>,
}

impl Request {
    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Site {
    pages: HashMap<String, Page>,
    faults: HashMap<String, VecDeque<Fault>>,
    log: Vec<Request>,
}

/// A server that lives as long as this.
pub(crate) struct Server {
    address: String,
    site: Arc<Mutex<Site>>,
}

impl Page {
    /// A page with an `ETag`, sent in parts if asked.
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let sum =
            bytes.iter().fold(7u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
        Self {
            bytes: Arc::new(bytes),
            headers: vec![("ETag".into(), format!("\"{sum:x}\""))],
            sends_parts: true,
            tells_length: true,
            location: None,
        }
    }

    /// A page that is somewhere else.
    pub(crate) fn redirect(to: &str) -> Self {
        Self { location: Some(to.into()), ..Self::new("moved") }
    }

    /// With one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Without `ETag`.
    pub(crate) fn without_version(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "ETag");
        self
    }

    /// Always sent whole.
    pub(crate) fn without_parts(mut self) -> Self {
        self.sends_parts = false;
        self
    }
}

impl Server {
    /// Starts a server on a free port of this machine.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Mutex::new(Site::default()));
        let shared = site.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let site = shared.clone();
                thread::spawn(move || answer_all(stream, &site));
            }
        });
        Self { address, site }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Puts a page at a path.
    pub(crate) fn put(&self, path: &str, page: Page) {
        self.site.lock().unwrap().pages.insert(path.into(), page);
    }

    /// Makes the next answers from a path go wrong, one after the other.
    pub(crate) fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.site.lock().unwrap().faults.entry(path.into()).or_default().extend(faults);
    }

    /// The requests so far.
    pub(crate) fn log(&self) -> Vec<Request> {
        self.site.lock().unwrap().log.clone()
    }

    /// The requests so far for a path.
    pub(crate) fn log_of(&self, path: &str) -> Vec<Request> {
        self.log().into_iter().filter(|request| request.path == path).collect()
    }
}

fn answer_all(stream: TcpStream, site: &Mutex<Site>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let request = read_request(&mut reader)?;
        let (page, fault) = {
            let mut site = site.lock().unwrap();
            site.log.push(request.clone());
            let fault = site.faults.get_mut(&request.path).and_then(VecDeque::pop_front);
            (site.pages.get(&request.path).cloned(), fault)
        };
        let goes_on = match (page, fault) {
            (_, Some(Fault::Status(status, headers))) => {
                send(&mut stream, status, &headers, b"trouble", true, None)
            }
            (None, _) => send(&mut stream, 404, &[], b"there is nothing", true, None),
            (Some(page), fault) => send_page(&mut stream, &request, &page, fault),
        };
        if goes_on != Some(true) {
            let _ = stream.shutdown(Shutdown::Both);
            return None;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => return Some(Request { path, headers }),
        };
    }
}

fn send_page(
    stream: &mut TcpStream,
    request: &Request,
    page: &Page,
    fault: Option<Fault>,
) -> Option<bool> {
    if let Some(location) = &page.location {
        let mut headers = page.headers.clone();
        headers.push(("Location".into(), location.clone()));
        return send(stream, 302, &headers, &page.bytes, true, None);
    }
    let mut bytes = page.bytes.to_vec();
    if let Some(Fault::Flip(at)) = fault {
        bytes[at] ^= 0x55;
    }
    let tag = page.headers.iter().find(|(name, _)| name == "ETag").map(|(_, value)| value.as_str());
    let if_range = request.header("if-range");
    let same_version = if_range.is_empty() || Some(if_range) == tag;
    let range = request.header("range").strip_prefix("bytes=").filter(|_| same_version);
    let mut headers = page.headers.clone();
    let (status, body) = match range.filter(|_| page.sends_parts) {
        None => (200, bytes),
        Some(range) => {
            let (first, last) = range.split_once('-')?;
            let length = bytes.len();
            let (first, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) => (first, length.min(last + 1)),
                (Ok(first), Err(_)) => (first, length),
                (Err(_), Ok(suffix)) => (length.saturating_sub(suffix), length),
                _ => return None,
            };
            if first >= length {
                return send(stream, 416, &headers, b"", true, None);
            }
            let value = format!("bytes {first}-{}/{length}", end - 1);
            headers.push(("Content-Range".into(), value));
            (206, bytes[first..end].to_vec())
        }
    };
    send(stream, status, &headers, &body, page.tells_length, fault)
}

/// Sends an answer; whether the connection may be used again.
fn send(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
    tells_length: bool,
    fault: Option<Fault>,
) -> Option<bool> {
    let mut head = format!("HTTP/1.1 {status} x\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if tells_length {
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    } else {
        head += "Connection: close\r\n";
    }
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(b"\r\n").ok()?;
    match fault {
        Some(Fault::Cut(n)) => {
            stream.write_all(&body[..n.min(body.len())]).ok()?;
            return Some(n >= body.len());
        }
        Some(Fault::Stall(n)) => {
            stream.write_all(&body[..n.min(body.len())]).ok()?;
            thread::park();
            return Some(false);
        }
        _ => stream.write_all(body).ok()?,
    }
    Some(tells_length)
}

/// Bytes that look like a model: the magic number of GGUF, then what no compression shortens much.
pub(crate) fn model(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let noise = std::iter::repeat_with(move || {
        // xorshift64, Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    b"GGUF".iter().copied().chain(noise).take(length).collect()
}
