//! How a server is set up.

use std::path::PathBuf;

use mynah_kernels::CacheFormat;

use crate::{Code, Limits};

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may ask.
    pub access: Access,
    /// The model that answers where a request names none; without it, the library's default.
    pub model: Option<String>,
    /// How much memory models and their caches may take together, in bytes.
    pub memory_bytes: u64,
    /// How many positions the cache of each model holds at most, all answers together.
    pub cache_positions: usize,
    /// How keys and values are stored.
    pub cache_format: CacheFormat,
    /// The file that answers are kept in.
    pub database: PathBuf,
    /// Whether answers are kept.
    pub records: bool,
    /// What a request may ask for.
    pub limits: Limits,
    /// How programs are run, if models may have them run.
    pub code: Option<Code>,
}

/// Who may ask.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// What every request must show, if anything.
    pub key: Option<String>,
    /// Names beside `localhost` and plain addresses by which the server may be called.
    pub hosts: Vec<String>,
    /// Origins of pages beside the server's own whose scripts may ask.
    pub origins: Vec<String>,
}
