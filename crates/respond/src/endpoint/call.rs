//! One request over HTTP.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::HeaderMap;
use url::Url;

use crate::{Answer, Finish, Request, Sampling};

/// The longest reply that is read.
const MOST_BYTES: u64 = 16 << 20;
/// How much of an error's text is shown.
const SHOWN: usize = 300;

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CallError {
    /// It may be answered later.
    Passing {
        /// What happened.
        reason: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
        /// Whether the server may have drawn an answer, and so may ask money for it.
        may_cost: bool,
    },
    /// This request will not be answered.
    Refused(String),
    /// No request will be answered.
    Fatal(String),
}

/// Makes requests.
pub(super) struct Call {
    agent: Agent,
    url: String,
    model: String,
    authorization: Option<String>,
    /// Whether it has answered anything yet.
    is_there: AtomicBool,
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    system_fingerprint: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

impl Call {
    pub(super) fn new(url: &Url, model: &str, key: Option<&str>, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            // A redirect would carry prompts, and perhaps the key, to a host that nobody named.
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        Self {
            agent: config.into(),
            url: format!("{}/chat/completions", url.as_str().trim_end_matches('/')),
            model: model.to_owned(),
            authorization: key.map(|key| format!("Bearer {key}")),
            is_there: AtomicBool::new(false),
        }
    }

    pub(super) fn make(&self, request: &Request, sampling: &Sampling) -> Result<Answer, CallError> {
        let lost = |reason: String| CallError::Passing { reason, wait: None, may_cost: true };
        let mut call = self.agent.post(&self.url).header("content-type", "application/json");
        if let Some(authorization) = &self.authorization {
            call = call.header("authorization", authorization);
        }
        let body = self.body(request, sampling).to_string();
        let mut response = call.send(body).map_err(|error| self.unanswered(&error))?;
        self.is_there.store(true, Ordering::Relaxed);
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        let text =
            response.body_mut().with_config().limit(MOST_BYTES).lossy_utf8(true).read_to_string();
        let text = text.map_err(|error| lost(format!("the reply broke off: {error}")))?;
        match status {
            200..=299 => read(&text).map_err(lost),
            408 | 409 | 425 | 429 | 500..=599 => {
                let reason = format!("status {status}: {}", self.shown(&text));
                Err(CallError::Passing { reason, wait, may_cost: false })
            }
            401 | 403 | 404 => Err(CallError::Fatal(format!(
                "{} answers {status}: {}",
                self.url,
                self.shown(&text)
            ))),
            _ => Err(CallError::Refused(format!("status {status}: {}", self.shown(&text)))),
        }
    }

    fn body(&self, request: &Request, sampling: &Sampling) -> Value {
        let mut messages = Vec::new();
        if let Some(system) = &request.prompt.system {
            messages.push(json!({ "role": "system", "content": system }));
        }
        for exchange in &request.prompt.earlier {
            messages.push(json!({ "role": "user", "content": exchange.user }));
            messages.push(json!({ "role": "assistant", "content": exchange.answer }));
        }
        messages.push(json!({ "role": "user", "content": request.prompt.user }));
        // An endpoint knows a seed and no number of the answer: the two become one.
        let seed = (request.seed + request.repeat as u64) & 0x7fff_ffff;
        let mut body = json!({
            "model": self.model,
            "messages": messages,
            "max_tokens": sampling.max_tokens,
            "seed": seed,
        });
        if let Some(temperature) = sampling.temperature {
            body["temperature"] = json!(temperature);
        }
        if let Some(top_p) = sampling.top_p {
            body["top_p"] = json!(top_p);
        }
        // Not OpenAI's, but most servers' of open models. One that does not know them says so, which
        // is better than an experiment with other settings than it names.
        if let Some(top_k) = sampling.top_k {
            body["top_k"] = json!(top_k);
        }
        if let Some(min_p) = sampling.min_p {
            body["min_p"] = json!(min_p);
        }
        if !sampling.stop.is_empty() {
            body["stop"] = json!(sampling.stop);
        }
        body
    }

    /// What a request without any answer means. Where nobody ever answered, nobody will.
    fn unanswered(&self, error: &ureq::Error) -> CallError {
        let reason = format!("{} does not answer: {error}", self.url);
        let may_cost = was_sent(error);
        if may_cost || self.is_there.load(Ordering::Relaxed) {
            return CallError::Passing { reason, wait: None, may_cost };
        }
        CallError::Fatal(reason)
    }

    /// The beginning of a server's text, on one line. A server may repeat the key: it is taken out.
    fn shown(&self, text: &str) -> String {
        let key = self.authorization.as_deref().and_then(|text| text.strip_prefix("Bearer "));
        let text = key.map_or_else(|| text.to_owned(), |key| text.replace(key, "(the key)"));
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(SHOWN).collect()
    }
}

/// How long the server wants to be left alone: in seconds, or until a date by its own clock
/// (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = text("date").and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

/// Whether a request that was not answered may have reached the server.
fn was_sent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => false,
        ureq::Error::Io(error) => error.kind() != ErrorKind::ConnectionRefused,
        _ => true,
    }
}

fn read(text: &str) -> Result<Answer, String> {
    let reply: Reply =
        serde_json::from_str(text).map_err(|error| format!("the reply is not one: {error}"))?;
    let choice = reply.choices.into_iter().next().ok_or("the reply has no choice")?;
    let finish = match choice.finish_reason.as_deref() {
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::Filtered,
        _ => Finish::Stop,
    };
    let usage = reply.usage;
    Ok(Answer {
        text: choice.message.content.unwrap_or_default(),
        finish,
        prompt_tokens: usage.as_ref().and_then(|usage| usage.prompt_tokens),
        tokens: usage.as_ref().and_then(|usage| usage.completion_tokens),
        cost: None,
        fingerprint: reply.system_fingerprint,
    })
}
