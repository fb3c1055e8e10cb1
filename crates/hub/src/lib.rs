//! Fetches models and keeps them: catalogue, mirrors, checksums, cache folder, memory maps.
//!
//! [`Hub`] pulls, lists and removes models; [`open()`] maps one into memory. A model is named by a
//! [`Reference`]. What happens meanwhile is told to an [`Observer`].
//!
//! This crate knows nothing of what is in a model. It prints nothing and does not read the
//! environment: [`Config`] says where everything is. (The TLS library reads `SSL_CERT_FILE` and
//! `SSL_CERT_DIR`, as every program on the system does.)
//!
//! What is fetched is never run, and nothing in an archive decides where a file is written.

mod archive;
mod cache;
mod catalogue;
mod checksum;
mod config;
mod error;
mod fetch;
mod http;
mod hub;
mod making;
mod observer;
mod open;
mod places;
mod plan;
mod planner;
mod proxy;
mod range_file;
mod reference;
mod sink;
mod sources;
mod transfer;

pub use archive::ArchiveError;
pub use cache::{Manifest, Model};
pub use catalogue::{Catalogue, CatalogueError, Entry, FileEntry, Part, Place, Source, Terms};
pub use checksum::{NotASum, Sum};
pub use config::{Config, Patience};
pub use error::Error;
pub use fetch::Kept;
pub use http::HttpError;
pub use hub::{Hub, Pulled};
pub use observer::{Event, Observer, Silent};
pub use open::{Kind, ModelFiles, OpenError, open};
pub use plan::Licence;
pub use reference::{Reference, ReferenceError};
