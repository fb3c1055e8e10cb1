//! An endpoint that speaks the chat protocol of OpenAI, as responder.
//!
//! Threads keep a bounded number of requests open. What may pass is tried again, later and later,
//! or when the server says (`Retry-After`). The key is sent to the named host alone: redirects are
//! not followed, and plain http is refused but for this machine.

mod call;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use url::{Host, Url};

use crate::{Answer, Desk, Identity, Prompt, Request, RespondError, Responder, Sampling};
use call::{Call, CallError};

/// A key, which nothing prints.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A key; spaces and line ends around it are not part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a key)")
    }
}

/// What a million tokens cost, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Of prompts.
    pub input: f64,
    /// Of answers.
    pub output: f64,
}

impl Price {
    /// What an answer is taken to cost before it is known, in US dollars: a token for each four bytes
    /// of the prompt, and an answer as long as it may be.
    pub fn at_most(&self, prompt: &Prompt, sampling: &Sampling) -> f64 {
        let said: usize = prompt.texts().map(str::len).sum();
        self.of(said as u64 / 4 + 8, sampling.max_tokens as u64)
    }

    fn of(&self, prompt_tokens: u64, tokens: u64) -> f64 {
        (self.input * prompt_tokens as f64 + self.output * tokens as f64) / 1e6
    }
}

/// How long to wait, and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often a request is made at most.
    pub tries: u32,
    /// The first wait; each further one is twice as long.
    pub wait: Duration,
    /// The longest wait. A server that asks for more is not waited for.
    pub longest: Duration,
    /// How long a request may take.
    pub timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 6,
            wait: Duration::from_secs(1),
            longest: Duration::from_mins(2),
            timeout: Duration::from_mins(5),
        }
    }
}

/// Where and how an endpoint is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address up to `/chat/completions`, such as `https://host/v1`.
    pub url: String,
    /// The model, as the endpoint calls it.
    pub model: String,
    /// Who is asking.
    pub key: Option<Secret>,
    /// How many requests are open at once.
    pub concurrency: usize,
    /// How many requests are made in a minute at most.
    pub per_minute: Option<f64>,
    /// What tokens cost.
    pub price: Option<Price>,
    /// How long to wait, and how often to try.
    pub patience: Patience,
}

/// An endpoint that cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The text is no address.
    #[error("{0:?} is not an address")]
    Address(String),
    /// Anybody on the way could read prompts and key.
    #[error("{0} is plain http, which anybody on the way can read")]
    Plain(String),
    /// The key cannot be sent.
    #[error("the key has characters that a request cannot carry")]
    Key,
}

/// An endpoint.
pub struct Endpoint {
    call: Call,
    settings: Settings,
    pause: Box<Pause>,
}

/// A request that was given up.
struct Failure {
    error: CallError,
    /// What its tries may have cost, in US dollars.
    cost: f64,
}

/// Waits, unless the flag is set meanwhile.
type Pause = dyn Fn(Duration, &AtomicBool) + Send + Sync;

impl Endpoint {
    /// An endpoint; nothing is asked of it yet.
    ///
    /// # Errors
    /// If the address is none, or plain http to another machine.
    pub fn new(settings: Settings) -> Result<Self, EndpointError> {
        Self::with_pause(settings, Box::new(pause))
    }

    fn with_pause(settings: Settings, pause: Box<Pause>) -> Result<Self, EndpointError> {
        let address = || EndpointError::Address(settings.url.clone());
        let url = Url::parse(&settings.url).map_err(|_| address())?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => return Err(address()),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            "http" => return Err(EndpointError::Plain(settings.url.clone())),
            _ => return Err(address()),
        }
        let key = settings.key.as_ref().map(|key| key.0.as_str());
        if key.is_some_and(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(EndpointError::Key);
        }
        let call = Call::new(&url, &settings.model, key, settings.patience.timeout);
        Ok(Self { call, settings, pause })
    }

    /// Makes a request until it is answered, or it makes no sense to try again.
    fn ask(
        &self,
        request: &Request,
        sampling: &Sampling,
        stop: &AtomicBool,
    ) -> Result<Answer, Failure> {
        let patience = self.settings.patience;
        let price = self.settings.price;
        let most = price.map_or(0.0, |price| price.at_most(&request.prompt, sampling));
        let (mut wait, mut lost) = (patience.wait, 0.0);
        for attempt in 1.. {
            if stop.load(Ordering::Relaxed) {
                let error = CallError::Refused("it was stopped".to_owned());
                return Err(Failure { error, cost: lost });
            }
            let (reason, asked_wait) = match self.call.make(request, sampling) {
                Ok(mut answer) => {
                    let tokens = answer.prompt_tokens.zip(answer.tokens);
                    answer.cost = price.map(|price| {
                        lost + tokens.map_or(most, |(prompt, own)| price.of(prompt, own))
                    });
                    return Ok(answer);
                }
                Err(CallError::Passing { reason, wait, may_cost }) => {
                    lost += if may_cost { most } else { 0.0 };
                    (reason, wait)
                }
                Err(error) => return Err(Failure { error, cost: lost }),
            };
            let next = asked_wait.unwrap_or(wait);
            if attempt >= patience.tries || next > patience.longest {
                let error = CallError::Refused(format!("{reason} ({attempt} tries)"));
                return Err(Failure { error, cost: lost });
            }
            (self.pause)(next, stop);
            wait = (wait * 2).min(patience.longest);
        }
        let error = CallError::Refused("it was never asked".to_owned());
        Err(Failure { error, cost: lost })
    }
}

impl Responder for Endpoint {
    fn identity(&self) -> Identity {
        Identity { name: self.settings.model.clone(), fingerprint: self.settings.url.clone() }
    }

    fn respond(&mut self, sampling: &Sampling, desk: &mut dyn Desk) -> Result<(), RespondError> {
        let stop = AtomicBool::new(false);
        let width = self.settings.concurrency.max(1);
        let gap = self.settings.per_minute.map(|n| Duration::from_secs_f64(60.0 / n.max(1e-3)));
        let endpoint: &Self = self;
        let (ask, asked) = mpsc::channel::<Request>();
        let (tell, told) = mpsc::channel();
        let asked = Mutex::new(asked);
        thread::scope(|scope| {
            for _ in 0..width {
                let (tell, asked, stop) = (tell.clone(), &asked, &stop);
                scope.spawn(move || {
                    loop {
                        let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(request) = next else { return };
                        let answer = endpoint.ask(&request, sampling, stop);
                        if tell.send((request.id, answer)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(tell);
            let served = serve(desk, &ask, &told, width, gap);
            // The threads end when nobody asks any more; waits end when this is set.
            stop.store(true, Ordering::Relaxed);
            drop(ask);
            served
        })
    }
}

/// Hands requests out, no more than `width` at once and no faster than one each `gap`.
fn serve(
    desk: &mut dyn Desk,
    ask: &mpsc::Sender<Request>,
    told: &mpsc::Receiver<(usize, Result<Answer, Failure>)>,
    width: usize,
    gap: Option<Duration>,
) -> Result<(), RespondError> {
    let mut open = 0;
    let mut last: Option<Instant> = None;
    loop {
        if desk.is_stopped() {
            return Ok(());
        }
        let due = gap.zip(last).is_none_or(|(gap, last)| last.elapsed() >= gap);
        if open < width
            && due
            && let Some(request) = desk.next()
        {
            last = Some(Instant::now());
            open += 1;
            if ask.send(request).is_err() {
                return Err(RespondError::Responder("the threads that ask are gone".to_owned()));
            }
            continue;
        }
        if open == 0 && due {
            return Ok(());
        }
        // Woken often enough to hear that it is to stop.
        let Ok((id, answer)) = told.recv_timeout(Duration::from_millis(50)) else { continue };
        open -= 1;
        match answer {
            Ok(answer) => desk.answered(id, answer)?,
            Err(Failure { error, cost }) => match error {
                CallError::Fatal(reason) => return Err(RespondError::Responder(reason)),
                CallError::Refused(reason) | CallError::Passing { reason, .. } => {
                    desk.failed(id, &reason, cost)?;
                }
            },
        }
    }
}

fn pause(wait: Duration, stop: &AtomicBool) {
    let start = Instant::now();
    while start.elapsed() < wait && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50).min(wait));
    }
}
