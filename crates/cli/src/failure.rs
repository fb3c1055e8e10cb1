//! How a command ends when it does not succeed: `error:` and `hint:` lines, and an exit status.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::terminal::Terminal;

/// The command was stopped by the person.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// The command was called in a way that makes no sense, which clap cannot know.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// The command did its work, and what was required of the result did not come out.
#[derive(Debug)]
pub(crate) struct Unmet(pub(crate) String);

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unmet {}

/// Something that the person can do about an error, added to it with [`Hint::hint`].
#[derive(Debug)]
struct Hinted {
    hint: String,
    error: anyhow::Error,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.chain().nth(1)
    }
}

/// Adds to an error what the person can do about it.
pub(crate) trait Hint<T> {
    /// `hint`: a sentence without a full stop; it is shown after `hint: `.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Hint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| Hinted { hint: hint.into(), error: error.into() }.into())
    }
}

/// Tells the person what went wrong, and the shell that something did.
pub(crate) fn report(error: &anyhow::Error, terminal: &Terminal) -> ExitCode {
    if is_closed_pipe(error) {
        // The reader has seen enough, as in `mynah list | head -1`.
        return ExitCode::SUCCESS;
    }
    if caused_by::<Interrupted>(error) {
        return ExitCode::from(130);
    }
    tell(error, terminal);
    if caused_by::<Unmet>(error) {
        return ExitCode::from(100);
    }
    ExitCode::from(if caused_by::<Misuse>(error) { 2 } else { 1 })
}

/// Tells the person what went wrong and what can be done about it.
pub(crate) fn tell(error: &anyhow::Error, terminal: &Terminal) {
    terminal.error(&message(error));
    tell_hint(error, terminal);
}

/// Tells the person what went wrong beside what they asked for, which goes on.
pub(crate) fn warn(error: &anyhow::Error, terminal: &Terminal) {
    terminal.warning(&message(error));
    tell_hint(error, terminal);
}

/// What went wrong and why.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // An error that only passes its cause on says the same again.
        if message.ends_with(&cause) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&cause);
    }
    message
}

/// What went wrong and why, and what can be done about it: for those who have no terminal.
pub(crate) fn told(error: &anyhow::Error) -> (String, Option<String>) {
    (message(error), error.chain().find_map(hint_of))
}

fn tell_hint(error: &anyhow::Error, terminal: &Terminal) {
    if let Some(hint) = error.chain().find_map(hint_of) {
        terminal.hint(&hint);
    }
}

/// Whether an error of this type is among the causes, with a hint added to it or without.
fn caused_by<E: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let hinted = cause.downcast_ref::<Hinted>();
        cause.is::<E>() || hinted.is_some_and(|hinted| caused_by::<E>(&hinted.error))
    })
}

/// Whether nobody reads any more what the command writes.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}

fn hint_of(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        return Some(hinted.hint.clone());
    }
    if let Some(error) = error.downcast_ref::<mynah_hub::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<mynah_corpus::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<mynah_store::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<mynah_hub::ReferenceError>() {
        return error.hint();
    }
    error.downcast_ref::<mynah_hub::OpenError>()?.hint()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_hint_is_found_under_any_context() {
        let error = Err::<(), _>(io::Error::other("deep")).hint("do this").context("outer");
        let error = error.unwrap_err();
        assert_eq!(error.chain().find_map(hint_of).as_deref(), Some("do this"));
        assert_eq!(format!("{error:#}"), "outer: deep");
        let error: anyhow::Error = mynah_hub::Error::NotHere { name: "m".into() }.into();
        assert!(error.chain().find_map(hint_of).unwrap().contains("mynah pull m"));
    }

    #[test]
    fn a_hint_does_not_hide_what_it_was() {
        let misuse = || Err::<(), _>(Misuse("no".into()));
        assert!(caused_by::<Misuse>(&misuse().unwrap_err().into()));
        assert!(caused_by::<Misuse>(&misuse().hint("h").context("c").unwrap_err()));
        assert!(!caused_by::<Interrupted>(&misuse().hint("h").unwrap_err()));
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        let closed: anyhow::Error = io::Error::from(io::ErrorKind::BrokenPipe).into();
        assert!(is_closed_pipe(&closed.context("while writing")));
        let other: anyhow::Error = io::Error::from(io::ErrorKind::NotFound).into();
        assert!(!is_closed_pipe(&other));
    }
}
