//! The child: what runs a program, after giving up whatever the program has no need of.

mod guest;
mod lockdown;
#[cfg(target_os = "linux")]
mod os;
mod preview1;
mod wasi;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::frame::{self, Reply};

/// What the interpreter runs: it opens the way to the host by the expression `control`, through which
/// standard input may come too.
fn bootstrap(control: &str, stdin_is_here: bool) -> String {
    let stdin_is_here = if stdin_is_here { "True" } else { "False" };
    include_str!("bootstrap.py")
        .replace("control = CONTROL", &format!("control = {control}"))
        .replace("STDIN_IS_HERE", stdin_is_here)
}

/// The hidden command: runs what the host sends through standard input until that is closed.
///
/// `arguments` are those that a [`crate::Sandbox`] adds to those of [`crate::Worker`].
pub fn main(arguments: &[OsString]) -> ExitCode {
    let outcome = match arguments.split_first() {
        Some((kind, rest)) if kind == "wasi" => wasi::run(rest),
        #[cfg(target_os = "linux")]
        Some((kind, rest)) if kind == "os" => os::supervise(rest),
        #[cfg(target_os = "linux")]
        Some((kind, rest)) if kind == "os-python" => os::become_python(rest),
        _ => Err("this command is only for the program itself".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Nobody may be left to hear it.
            let _ = frame::send(&mut io::stdout(), &Reply::Unable(reason).to_frame());
            ExitCode::FAILURE
        }
    }
}

/// Reads the arguments of one kind of child.
struct Arguments<'a>(std::slice::Iter<'a, OsString>);

impl<'a> Arguments<'a> {
    fn new(arguments: &'a [OsString]) -> Self {
        Self(arguments.iter())
    }

    fn path(&mut self) -> Result<PathBuf, String> {
        self.0.next().map(PathBuf::from).ok_or_else(|| "an argument is missing".to_owned())
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let text = self.0.next().and_then(|text| text.to_str());
        text.ok_or_else(|| "an argument is missing".to_owned())
    }
}
