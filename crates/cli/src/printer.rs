//! Shows answers on standard output while they are generated.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use crate::session::{Answer, Watch};
use crate::terminal::Terminal;

/// Writes text piece by piece; nothing is kept back.
pub(crate) struct Stream {
    is_terminal: bool,
    at_line_start: bool,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stdout().is_terminal(), at_line_start: true }
    }

    /// Writes a piece, so that it is seen at once.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        let Some(last) = text.chars().next_back() else { return Ok(()) };
        self.at_line_start = last == '\n';
        let mut out = io::stdout().lock();
        if self.is_terminal {
            out.write_all(harmless(text).as_bytes())?;
        } else {
            out.write_all(text.as_bytes())?;
        }
        out.flush()
    }

    /// Ends the line if one was begun.
    pub(crate) fn end_line(&mut self) -> io::Result<()> {
        if self.at_line_start { Ok(()) } else { self.write("\n") }
    }
}

/// What a model writes is shown and not obeyed: a terminal acts on control characters.
pub(crate) fn harmless(text: &str) -> String {
    let is_obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars().map(|c| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A text for standard output: as it is for a file or a program, harmless for a terminal.
pub(crate) fn for_output(text: &str) -> Cow<'_, str> {
    if io::stdout().is_terminal() { harmless(text).into() } else { text.into() }
}

/// Shows the answers to a prompt one after the other: the first that is not whole yet appears as it
/// grows, and those that grow beside it appear when it is their turn.
pub(crate) struct Printer<'t> {
    terminal: &'t Terminal,
    stream: Stream,
    answers: Vec<Pending>,
    /// Whose turn it is.
    turn: usize,
}

/// What is not shown yet of an answer.
#[derive(Clone, Default)]
struct Pending {
    text: String,
    has_ended: bool,
}

impl<'t> Printer<'t> {
    pub(crate) fn for_answers(terminal: &'t Terminal, n: usize) -> Self {
        let answers = vec![Pending::default(); n];
        Self { terminal, stream: Stream::new(), answers, turn: 0 }
    }

    /// Shows all that may be shown now.
    fn show(&mut self) -> io::Result<()> {
        while let Some(answer) = self.answers.get_mut(self.turn) {
            self.stream.write(&std::mem::take(&mut answer.text))?;
            if !answer.has_ended {
                break;
            }
            self.stream.end_line()?;
            self.turn += 1;
            self.label()?;
        }
        Ok(())
    }

    /// Says which answer follows, if there are several.
    fn label(&mut self) -> io::Result<()> {
        let n = self.answers.len();
        if n == 1 || self.turn == n {
            return Ok(());
        }
        let gap = if self.turn == 0 { "" } else { "\n" };
        let label = self.terminal.bold(&format!("[{} of {n}]", self.turn + 1));
        let mut out = io::stdout().lock();
        writeln!(out, "{gap}{label}")?;
        out.flush()
    }
}

impl Watch for Printer<'_> {
    fn begun(&mut self) -> anyhow::Result<()> {
        Ok(self.label()?)
    }

    fn text(&mut self, sample: usize, text: &str) -> anyhow::Result<()> {
        self.answers[sample].text.push_str(text);
        if sample == self.turn { Ok(self.show()?) } else { Ok(()) }
    }

    fn ended(&mut self, answer: &Answer) -> anyhow::Result<()> {
        self.answers[answer.sample].has_ended = true;
        Ok(self.show()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(harmless("a\tb\n\x1b[2J\u{9b}1m\rc"), "a\tb\n\u{fffd}[2J\u{fffd}1m\u{fffd}c");
        assert_eq!(harmless("Grüße 👋 模型"), "Grüße 👋 模型");
    }
}
