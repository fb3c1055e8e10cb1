//! A responder whose answers are kept in the log.

use std::collections::HashMap;
use std::time::SystemTime;

use mynah_respond::{
    Answer, Desk, Finish, Identity, Prompt, Request, RespondError, Responder, Sampling,
};
use mynah_store::{Message, Role, Turn};
use serde_json::{Map, Value};

use crate::log::{LogArgs, Recorder};
use crate::terminal::Terminal;

/// Keeps what another responder answers.
pub(crate) struct Logged<'a> {
    inner: &'a mut dyn Responder,
    command: &'static str,
    recorder: Recorder,
    /// The conversation that the answers belong to, once there is one.
    thread: Option<String>,
    terminal: Terminal,
}

impl<'a> Logged<'a> {
    /// Keeps answers as those of a command; they belong to one conversation.
    pub(crate) fn new(
        inner: &'a mut dyn Responder,
        command: &'static str,
        args: &LogArgs,
        terminal: &Terminal,
    ) -> Self {
        let recorder = Recorder::new(args);
        Self { inner, command, recorder, thread: None, terminal: terminal.clone() }
    }
}

impl Responder for Logged<'_> {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    fn respond(&mut self, sampling: &Sampling, desk: &mut dyn Desk) -> Result<(), RespondError> {
        let identity = self.inner.identity();
        let (asked, turns) = (HashMap::new(), Vec::new());
        let about = (self.command, &identity, sampling);
        let mut listening = Listening { desk, about, asked, turns };
        let responded = self.inner.respond(sampling, &mut listening);
        listening.turns.sort_by_key(|turn| turn.sample);
        let turns = listening.turns;
        if !turns.is_empty() {
            let kept = self.recorder.record(self.thread.as_deref(), &turns, &self.terminal);
            self.thread = kept.or(self.thread.take());
        }
        responded
    }
}

struct Listening<'a> {
    desk: &'a mut dyn Desk,
    about: (&'static str, &'a Identity, &'a Sampling),
    asked: HashMap<usize, Request>,
    turns: Vec<Turn>,
}

impl Desk for Listening<'_> {
    fn next(&mut self) -> Option<Request> {
        let request = self.desk.next()?;
        self.asked.insert(request.id, request.clone());
        Some(request)
    }

    fn answered(&mut self, id: usize, answer: Answer) -> Result<(), RespondError> {
        if let Some(request) = self.asked.remove(&id) {
            self.turns.push(turn(self.about, &request, &answer));
        }
        self.desk.answered(id, answer)
    }

    fn failed(&mut self, id: usize, reason: &str, cost: f64) -> Result<(), RespondError> {
        self.desk.failed(id, reason, cost)
    }

    fn is_stopped(&mut self) -> bool {
        self.desk.is_stopped()
    }
}

fn turn(
    (command, identity, sampling): (&str, &Identity, &Sampling),
    request: &Request,
    answer: &Answer,
) -> Turn {
    let mut options = Map::new();
    options.insert("max_tokens".to_owned(), Value::from(sampling.max_tokens));
    let finish = match answer.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Filtered => "filtered",
    };
    Turn {
        command: command.to_owned(),
        model: identity.name.clone(),
        fingerprint: Some(identity.fingerprint.clone()),
        messages: messages(&request.prompt),
        answer: answer.text.clone(),
        sample: request.repeat as u32,
        seed: Some(request.seed),
        temperature: sampling.temperature.and_then(|t| t.to_string().parse().ok()),
        options,
        schema: None,
        input_tokens: answer.prompt_tokens,
        cached_tokens: None,
        output_tokens: answer.tokens,
        first_token: None,
        duration: None,
        finish: finish.to_owned(),
        at: SystemTime::now(),
    }
}

fn messages(prompt: &Prompt) -> Vec<Message> {
    let system = prompt.system.as_deref().map(|text| Message::new(Role::System, text));
    let earlier = prompt.earlier.iter().flat_map(|said| {
        [Message::new(Role::User, &*said.user), Message::new(Role::Assistant, &*said.answer)]
    });
    let user = Message::new(Role::User, &*prompt.user);
    system.into_iter().chain(earlier).chain([user]).collect()
}
