//! Tries a program out: in a fresh folder with the given files, after the cells of a session.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::harness::{PARSES, TESTS_FAILED, Tested};
use crate::probe;
use crate::{Ending, Interpreter, InterpreterError, Program, Run};

/// How many files, and how deep, a program's folder is looked through.
const MOST_FILES: usize = 1000;
const DEEPEST: usize = 8;

/// A file that programs are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it is called in the folder.
    pub name: String,
    /// Where it is now.
    pub path: PathBuf,
    /// Before which cell it was given.
    pub before: usize,
}

/// A cell that worked, as it is run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its text.
    pub source: String,
    /// What it printed, which it must print again.
    pub stdout: String,
}

/// Where programs are tried out.
pub struct Ground<'a> {
    /// What runs them.
    pub interpreter: &'a dyn Interpreter,
    /// The folder that their folders are made in.
    pub scratch: &'a Path,
    /// What they are given.
    pub given: &'a [Given],
    /// What ran before them and left its variables.
    pub cells: &'a [Cell],
    /// Whether variables live on: a program is a cell then, even the first.
    pub in_session: bool,
    /// What they are held against.
    pub tests: Option<&'a str>,
    /// Functions that are called on generated inputs to compare candidates; none where one program
    /// is enough.
    pub functions: &'a [String],
}

/// A file that a program made or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Its path in the program's folder, with `/` between the parts.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, in hex.
    pub sha256: String,
}

/// What a program turned out to do.
#[derive(Clone, Debug)]
pub struct Trial {
    /// How it ran; what the harness printed is taken out.
    pub run: Run,
    /// How far it came.
    pub standing: Standing,
    /// The files it made or changed, by name.
    pub made: Vec<Made>,
    /// What its functions do on generated inputs, if that was looked at and they do something.
    pub behaviour: Option<String>,
    /// Its folder, which lives as long as this.
    pub folder: Arc<TempDir>,
}

/// How far a program came, the farther the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// There was none in the answer.
    NoProgram,
    /// It ended with an error, or broke a limit.
    Failed,
    /// It ran to its end, and printed and made nothing.
    Silent,
    /// It ran to its end, and a test failed.
    TestsFailed,
    /// It did what was asked for, as far as that can be seen.
    Works,
}

impl Trial {
    /// What went wrong, in a line: the limit that it broke, or the last line of its error.
    pub fn said(&self) -> &str {
        match &self.run.ending {
            Ending::Limit(sentence) => sentence,
            Ending::Stopped => "it was stopped",
            Ending::Finished | Ending::Failed { .. } => last_line(&self.run.stderr),
        }
    }
}

/// Why a program could not be tried out.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// A file could not be read or written.
    #[error("{doing} {path}: {error}", path = path.display())]
    File {
        /// What was done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The interpreter failed.
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    /// A cell of a session did something else than when it was kept.
    #[error("cell {cell} of the session no longer does what it did: {reason}")]
    Drifted {
        /// Which, from 1.
        cell: usize,
        /// What it did.
        reason: String,
    },
}

impl Ground<'_> {
    /// Runs a program, with the tests if there are any.
    ///
    /// # Errors
    /// If it could not be run, which is no fault of the program.
    pub fn try_out(&self, source: &str, stop: &AtomicBool) -> Result<Trial, GroundError> {
        let folder = self.folder()?;
        let tested = self.tests.map(|tests| Tested::new(source, tests));
        let text = tested.as_ref().map_or(source, |tested| tested.source.as_str());
        let (before, run) = if self.in_session {
            self.run_cell(text, folder.path(), stop)?
        } else {
            self.give(.., folder.path())?;
            let before = contents(folder.path());
            let program = Program { source: text, stdin: b"", folder: folder.path() };
            (before, self.interpreter.run(&program, stop)?)
        };
        let made: Vec<Made> = contents(folder.path())
            .into_iter()
            .filter(|(name, (_, sum))| before.get(name).is_none_or(|(_, old)| old != sum))
            .map(|(name, (bytes, sha256))| Made { name, bytes, sha256 })
            .collect();
        let (run, standing) = judge(run, tested.as_ref(), &made);
        let mut trial = Trial { run, standing, made, behaviour: None, folder: Arc::new(folder) };
        self.probe(source, &mut trial, stop)?;
        Ok(trial)
    }

    /// Looks what the functions of a program do that ran to its end. Doing something counts as
    /// printing does.
    fn probe(&self, source: &str, trial: &mut Trial, stop: &AtomicBool) -> Result<(), GroundError> {
        let ran = matches!(trial.standing, Standing::Silent | Standing::Works);
        if !ran || self.tests.is_some() || self.in_session || self.functions.is_empty() {
            return Ok(());
        }
        let folder = self.folder()?;
        self.give(.., folder.path())?;
        let text = probe::source(source, self.functions);
        let program = Program { source: &text, stdin: b"", folder: folder.path() };
        let run = self.interpreter.run(&program, stop)?;
        trial.behaviour = probe::report(&run.stdout);
        if trial.behaviour.is_some() {
            trial.standing = Standing::Works;
        }
        Ok(())
    }

    fn folder(&self) -> Result<TempDir, GroundError> {
        tempfile::Builder::new()
            .prefix("code-")
            .tempdir_in(self.scratch)
            .map_err(file("cannot make a folder in", self.scratch))
    }

    /// Whether a text is a program: whole answers without a fence are looked at.
    ///
    /// # Errors
    /// If that could not be found out.
    pub fn parses(&self, text: &str, stop: &AtomicBool) -> Result<bool, GroundError> {
        let folder = self.folder()?;
        let program = Program { source: PARSES, stdin: text.as_bytes(), folder: folder.path() };
        Ok(self.interpreter.run(&program, stop)?.ending == Ending::Finished)
    }

    /// Runs the cells of the session again, and then one more. What was in the folder before it, and
    /// how it ran.
    fn run_cell(
        &self,
        cell: &str,
        folder: &Path,
        stop: &AtomicBool,
    ) -> Result<(Contents, Run), GroundError> {
        let mut python = self.interpreter.cells(folder)?;
        for (i, kept) in self.cells.iter().enumerate() {
            self.give(i..=i, folder)?;
            let run = python.run(&kept.source, stop)?;
            let drifted = |reason: String| GroundError::Drifted { cell: i + 1, reason };
            match run.ending {
                Ending::Finished if run.stdout == kept.stdout => {}
                Ending::Stopped => return Ok((Contents::new(), run)),
                Ending::Finished => return Err(drifted("it prints something else".to_owned())),
                Ending::Limit(sentence) => return Err(drifted(sentence)),
                Ending::Failed { .. } => return Err(drifted(last_line(&run.stderr).to_owned())),
            }
        }
        self.give(self.cells.len().., folder)?;
        let before = contents(folder);
        let run = python.run(cell, stop)?;
        Ok((before, run))
    }

    /// Copies what is given before these cells into a folder.
    fn give(
        &self,
        cells: impl std::ops::RangeBounds<usize>,
        folder: &Path,
    ) -> Result<(), GroundError> {
        for given in self.given.iter().filter(|given| cells.contains(&given.before)) {
            fs::copy(&given.path, folder.join(&given.name))
                .map_err(file("cannot copy", &given.path))?;
        }
        Ok(())
    }
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GroundError {
    let path = path.to_owned();
    move |error| GroundError::File { doing, path, error }
}

/// How far a program came, and how it ran without what the harness said.
fn judge(mut run: Run, tested: Option<&Tested>, made: &[Made]) -> (Run, Standing) {
    let passed = tested.is_none_or(|tested| {
        let (passed, stdout) = tested.read(&run.stdout);
        run.stdout = stdout;
        passed
    });
    let standing = match &run.ending {
        Ending::Finished if tested.is_some() && passed => Standing::Works,
        Ending::Finished if tested.is_some() => {
            run.stderr.push_str("The program ended before the tests were through.\n");
            Standing::Failed
        }
        Ending::Finished if run.stdout.trim().is_empty() && made.is_empty() => Standing::Silent,
        Ending::Finished => Standing::Works,
        Ending::Failed { code: TESTS_FAILED } if tested.is_some() => Standing::TestsFailed,
        Ending::Failed { .. } | Ending::Limit(_) | Ending::Stopped => Standing::Failed,
    };
    (run, standing)
}

/// The last line of a text that says anything.
pub fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// Size and checksum of files, by their names.
type Contents = BTreeMap<String, (u64, String)>;

/// What is in a folder. Links are not followed: a program may have made them.
fn contents(folder: &Path) -> Contents {
    let mut contents = Contents::new();
    look(folder, "", 0, &mut contents);
    contents
}

fn look(folder: &Path, prefix: &str, depth: usize, contents: &mut Contents) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
            continue;
        };
        // What Python leaves of what it imports is nothing that anybody made.
        if name == "__pycache__" || contents.len() >= MOST_FILES {
            continue;
        }
        let path = format!("{prefix}{name}");
        if kind.is_dir() && depth < DEEPEST {
            look(&entry.path(), &format!("{path}/"), depth + 1, contents);
        } else if kind.is_file()
            && let Ok((bytes, sum)) = checksum(&entry.path())
        {
            contents.insert(path, (bytes, sum));
        }
    }
}

fn checksum(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let (mut piece, mut bytes) = (vec![0; 64 << 10], 0);
    loop {
        let n = file.read(&mut piece)?;
        if n == 0 {
            let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((bytes, hex));
        }
        hash.update(&piece[..n]);
        bytes += n as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::HostPython;

    fn check(source: &str, tests: Option<&str>, expected: Standing) -> Trial {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("there.csv");
        fs::write(&path, "a,b\n1,2\n").unwrap();
        let given = [Given { name: "data.csv".to_owned(), path, before: 0 }];
        let ground = Ground {
            interpreter: &HostPython,
            scratch: scratch.path(),
            given: &given,
            cells: &[],
            in_session: false,
            tests,
            functions: &[],
        };
        let trial = ground.try_out(source, &false.into()).unwrap();
        assert_eq!(trial.standing, expected, "{source}: {:?}", trial.run);
        trial
    }

    #[test]
    fn a_program_works_if_it_ends_and_shows_something() {
        let trial = check("print(open('data.csv').read())", None, Standing::Works);
        assert_eq!(trial.run.stdout, "a,b\n1,2\n\n");
        assert!(trial.made.is_empty());
        check("x = 1", None, Standing::Silent);
        check("print(1)\n1/0", None, Standing::Failed);
        let trial = check("open('out.txt', 'w').write('x')", None, Standing::Works);
        assert_eq!((trial.made[0].name.as_str(), trial.made[0].bytes), ("out.txt", 1));
        let changing = "open('data.csv', 'a').write('3,4')";
        assert_eq!(check(changing, None, Standing::Works).made[0].name, "data.csv");
    }

    #[test]
    fn tests_decide_if_there_are_any() {
        let trial = check("def f(): return 2", Some("assert f() == 2"), Standing::Works);
        assert_eq!(trial.run.stdout, "");
        check("def f(): return 3", Some("assert f() == 2"), Standing::TestsFailed);
        check("deff", Some("assert f() == 2"), Standing::Failed);
        let ended = check("import os\nos._exit(0)", Some(""), Standing::Failed);
        assert!(ended.run.stderr.contains("before the tests were through"));
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_followed() {
        let source = "import os\nos.symlink('/etc', 'folder')\nos.symlink('/etc/passwd', 'file')";
        assert!(check(source, None, Standing::Silent).made.is_empty());
    }
}
