//! What the person sees: results on standard output, everything else on standard error.

use std::env;
use std::io::{self, BufRead, BufWriter, IsTerminal, Write};

use crate::Global;

const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[1;36m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// The person's terminal, or what stands in its place.
#[derive(Clone)]
pub(crate) struct Terminal {
    /// Only what is on this computer may be used.
    pub(crate) offline: bool,
    quiet: bool,
    colour_out: bool,
    colour_err: bool,
    is_interactive: bool,
}

impl Terminal {
    /// Finds out what standard output and standard error are.
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            offline: global.offline,
            quiet: global.quiet,
            colour_out: allows_colour(io::stdout().is_terminal()),
            colour_err: allows_colour(io::stderr().is_terminal()),
            is_interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// Where results go. Writes must be passed on with `?`: a closed pipe ends the command.
    #[expect(clippy::unused_self, reason = "who writes results holds a terminal")]
    pub(crate) fn out(&self) -> BufWriter<io::StdoutLock<'static>> {
        BufWriter::new(io::stdout().lock())
    }

    /// Writes a result as JSON, indented, on lines of its own.
    pub(crate) fn json(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut out = self.out();
        serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
        writeln!(out)?;
        out.flush()?;
        Ok(())
    }

    /// Says what happens, unless the person wants to hear nothing.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// Says what went wrong.
    pub(crate) fn error(&self, text: &str) {
        let label = paint("error:", RED, self.colour_err);
        to_stderr(&format!("{label} {}\n", printable(text)));
    }

    /// Says that something is odd but goes on.
    pub(crate) fn warning(&self, text: &str) {
        let label = paint("warning:", CYAN, self.colour_err);
        to_stderr(&format!("{label} {}\n", printable(text)));
    }

    /// Says what the person can do.
    pub(crate) fn hint(&self, text: &str) {
        let label = paint("hint:", CYAN, self.colour_err);
        to_stderr(&format!("{label} {}\n", printable(text)));
    }

    /// Text for standard output that stands out.
    pub(crate) fn bold(&self, text: &str) -> String {
        paint(text, BOLD, self.colour_out)
    }

    /// Text for standard output that stands back.
    pub(crate) fn dim(&self, text: &str) -> String {
        paint(text, DIM, self.colour_out)
    }

    /// Whether a person sits there who can answer.
    pub(crate) fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Whether a progress bar makes sense.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal() && !is_dumb()
    }

    /// Asks on standard error and reads a line; nothing if the input has ended.
    #[expect(clippy::unused_self, reason = "who asks holds a terminal")]
    pub(crate) fn ask(&self, question: &str) -> io::Result<Option<String>> {
        to_stderr(question);
        let mut line = String::new();
        let n = io::stdin().lock().read_line(&mut line)?;
        Ok((n > 0).then(|| line.trim().to_owned()))
    }
}

/// Leaves the line that a progress bar or an answer stands on.
pub(crate) fn leave_line() {
    if io::stderr().is_terminal() {
        to_stderr("\n");
    }
}

/// Standard error that is closed is not worth ending for.
fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Colour is for terminals, unless the person says otherwise.
///
/// Sources: <https://no-color.org>, <https://bixense.com/clicolors>.
fn allows_colour(is_terminal: bool) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_COLOR") {
        return false;
    }
    if is_set("CLICOLOR_FORCE") {
        return true;
    }
    is_terminal && !is_dumb()
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn paint(text: &str, colour: &str, allowed: bool) -> String {
    if allowed { format!("{colour}{text}{RESET}") } else { text.to_owned() }
}

/// The text without what a terminal would obey: names and messages may come from a server or from
/// a model's file.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        assert_eq!(printable("a\x1b[2Jb\rc\nd"), "a\u{fffd}[2Jb\u{fffd}c\nd");
        assert_eq!(printable("Müller 模型"), "Müller 模型");
    }
}
