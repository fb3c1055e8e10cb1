//! What comes of a request: text, calls of tools, and why answers ended.

use std::sync::Arc;

use mynah_engine::{Finish, Token};

use crate::ApiError;
use crate::interpreting::{Interpreting, Ran};
use crate::mailbox::{Answers, Growth, Update};
use crate::models::Loaded;
use crate::tools::{Call, Finder, Found, Tool};
use crate::worker::ending;

/// Something new about an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Delta {
    /// It went on with this text, for these tokens if their probabilities were asked for.
    Text {
        /// Which answer.
        sample: usize,
        text: String,
        tokens: Vec<Token>,
    },
    /// It asks for a call.
    Call {
        /// Which answer.
        sample: usize,
        /// Which of its calls, from 0.
        index: usize,
        call: Call,
    },
    /// It had a program run, which the client need not do.
    Ran {
        /// The program and what it brought.
        ran: Ran,
    },
    /// It is whole.
    End {
        /// Which answer.
        sample: usize,
        end: End,
    },
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The model ended it.
    Stop,
    /// This text, which is not part of it, ended it.
    StopString(String),
    /// It has as many tokens as it may have.
    Length,
    /// It waits for what its calls bring.
    Calls,
}

/// How many tokens there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Of all prompts.
    pub(crate) prompt: usize,
    /// Those of them that were in the cache.
    pub(crate) cached: usize,
    /// Of all answers.
    pub(crate) completion: usize,
}

impl Usage {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            prompt: self.prompt + other.prompt,
            cached: self.cached + other.cached,
            completion: self.completion + other.completion,
        }
    }
}

impl Whole {
    /// Takes a program that was run; what is said after it stands in a paragraph of its own.
    fn take(&mut self, ran: Ran) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push_str("\n\n");
        }
        self.ran.push(ran);
    }
}

/// The answers to a request while they come.
pub(crate) struct Generation {
    /// The model; it stays loaded as long as this lives.
    pub(crate) model: Arc<Loaded>,
    /// How many tokens each prompt has.
    pub(crate) prompts: Vec<usize>,
    answers: Answers,
    stop: Vec<String>,
    samples: Vec<Sample>,
    /// Of each prompt, how many positions were in the cache.
    cached: Vec<usize>,
    n_completion: usize,
    n_left: usize,
    /// If the model may have programs run, what that takes.
    interpreting: Option<Box<Interpreting>>,
}

/// One of the answers.
struct Sample {
    finder: Finder,
    n_calls: usize,
}

/// One whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Whole {
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) calls: Vec<Call>,
    /// Programs that were run for it.
    pub(crate) ran: Vec<Ran>,
    pub(crate) end: Option<End>,
}

impl Generation {
    /// The answers that will come into a mailbox, `n` to each prompt; in them may be calls of
    /// these tools.
    pub(crate) fn new(
        model: Arc<Loaded>,
        prompts: Vec<usize>,
        n: usize,
        answers: Answers,
        stop: Vec<String>,
        tools: &[Tool],
    ) -> Self {
        let n_samples = prompts.len() * n;
        let sample = || Sample { finder: Finder::new(tools), n_calls: 0 };
        Self {
            model,
            cached: vec![0; prompts.len()],
            prompts,
            answers,
            stop,
            samples: std::iter::repeat_with(sample).take(n_samples).collect(),
            n_completion: 0,
            n_left: n_samples,
            interpreting: None,
        }
    }

    /// The same, but programs that the model asks for are run, and it goes on after them. `deltas`:
    /// what has come already.
    pub(crate) fn interpret(
        mut self,
        mut interpreting: Interpreting,
        deltas: Vec<Delta>,
    ) -> (Self, Vec<Delta>) {
        let deltas = interpreting.take(deltas);
        self.interpreting = Some(Box::new(interpreting));
        (self, deltas)
    }

    /// Waits until the engine has begun with it.
    ///
    /// # Errors
    /// If it will not be answered.
    pub(crate) async fn begun(&mut self) -> Result<Vec<Delta>, ApiError> {
        let updates = self.answers.take().await;
        if updates.is_empty() {
            return Err(self.lost());
        }
        self.read(updates)
    }

    /// Waits for what is new; nothing if everything is whole.
    ///
    /// # Errors
    /// If it cannot go on.
    pub(crate) async fn next(&mut self) -> Result<Vec<Delta>, ApiError> {
        // Whoever stops waiting drops it, and with it what runs.
        let Some(mut interpreting) = self.interpreting.take() else {
            return self.next_written().await;
        };
        let next = self.next_or_run(&mut interpreting).await;
        self.interpreting = Some(interpreting);
        next
    }

    /// Waits for what is new: what the model writes, or what its programs bring.
    async fn next_or_run(&mut self, to: &mut Interpreting) -> Result<Vec<Delta>, ApiError> {
        loop {
            let new = if self.n_left > 0 {
                self.next_written().await?
            } else if let Some(ran) = to.run().await? {
                return Ok(vec![ran]);
            } else if let Some(end) = to.last() {
                return Ok(vec![end]);
            } else if let Some((next, new)) = to.go_on(self.usage().and(to.spent())).await? {
                *self = next;
                new
            } else {
                return Ok(Vec::new());
            };
            let passed = to.take(new);
            if !passed.is_empty() {
                return Ok(passed);
            }
        }
    }

    /// Waits for what the model writes; nothing if everything is whole.
    async fn next_written(&mut self) -> Result<Vec<Delta>, ApiError> {
        while self.n_left > 0 {
            let updates = self.answers.take().await;
            if updates.is_empty() {
                return Err(self.lost());
            }
            let deltas = self.read(updates)?;
            if !deltas.is_empty() {
                return Ok(deltas);
            }
        }
        Ok(Vec::new())
    }

    /// Waits for all answers.
    ///
    /// # Errors
    /// If one cannot go on.
    pub(crate) async fn all(&mut self, first: Vec<Delta>) -> Result<Vec<Whole>, ApiError> {
        let mut wholes = vec![Whole::default(); self.samples.len()];
        let mut deltas = first;
        loop {
            for delta in deltas {
                match delta {
                    Delta::Text { sample, text, tokens } => {
                        wholes[sample].text.push_str(&text);
                        wholes[sample].tokens.extend(tokens);
                    }
                    Delta::Call { sample, call, .. } => wholes[sample].calls.push(call),
                    // Only one answer may have programs run.
                    Delta::Ran { ran } => wholes[0].take(ran),
                    Delta::End { sample, end } => wholes[sample].end = Some(end),
                }
            }
            deltas = self.next().await?;
            if deltas.is_empty() {
                return Ok(wholes);
            }
        }
    }

    /// How many tokens there were so far.
    pub(crate) fn usage(&self) -> Usage {
        let own = Usage {
            prompt: self.prompts.iter().sum(),
            cached: self.cached.iter().sum(),
            completion: self.n_completion,
        };
        self.interpreting.as_ref().map_or(own, |interpreting| own.and(interpreting.spent()))
    }

    /// Nothing more comes, and something should.
    fn lost(&self) -> ApiError {
        ApiError::internal(format!("the thread of {} has ended", self.model.name))
    }

    fn read(&mut self, updates: Vec<Update>) -> Result<Vec<Delta>, ApiError> {
        let mut deltas = Vec::new();
        for update in updates {
            match update {
                Update::Begun => {}
                Update::Grown(growth) => self.grow(growth, &mut deltas),
                Update::Ended { sample, finish } => self.end(sample, finish, &mut deltas)?,
                Update::Refused(error) => return Err(error),
            }
        }
        Ok(deltas)
    }

    fn grow(&mut self, growth: Growth, deltas: &mut Vec<Delta>) {
        let Growth { sample, text, n_tokens, tokens, prompt_cached } = growth;
        self.n_completion += n_tokens;
        let n = self.samples.len() / self.prompts.len();
        let cached = &mut self.cached[sample / n];
        *cached = (*cached).max(prompt_cached);
        let found = self.samples[sample].finder.push(&text);
        self.tell(sample, found, deltas);
        if tokens.is_empty() {
            return;
        }
        // Tokens are told when they come, though their text may still be held back.
        match deltas.last_mut() {
            Some(Delta::Text { sample: last, tokens: told, .. }) if *last == sample => {
                told.extend(tokens);
            }
            _ => deltas.push(Delta::Text { sample, text: String::new(), tokens }),
        }
    }

    fn tell(&mut self, sample: usize, found: Vec<Found>, deltas: &mut Vec<Delta>) {
        for found in found {
            deltas.push(match found {
                Found::Text(text) => Delta::Text { sample, text, tokens: Vec::new() },
                Found::Call(call) => {
                    let index = self.samples[sample].n_calls;
                    self.samples[sample].n_calls += 1;
                    Delta::Call { sample, index, call }
                }
            });
        }
    }

    fn end(
        &mut self,
        sample: usize,
        finish: Finish,
        deltas: &mut Vec<Delta>,
    ) -> Result<(), ApiError> {
        let mut end = match finish {
            Finish::Stop => End::Stop,
            Finish::StopString(i) => End::StopString(self.stop.get(i).cloned().unwrap_or_default()),
            Finish::Length | Finish::Context | Finish::CacheFull => End::Length,
            Finish::Failed(reason) => {
                return Err(ApiError::internal(format!("the answer could not go on: {reason}")));
            }
            Finish::Cancelled if self.answers.is_overfull() => {
                let message = "the answer was not read fast enough";
                return Err(ApiError::unavailable(message, "slow_reader"));
            }
            Finish::Cancelled => return Err(ending()),
        };
        let found = self.samples[sample].finder.finish();
        self.tell(sample, found, deltas);
        if self.samples[sample].n_calls > 0 && end == End::Stop {
            end = End::Calls;
        }
        self.n_left -= 1;
        deltas.push(Delta::End { sample, end });
        Ok(())
    }
}
