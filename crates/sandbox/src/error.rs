//! What can go wrong with a sandbox, as opposed to with a program in it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a program could not be run, or not be watched to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A file or folder that the sandbox needs cannot be used.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    File {
        /// What was to be done with it: "read", "write".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The interpreter's file is not what it is said to be.
    #[error("{path} is not the interpreter it should be: its SHA-256 is {got}, not {expected}", path = path.display())]
    OtherInterpreter {
        /// The file.
        path: PathBuf,
        /// The checksum it should have.
        expected: String,
        /// The checksum it has.
        got: String,
    },
    /// Somebody else could have put something into the folder of compiled interpreters.
    #[error("{path} is not safe to run from: {reason}", path = path.display())]
    NotOurs {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The interpreter cannot be compiled or loaded.
    #[error("cannot compile {path}: {reason}", path = path.display())]
    Compile {
        /// The interpreter's file.
        path: PathBuf,
        /// What Wasmtime says.
        reason: String,
    },
    /// A child process does not start, or does not become ready.
    #[error("the sandbox's process does not start: {reason}")]
    Start {
        /// What it said, or what the operating system says.
        reason: String,
    },
    /// The system lacks something without which the sandbox would not hold.
    #[error("this system cannot hold a program: {missing}")]
    Missing {
        /// What is missing, and what it is needed for.
        missing: String,
    },
    /// The folder may not be granted.
    #[error("{path} cannot be granted to a program: {reason}", path = path.display())]
    NotGranted {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The session has ended: a cell of it broke a limit, or ended the interpreter.
    #[error("the session has ended")]
    Ended,
}

/// Says of an input or output error what was to be done with which file.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, SandboxError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, SandboxError> {
        self.map_err(|source| SandboxError::File { doing, path: path.to_owned(), source })
    }
}
