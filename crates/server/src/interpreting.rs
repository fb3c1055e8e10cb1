//! An answer that goes on after programs were run: several generations, one after the other.

use mynah_model::template::Message;

use crate::answers::{Delta, End, Generation, Usage};
use crate::code::{self, Kernel, Outcome};
use crate::tools::{Call, Choice};
use crate::wire::{Ask, Input};
use crate::{ApiError, AppState, random};

/// A program that a model had run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ran {
    /// The name of the call.
    pub(crate) id: String,
    /// The program.
    pub(crate) source: String,
    /// What it brought.
    pub(crate) outcome: Outcome,
}

/// What a generation needs to go on after programs.
pub(crate) struct Interpreting {
    state: AppState,
    ask: Ask,
    who: String,
    kernel: Kernel,
    /// What was said since the last program.
    text: String,
    /// Programs that the model asks for and that were not run yet, by the names of their calls.
    waiting: Vec<(String, Call)>,
    /// Those that were run since the last answer began.
    ran: Vec<Ran>,
    /// The end of an answer that waits for its programs.
    end: Option<Delta>,
    /// How many calls of the client's own tools there were.
    n_calls: usize,
    /// What earlier answers of the same request took.
    spent: Usage,
}

impl Interpreting {
    /// For a request that offers the tool.
    ///
    /// # Errors
    /// If this server runs no programs.
    pub(crate) fn new(state: &AppState, ask: &mut Ask, who: &str) -> Result<Self, ApiError> {
        let param = ask.code.clone().unwrap_or_default();
        let Some(code) = &state.options().code else {
            let message = "this server runs no programs; it was started without --code-interpreter";
            return Err(ApiError::invalid(param, message));
        };
        if ask.n != 1 {
            let message = "with the tool code_interpreter there is one answer";
            return Err(ApiError::invalid("n", message));
        }
        ask.tools.push(code::tool(code));
        let kernel = Kernel::new(code, state.code_turns(), state.options().limits.wait);
        Ok(Self {
            state: state.clone(),
            ask: ask.clone(),
            who: who.to_owned(),
            kernel,
            text: String::new(),
            waiting: Vec::new(),
            ran: Vec::new(),
            end: None,
            n_calls: 0,
            spent: Usage::default(),
        })
    }

    /// What earlier answers of the same request took.
    pub(crate) fn spent(&self) -> Usage {
        self.spent
    }

    /// Takes what the model wrote; programs are held back until they have run, and so is the end of
    /// an answer that waits for them.
    pub(crate) fn take(&mut self, deltas: Vec<Delta>) -> Vec<Delta> {
        let mut passed = Vec::with_capacity(deltas.len());
        for delta in deltas {
            match delta {
                Delta::Call { call, .. } if call.name == code::NAME => {
                    self.waiting.push((random::name("call_"), call));
                }
                Delta::Call { sample, call, .. } => {
                    // Numbered as the client sees them.
                    passed.push(Delta::Call { sample, index: self.n_calls, call });
                    self.n_calls += 1;
                }
                end @ Delta::End { .. } if !self.waiting.is_empty() => self.end = Some(end),
                other => {
                    if let Delta::Text { text, .. } = &other {
                        self.text.push_str(text);
                    }
                    passed.push(other);
                }
            }
        }
        passed
    }

    /// Runs the next program that waits, if one does.
    pub(crate) async fn run(&mut self) -> Result<Option<Delta>, ApiError> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let (id, call) = self.waiting.remove(0);
        let source = code::program(&call.arguments);
        let outcome = self.kernel.run(&source).await?;
        let ran = Ran { id, source, outcome };
        self.ran.push(ran.clone());
        Ok(Some(Delta::Ran { ran }))
    }

    /// The end that waited for programs, if the model does not go on after them: it also asks for
    /// tools of the client's, or its tokens are spent.
    pub(crate) fn last(&mut self) -> Option<Delta> {
        let goes_on =
            self.n_calls == 0 && matches!(self.end, Some(Delta::End { end: End::Calls, .. }));
        self.end.take_if(|_| !goes_on)
    }

    /// Begins the next answer, after programs were run; nothing if none wait to be answered.
    ///
    /// # Errors
    /// If it will not be answered.
    pub(crate) async fn go_on(
        &mut self,
        before: Usage,
    ) -> Result<Option<(Generation, Vec<Delta>)>, ApiError> {
        let (Some(_), Input::Chat(messages)) = (self.end.take(), &mut self.ask.input) else {
            return Ok(None);
        };
        messages.extend(said(&std::mem::take(&mut self.text), &std::mem::take(&mut self.ran)));
        let taken = before.completion - self.spent.completion;
        self.spent = before;
        if let Some(left) = &mut self.ask.max_tokens {
            *left = left.saturating_sub(taken).max(1);
        }
        // A call that was demanded has been made.
        self.ask.choice = Choice::Auto;
        if !self.kernel.has_calls_left() {
            self.ask.tools.retain(|tool| tool.name != code::NAME);
        }
        let state = self.state.clone();
        state.begin_once(self.ask.clone(), &self.who).await.map(Some)
    }
}

/// What was said and run, as messages of the conversation.
fn said(text: &str, ran: &[Ran]) -> Vec<Message> {
    let text = (!text.is_empty()).then(|| Message::text("assistant", text));
    let ran = ran.iter().flat_map(|ran| code::messages(&ran.id, &ran.source, &ran.outcome));
    text.into_iter().chain(ran).collect()
}
