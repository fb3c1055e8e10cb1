//! The sandbox as its users see it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::{Limits, Program, Run, SandboxError};

/// How a child is started: this program's own file, and the arguments of its hidden command that
/// does nothing but call the worker.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The program.
    pub program: PathBuf,
    /// What it is called with, before what the sandbox adds.
    pub arguments: Vec<OsString>,
}

/// A Python that was compiled to WebAssembly.
#[derive(Clone, Debug)]
pub struct WasiFiles {
    /// The interpreter.
    pub module: PathBuf,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// A folder with the standard library, if that is not within the module; the program sees it as
    /// `/lib` and cannot change it.
    pub library: Option<PathBuf>,
}

/// Which of the machine's Pythons runs under bubblewrap.
#[derive(Clone, Debug, Default)]
pub struct OsChoice {
    /// The interpreter; without it, the first `python3` in `/usr/local/bin`, `/usr/bin` and `/bin`.
    pub python: Option<PathBuf>,
}

/// One kind of sandbox, made ready. Shared by threads, which run programs at the same time.
pub struct Sandbox {}

/// A Python whose variables live on between cells.
///
/// Clock and randomness are fixed, so the same cells on the same folder give the same again: a
/// session is kept as its cells.
pub struct Session {}

impl Sandbox {
    /// A CPython for WASI under Wasmtime, in child processes. Compiles it unless `cache` has it
    /// compiled already. `at_once` children are kept ready; no more than that run at the same time,
    /// whoever asks beyond waits.
    pub fn wasi(
        _files: &WasiFiles,
        _cache: &Path,
        _worker: &Worker,
        _at_once: usize,
    ) -> Result<Self, SandboxError> {
        Err(SandboxError::Ended)
    }

    /// The machine's own Python and its packages, under bubblewrap. Linux only.
    pub fn os(_choice: &OsChoice, _worker: &Worker, _at_once: usize) -> Result<Self, SandboxError> {
        Err(SandboxError::Ended)
    }

    /// Runs one program to its end, or until `stop` is set.
    pub fn run(
        &self,
        _program: &Program<'_>,
        _limits: &Limits,
        _stop: &AtomicBool,
    ) -> Result<Run, SandboxError> {
        Err(SandboxError::Ended)
    }

    /// Starts a session in a folder.
    pub fn session(&self, _folder: &Path) -> Result<Session, SandboxError> {
        Err(SandboxError::Ended)
    }
}

impl Session {
    /// Runs one cell. Its last expression is printed, as in a notebook.
    pub fn run(
        &mut self,
        _cell: &str,
        _limits: &Limits,
        _stop: &AtomicBool,
    ) -> Result<Run, SandboxError> {
        Err(SandboxError::Ended)
    }

    /// Whether another cell can be run.
    pub fn is_alive(&self) -> bool {
        false
    }
}
