//! Answers that were written down: a model that says what a file says.
//!
//! A transcript is JSON Lines, an answer on each line in the order in which they are asked for:
//!
//! ```text
//! {"answer": "```python\nprint(1 / 0)\n```"}
//! {"answer": "```python\nprint(1)\n```", "asked": ["ZeroDivisionError"], "tokens": 12}
//! ```
//!
//! With `asked`, the prompt must contain these texts, so that a transcript also says what the model
//! was to be told. [`Recording`] writes what another responder answers in the same form.

use std::collections::{HashMap, VecDeque};
use std::io::Write;

use mynah_respond::{Answer, Desk, Finish, Identity, Request, RespondError, Responder, Sampling};
use serde::{Deserialize, Serialize};

/// One answer of a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What the model says.
    pub answer: String,
    /// What must stand in the prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// How many tokens it counts for; without it, as many as it has words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TranscriptError {
    /// Which, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// A model that says what is written down.
#[derive(Clone, Debug)]
pub struct Transcript {
    name: String,
    lines: VecDeque<Line>,
    n_lines: usize,
}

impl Transcript {
    /// Reads a transcript; empty lines do not count.
    ///
    /// # Errors
    /// If a line is none.
    pub fn read(name: &str, text: &str) -> Result<Self, TranscriptError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let lines = lines.map(|(i, line)| {
            serde_json::from_str(line)
                .map_err(|error| TranscriptError { line: i + 1, reason: error.to_string() })
        });
        let lines: VecDeque<Line> = lines.collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), n_lines: lines.len(), lines })
    }

    fn answer(&mut self, request: &Request) -> Result<Answer, RespondError> {
        let Some(line) = self.lines.pop_front() else {
            let n = self.n_lines;
            let reason =
                format!("the transcript {} has {n} answers, and more are asked", self.name);
            return Err(RespondError::Responder(reason));
        };
        let is_said = |text: &&String| !request.prompt.texts().any(|said| said.contains(&***text));
        if let Some(missing) = line.asked.iter().find(is_said) {
            let n = self.n_lines - self.lines.len();
            let reason = format!(
                "answer {n} of {} is for a prompt with {missing:?}, which is not in this one:\n{}",
                self.name, request.prompt.user
            );
            return Err(RespondError::Responder(reason));
        }
        let words = line.answer.split_whitespace().count() as u64;
        let tokens = Some(line.tokens.unwrap_or(words));
        let (text, finish) = (line.answer, Finish::Stop);
        Ok(Answer { text, finish, prompt_tokens: None, tokens, cost: None, fingerprint: None })
    }
}

impl Responder for Transcript {
    fn identity(&self) -> Identity {
        Identity { name: self.name.clone(), fingerprint: "transcript".to_owned() }
    }

    fn respond(&mut self, _: &Sampling, desk: &mut dyn Desk) -> Result<(), RespondError> {
        while !desk.is_stopped()
            && let Some(request) = desk.next()
        {
            let answer = self.answer(&request)?;
            desk.answered(request.id, answer)?;
        }
        Ok(())
    }
}

/// A responder whose answers are written down, in the order in which they were asked for.
pub struct Recording<'a> {
    inner: &'a mut dyn Responder,
    out: &'a mut dyn Write,
}

impl<'a> Recording<'a> {
    /// Writes the answers of `inner` to `out`.
    pub fn new(inner: &'a mut dyn Responder, out: &'a mut dyn Write) -> Self {
        Self { inner, out }
    }
}

impl Responder for Recording<'_> {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    fn respond(&mut self, sampling: &Sampling, desk: &mut dyn Desk) -> Result<(), RespondError> {
        let mut listening = Listening { desk, order: Vec::new(), said: HashMap::new() };
        let responded = self.inner.respond(sampling, &mut listening);
        for line in listening.order.iter().filter_map(|id| listening.said.get(id)) {
            let written = serde_json::to_string(line).map_err(std::io::Error::from);
            written
                .and_then(|text| writeln!(self.out, "{text}"))
                .and_then(|()| self.out.flush())
                .map_err(|error| RespondError::Journal(error.to_string()))?;
        }
        responded
    }
}

/// A desk that remembers what came over it.
struct Listening<'a> {
    desk: &'a mut dyn Desk,
    order: Vec<usize>,
    said: HashMap<usize, Line>,
}

impl Desk for Listening<'_> {
    fn next(&mut self) -> Option<Request> {
        let request = self.desk.next()?;
        self.order.push(request.id);
        Some(request)
    }

    fn answered(&mut self, id: usize, answer: Answer) -> Result<(), RespondError> {
        let Answer { text, tokens, .. } = &answer;
        self.said.insert(id, Line { answer: text.clone(), asked: Vec::new(), tokens: *tokens });
        self.desk.answered(id, answer)
    }

    fn failed(&mut self, id: usize, reason: &str, cost: f64) -> Result<(), RespondError> {
        self.desk.failed(id, reason, cost)
    }

    fn is_stopped(&mut self) -> bool {
        self.desk.is_stopped()
    }
}
