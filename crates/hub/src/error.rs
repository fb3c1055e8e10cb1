//! What can go wrong while models are fetched and kept, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::ArchiveError;
use crate::catalogue::CatalogueError;
use crate::checksum::Sum;
use crate::http::HttpError;
use crate::open::OpenError;
use crate::reference::ReferenceError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text does not name a model.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The catalogue cannot be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A wheel or package is not as it should be.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A model's files cannot be mapped.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No catalogue entry and no model in the cache has this name.
    #[error("there is no model named {name:?}")]
    UnknownName {
        /// The name that was asked for.
        name: String,
        /// A known name that looks like it.
        similar: Option<String>,
    },
    /// The model is not in the cache.
    #[error("{name} is not in the cache")]
    NotHere {
        /// The model's name.
        name: String,
    },
    /// Whoever wanted the model does not want it any more.
    #[error("the pull was stopped")]
    Stopped,
    /// The model is not in the cache, and no request may be made.
    #[error("{name} is not in the cache, and mynah is offline")]
    Offline {
        /// The model's name.
        name: String,
    },
    /// What was fetched is not a model.
    #[error("{name} is not a model that mynah reads: {reason}")]
    NotAModel {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        reason: OpenError,
    },
    /// Another program holds the model open, or is pulling it.
    #[error("{name} is in use by another mynah")]
    InUse {
        /// The model's name.
        name: String,
    },
    /// The person has not accepted the licence.
    #[error("{model} is under the {terms}, which have not been accepted")]
    NotAccepted {
        /// The model's name.
        model: String,
        /// The name of its licence.
        terms: String,
        /// Where the terms can be read.
        url: String,
    },
    /// What arrived is not what was expected.
    #[error(
        "{file} from {source_name} has the wrong checksum: expected SHA-256 {expected}, got {got}"
    )]
    Checksum {
        /// The file or chunk.
        file: String,
        /// Where it came from.
        source_name: String,
        /// The sum that the catalogue or the server promised.
        expected: Sum,
        /// The sum of what arrived.
        got: Sum,
    },
    /// What arrived has another checksum than the one a package registry promises.
    #[error("{file} does not have the checksum that its registry gives ({expected})")]
    Integrity {
        /// The archive.
        file: String,
        /// The registry's checksum.
        expected: String,
    },
    /// A file has another length than promised.
    #[error("{file} from {source_name} should have {expected} bytes and has {got}")]
    Length {
        /// The file or chunk.
        file: String,
        /// Where it came from.
        source_name: String,
        /// Bytes promised.
        expected: u64,
        /// Bytes that arrived, or that the server now says there are.
        got: u64,
    },
    /// A file is larger than the hub was told to take.
    #[error("{file} has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A server names a file in a way that could lead out of the model's folder.
    #[error("{name:?} is not a safe name for a file")]
    UnsafeName {
        /// The name.
        name: String,
    },
    /// The disk has too little room.
    #[error("{folder} has {free} bytes free and {needed} are needed", folder = folder.display())]
    DiskFull {
        /// The folder that is being written to.
        folder: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A source has several models, or none.
    #[error("{place} holds {}", what_is_there(.choices))]
    NotOneModel {
        /// The repository or package.
        place: String,
        /// What it holds that could be meant.
        choices: Vec<String>,
    },
    /// A server's answer does not have the form it should have.
    #[error("the answer of {url} makes no sense: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A package has no such version.
    #[error("the package {package} has no {wanted}")]
    NoSuchVersion {
        /// The package.
        package: String,
        /// What was looked for, such as "version 1.2".
        wanted: String,
        /// The versions there are, newest first.
        versions: Vec<String>,
    },
    /// Every source of a model failed.
    #[error("no source of {model} could be used: {}", each(.failures))]
    AllSourcesFailed {
        /// The model's name.
        model: String,
        /// The sources and what was wrong with each.
        failures: Vec<(String, Error)>,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was being done, such as "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A manifest in the cache is damaged.
    #[error("{path} is damaged: {reason}", path = path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A kept file is not what its manifest says.
    #[error("{path} has changed since it was fetched", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// What kinds of files a model can be.
pub(crate) const READS: &str = "mynah reads .gguf files, and folders with config.json, \
    tokenizer.json and .safetensors files";
const MAKE_ROOM: &str =
    "make room, remove a model with `mynah rm`, or set MYNAH_HOME to another disk";

fn what_is_there(choices: &[String]) -> String {
    match choices {
        [] => "no model that mynah reads".into(),
        some => format!("{} files that could be meant", some.len()),
    }
}

fn each(failures: &[(String, Error)]) -> String {
    failures.iter().map(|(name, error)| format!("{name}: {error}")).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// What the person can do about it, as a sentence without a full stop.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Reference(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::Open(error) => error.hint(),
            Self::UnknownName { similar: Some(name), .. } => Some(format!("did you mean {name}?")),
            Self::UnknownName { .. } => {
                Some("`mynah list --all` shows the names that mynah knows".into())
            }
            Self::NotAModel { reason, .. } => reason.hint(),
            Self::Offline { .. } => Some("leave out --offline (MYNAH_OFFLINE) to fetch it".into()),
            Self::NotHere { name } => Some(format!("`mynah pull {name}` fetches it")),
            Self::InUse { .. } => Some("end the other program first".into()),
            Self::NotAccepted { model, url, .. } => {
                Some(format!("read them at {url}, then run `mynah pull {model} --accept-licence`"))
            }
            Self::Checksum { .. } | Self::Integrity { .. } => {
                Some("the bad file was removed; the source is damaged or was changed".into())
            }
            Self::DiskFull { .. } => Some(MAKE_ROOM.into()),
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some(MAKE_ROOM.into())
            }
            Self::NotOneModel { choices, .. } if !choices.is_empty() => {
                Some(format!("name one of them: {}", choices.join(", ")))
            }
            Self::NotOneModel { .. } => Some(READS.into()),
            Self::NoSuchVersion { versions, .. } if !versions.is_empty() => {
                Some(format!("it has {}", versions.join(", ")))
            }
            Self::AllSourcesFailed { failures, .. } => {
                failures.iter().find_map(|(_, error)| error.hint())
            }
            Self::Changed { .. } | Self::Manifest { .. } => {
                Some("`mynah pull --force` fetches the model again".into())
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("set MYNAH_HOME to a folder that you may write to".into())
            }
            _ => None,
        }
    }
}

/// Adds to an operating system's error what was being done, and to which file.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| match source.downcast::<Error>() {
            // An error of our own that travelled through a reader.
            Ok(error) => error,
            Err(source) => Error::File { action, path: path.to_owned(), source },
        })
    }
}
