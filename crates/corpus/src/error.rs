//! What can go wrong with a corpus, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was being done, such as "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// SQLite cannot do something.
    #[error("cannot {action} in {path}: {source}", path = path.display())]
    Database {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// There is no corpus in a folder.
    #[error("there is no corpus in {folder}", folder = folder.display())]
    NoCorpus {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds something else.
    #[error("{path} is not a corpus: {reason}", path = path.display())]
    NotACorpus {
        /// The file.
        path: PathBuf,
        /// How one sees that.
        reason: String,
    },
    /// Another process is changing the corpus.
    #[error("another mynah is changing the corpus in {folder}", folder = folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A file does not have the form that its name promises.
    #[error("{path}{place}: {problem}", path = path.display(), place = in_place(place))]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in it, such as "line 7"; empty if it is all of it.
        place: String,
        /// What is wrong.
        problem: String,
        /// What can be done about it.
        hint: Option<String>,
    },
    /// A stored text is damaged.
    #[error("{path} is damaged: {problem}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Options contradict themselves.
    #[error("{problem}")]
    Options {
        /// What is wrong.
        problem: String,
    },
    /// A licence is not written as SPDX writes it.
    #[error("{licence:?} is not an SPDX licence: {problem}")]
    Licence {
        /// What was written.
        licence: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such source or rule.
    #[error("there is no {what} {name:?}")]
    Unknown {
        /// What was looked for, such as "source".
        what: &'static str,
        /// Its name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

fn in_place(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(", {place}") }
}

impl Error {
    /// What the person can do about it, as a sentence without a full stop.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room; what was finished is kept, and the same command goes on".into())
            }
            Self::NoCorpus { .. } => Some("`mynah corpus add PATH` makes one".into()),
            Self::InUse { .. } => Some("wait until it has ended".into()),
            Self::Format { hint, .. } => hint.clone(),
            Self::Damaged { .. } => {
                Some("remove its source with `mynah corpus rm` and add it again".into())
            }
            Self::Licence { .. } => Some(
                "write it as https://spdx.org/licenses lists it, such as MIT or CC-BY-SA-4.0, \
                 or LicenseRef-NAME for one that is not there"
                    .into(),
            ),
            Self::Unknown { known, .. } if !known.is_empty() => {
                Some(format!("there are: {}", known.join(", ")))
            }
            _ => None,
        }
    }
}

/// Adds to an operating system's error what was being done, and to which file.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::File { action, path: path.to_owned(), source })
    }
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Database { action, path: path.to_owned(), source })
    }
}
