//! The machine's Python, watched from within the namespaces that bubblewrap made.
//!
//! Three processes of this program stand one within the other. Outside, the host starts bubblewrap.
//! Inside, [`supervise`] is Python's parent: it speaks with the host as the other kind of child does,
//! and ends Python when a bound is reached. Between them [`become_python`] gives up the system calls,
//! which its parent still needs, and turns into Python.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process, prlimit, waitid,
};

use super::guest::{exit, verdict_of_word};
use super::{Arguments, bootstrap, lockdown};
use crate::frame::{self, Cell, LARGEST_CELL_BYTES, Reply};
use crate::os::{GRANTED, SELF, TEMPORARY};
use crate::{Limits, Verdict};

/// How the bootstrap opens what speaks with its supervisor: standard input, which it then replaces.
const CONTROL: &str = r#"os.fdopen(os.dup(0), "r+b", buffering=0)"#;

/// How often the folder's size is looked at, and whether Python still lives.
const LOOK: Duration = Duration::from_millis(100);

/// How long Python may take to become ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most files that a program may make.
const MOST_MADE: u64 = 1024;

/// The most threads that a program may have.
const MOST_THREADS: u64 = 64;

/// What Python maps of its own and shares with others, beside what it allocates.
const MAPPED_BYTES: u64 = 1 << 30;

/// Runs cells as they come. `arguments`: how this program is called as a worker, `--`, the interpreter.
pub(super) fn supervise(arguments: &[OsString]) -> Result<(), String> {
    let (worker, python) = split(arguments)?;
    lockdown::first()?;
    lockdown::tree(Path::new(GRANTED), Path::new(TEMPORARY))
        .inspect_err(|reason| drop(writeln!(io::stderr(), "{reason}")))?;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|error| format!("no pair of sockets: {error}"))?;
    let mut process = Command::new(SELF)
        .args(worker)
        .arg("os-python")
        .args(python)
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("Python does not start: {error}"))?;
    let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) else {
        return Err("Python has no pipes".into());
    };
    let mut supervisor = Supervisor {
        process,
        control: ours,
        stdout,
        stderr,
        to_send: Vec::new(),
        sent: 0,
        widest: None,
    };
    supervisor.wait_ready()?;
    tell(&Reply::Ready)?;
    let mut stdin = io::stdin().lock();
    while let Ok(Some(bytes)) = frame::receive(&mut stdin, LARGEST_CELL_BYTES) {
        let cell = Cell::from_frame(&bytes).ok_or("the host sent no cell")?;
        let (reply, lives) = supervisor.run(&cell);
        // What a program started in the background ends before its end is told.
        if !lives {
            supervisor.end();
        }
        tell(&reply)?;
        if !lives {
            break;
        }
    }
    supervisor.end();
    Ok(())
}

fn tell(reply: &Reply) -> Result<(), String> {
    frame::send(&mut io::stdout(), &reply.to_frame()).map_err(|error| error.to_string())
}

/// The words before and after `--`.
fn split(arguments: &[OsString]) -> Result<(&[OsString], &[OsString]), String> {
    let at = arguments.iter().position(|word| word == "--").ok_or("an argument is missing")?;
    Ok((&arguments[..at], &arguments[at + 1..]))
}

/// Gives up system calls and turns into Python. `arguments`: the interpreter.
pub(super) fn become_python(arguments: &[OsString]) -> Result<(), String> {
    let python = Arguments::new(arguments).path()?;
    lockdown::python_calls()?;
    let script = bootstrap(CONTROL, true);
    let error = Command::new(&python).args(["-I", "-B", "-u", "-c", &script]).exec();
    // Standard output is Python's, so this is what its supervisor reads as an error.
    let _ = writeln!(io::stderr(), "{} cannot be run: {error}", python.display());
    std::process::exit(127);
}

/// Python, and the ways to it.
struct Supervisor {
    process: Child,
    control: OwnedFd,
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// A cell as it is handed over, and how much of it was.
    to_send: Vec<u8>,
    sent: usize,
    /// The bounds of the first cell, beyond which those of later ones cannot go.
    widest: Option<Limits>,
}

/// What a cell has printed, and the word for its end.
#[derive(Default)]
struct Heard {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    word: Vec<u8>,
}

/// What there was to hear when one looked.
enum More {
    Nothing,
    Something,
    Closed,
    TooMuch,
}

impl Supervisor {
    /// Waits until Python says that it is ready.
    fn wait_ready(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        let mut heard = Heard::default();
        let limits = Limits::default();
        while heard.word.is_empty() {
            let is_alone = self.wait(LOOK);
            let more = self.listen(&mut heard, &limits);
            if is_alone || begin.elapsed() > PATIENCE || matches!(more, More::Closed) {
                let said = String::from_utf8_lossy(&heard.stderr);
                return Err(format!("Python does not become ready: {}", said.trim()));
            }
        }
        Ok(())
    }

    fn run(&mut self, cell: &Cell) -> (Reply, bool) {
        let mut heard = Heard::default();
        let verdict = match self.begin(cell) {
            Ok(()) => self.watch(cell, &mut heard),
            Err(reason) => Verdict::Killed(reason),
        };
        let lives = cell.lives_on && !heard.word.is_empty() && verdict != Verdict::TooMuchWritten;
        if lives {
            // Nothing goes on between cells: neither a thread nor a program that forged its end.
            self.signal(Signal::STOP);
            // It has stopped when all of its threads have; the end of it is left to be found.
            let ends = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = waitid(WaitId::Pid(Pid::from_child(&self.process)), ends);
        }
        let Heard { stdout, stderr, .. } = heard;
        (Reply::Done { verdict, stdout, stderr, lives }, lives)
    }

    /// Sets the cell's bounds and hands it over.
    fn begin(&mut self, cell: &Cell) -> Result<(), String> {
        let widest = *self.widest.get_or_insert(cell.limits);
        bound(&self.process, &cell.limits, &widest)
            .map_err(|error| format!("its bounds cannot be set: {error}"))?;
        let (source, stdin) = (cell.source.as_bytes(), &cell.stdin);
        let head = format!("{} {} {}\n", u8::from(cell.lives_on), source.len(), stdin.len());
        self.to_send = [head.as_bytes(), source, stdin].concat();
        self.sent = 0;
        self.signal(Signal::CONT);
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // A process that is gone is found out by listening.
        let _ = kill_process(Pid::from_child(&self.process), signal);
    }

    /// Hands over as much as Python takes; one that reads nothing holds nobody up.
    fn send(&mut self) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        while self.sent < self.to_send.len() {
            match send(&self.control, &self.to_send[self.sent..], flags) {
                Ok(count) => self.sent += count,
                // Full, or closed, which is heard.
                Err(_) => return,
            }
        }
    }

    /// Watches until the cell's end, or until a bound is reached.
    fn watch(&mut self, cell: &Cell, heard: &mut Heard) -> Verdict {
        let limits = &cell.limits;
        let seconds = limits.seconds.clamp(0.0, 1e9);
        let deadline = Instant::now() + Duration::from_secs_f64(seconds);
        let before = usage(Path::new(GRANTED));
        let mut looked = Instant::now();
        loop {
            let now = Instant::now();
            if now >= deadline {
                return Verdict::OutOfTime;
            }
            if now.duration_since(looked) >= LOOK {
                looked = now;
                if has_grown(before, limits) {
                    return Verdict::TooMuchWritten;
                }
            }
            self.send();
            if self.wait(LOOK.min(deadline - now)) {
                // The host closed its side: nobody is left to be told.
                std::process::exit(0);
            }
            let verdict = match self.listen(heard, limits) {
                More::TooMuch => Verdict::TooMuchOutput,
                More::Closed => self.verdict_of_end(),
                More::Nothing | More::Something if heard.word.is_empty() => continue,
                More::Nothing | More::Something => verdict_of_word(&heard.word),
            };
            let wrote_too_much = verdict != Verdict::TooMuchOutput && has_grown(before, limits);
            return if wrote_too_much { Verdict::TooMuchWritten } else { verdict };
        }
    }

    /// Waits until there is something to hear; whether the host is gone.
    fn wait(&self, patience: Duration) -> bool {
        let stdin = io::stdin();
        let of_control = if self.sent < self.to_send.len() {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        let mut all = [
            PollFd::from_borrowed_fd(self.control.as_fd(), of_control),
            PollFd::from_borrowed_fd(self.stdout.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.stderr.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::empty()),
        ];
        let patience = Timespec { tv_sec: 0, tv_nsec: patience.as_nanos() as _ };
        // An interrupted wait is one that ends early.
        let _ = poll(&mut all, Some(&patience));
        all[3].revents().contains(PollFlags::HUP)
    }

    /// Hears what there is: first whether the cell is over, then all that was printed until then.
    fn listen(&mut self, heard: &mut Heard, limits: &Limits) -> More {
        let end = hear(&self.control, &mut heard.word, 64);
        let room = limits.output_bytes;
        loop {
            let out = hear(&self.stdout, &mut heard.stdout, room.saturating_add(1));
            let err = hear(&self.stderr, &mut heard.stderr, room.saturating_add(1));
            if heard.stdout.len() + heard.stderr.len() > room {
                let kept = heard.stdout.len().min(room);
                heard.stdout.truncate(kept);
                heard.stderr.truncate(room - kept);
                heard.word.clear();
                return More::TooMuch;
            }
            if !matches!(out, More::Something) && !matches!(err, More::Something) {
                return end;
            }
        }
    }

    fn verdict_of_end(&mut self) -> Verdict {
        use std::os::unix::process::ExitStatusExt as _;
        match self.process.wait() {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => exit(code),
                (None, Some(signal)) if signal == libc::SIGXCPU => Verdict::OutOfTime,
                (None, Some(signal)) if signal == libc::SIGXFSZ => Verdict::TooMuchWritten,
                _ => Verdict::Killed(format!("the interpreter broke down: {status}")),
            },
            Err(error) => Verdict::Killed(format!("the interpreter is gone: {error}")),
        }
    }

    fn end(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads what a descriptor has at the moment, until there are `most` bytes.
fn hear(from: &impl AsFd, into: &mut Vec<u8>, most: usize) -> More {
    let mut all = [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)];
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let room = most.saturating_sub(into.len()).min(1 << 16);
    if room == 0 || poll(&mut all, Some(&none)).unwrap_or(0) == 0 {
        return More::Nothing;
    }
    let Ok(own) = from.as_fd().try_clone_to_owned() else { return More::Closed };
    let mut buffer = vec![0; room];
    match std::fs::File::from(own).read(&mut buffer) {
        Ok(count) if count > 0 => {
            into.extend_from_slice(&buffer[..count]);
            More::Something
        }
        Ok(_) | Err(_) => More::Closed,
    }
}

/// Bounds what Python may take, from outside and for good: it cannot raise its bounds itself.
fn bound(process: &Child, limits: &Limits, widest: &Limits) -> rustix::io::Result<()> {
    let pid = Pid::from_child(process);
    let at_most = |resource, bound: u64, at_last: Option<u64>| {
        let rlimit = Rlimit { current: Some(bound), maximum: at_last };
        prlimit(Some(pid), resource, rlimit).map(drop)
    };
    let memory = |limits: &Limits| limits.memory_bytes;
    let mapped = |limits: &Limits| limits.memory_bytes.saturating_add(MAPPED_BYTES);
    let file = |limits: &Limits| limits.file_bytes;
    for (resource, bound) in [
        (Resource::Data, &memory as &dyn Fn(&Limits) -> u64),
        (Resource::As, &mapped),
        (Resource::Fsize, &file),
    ] {
        at_most(resource, bound(limits).min(bound(widest)), Some(bound(widest)))?;
    }
    at_most(Resource::Nproc, MOST_THREADS, Some(MOST_THREADS))?;
    // Several threads use up several seconds in one. The deadline holds without this.
    let seconds = limits.seconds.clamp(0.0, 1e9) as u64 + 1;
    let used = used_seconds(process).unwrap_or(0);
    at_most(Resource::Cpu, used + MOST_THREADS * seconds, None)
}

/// How many seconds of the processor Python has had.
fn used_seconds(process: &Child) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).ok()?;
    // After the name, which is in brackets: user time is the twelfth field, system time the next.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks / rustix::param::clock_ticks_per_second())
}

/// How many bytes and files there are in a folder; links are not followed.
fn usage(folder: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let (mut bytes, mut files) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What vanishes while it is counted need not be.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.blocks() * 512;
            files += 1;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    (bytes, files)
}

fn has_grown(before: (u64, u64), limits: &Limits) -> bool {
    let now = usage(Path::new(GRANTED));
    now.0.saturating_sub(before.0) > limits.file_bytes || now.1.saturating_sub(before.1) > MOST_MADE
}
