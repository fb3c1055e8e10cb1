//! A child process, seen from the host: started, spoken to, and ended in any case.

use std::io::BufReader;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::frame::{self, Cell, Reply};
use crate::{Run, SandboxError, Verdict};

/// How often a waiting host looks whether it is still to wait.
const LOOK: Duration = Duration::from_millis(10);

/// How long after its deadline a child may take to say so itself.
const GRACE: Duration = Duration::from_millis(500);

/// How long a child may take to become ready.
const START: Duration = Duration::from_mins(1);

/// What a reply takes besides what was printed.
const REPLY_BYTES: usize = 64 << 10;

/// A child that runs one cell after another; its end is the end of everything in it.
pub(crate) struct Child {
    process: std::process::Child,
    /// To the thread that writes; a child that does not read holds nobody up. `None` closes the
    /// child's standard input.
    frames: Option<Sender<Vec<u8>>>,
    /// From the thread that reads; closed when the child says no more, or nonsense.
    replies: Receiver<Reply>,
    /// The largest reply that is read.
    largest: Arc<AtomicUsize>,
    is_ready: bool,
}

impl Child {
    /// Starts a child; it becomes ready by itself.
    pub(crate) fn start(mut command: Command) -> Result<Self, SandboxError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).env_clear();
        // What the terminal sends to this program's group is not for the child.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let unable = |error: std::io::Error| SandboxError::Start { reason: error.to_string() };
        let mut process = spawn(command).map_err(unable)?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(SandboxError::Start { reason: "it has no pipes".into() });
        };
        let largest = Arc::new(AtomicUsize::new(REPLY_BYTES));
        let (frames, to_write) = mpsc::channel();
        let (heard, replies) = mpsc::channel();
        let bound = Arc::clone(&largest);
        thread::spawn(move || write(stdin, &to_write));
        thread::spawn(move || read(stdout, &bound, &heard));
        Ok(Self { process, frames: Some(frames), replies, largest, is_ready: false })
    }

    /// Waits until the child is ready.
    pub(crate) fn wait_ready(&mut self, stop: &AtomicBool) -> Result<(), SandboxError> {
        if self.is_ready {
            return Ok(());
        }
        let reason = match self.hear(START, stop) {
            Heard::Reply(Reply::Ready) => {
                self.is_ready = true;
                return Ok(());
            }
            Heard::Reply(
                Reply::Unable(reason) | Reply::Done { verdict: Verdict::Killed(reason), .. },
            ) => reason,
            Heard::Reply(Reply::Done { stderr, .. }) => String::from_utf8_lossy(&stderr).into(),
            Heard::Stop => "it was stopped".into(),
            Heard::TooLate => "it does not become ready".into(),
            Heard::Nothing => format!("it ended by itself: {}", in_words(self.end())),
        };
        Err(SandboxError::Start { reason })
    }

    /// Runs one cell, and says whether another may follow. Afterwards the child waits or is ended.
    pub(crate) fn run(&mut self, cell: &Cell, stop: &AtomicBool) -> (Run, bool) {
        let begin = Instant::now();
        self.largest.store(cell.limits.output_bytes.saturating_add(REPLY_BYTES), Ordering::Relaxed);
        // If the child is gone, that is heard below.
        let _ = self.frames.as_ref().map(|frames| frames.send(cell.to_frame()));
        let seconds = cell.limits.seconds.clamp(0.0, 1e9);
        let heard = self.hear(Duration::from_secs_f64(seconds) + GRACE, stop);
        let (verdict, stdout, stderr, lives) = match heard {
            Heard::Reply(Reply::Done { verdict, stdout, stderr, lives }) => {
                (verdict, stdout, stderr, lives)
            }
            Heard::Reply(_) => (nonsense(), Vec::new(), Vec::new(), false),
            Heard::Stop => (Verdict::Stopped, Vec::new(), Vec::new(), false),
            Heard::TooLate => (Verdict::OutOfTime, Vec::new(), Vec::new(), false),
            Heard::Nothing => (self.verdict_of_end(), Vec::new(), Vec::new(), false),
        };
        if !lives {
            self.end();
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (text(stdout), text(stderr));
        (Run { verdict, stdout, stderr, seconds: begin.elapsed().as_secs_f64() }, lives)
    }

    fn hear(&mut self, patience: Duration, stop: &AtomicBool) -> Heard {
        let deadline = Instant::now() + patience;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Heard::Stop;
            }
            match self.replies.recv_timeout(LOOK) {
                Ok(reply) => return Heard::Reply(reply),
                Err(RecvTimeoutError::Disconnected) => return Heard::Nothing,
                Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => {
                    return Heard::TooLate;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What the end of a child means that said nothing.
    fn verdict_of_end(&mut self) -> Verdict {
        match self.process.try_wait() {
            // It closed its output, or wrote what nobody can read, and goes on.
            Ok(None) | Err(_) => nonsense(),
            Ok(Some(status)) if was_for_time(status) => Verdict::OutOfTime,
            Ok(Some(status)) => {
                Verdict::Killed(format!("its process ended: {}", in_words(Some(status))))
            }
        }
    }

    /// Ends the child, whatever it does, and everything in it.
    ///
    /// A child ends by itself when its standard input is closed, and only then has bubblewrap seen
    /// the end of all processes in its namespace. One that does not is killed.
    fn end(&mut self) -> Option<ExitStatus> {
        self.frames = None;
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            // Closed when the child's output is: most of its end, and a way to wait for it.
            match self.replies.recv_timeout(Duration::from_millis(1)) {
                Err(RecvTimeoutError::Disconnected) => thread::yield_now(),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let _ = self.process.kill();
        self.process.wait().ok()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

enum Heard {
    Reply(Reply),
    Stop,
    TooLate,
    Nothing,
}

fn nonsense() -> Verdict {
    Verdict::Killed("its process said something that makes no sense".into())
}

#[cfg(unix)]
fn was_for_time(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(rustix::process::Signal::XCPU.as_raw())
}

#[cfg(not(unix))]
fn was_for_time(_: ExitStatus) -> bool {
    false
}

fn in_words(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "nobody knows how".into(), |status| status.to_string())
}

type Spawned = std::io::Result<std::process::Child>;

/// Starts a process from a thread that lives as long as this program: what ends with its parent ends
/// with the thread that started it.
fn spawn(command: Command) -> Spawned {
    static TO_SPAWNER: OnceLock<Sender<(Command, Sender<Spawned>)>> = OnceLock::new();
    let to_spawner = TO_SPAWNER.get_or_init(|| {
        let (to_spawner, commands) = mpsc::channel::<(Command, Sender<Spawned>)>();
        thread::spawn(move || {
            for (mut command, reply) in commands {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(command.spawn());
            }
        });
        to_spawner
    });
    let (reply, spawned) = mpsc::channel();
    let gone = || std::io::Error::other("no thread starts processes");
    to_spawner.send((command, reply)).map_err(|_| gone())?;
    spawned.recv().unwrap_or_else(|_| Err(gone()))
}

fn write(mut stdin: ChildStdin, frames: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = frames.recv() {
        if frame::send(&mut stdin, &bytes).is_err() {
            return;
        }
    }
}

fn read(stdout: ChildStdout, largest: &AtomicUsize, heard: &Sender<Reply>) {
    let mut stdout = BufReader::new(stdout);
    // The bound is read when a frame begins, which is after the cell was sent.
    while let Ok(Some(bytes)) = frame::receive_within(&mut stdout, largest) {
        let Some(reply) = Reply::from_frame(&bytes) else { return };
        if heard.send(reply).is_err() {
            return;
        }
    }
}
