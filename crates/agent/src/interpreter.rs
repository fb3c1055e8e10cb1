//! What runs programs, as the loop sees it.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

/// A program and what it is given.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Its text.
    pub source: &'a str,
    /// What it can read on its standard input.
    pub stdin: &'a [u8],
    /// The one folder that it may read and write, in which it is started.
    pub folder: &'a Path,
}

/// How a program ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// How it ended.
    pub ending: Ending,
    /// What it wrote on its standard output.
    pub stdout: String,
    /// What it wrote on its standard error: the traceback, if it failed.
    pub stderr: String,
    /// How long it took.
    pub seconds: f64,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By itself, with success.
    Finished,
    /// By itself, without.
    Failed {
        /// Its exit code.
        code: i32,
    },
    /// It was ended because it broke a limit; the sentence says which.
    Limit(String),
    /// The person stopped it.
    Stopped,
}

/// Something that runs Python under limits. Shared by threads: programs run beside each other.
pub trait Interpreter: Sync {
    /// Which one it is, exactly enough to tell whether another gives the same results.
    fn identity(&self) -> String;

    /// What programs may import beside the standard library, as a model is told.
    fn packages(&self) -> &[String];

    /// Runs a program to its end.
    ///
    /// # Errors
    /// If it could not be run, which is no fault of the program.
    fn run(&self, program: &Program<'_>, stop: &AtomicBool) -> Result<Run, InterpreterError>;

    /// Starts a Python whose variables live on from cell to cell.
    ///
    /// # Errors
    /// If none can be started.
    fn cells(&self, folder: &Path) -> Result<Box<dyn Cells + '_>, InterpreterError>;
}

/// A Python whose variables live on.
pub trait Cells {
    /// Runs a cell.
    ///
    /// # Errors
    /// If it could not be run, which is no fault of the cell.
    fn run(&mut self, cell: &str, stop: &AtomicBool) -> Result<Run, InterpreterError>;
}

/// Why a program could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox cannot run it: {0}")]
pub struct InterpreterError(pub String);
