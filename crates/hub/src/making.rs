//! A file being made, and what is remembered about it for a later process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checksum::{Hasher, Sum};
use crate::error::{Doing, Error};
use crate::fetch::Kept;
use crate::observer::{Event, Observer};
use crate::plan::FileTask;
use crate::transfer::Record;

/// What is remembered about an unfinished file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// What is being made; another task starts from nothing.
    pub(crate) task: String,
    /// How many pieces are in the file, checked.
    pub(crate) pieces: usize,
    /// How many bytes they are.
    pub(crate) bytes: u64,
    /// About the piece that comes next.
    pub(crate) record: Record,
}

/// A file being made.
pub(crate) struct Making<'t> {
    pub(crate) task: &'t FileTask,
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) state_path: PathBuf,
    pub(crate) state: State,
    pub(crate) hasher: Hasher,
}

impl<'t> Making<'t> {
    /// Opens the file at `path`, or makes it; `state_path` is where its state lies.
    pub(crate) fn open(
        task: &'t FileTask,
        path: PathBuf,
        state_path: PathBuf,
    ) -> Result<Self, Error> {
        for parent in [&path, &state_path].iter().filter_map(|p| p.parent()) {
            fs::create_dir_all(parent).doing("make", parent)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .doing("write", &path)?;
        let length = file.metadata().doing("read", &path)?.len();
        let state = fs::read(&state_path)
            .ok()
            .and_then(|text| serde_json::from_slice::<State>(&text).ok())
            .filter(|state| state.task == task.identity() && state.bytes <= length)
            .filter(|state| state.pieces <= task.pieces.len());
        let state = match state {
            Some(state) => state,
            None if !state_path.exists() && length > 0 => State::default(),
            None => {
                file.set_len(0).doing("write", &path)?;
                State::default()
            }
        };
        let hasher = Hasher::default();
        let state = State { task: task.identity(), ..state };
        Ok(Self { task, file, path, state_path, state, hasher })
    }

    /// A file without a state was finished by an earlier process, if its checksum says so.
    pub(crate) fn already_whole(&self, observer: &dyn Observer) -> Result<Option<Kept>, Error> {
        let Self { task, file, path, .. } = self;
        let sha256 = Sum::of_file(path).doing("read", path)?;
        let bytes = file.metadata().doing("read", path)?.len();
        if task.sha256 == Some(sha256) && task.bytes.is_none_or(|expected| expected == bytes) {
            observer.event(Event::FileStarted { file: &task.name, bytes: task.bytes, kept: bytes });
            observer.event(Event::FileFinished { file: &task.name });
            return Ok(Some(Kept { name: task.name.clone(), bytes, sha256 }));
        }
        file.set_len(0).doing("write", path)?;
        Ok(None)
    }

    /// Takes the whole pieces that are there into the checksum.
    pub(crate) fn rehash(&mut self) -> Result<(), Error> {
        let Making { file, state, hasher, path, .. } = self;
        file.seek(SeekFrom::Start(0)).doing("read", path)?;
        hasher.update_from(file, state.bytes).doing("read", path)?;
        Ok(())
    }

    pub(crate) fn save(&self) -> Result<(), Error> {
        save(&self.state_path, &self.state)
    }

    pub(crate) fn cut_to(&mut self, bytes: u64) -> Result<(), Error> {
        self.file.set_len(bytes).doing("write", &self.path)?;
        self.state.record = Record::default();
        self.save()
    }
}

/// Writes a state so that a crash leaves the old one or the new one.
pub(crate) fn save(path: &Path, state: &State) -> Result<(), Error> {
    let text = serde_json::to_vec(state).map_err(io::Error::from).doing("write", path)?;
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, text).doing("write", &unfinished)?;
    fs::rename(&unfinished, path).doing("write", path)
}
