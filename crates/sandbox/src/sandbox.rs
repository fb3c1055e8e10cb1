//! The sandbox as its users see it, and the children that it keeps ready.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::child::Child;
use crate::compiled::{self, Compiled};
use crate::error::Doing as _;
use crate::frame::Cell;
#[cfg(target_os = "linux")]
use crate::os::Bubblewrap;
use crate::{Limits, Program, Run, SandboxError, Verdict};

/// How a child is started: this program's own file, and the arguments of its hidden command that
/// does nothing but call [`crate::worker`].
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
pub struct Sandbox {
    shared: Arc<Shared>,
}

/// A Python whose variables live on between cells.
///
/// Clock and randomness are fixed, so the same cells on the same folder give the same again: a
/// session is kept as its cells. (With [`Sandbox::os`] they are not.)
pub struct Session {
    child: Option<Child>,
    folder: PathBuf,
}

/// How children of one kind are started.
enum Launch {
    Wasi {
        worker: Worker,
        compiled: Compiled,
        library: Option<PathBuf>,
        cache: PathBuf,
    },
    #[cfg(target_os = "linux")]
    Os(Bubblewrap),
}

struct Shared {
    launch: Launch,
    at_once: usize,
    pool: Mutex<Pool>,
    changed: Condvar,
}

#[derive(Default)]
struct Pool {
    /// Children that wait to be used, once.
    ready: Vec<Child>,
    /// How many programs run.
    running: usize,
    is_over: bool,
}

impl Sandbox {
    /// A CPython for WASI under Wasmtime, in child processes. Compiles it unless `cache` has it
    /// compiled already, which takes some seconds. `at_once` children are kept ready, and no more
    /// programs than that run at the same time: whoever asks beyond waits.
    pub fn wasi(
        files: &WasiFiles,
        cache: &Path,
        worker: &Worker,
        at_once: usize,
    ) -> Result<Self, SandboxError> {
        let compiled = compiled::prepare(files, cache)?;
        let cache = cache.canonicalize().doing("read", cache)?;
        let (worker, library) = (worker.clone(), files.library.clone());
        Self::start(Launch::Wasi { worker, compiled, library, cache }, at_once)
    }

    /// The machine's own Python and its packages, under bubblewrap. Linux only.
    ///
    /// A child is started for each program: a folder can be shown only to one that is still to start.
    /// Refused, with what is missing, on a system that cannot hold a program.
    #[cfg(target_os = "linux")]
    pub fn os(choice: &OsChoice, worker: &Worker, at_once: usize) -> Result<Self, SandboxError> {
        Self::start(Launch::Os(Bubblewrap::find(choice, worker)?), at_once)
    }

    /// The machine's own Python and its packages, which only Linux can hold.
    #[cfg(not(target_os = "linux"))]
    pub fn os(_: &OsChoice, _: &Worker, _at_once: usize) -> Result<Self, SandboxError> {
        Err(SandboxError::Missing { missing: "Linux, of whose kernel this sandbox is made".into() })
    }

    fn start(launch: Launch, at_once: usize) -> Result<Self, SandboxError> {
        // The first child shows whether any can be started.
        let mut first = Child::start(launch.command(None))?;
        first.wait_ready(&AtomicBool::new(false))?;
        let pool = Pool { ready: vec![first], ..Pool::default() };
        let shared = Arc::new(Shared {
            launch,
            at_once: at_once.max(1),
            pool: Mutex::new(pool),
            changed: Condvar::new(),
        });
        let kept = Arc::clone(&shared);
        thread::spawn(move || kept.keep_ready());
        Ok(Self { shared })
    }

    /// Runs one program to its end, or until `stop` is set.
    pub fn run(
        &self,
        program: &Program<'_>,
        limits: &Limits,
        stop: &AtomicBool,
    ) -> Result<Run, SandboxError> {
        let folder = program.folder.map(|folder| self.shared.launch.grant(folder)).transpose()?;
        let stopped = || {
            let (stdout, stderr) = (String::new(), String::new());
            Run { verdict: Verdict::Stopped, stdout, stderr, seconds: 0.0 }
        };
        let Some(_turn) = self.shared.turn(stop) else { return Ok(stopped()) };
        let mut child = self.shared.child(folder.as_deref())?;
        match child.wait_ready(stop) {
            Err(_) if stop.load(Ordering::Relaxed) => return Ok(stopped()),
            ready => ready?,
        }
        let cell = Cell {
            source: program.source.to_owned(),
            stdin: program.stdin.to_vec(),
            folder,
            limits: *limits,
            lives_on: false,
        };
        Ok(child.run(&cell, stop).0)
    }

    /// Starts a session in a folder.
    pub fn session(&self, folder: &Path) -> Result<Session, SandboxError> {
        let folder = self.shared.launch.grant(folder)?;
        let mut child = self.shared.child(Some(&folder))?;
        child.wait_ready(&AtomicBool::new(false))?;
        Ok(Session { child: Some(child), folder })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let mut pool = self.shared.lock();
        pool.is_over = true;
        let ready = std::mem::take(&mut pool.ready);
        drop(pool);
        self.shared.changed.notify_all();
        drop(ready);
    }
}

impl Session {
    /// Runs one cell. Its last expression is printed, as in a notebook.
    ///
    /// # Errors
    /// If the session has ended: a cell broke a limit, or ended the interpreter.
    pub fn run(
        &mut self,
        cell: &str,
        limits: &Limits,
        stop: &AtomicBool,
    ) -> Result<Run, SandboxError> {
        let child = self.child.as_mut().ok_or(SandboxError::Ended)?;
        let cell = Cell {
            source: cell.to_owned(),
            stdin: Vec::new(),
            folder: Some(self.folder.clone()),
            limits: *limits,
            lives_on: true,
        };
        let (run, lives) = child.run(&cell, stop);
        if !lives {
            self.child = None;
        }
        Ok(run)
    }

    /// Whether another cell can be run.
    pub fn is_alive(&self) -> bool {
        self.child.is_some()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        // What a thread did before it panicked is whole: every change is one assignment.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts children as others are taken, until the sandbox is given up.
    fn keep_ready(&self) {
        let mut pool = self.lock();
        while !pool.is_over {
            if pool.ready.len() >= self.at_once {
                pool = self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(pool);
            // Whoever needs a child that cannot be started hears why.
            let Ok(child) = Child::start(self.launch.command(None)) else { return };
            pool = self.lock();
            if !pool.is_over {
                pool.ready.push(child);
            }
        }
    }

    /// Waits until another program may run; `None` if it is no longer wanted.
    fn turn(&self, stop: &AtomicBool) -> Option<Turn<'_>> {
        let mut pool = self.lock();
        while pool.running >= self.at_once {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let wait = self.changed.wait_timeout(pool, Duration::from_millis(10));
            pool = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        pool.running += 1;
        Some(Turn(self))
    }

    /// A child that has run nothing: the one that has waited longest, or a new one.
    fn child(&self, folder: Option<&Path>) -> Result<Child, SandboxError> {
        let mut pool = self.lock();
        if !pool.ready.is_empty() && self.launch.is_for(folder) {
            let child = pool.ready.remove(0);
            drop(pool);
            self.changed.notify_all();
            return Ok(child);
        }
        drop(pool);
        Child::start(self.launch.command(folder))
    }
}

/// One of the programs that run.
struct Turn<'s>(&'s Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.changed.notify_all();
    }
}

impl Launch {
    /// What starts a child.
    fn command(&self, folder: Option<&Path>) -> Command {
        match self {
            #[cfg(target_os = "linux")]
            Self::Os(bubblewrap) => bubblewrap.command(folder),
            Self::Wasi { worker, compiled, library, .. } => {
                let mut command = Command::new(&worker.program);
                command.args(&worker.arguments).arg("wasi").arg(&compiled.path).arg(&compiled.mark);
                command.args(library);
                command
            }
        }
    }

    /// Whether a child that was started without a folder can be used for this one.
    fn is_for(&self, folder: Option<&Path>) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Os(_) => folder.is_none(),
            Self::Wasi { .. } => true,
        }
    }

    /// The whole path of a folder that may be granted.
    fn grant(&self, folder: &Path) -> Result<PathBuf, SandboxError> {
        let whole = folder.canonicalize().doing("read", folder)?;
        let not = |reason| Err(SandboxError::NotGranted { path: folder.to_owned(), reason });
        if !whole.is_dir() {
            return not("it is no folder");
        }
        match self {
            Self::Wasi { cache, .. } if cache.starts_with(&whole) || whole.starts_with(cache) => {
                not("the compiled interpreter lies there")
            }
            #[cfg(target_os = "linux")]
            Self::Os(_) => Ok(whole),
            Self::Wasi { .. } => Ok(whole),
        }
    }
}
