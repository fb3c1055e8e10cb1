//! Conversations whose variables live on.
//!
//! A session is kept as its cells and the files that were given, not as a running Python: programs
//! in the sandbox see a fixed clock and fixed randomness, so running the cells again gives the same
//! variables. Each cell must print what it printed then, or the session is not gone on with. A cell
//! that did not work is not kept, and neither is anything that it did.
//!
//! ```text
//! NAME/session.json      which sandbox, and the turns
//! NAME/given/3/data.csv  what was given before the third turn, counted from 0
//! NAME/lock              locked while somebody goes on with it
//! ```

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mynah_respond::Exchange;
use serde::{Deserialize, Serialize};

use crate::ground::{Cell, Given};
use crate::trim::{SHOWN_BYTES, trimmed};

/// How many of the last turns a model is shown.
const SHOWN_TURNS: usize = 6;
/// The form of `session.json` that this writes and reads.
const VERSION: u32 = 1;

/// What a session's file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// Which sandbox its cells ran in.
    interpreter: String,
    turns: Vec<Turn>,
}

/// A task that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What was asked for.
    pub task: String,
    /// What the model wrote in the end.
    pub answer: String,
    /// The cell that did it.
    pub cell: Cell,
    /// The names of the files that were given with it.
    #[serde(default)]
    pub given: Vec<String>,
}

/// The sessions of a person.
#[derive(Clone, Debug)]
pub struct Sessions {
    folder: PathBuf,
}

/// One of them, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How many turns it has.
    pub turns: usize,
    /// The last task.
    pub last: Option<String>,
    /// Which sandbox its cells run in.
    pub interpreter: String,
    /// When it was last gone on with.
    #[serde(skip)]
    pub at: Option<SystemTime>,
}

/// A session that is gone on with; nobody else can while this lives.
#[derive(Debug)]
pub struct Session {
    folder: PathBuf,
    content: Content,
    _lock: File,
}

/// What is wrong with a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The name cannot be one.
    #[error(
        "{0:?} is no name for a session: 1 to 64 letters, digits, `_`, `-` and `.`, not `.` first"
    )]
    Name(String),
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
    /// The file is not a session's.
    #[error("{path} is no session: {reason}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Its cells ran in another sandbox.
    #[error("the session {name} belongs to the sandbox {kept}, and this is {got}")]
    Interpreter {
        /// The session.
        name: String,
        /// Where its cells ran.
        kept: String,
        /// Where they would run now.
        got: String,
    },
    /// Another process goes on with it.
    #[error("the session {0} is in use by another process")]
    InUse(String),
}

impl Sessions {
    /// Sessions that are kept in this folder; it need not be there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All sessions, by name.
    ///
    /// # Errors
    /// If the folder or one of them cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, SessionError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(file("cannot read", &self.folder)(error)),
        };
        let mut listed = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path().join("session.json");
            let (Ok(name), true) = (entry.file_name().into_string(), path.is_file()) else {
                continue;
            };
            let content = read(&path)?;
            listed.push(Listed {
                name,
                turns: content.turns.len(),
                last: content.turns.last().map(|turn| turn.task.clone()),
                interpreter: content.interpreter,
                at: path.metadata().and_then(|facts| facts.modified()).ok(),
            });
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Goes on with a session, or begins it.
    ///
    /// # Errors
    /// If it cannot be read, is in use, or belongs to another interpreter.
    pub fn open(&self, name: &str, interpreter: &str) -> Result<Session, SessionError> {
        let folder = self.place(name)?;
        fs::create_dir_all(&folder).map_err(file("cannot make", &folder))?;
        let lock = lock(&folder, name)?;
        let path = folder.join("session.json");
        let content = if path.exists() {
            read(&path)?
        } else {
            Content { version: VERSION, interpreter: interpreter.to_owned(), turns: Vec::new() }
        };
        if content.interpreter != interpreter {
            return Err(SessionError::Interpreter {
                name: name.to_owned(),
                kept: content.interpreter,
                got: interpreter.to_owned(),
            });
        }
        Ok(Session { folder, content, _lock: lock })
    }

    /// Ends a session: what was kept of it is removed. Whether there was one.
    ///
    /// # Errors
    /// If it is in use or cannot be removed.
    pub fn end(&self, name: &str) -> Result<bool, SessionError> {
        let folder = self.place(name)?;
        if !folder.is_dir() {
            return Ok(false);
        }
        let _lock = lock(&folder, name)?;
        fs::remove_dir_all(&folder).map_err(file("cannot remove", &folder))?;
        Ok(true)
    }

    fn place(&self, name: &str) -> Result<PathBuf, SessionError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name =
            (1..=64).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.');
        if !is_name {
            return Err(SessionError::Name(name.to_owned()));
        }
        Ok(self.folder.join(name))
    }
}

impl Session {
    /// The cells that ran so far.
    pub fn cells(&self) -> Vec<Cell> {
        self.content.turns.iter().map(|turn| turn.cell.clone()).collect()
    }

    /// The files that were given so far.
    pub fn given(&self) -> Vec<Given> {
        let turns = self.content.turns.iter().enumerate();
        let given = turns.flat_map(|(before, turn)| {
            turn.given.iter().map(move |name| {
                let path = self.given_folder(before).join(name);
                Given { name: name.clone(), path, before }
            })
        });
        given.collect()
    }

    /// What was said so far, as a model is shown it: the last turns.
    pub fn earlier(&self) -> Vec<Exchange> {
        let turns = &self.content.turns;
        let first = turns.len().saturating_sub(SHOWN_TURNS);
        let exchange = |i: usize| Exchange {
            user: self.with_output(i, &turns[i].task),
            answer: turns[i].answer.trim().to_owned(),
        };
        (first..turns.len()).map(exchange).collect()
    }

    /// A task, after what the program before it printed.
    pub fn told(&self, task: &str) -> String {
        self.with_output(self.content.turns.len(), task)
    }

    fn with_output(&self, i: usize, task: &str) -> String {
        match i.checked_sub(1).and_then(|before| self.content.turns.get(before)) {
            Some(before) if !before.cell.stdout.trim().is_empty() => {
                let printed = trimmed(&before.cell.stdout, SHOWN_BYTES / 2);
                format!("That printed:\n```\n{printed}\n```\n\n{task}")
            }
            _ => task.to_owned(),
        }
    }

    /// Keeps a turn, with copies of the files that were given with it. The turn is there whole or
    /// not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&mut self, mut turn: Turn, given: &[Given]) -> Result<(), SessionError> {
        let place = self.content.turns.len();
        let folder = self.given_folder(place);
        if !given.is_empty() {
            fs::create_dir_all(&folder).map_err(file("cannot make", &folder))?;
        }
        turn.given = Vec::new();
        for one in given {
            fs::copy(&one.path, folder.join(&one.name)).map_err(file("cannot copy", &one.path))?;
            turn.given.push(one.name.clone());
        }
        self.content.turns.push(turn);
        self.write().inspect_err(|_| {
            self.content.turns.truncate(place);
        })
    }

    fn write(&self) -> Result<(), SessionError> {
        let path = self.folder.join("session.json");
        let write = || {
            let mut new = tempfile::NamedTempFile::new_in(&self.folder)?;
            serde_json::to_writer_pretty(&mut new, &self.content)?;
            new.write_all(b"\n")?;
            new.as_file().sync_all()?;
            new.persist(&path)?;
            Ok(())
        };
        write().map_err(file("cannot write", &path))
    }

    fn given_folder(&self, turn: usize) -> PathBuf {
        self.folder.join("given").join(turn.to_string())
    }
}

fn lock(folder: &Path, name: &str) -> Result<File, SessionError> {
    let path = folder.join("lock");
    let made = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = made.map_err(file("cannot open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(SessionError::InUse(name.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(file("cannot lock", &path)(error)),
    }
}

fn read(path: &Path) -> Result<Content, SessionError> {
    let text = fs::read_to_string(path).map_err(file("cannot read", path))?;
    let wrong = |reason: String| SessionError::Content { path: path.to_owned(), reason };
    let content: Content = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if content.version != VERSION {
        return Err(wrong(format!("it has version {}, and {VERSION} is known", content.version)));
    }
    let is_plain = |name: &String| {
        let mut parts = Path::new(name).components();
        matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None))
    };
    match content.turns.iter().flat_map(|turn| &turn.given).find(|name| !is_plain(name)) {
        Some(name) => Err(wrong(format!("{name:?} is no name of a file"))),
        None => Ok(content),
    }
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SessionError {
    let path = path.to_owned();
    move |error| SessionError::File { doing, path, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(task: &str, source: &str, stdout: &str) -> Turn {
        let cell = Cell { source: source.to_owned(), stdout: stdout.to_owned() };
        Turn { task: task.to_owned(), answer: source.to_owned(), cell, given: Vec::new() }
    }

    #[test]
    fn a_session_is_kept_listed_and_ended() {
        let home = tempfile::tempdir().unwrap();
        let sessions = Sessions::new(home.path().join("code"));
        assert_eq!(sessions.list().unwrap(), []);
        let data = home.path().join("data.csv");
        fs::write(&data, "1").unwrap();
        let given = [Given { name: "data.csv".to_owned(), path: data.clone(), before: 0 }];
        let mut session = sessions.open("sales", "wasi").unwrap();
        session.keep(turn("first", "x = 1", ""), &given).unwrap();
        session.keep(turn("second", "print(x)", "1\n"), &[]).unwrap();
        assert!(matches!(sessions.open("sales", "wasi"), Err(SessionError::InUse(_))));
        drop(session);
        // The original may change or go: the session has its own.
        fs::remove_file(&data).unwrap();
        let session = sessions.open("sales", "wasi").unwrap();
        assert_eq!(session.cells()[1].stdout, "1\n");
        assert_eq!(fs::read_to_string(&session.given()[0].path).unwrap(), "1");
        assert_eq!(session.earlier()[1].user, "second");
        assert_eq!(session.told("third"), "That printed:\n```\n1\n```\n\nthird");
        drop(session);
        let listed = sessions.list().unwrap();
        assert_eq!((listed[0].turns, listed[0].last.as_deref()), (2, Some("second")));
        let other = sessions.open("sales", "os").unwrap_err().to_string();
        assert_eq!(other, "the session sales belongs to the sandbox wasi, and this is os");
        assert!(sessions.end("sales").unwrap());
        assert!(!sessions.end("sales").unwrap());
    }

    #[test]
    fn names_and_files_are_checked() {
        let home = tempfile::tempdir().unwrap();
        let sessions = Sessions::new(home.path().to_owned());
        for name in ["", "..", "a/b", ".x", "ä", &"x".repeat(65)] {
            assert!(matches!(sessions.open(name, "wasi"), Err(SessionError::Name(_))), "{name}");
        }
        let check = |text: &str, expected: &str| {
            fs::create_dir_all(home.path().join("s")).unwrap();
            fs::write(home.path().join("s/session.json"), text).unwrap();
            let error = sessions.open("s", "wasi").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("{", "is no session");
        check(r#"{"version": 2, "interpreter": "wasi", "turns": []}"#, "version 2, and 1 is known");
        let outside = r#"{"version": 1, "interpreter": "wasi", "turns": [{"task": "", "answer": "",
            "cell": {"source": "", "stdout": ""}, "given": ["../../x"]}]}"#;
        check(outside, r#""../../x" is no name of a file"#);
    }
}
