//! Where what a person types comes from: a terminal with line editing, or a pipe.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Context, Event, EventContext, EventHandler, Helper,
    KeyEvent, RepeatCount,
};

use super::entry::{COMMANDS, is_unfinished};
use crate::environment;

const PROMPT: &str = "> ";

/// What came from the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line, or several that belong together.
    Text(String),
    /// Ctrl-C where nothing was typed yet.
    Interrupt,
    /// There is no more.
    End,
}

/// Reads what a person types.
pub(super) enum Editor {
    Terminal(Box<Terminal>),
    Pipe,
}

/// A terminal with line editing.
pub(super) struct Terminal {
    editor: rustyline::Editor<Assistant, DefaultHistory>,
    history: Option<PathBuf>,
    /// Whether something was typed when Ctrl-C was pressed.
    has_text: Arc<AtomicBool>,
}

impl Editor {
    /// Line editing if standard input is a terminal.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub(super) fn new() -> anyhow::Result<Self> {
        if !io::stdin().is_terminal() {
            return Ok(Self::Pipe);
        }
        let config = Config::builder()
            .history_ignore_space(true)
            .max_history_size(10_000)?
            .completion_type(rustyline::CompletionType::List)
            .build();
        let mut editor = rustyline::Editor::with_config(config)?;
        editor.set_helper(Some(Assistant { files: FilenameCompleter::new() }));
        let has_text = Arc::new(AtomicBool::new(false));
        let look = EventHandler::Conditional(Box::new(Look(Arc::clone(&has_text))));
        editor.bind_sequence(KeyEvent::ctrl('c'), look);
        let history = history_file();
        if let Some(path) = &history {
            // A history that cannot be read is none.
            let _ = editor.load_history(path);
        }
        Ok(Self::Terminal(Box::new(Terminal { editor, history, has_text })))
    }

    /// The next input.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(&mut self) -> anyhow::Result<Input> {
        match self {
            Self::Terminal(terminal) => terminal.read(),
            Self::Pipe => Ok(read_lines(&mut io::stdin().lock())?),
        }
    }
}

impl Terminal {
    fn read(&mut self) -> anyhow::Result<Input> {
        loop {
            self.has_text.store(false, Ordering::Relaxed);
            match self.editor.readline(PROMPT) {
                Ok(text) => {
                    self.remember(&text);
                    return Ok(Input::Text(text));
                }
                Err(ReadlineError::Interrupted) if self.has_text.load(Ordering::Relaxed) => {}
                Err(ReadlineError::Interrupted) => return Ok(Input::Interrupt),
                Err(ReadlineError::Eof) => return Ok(Input::End),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn remember(&mut self, text: &str) {
        let is_new = self.editor.add_history_entry(text).unwrap_or(false);
        if is_new && let Some(path) = &self.history {
            // A conversation is not worth ending for its history.
            let _ = self.editor.append_history(path);
        }
    }
}

/// The file that keeps what was typed; none if there is no place for it.
fn history_file() -> Option<PathBuf> {
    let home = environment::home().ok()?;
    std::fs::create_dir_all(&home).ok()?;
    Some(home.join("chat_history"))
}

/// A line from a pipe, or all lines of a message in quotes.
fn read_lines(from: &mut impl io::BufRead) -> io::Result<Input> {
    let mut text = String::new();
    while from.read_line(&mut text)? > 0 {
        if !is_unfinished(&text) {
            return Ok(Input::Text(text));
        }
    }
    Ok(if text.is_empty() { Input::End } else { Input::Text(text) })
}

/// Looks whether something was typed when Ctrl-C is pressed, and lets the usual happen.
struct Look(Arc<AtomicBool>);

impl ConditionalEventHandler for Look {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        self.0.store(!context.line().is_empty(), Ordering::Relaxed);
        None
    }
}

/// Completes commands and file names, and goes on to the next line inside quotes.
struct Assistant {
    files: FilenameCompleter,
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..at];
        if typed.starts_with("/save ") || typed.starts_with("/load ") {
            return self.files.complete_path(line, at);
        }
        Ok((0, commands_that_begin_with(typed)))
    }
}

fn commands_that_begin_with(typed: &str) -> Vec<Pair> {
    let fits = |(name, _, _): &&(&str, &str, &str)| !typed.is_empty() && name.starts_with(typed);
    let pair = |(name, argument, _): &(&str, &str, &str)| Pair {
        display: (*name).to_owned(),
        replacement: if argument.is_empty() { (*name).to_owned() } else { format!("{name} ") },
    };
    COMMANDS.iter().filter(fits).map(pair).collect()
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(if is_unfinished(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {}

impl Helper for Assistant {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gives_lines_and_blocks() {
        let mut input: &[u8] = b"one\n\"\"\"\ntwo\nthree\n\"\"\"\n\n\"\"\"four";
        let mut next = || read_lines(&mut input).unwrap();
        assert_eq!(next(), Input::Text("one\n".into()));
        assert_eq!(next(), Input::Text("\"\"\"\ntwo\nthree\n\"\"\"\n".into()));
        assert_eq!(next(), Input::Text("\n".into()));
        assert_eq!(next(), Input::Text("\"\"\"four".into()), "what was never finished");
        assert_eq!(next(), Input::End);
    }

    #[test]
    fn commands_are_completed() {
        let names = |typed| -> Vec<String> {
            commands_that_begin_with(typed).into_iter().map(|pair| pair.replacement).collect()
        };
        assert_eq!(names("/s"), ["/system ", "/set ", "/save ", "/stats"]);
        assert_eq!(names("/reg"), ["/regenerate"]);
        assert!(names("").is_empty());
        assert!(names("hello").is_empty());
    }
}
