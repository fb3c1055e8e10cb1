//! The models of this computer, as the server wants to know them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mynah_hub::{Event, Hub, Observer, Reference, Terms};
use mynah_kernels::{Isa, Pool};
use mynah_model::forward::LoadOptions;
use mynah_server::{Installed, Known, Library, LibraryError, Opened, Progress};

use crate::failure;
use crate::models;
use crate::session::{Identity, Loaded};
use crate::terminal::Terminal;

/// What the hub keeps, and a file or folder that was named on the command line.
pub(super) struct Shelf {
    /// A file or folder that nobody fetched.
    pub(super) path: Option<PathBuf>,
    pub(super) n_threads: usize,
    pub(super) terminal: Terminal,
}

impl Shelf {
    fn hub(&self) -> anyhow::Result<Hub> {
        models::hub(&self.terminal)
    }

    fn try_list(&self) -> anyhow::Result<Vec<Installed>> {
        let mut installed = Vec::new();
        if let Some(path) = &self.path {
            let bytes = mynah_hub::open(path)?.files().map(|(_, bytes)| bytes.len() as u64).sum();
            let name = Identity::of_path(path).name;
            installed.push(Installed { name, bytes, licence: None, created: 0 });
        }
        for model in self.hub()?.list()? {
            match model {
                Ok(model) if has_weights(&model) => installed.push(described(&model)),
                // Texts and tables, which the cache keeps too.
                Ok(_) => {}
                Err(error) => self.warn(&error.to_string()),
            }
        }
        Ok(installed)
    }

    fn try_open(&self, name: &str) -> anyhow::Result<Opened> {
        let mut pool = Pool::new(self.n_threads);
        let (isa, options) = (Isa::detect(), LoadOptions::default());
        let loaded = match self.path.as_ref().filter(|path| Identity::of_path(path).name == name) {
            Some(path) => Loaded::of_path(path, &mut pool, isa, options)?,
            None => {
                // The name of a model that was copied from a file may look like anything.
                let reference = match name.parse()? {
                    Reference::Path(_) => Reference::Name(name.to_owned()),
                    other => other,
                };
                Loaded::of_cache(&self.hub()?.get(&reference)?, &mut pool, isa, options)?
            }
        };
        let Loaded { identity, facts, tokenizer, model, .. } = loaded;
        // What it is asked for by, which of a path is not all that it is known by.
        let name = name.to_owned();
        Ok(Opened { name, sha256: identity.sha256, facts, tokenizer, model, pool })
    }

    fn try_pull(
        &self,
        reference: &str,
        tell: &(dyn Fn(Progress) -> bool + Sync),
    ) -> anyhow::Result<Installed> {
        let reference: Reference = reference.parse()?;
        let watcher = Watcher { tell, seen: std::cell::RefCell::default() };
        Ok(described(&self.hub()?.pull(&reference, false, &watcher)?.model))
    }
}

impl Library for Shelf {
    fn list(&self) -> Result<Vec<Installed>, LibraryError> {
        self.try_list().map_err(|error| told(&error))
    }

    fn known(&self) -> Vec<Known> {
        let Ok(hub) = self.hub() else { return Vec::new() };
        let known =
            hub.catalogue().entries().iter().filter(|entry| !entry.data).map(|entry| Known {
                name: entry.name.clone(),
                bytes: entry.bytes(),
                licence: entry.licence.clone(),
                description: entry.description.clone(),
                needs_consent: entry.terms.is_some(),
            });
        known.collect()
    }

    fn default_name(&self) -> String {
        let of_hub = || {
            let hub = self.hub().ok()?;
            Some(hub.catalogue().default_name().to_owned())
        };
        let of_path = self.path.as_ref().map(|path| Identity::of_path(path).name);
        of_path.or_else(of_hub).unwrap_or_default()
    }

    fn open(&self, name: &str) -> Result<Opened, LibraryError> {
        self.try_open(name).map_err(|error| told(&error))
    }

    fn pull(
        &self,
        reference: &str,
        tell: &(dyn Fn(Progress) -> bool + Sync),
    ) -> Result<Installed, LibraryError> {
        self.try_pull(reference, tell).map_err(|error| told(&error))
    }

    fn remove(&self, name: &str) -> Result<bool, LibraryError> {
        let remove = || {
            let reference = match name.parse()? {
                Reference::Path(_) => Reference::Name(name.to_owned()),
                other => other,
            };
            match self.hub()?.remove(&reference) {
                Ok(_) => Ok(true),
                Err(mynah_hub::Error::NotHere { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        remove().map_err(|error: anyhow::Error| told(&error))
    }

    fn warn(&self, message: &str) {
        self.terminal.warning(message);
    }
}

fn has_weights(model: &mynah_hub::Model) -> bool {
    let files = &model.manifest.files;
    let ending = |file: &Path| file.extension().map(|end| end.to_string_lossy().to_lowercase());
    files
        .iter()
        .any(|file| matches!(ending(file.name.as_ref()).as_deref(), Some("gguf" | "safetensors")))
}

fn described(model: &mynah_hub::Model) -> Installed {
    let manifest = &model.manifest;
    let created = mynah_store::time::from_text(&manifest.fetched_at);
    let created = created.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    Installed {
        name: manifest.name.clone(),
        bytes: model.bytes(),
        licence: manifest.licence.as_ref().map(|licence| licence.name.clone()),
        created: created.as_ref().map_or(0, Duration::as_secs),
    }
}

/// What went wrong and what can be done, without the program's own types.
fn told(error: &anyhow::Error) -> LibraryError {
    let (message, hint) = failure::told(error);
    LibraryError { message, hint }
}

/// Passes on what a pull does.
struct Watcher<'t> {
    tell: &'t (dyn Fn(Progress) -> bool + Sync),
    seen: std::cell::RefCell<Seen>,
}

#[derive(Default)]
struct Seen {
    doing: String,
    of: Option<u64>,
    is_unwanted: bool,
}

impl Watcher<'_> {
    fn tell(&self, done: u64) {
        let mut seen = self.seen.borrow_mut();
        let progress = Progress { doing: seen.doing.clone(), done, of: seen.of };
        seen.is_unwanted = !(self.tell)(progress);
    }
}

impl Observer for Watcher<'_> {
    fn event(&self, event: Event<'_>) {
        let (doing, of, done) = match event {
            Event::WaitingForOther { model } => {
                (format!("waiting for another program that fetches {model}"), None, 0)
            }
            Event::Fetching { model, source, bytes, .. } => {
                (format!("fetching {model} from {source}"), bytes, 0)
            }
            Event::FileStarted { file, bytes, kept } => (file.to_owned(), bytes, kept),
            Event::FileProgress { bytes } => return self.tell(bytes),
            Event::Retrying { reason, .. } => (format!("{reason}; trying again"), None, 0),
            Event::StartingOver { file, reason } => {
                (format!("{file}: starting again: {reason}"), None, 0)
            }
            Event::SourceFailed { source, error } => {
                (format!("{source} cannot be used: {error}"), None, 0)
            }
            Event::FileFinished { .. } => return,
        };
        {
            let mut seen = self.seen.borrow_mut();
            (seen.doing, seen.of) = (doing, of);
        }
        self.tell(done);
    }

    fn accept(&self, _: &Terms) -> bool {
        // Terms are accepted by a person at a terminal.
        false
    }

    fn goes_on(&self) -> bool {
        !self.seen.borrow().is_unwanted
    }
}
