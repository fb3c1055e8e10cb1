//! Runs another program, with a limit on its time and on what it says.
//!
//! Not a sandbox: the program may do whatever the person who runs mynah may do. It is started as it
//! is named, without a shell.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{OptionFault, Options};

/// How much of what a program says is read.
const OUTPUT_LIMIT: u64 = 64 << 10;

/// How often it is asked whether a program has ended, once it says nothing more.
const POLL: Duration = Duration::from_millis(5);

/// A program with its arguments, and how long it may take.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Program {
    /// Its name, then its arguments.
    pub command: Vec<String>,
    /// How long it may take.
    pub limit: Duration,
}

impl Program {
    /// Takes the keys `command` and `seconds`.
    pub(super) fn take(options: &mut Options) -> Result<Self, OptionFault> {
        let wrong = |message: String| OptionFault::new(Some("command"), message);
        let command: Vec<String> = match options.take("command") {
            None => return Err(OptionFault::new(None, "command is missing")),
            Some(serde_json::Value::String(text)) => {
                text.split_whitespace().map(str::to_owned).collect()
            }
            Some(array) => serde_json::from_value(array)
                .map_err(|_| wrong("command must be a text or an array of texts".to_owned()))?,
        };
        if command.first().is_none_or(String::is_empty) {
            return Err(wrong("command names no program".to_owned()));
        }
        let seconds = options.number("seconds")?.unwrap_or(10.0);
        if !(seconds > 0.0 && seconds <= 3600.0) {
            let message = format!("seconds must be more than 0 and at most 3600, not {seconds}");
            return Err(OptionFault::new(Some("seconds"), message));
        }
        Ok(Self { command, limit: Duration::from_secs_f64(seconds) })
    }

    /// What to start, in `folder`.
    ///
    /// A program named by a relative path is looked for in `beside`; one named by a bare word, in
    /// the usual places.
    pub(super) fn start(&self, folder: &Path, beside: &Path) -> Command {
        let program = Path::new(&self.command[0]);
        let is_path = program.components().count() > 1 && program.is_relative();
        let program = if is_path { beside.join(program) } else { program.to_owned() };
        // Relative to a folder that is left, it would no longer be found.
        let program =
            if is_path { std::path::absolute(&program).unwrap_or(program) } else { program };
        let mut command = Command::new(program);
        command.args(&self.command[1..]);
        if !folder.as_os_str().is_empty() {
            command.current_dir(folder);
        }
        command
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// By itself, with success or not, and what it said.
    Exit(ExitStatus, String),
    /// It took too long.
    Late,
    /// It said too much.
    Loud,
}

/// Runs a program to its end, hands it `input`, and reads what it says on both outputs.
///
/// # Errors
/// If it cannot be started.
pub(super) fn run(mut command: Command, input: Vec<u8>, limit: Duration) -> Result<End, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{name} cannot be run: {error}"))?;
    let deadline = Instant::now() + limit;
    let (sender, said) = channel();
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input is free not to. Dropped: the end of the input.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let outputs = [
        child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
        child.stderr.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
    ];
    for output in outputs.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut text = Vec::new();
            // What is not read any more ends in an error for the program, or with its group.
            let _ = output.take(OUTPUT_LIMIT + 1).read_to_end(&mut text);
            let _ = sender.send(text);
        });
    }
    drop(sender);
    let end = wait(&mut child, &said, deadline);
    end_group(&mut child);
    Ok(end)
}

fn wait(child: &mut Child, said: &Receiver<Vec<u8>>, deadline: Instant) -> End {
    let mut text = Vec::new();
    loop {
        match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(more) if more.len() as u64 > OUTPUT_LIMIT => return End::Loud,
            Ok(more) => text.extend(more),
            Err(RecvTimeoutError::Timeout) => return End::Late,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                return End::Exit(status, String::from_utf8_lossy(&text).into_owned());
            }
            _ if Instant::now() >= deadline => return End::Late,
            _ => thread::sleep(POLL),
        }
    }
}

/// Ends a program and what it started.
fn end_group(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Why a program counts as failed; none if it passed.
pub(super) fn fault(end: &End, limit: Duration) -> Option<String> {
    match end {
        End::Exit(status, _) if status.success() => None,
        End::Exit(status, said) => {
            let line = said.lines().rev().find(|line| !line.trim().is_empty());
            let ending = match status.code() {
                Some(code) => format!("exit code {code}"),
                None => "ended by a signal".to_owned(),
            };
            Some(match line {
                Some(line) => super::shorten(&format!("{ending}: {}", line.trim())),
                None => ending,
            })
        }
        End::Late => Some(format!("it took longer than {} s", limit.as_secs_f64())),
        End::Loud => Some(format!("it said more than {} KiB", OUTPUT_LIMIT >> 10)),
    }
}
