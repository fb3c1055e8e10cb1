//! How a caller hears what happens during a pull.

use std::time::Duration;

use crate::catalogue::Terms;
use crate::error::Error;

/// Hears what happens, and answers for the person who must accept a licence.
///
/// Calls come from the thread that called the hub, often many a second while bytes arrive.
pub trait Observer {
    /// Something happened.
    fn event(&self, event: Event<'_>);

    /// Whether the person accepts these terms. Asked once for each model that needs it, after
    /// the terms themselves were fetched and before anything else is.
    fn accept(&self, terms: &Terms) -> bool;

    /// Whether the pull is to go on; asked often while bytes arrive. What is here stays, and a
    /// later pull goes on with it.
    fn goes_on(&self) -> bool {
        true
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Another process is pulling the same model; this one waits for it.
    WaitingForOther {
        /// The model's name.
        model: &'a str,
    },
    /// A source was chosen and is about to be read.
    Fetching {
        /// The model's name.
        model: &'a str,
        /// Where it comes from.
        source: &'a str,
        /// How large it is, if that is known before.
        bytes: Option<u64>,
        /// Its licence, if that is known before.
        licence: Option<&'a str>,
    },
    /// A file begins, or goes on where an earlier pull left it.
    FileStarted {
        /// The file's name in the model's folder.
        file: &'a str,
        /// How large it will be.
        bytes: Option<u64>,
        /// How much of it is here already.
        kept: u64,
    },
    /// The file now has this many bytes.
    FileProgress {
        /// Bytes from the file's beginning.
        bytes: u64,
    },
    /// The file is whole and its checksum, if one is known, is right.
    FileFinished {
        /// The file's name in the model's folder.
        file: &'a str,
    },
    /// A server did not answer as it should; the request is repeated after a wait.
    Retrying {
        /// What went wrong.
        reason: &'a str,
        /// How long the hub waits.
        wait: Duration,
        /// How long the server asked it to wait.
        asked: Option<Duration>,
    },
    /// What was kept of a file cannot be continued; it starts from the beginning.
    StartingOver {
        /// The file's name in the model's folder.
        file: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A source failed and there is another one.
    SourceFailed {
        /// The source that failed.
        source: &'a str,
        /// Why.
        error: &'a Error,
    },
}

/// Hears nothing and accepts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}

    fn accept(&self, _: &Terms) -> bool {
        false
    }
}
