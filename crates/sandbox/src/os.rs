//! The machine's own Python under bubblewrap: what is shown to it, and what the system must have.
//!
//! The layers, from outside: bubblewrap makes namespaces (user, mount, process, network, IPC, host
//! name, cgroup), in which there is the system's read-only `/usr` and the interpreter's folder, an
//! empty `/tmp` in memory and the granted folder; within, Landlock allows changes in those two only
//! and no network; then limits on memory, files and processor time; last seccomp, which leaves no call
//! that makes a process or a connection. The order is that of Codex's sandbox for Linux: what needs a
//! right first, what takes it away afterwards.
//!
//! What is needed: bubblewrap 0.5 or newer; a kernel with user namespaces that this user may make,
//! with Landlock (Linux 5.13 or newer, with `landlock` among its security modules) and with seccomp
//! filters. Where one is missing, [`Bubblewrap::find`] says so and nothing is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::SandboxError;
use crate::error::Doing as _;
use crate::sandbox::{OsChoice, Worker};

/// Where a program finds its folder.
pub(crate) const GRANTED: &str = "/work";
/// Where it may leave what is gone at its end.
pub(crate) const TEMPORARY: &str = "/tmp";
/// Where this program lies within.
pub(crate) const SELF: &str = "/run/mynah/worker";

/// How much fits into the temporary folder.
const TEMPORARY_BYTES: u64 = 64 << 20;

/// Parts of the system that programs need to run at all, where there are any.
const SYSTEM: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
];

/// Bubblewrap, and the interpreter that is run under it.
pub(crate) struct Bubblewrap {
    program: PathBuf,
    python: PathBuf,
    /// Files and folders that the interpreter reads besides the system's.
    places: Vec<PathBuf>,
    worker: Worker,
}

impl Bubblewrap {
    /// Finds both, and tries whether the system can hold a program.
    pub(crate) fn find(choice: &OsChoice, worker: &Worker) -> Result<Self, SandboxError> {
        let program = first(&["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"])
            .ok_or_else(|| missing("bubblewrap (`bwrap`), which makes the namespaces"))?;
        let python = match &choice.python {
            Some(python) => python.clone(),
            None => first(&["/usr/local/bin/python3", "/usr/bin/python3", "/bin/python3"])
                .ok_or_else(|| missing("a `python3`"))?,
        };
        let places = places_of(&python)?;
        let found = Self { program, python, places, worker: worker.clone() };
        found.probe()?;
        Ok(found)
    }

    /// Runs nothing in the sandbox, and reads what bubblewrap and the supervisor say about that.
    fn probe(&self) -> Result<(), SandboxError> {
        let mut command = self.command(None);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.output().doing("run", &self.program)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("it says nothing");
        Err(missing(&format!("what bubblewrap needs, user namespaces perhaps: {said}")))
    }

    /// Starts a supervisor with one folder, or with an empty one.
    pub(crate) fn command(&self, folder: Option<&Path>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--unshare-user", "--unshare-all", "--new-session", "--clearenv"]);
        command.args(["--cap-drop", "ALL", "--hostname", "mynah"]);
        // The supervisor is the namespace's first process: with it, everything in there ends, and
        // only then bubblewrap. It ends when this program does, and when bubblewrap is killed.
        command.args(["--as-pid-1", "--die-with-parent"]);
        for (name, value) in [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", TEMPORARY),
            ("LANG", "C.UTF-8"),
            // A library that starts a thread for each core reserves memory for each.
            ("OPENBLAS_NUM_THREADS", "2"),
            ("OMP_NUM_THREADS", "2"),
            ("MPLBACKEND", "Agg"),
        ] {
            command.args(["--setenv", name, value]);
        }
        for place in SYSTEM {
            command.args(["--ro-bind-try", place, place]);
        }
        for place in &self.places {
            command.arg("--ro-bind").arg(place).arg(place);
        }
        command.args(["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]);
        command.args(["--size", &TEMPORARY_BYTES.to_string(), "--tmpfs", TEMPORARY]);
        command.arg("--ro-bind").arg(&self.worker.program).arg(SELF);
        match folder {
            Some(folder) => command.arg("--bind").arg(folder).arg(GRANTED),
            None => command.args(["--size", "4096", "--tmpfs", GRANTED, "--remount-ro", GRANTED]),
        };
        command.args(["--remount-ro", "/", "--chdir", GRANTED, "--", SELF]);
        command.args(&self.worker.arguments).arg("os").args(&self.worker.arguments);
        command.arg("--").arg(&self.python);
        command
    }
}

/// What an interpreter reads of where it is installed, and of the environment that it belongs to.
///
/// Not the whole folder: an interpreter may have been installed into somebody's home.
fn places_of(python: &Path) -> Result<Vec<PathBuf>, SandboxError> {
    const QUESTION: &str =
        "import sys; print(sys.prefix, sys.base_prefix, sys.exec_prefix, sep='\\n')";
    let mut command = Command::new(python);
    command.args(["-I", "-c", QUESTION]).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().doing("run", python)?;
    let answer = String::from_utf8(output.stdout).unwrap_or_default();
    let prefixes: Vec<&Path> = answer.lines().map(Path::new).collect();
    if !output.status.success() || prefixes.len() != 3 {
        let python = python.display();
        return Err(missing(&format!("a Python that says where it lies: {python} does not")));
    }
    let parts = ["bin", "lib", "lib64", "pyvenv.cfg"];
    let mut places: Vec<PathBuf> =
        prefixes.iter().flat_map(|prefix| parts.map(|part| prefix.join(part))).collect();
    // The file itself, by its name and where that leads.
    places.push(python.to_owned());
    places.extend(python.canonicalize());
    places.sort();
    places.dedup();
    let is_systems = |place: &PathBuf| SYSTEM.iter().any(|system| place.starts_with(system));
    places.retain(|place| place.is_absolute() && place.exists() && !is_systems(place));
    Ok(places)
}

fn first(names: &[&str]) -> Option<PathBuf> {
    names.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn missing(what: &str) -> SandboxError {
    SandboxError::Missing { missing: what.to_owned() }
}
