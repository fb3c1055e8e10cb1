//! What can go wrong with the file.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is of a later version.
    #[error(
        "{} was written by a newer mynah: it has version {found}, and this mynah knows {known}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest version that is known here.
        known: i64,
    },
    /// The file belongs to another program.
    #[error("{} is a database of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was made by an `llm` that did not know the tables yet.
    #[error("{} was written by an older llm, which lacks {missing}", path.display())]
    OldLlm {
        /// The file.
        path: PathBuf,
        /// The first of its changes that is missing.
        missing: &'static str,
    },
    /// The file is no database, or not a whole one.
    #[error("{} is damaged, or no database at all", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Another process is writing, and went on for longer than we wait.
    #[error("{} is in use by another program", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// There is no room.
    #[error("the disk of {} is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file or its folder cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Anything else that SQLite refuses.
    #[error("cannot {doing} in {}", path.display())]
    Sqlite {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// There is no such thing in the file.
    #[error("there is no {what} {name:?} in {}", path.display())]
    Absent {
        /// What was looked for: experiment, conversation, ...
        what: &'static str,
        /// The name or identifier that was given.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The words of a search cannot be understood.
    #[error("the search {query:?} cannot be understood: {problem}")]
    Search {
        /// What was looked for.
        query: String,
        /// What SQLite says of it.
        problem: String,
    },
}

impl Error {
    /// What a person can do about it, without a full stop.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Newer { .. } => Some("use the newer mynah, or another --database".to_owned()),
            Self::Foreign { .. } => Some("choose another --database".to_owned()),
            Self::OldLlm { path, .. } => Some(format!(
                "run `llm logs -d {} -n 1` with llm 0.36 or newer once, which brings it up to date",
                path.display()
            )),
            Self::Damaged { path, .. } => Some(format!(
                "move {} away, and a new one is begun; `sqlite3 FILE .recover` may save the old",
                path.display()
            )),
            Self::Busy { .. } => Some("try again when the other program is done".to_owned()),
            Self::Search { .. } => {
                Some("put words with other characters between double quotes".to_owned())
            }
            _ => None,
        }
    }

    /// Sorts what SQLite says into what a person can do about it.
    pub(crate) fn new(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path, source }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, source }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            _ => Self::Sqlite { doing, path, source },
        }
    }
}
