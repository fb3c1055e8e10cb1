//! The folder that models are kept in.
//!
//! ```text
//! models/NAME/mynah.json       what the model is, where it came from, every file's checksum
//! models/NAME/…                its files, read-only
//! partial/NAME/…               what an unfinished pull left
//! locks/NAME.lock              held while a model is pulled or removed
//! accepted.json                which licences the person accepted, and when
//! ```
//!
//! A model's folder appears under `models` by one rename, when everything in it is whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::checksum::Sum;
use crate::error::{Doing, Error};
use crate::fetch::Kept;
use crate::observer::{Event, Observer};
use crate::plan::Licence;

/// The manifest's name in a model's folder; a model's own file may be called `manifest.json`.
pub(crate) const MANIFEST: &str = "mynah.json";

/// What is known about a model in the cache.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Manifest {
    /// The name that the model is asked for by.
    pub name: String,
    /// Where it came from.
    pub source: String,
    /// Its licence, as far as the source tells.
    pub licence: Option<Licence>,
    /// When the person accepted the licence, if that was needed (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accepted_at: Option<String>,
    /// When it was fetched (RFC 3339, UTC).
    pub fetched_at: String,
    /// The model's one file, or the first part of a split one; `None` for a folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub main: Option<String>,
    /// What the model consists of.
    pub files: Vec<Kept>,
    /// Texts beside it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notices: Vec<Kept>,
}

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What is known about it.
    pub manifest: Manifest,
    /// The folder that holds its files.
    pub folder: PathBuf,
}

impl Model {
    /// What [`crate::open()`] opens: the model's one file, or its folder.
    pub fn path(&self) -> PathBuf {
        match &self.manifest.main {
            Some(main) => self.folder.join(main),
            None => self.folder.clone(),
        }
    }

    /// The size of the model's files together.
    pub fn bytes(&self) -> u64 {
        self.manifest.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether every file is there in its full length.
    pub(crate) fn is_complete(&self) -> bool {
        self.manifest.files.iter().all(|file| {
            fs::metadata(self.folder.join(&file.name)).is_ok_and(|found| found.len() == file.bytes)
        })
    }
}

/// When terms were accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Acceptance {
    terms: String,
    url: String,
    /// The checksum of the text that was accepted.
    text_sha256: Sum,
    pub(crate) accepted_at: String,
}

/// The folder that models are kept in.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    home: PathBuf,
}

impl Cache {
    pub(crate) fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.home.join("models").join(folder_name(name))
    }

    /// Where an unfinished pull of this model lies.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        self.home.join("partial").join(folder_name(name))
    }

    /// The model of this name, if it is here with all its files.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Model>, Error> {
        let folder = self.folder(name);
        let path = folder.join(MANIFEST);
        match fs::read(&path) {
            Ok(text) => Ok(Some(read_manifest(&path, folder, &text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).doing("read", &path),
        }
    }

    /// Every model, by name. A folder without a readable manifest is an error of its own.
    pub(crate) fn list(&self) -> Result<Vec<Result<Model, Error>>, Error> {
        let models = self.home.join("models");
        let entries = match fs::read_dir(&models) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.doing("read", &models)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let folder = entry.doing("read", &models)?.path();
            let path = folder.join(MANIFEST);
            match fs::read(&path) {
                Ok(text) => found.push(read_manifest(&path, folder, &text)),
                // A stray file, or a model that is being removed right now.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => found.push(Err(error).doing("read", &path)),
            }
        }
        found.sort_by_key(|model| match model {
            Ok(model) => (false, model.manifest.name.clone()),
            Err(error) => (true, error.to_string()),
        });
        Ok(found)
    }

    /// Puts a whole model, whose files lie in `made`, under its name.
    pub(crate) fn keep(&self, manifest: &Manifest, made: &Path) -> Result<Model, Error> {
        let path = made.join(MANIFEST);
        let text = serde_json::to_string_pretty(manifest).map_err(io::Error::from);
        fs::write(&path, text.doing("write", &path)? + "\n").doing("write", &path)?;
        for file in manifest.files.iter().chain(&manifest.notices) {
            make_read_only(&made.join(&file.name))?;
        }
        let folder = self.folder(&manifest.name);
        let models = self.home.join("models");
        fs::create_dir_all(&models).doing("make", &models)?;
        let old = self.partial(&manifest.name).join("old");
        if folder.exists() {
            remove_folder(&old)?;
            fs::rename(&folder, &old).doing("move", &folder)?;
        }
        fs::rename(made, &folder).doing("move", made)?;
        remove_folder(&self.partial(&manifest.name))?;
        Ok(Model { manifest: manifest.clone(), folder })
    }

    /// Removes what an unfinished pull left if there is not a byte of the model in it.
    pub(crate) fn forget_empty(&self, name: &str) {
        let partial = self.partial(name);
        let is_empty = ["files", "stored", "whole"].iter().all(|folder| {
            fs::read_dir(partial.join(folder)).map_or(true, |mut entries| {
                entries.all(|entry| {
                    entry.and_then(|e| e.metadata()).is_ok_and(|m| m.is_file() && m.len() == 0)
                })
            })
        });
        if is_empty {
            // It is only in the way; the next pull would begin from nothing as well.
            let _ = fs::remove_dir_all(partial);
        }
    }

    /// Removes a model and whatever an unfinished pull of it left. Whether there was a model.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, Error> {
        let folder = self.folder(name);
        let partial = self.partial(name);
        let is_here = folder.exists();
        if is_here {
            // By a rename first: a folder that is half removed never stands under the name.
            fs::create_dir_all(&partial).doing("make", &partial)?;
            let old = partial.join("old");
            remove_folder(&old)?;
            fs::rename(&folder, &old).doing("move", &folder)?;
        }
        remove_folder(&partial)?;
        Ok(is_here)
    }

    /// Waits until no other process works on the model; then none does until the lock is dropped.
    pub(crate) fn lock(&self, name: &str, observer: &dyn Observer) -> Result<Lock, Error> {
        let (path, file) = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).doing("lock", &path),
        }
        observer.event(Event::WaitingForOther { model: name });
        file.lock().doing("lock", &path)?;
        Ok(Lock { _file: file })
    }

    /// The lock, if no other process works on the model.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Lock, Error> {
        let (path, file) = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { name: name.into() }),
            Err(TryLockError::Error(error)) => Err(error).doing("lock", &path),
        }
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), Error> {
        let locks = self.home.join("locks");
        fs::create_dir_all(&locks).doing("make", &locks)?;
        let path = locks.join(format!("{}.lock", folder_name(name)));
        let file = File::options().create(true).append(true).open(&path).doing("write", &path)?;
        Ok((path, file))
    }

    /// Whether these terms, in this wording, were accepted before.
    pub(crate) fn acceptance(&self, terms: &str, text: Sum) -> Option<Acceptance> {
        let all = self.acceptances();
        all.into_iter().find(|one| one.terms == terms && one.text_sha256 == text)
    }

    fn acceptances(&self) -> Vec<Acceptance> {
        let text = fs::read(self.home.join("accepted.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Records that these terms, in this wording, were accepted now.
    pub(crate) fn accept(&self, terms: &str, url: &str, text: Sum) -> Result<Acceptance, Error> {
        let path = self.home.join("accepted.json");
        let acceptance = Acceptance {
            terms: terms.into(),
            url: url.into(),
            text_sha256: text,
            accepted_at: now(),
        };
        let mut all = self.acceptances();
        all.push(acceptance.clone());
        let text = serde_json::to_string_pretty(&all).map_err(io::Error::from);
        let unfinished = path.with_extension("new");
        fs::write(&unfinished, text.doing("write", &path)? + "\n").doing("write", &unfinished)?;
        fs::rename(&unfinished, &path).doing("write", &path)?;
        Ok(acceptance)
    }
}

/// Held while a model is pulled or removed.
pub(crate) struct Lock {
    _file: File,
}

/// The time now, as manifests write it.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

fn read_manifest(path: &Path, folder: PathBuf, text: &[u8]) -> Result<Model, Error> {
    let bad = |reason: String| Error::Manifest { path: path.to_owned(), reason };
    let manifest: Manifest = serde_json::from_slice(text).map_err(|e| bad(e.to_string()))?;
    let names = manifest.files.iter().map(|file| &file.name).chain(&manifest.main);
    for name in names {
        if !crate::reference::is_safe_file_name(name) {
            return Err(bad(format!("{name:?} is not a safe name for a file")));
        }
    }
    Ok(Model { manifest, folder })
}

fn make_read_only(path: &Path) -> Result<(), Error> {
    let mut permissions = fs::metadata(path).doing("read", path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions).doing("write", path)
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).doing("remove", path),
        _ => Ok(()),
    }
}

/// The name of a model's folder: its own name if every file system takes that as it is, otherwise
/// what is left of it and a part of its checksum.
fn folder_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_safe = !name.is_empty()
        && name.len() <= 100
        && name.chars().all(is_plain)
        && !name.starts_with('.')
        && !name.ends_with('.');
    if is_safe {
        return name.to_owned();
    }
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).take(80).collect();
    let sum = Sum::of(name.as_bytes()).to_string();
    format!("{}-{}", plain.trim_matches(['.', '-']), &sum[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_safe_and_differ() {
        assert_eq!(folder_name("smollm2-135m"), "smollm2-135m");
        let names = ["hf:a/b", "hf:a-b", "../x", ".", "..", "", "é", &"x".repeat(300)];
        let mut folders: Vec<String> = names.iter().map(|name| folder_name(name)).collect();
        for folder in &folders {
            assert!(crate::reference::is_safe_file_name(folder), "{folder}");
            assert!(!folder.contains('/') && !folder.starts_with('.'), "{folder}");
        }
        folders.sort_unstable();
        folders.dedup();
        assert_eq!(folders.len(), names.len());
    }

    #[test]
    fn a_manifest_that_leads_elsewhere_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path());
        let folder = home.path().join("models/m");
        fs::create_dir_all(&folder).unwrap();
        let text = r#"{"name": "m", "source": "s", "licence": null, "fetched_at": "",
            "main": "../../secret", "files": []}"#;
        fs::write(folder.join(MANIFEST), text).unwrap();
        assert!(matches!(cache.find("m"), Err(Error::Manifest { .. })));
        fs::write(folder.join(MANIFEST), "{").unwrap();
        assert!(matches!(cache.find("m"), Err(Error::Manifest { .. })));
        let listed = cache.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].is_err());
    }

    #[test]
    fn an_acceptance_is_of_one_wording() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path());
        let (old, new) = (Sum::of(b"old"), Sum::of(b"new"));
        assert!(cache.acceptance("T", old).is_none());
        cache.accept("T", "https://h/", old).unwrap();
        cache.accept("U", "https://h/", new).unwrap();
        assert!(cache.acceptance("T", old).is_some());
        assert!(cache.acceptance("T", new).is_none());
        assert!(cache.acceptance("U", new).is_some());
    }
}
