//! Answers that a test makes up.

use crate::{Answer, Desk, Finish, Identity, Request, RespondError, Responder, Sampling};

/// Answers by a function of the request; an `Err` of it is a request that failed.
///
/// Keeps `width` requests in flight and answers now the latest, now the oldest of them, as a
/// responder may.
pub struct Script<F> {
    width: usize,
    answer: F,
    cost: Option<f64>,
}

impl<F: FnMut(&Request) -> Result<String, String>> Script<F> {
    /// A responder with so many requests in flight.
    pub fn new(width: usize, answer: F) -> Self {
        Self { width: width.max(1), answer, cost: None }
    }

    /// The same, paid: every request costs so many US dollars, answered or not.
    #[must_use]
    pub fn paid(self, cost: f64) -> Self {
        Self { cost: Some(cost), ..self }
    }
}

impl<F: FnMut(&Request) -> Result<String, String>> Responder for Script<F> {
    fn identity(&self) -> Identity {
        Identity { name: "script".to_owned(), fingerprint: "script".to_owned() }
    }

    fn respond(&mut self, sampling: &Sampling, desk: &mut dyn Desk) -> Result<(), RespondError> {
        let (mut flying, mut latest): (Vec<Request>, bool) = (Vec::new(), false);
        loop {
            while flying.len() < self.width
                && let Some(request) = desk.next()
            {
                flying.push(request);
            }
            if flying.is_empty() {
                return Ok(());
            }
            latest = !latest;
            let request = flying.remove(if latest { flying.len() - 1 } else { 0 });
            if desk.is_stopped() {
                return Ok(());
            }
            match (self.answer)(&request) {
                Ok(text) => {
                    let answer = Answer { cost: self.cost, ..whole(text, sampling) };
                    desk.answered(request.id, answer)?;
                }
                Err(reason) => desk.failed(request.id, &reason, self.cost.unwrap_or(0.0))?,
            }
        }
    }
}

/// Words stand for tokens; an answer that has more than are allowed is cut.
fn whole(text: String, sampling: &Sampling) -> Answer {
    let n_words = text.split_whitespace().count();
    let is_cut = n_words > sampling.max_tokens;
    let words = text.split_inclusive(char::is_whitespace).take(sampling.max_tokens);
    let tokens = Some(n_words.min(sampling.max_tokens) as u64);
    Answer {
        finish: if is_cut { Finish::Length } else { Finish::Stop },
        text: if is_cut { words.collect() } else { text },
        prompt_tokens: None,
        tokens,
        cost: None,
        fingerprint: None,
    }
}
