//! What is run, within which limits, and what became of it.

use std::path::Path;

/// The text of one program, and what it is given.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The program's text, in Python.
    pub source: &'a str,
    /// What it reads from standard input.
    pub stdin: &'a [u8],
    /// The one folder that it may read and change, where it starts: `/work` to the program. Without
    /// one it finds an empty folder in which nothing can be made.
    pub folder: Option<&'a Path>,
}

impl<'a> Program<'a> {
    /// A program that is given nothing.
    pub fn new(source: &'a str) -> Self {
        Self { source, stdin: &[], folder: None }
    }
}

/// How much a program may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How long it may run, in seconds of the wall clock.
    pub seconds: f64,
    /// How much memory it may hold, interpreter included.
    pub memory_bytes: u64,
    /// How much it may print, standard output and standard error together.
    pub output_bytes: usize,
    /// How much it may write to files, all together.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seconds: 10.0,
            memory_bytes: 512 << 20,
            output_bytes: 64 << 10,
            file_bytes: 64 << 20,
        }
    }
}

/// What became of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// How it ended.
    pub verdict: Verdict,
    /// What it printed, as text: what is no UTF-8 is replaced.
    pub stdout: String,
    /// What it wrote to standard error; the traceback of an exception is its end.
    pub stderr: String,
    /// How long it ran, in seconds: from when it was handed over until its end was known.
    pub seconds: f64,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It came to its end.
    Finished,
    /// An exception ended it, or it asked for an exit code other than 0.
    Failed {
        /// The exit code; 1 for an exception, whose traceback is the end of standard error.
        code: i32,
    },
    /// It ran longer than [`Limits::seconds`].
    OutOfTime,
    /// It wanted more than [`Limits::memory_bytes`] and did not get over being refused.
    OutOfMemory,
    /// It printed more than [`Limits::output_bytes`]; what came before that is there.
    TooMuchOutput,
    /// It wrote more to files than [`Limits::file_bytes`], or made too many of them.
    TooMuchWritten,
    /// Its calls were nested deeper than the interpreter's stack.
    TooDeep,
    /// The person stopped it.
    Stopped,
    /// Something else ended it, in words.
    Killed(String),
}

impl Verdict {
    /// Whether the program came to its end.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Finished)
    }

    /// A sentence for whoever wrote the program, a person or not.
    pub fn sentence(&self, limits: &Limits) -> String {
        match self {
            Self::Finished => "The program finished.".into(),
            Self::Failed { code: 1 } => "The program failed.".into(),
            Self::Failed { code } => format!("The program ended with exit code {code}."),
            Self::OutOfTime => {
                format!("The program was stopped: it ran longer than {} s.", limits.seconds)
            }
            Self::OutOfMemory => format!(
                "The program was stopped: it needed more than {} of memory.",
                size(limits.memory_bytes)
            ),
            Self::TooMuchOutput => format!(
                "The program was stopped: it printed more than {}.",
                size(limits.output_bytes as u64)
            ),
            Self::TooMuchWritten => format!(
                "The program was stopped: it wrote more than {} to files, or made too many of them.",
                size(limits.file_bytes)
            ),
            Self::TooDeep => {
                "The program was stopped: its calls were nested deeper than the stack.".into()
            }
            Self::Stopped => "The program was stopped by the person.".into(),
            Self::Killed(reason) => format!("The program was ended: {reason}."),
        }
    }
}

/// A number of bytes in the largest unit that it is a whole number of.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_a_sentence_with_its_limit() {
        let limits = Limits::default();
        for (verdict, expected) in [
            (Verdict::Finished, "The program finished."),
            (Verdict::Failed { code: 1 }, "The program failed."),
            (Verdict::Failed { code: 3 }, "The program ended with exit code 3."),
            (Verdict::OutOfTime, "The program was stopped: it ran longer than 10 s."),
            (
                Verdict::OutOfMemory,
                "The program was stopped: it needed more than 512 MiB of memory.",
            ),
            (Verdict::TooMuchOutput, "The program was stopped: it printed more than 64 KiB."),
            (Verdict::Killed("a reason".into()), "The program was ended: a reason."),
        ] {
            assert_eq!(verdict.sentence(&limits), expected);
        }
        assert_eq!(size(1000), "1000 bytes");
        assert_eq!(size(3 << 30), "3 GiB");
    }
}
