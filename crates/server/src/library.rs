//! What the server needs to know of models that are not loaded. The binary brings it.

use std::sync::Arc;

use mynah_kernels::Pool;
use mynah_model::checkpoint::Metadata;
use mynah_model::forward::Model;
use mynah_model::tokenizer::Tokenizer;

/// The models of this computer. Its functions may take long; the server calls them where that
/// stops nobody.
pub trait Library: Send + Sync + 'static {
    /// What is installed.
    ///
    /// # Errors
    /// If that cannot be found out.
    fn list(&self) -> Result<Vec<Installed>, LibraryError>;

    /// What could be fetched by a short name.
    fn known(&self) -> Vec<Known>;

    /// The name of the model that answers if none is named.
    fn default_name(&self) -> String;

    /// Loads an installed model; never fetches one.
    ///
    /// # Errors
    /// If it is not installed, or cannot be read or run.
    fn open(&self, name: &str) -> Result<Opened, LibraryError>;

    /// Fetches a model. `tell` hears how far it is, and returns whether to go on.
    ///
    /// # Errors
    /// If it cannot be fetched, or `tell` did not want it to go on.
    fn pull(
        &self,
        reference: &str,
        tell: &(dyn Fn(Progress) -> bool + Sync),
    ) -> Result<Installed, LibraryError>;

    /// Removes a model from this computer. Whether there was one.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn remove(&self, name: &str) -> Result<bool, LibraryError>;

    /// Tells who runs the server of something that went wrong and that nobody who asks can mend.
    fn warn(&self, message: &str);
}

/// A model that is on this computer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Installed {
    /// What it is called.
    pub name: String,
    /// The size of its files, which is about what its weights take in memory.
    pub bytes: u64,
    /// Under which licence it may be used, if that is known.
    pub licence: Option<String>,
    /// When it was fetched, in seconds since 1970; 0 if that is not known.
    pub created: u64,
}

/// A model that can be fetched by a short name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Known {
    /// The name.
    pub name: String,
    /// The size of its files.
    pub bytes: u64,
    /// Under which licence it may be used.
    pub licence: String,
    /// What it is.
    pub description: String,
    /// Whether terms must be accepted before it is fetched, which needs a terminal.
    pub needs_consent: bool,
}

/// How far fetching is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// What is done now.
    pub doing: String,
    /// How many bytes are here.
    pub done: u64,
    /// Of how many, if that is known.
    pub of: Option<u64>,
}

/// A model in memory.
pub struct Opened {
    /// What it is called.
    pub name: String,
    /// The checksum of its weights, if it is known.
    pub sha256: Option<String>,
    /// What its file says in general, about sampling and about conversations.
    pub facts: Metadata,
    /// How texts become tokens.
    pub tokenizer: Arc<Tokenizer>,
    /// The weights.
    pub model: Arc<Model>,
    /// The threads that compute.
    pub pool: Pool,
}

/// Why a model cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LibraryError {
    /// What went wrong.
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
}
