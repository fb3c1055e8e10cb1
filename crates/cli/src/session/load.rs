//! From what a person calls a model to weights that are ready to run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mynah_hub::ModelFiles;
use mynah_kernels::{Isa, Pool};
use mynah_model::checkpoint::{Checkpoint, Metadata};
use mynah_model::forward::{LoadOptions, Model};
use mynah_model::tokenizer::Tokenizer;
use serde::Serialize;

use crate::checkpoint;
use crate::models::{self, Found};
use crate::terminal::Terminal;

/// What the metadata says token by token.
const VOCABULARY: [&str; 4] = [
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.merges",
];

/// Which model it is, for records.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Identity {
    /// The name it is asked for by, or that of its file.
    pub(crate) name: String,
    /// The checksum of its weights, if it was fetched: a file elsewhere is not read for this.
    pub(crate) sha256: Option<String>,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// A model in memory.
pub(crate) struct Loaded {
    pub(crate) identity: Identity,
    /// What its file says in general, about sampling and about conversations.
    pub(crate) facts: Metadata,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) model: Arc<Model>,
    /// How long it took, without fetching.
    pub(crate) time: Duration,
}

impl Loaded {
    /// Fetches a model if it is not here, and loads it.
    ///
    /// # Errors
    /// If it cannot be fetched, read or run.
    pub(crate) fn open(
        reference: Option<&str>,
        pool: &mut Pool,
        isa: Isa,
        options: LoadOptions,
        terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        let (identity, files, start) = find(reference, terminal)?;
        Self::load((identity, &files, start), pool, isa, options)
    }

    /// Loads a model that is in the cache.
    ///
    /// # Errors
    /// If it cannot be read or run.
    pub(crate) fn of_cache(
        model: &mynah_hub::Model,
        pool: &mut Pool,
        isa: Isa,
        options: LoadOptions,
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let files = models::open(model)?;
        Self::load((identity(model), &files, start), pool, isa, options)
    }

    /// Loads a file or folder where it is.
    ///
    /// # Errors
    /// If it cannot be read or run.
    pub(crate) fn of_path(
        path: &Path,
        pool: &mut Pool,
        isa: Isa,
        options: LoadOptions,
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let files = mynah_hub::open(path)?;
        Self::load((Identity::of_path(path), &files, start), pool, isa, options)
    }

    fn load(
        (identity, files, start): (Identity, &ModelFiles, Instant),
        pool: &mut Pool,
        isa: Isa,
        options: LoadOptions,
    ) -> anyhow::Result<Self> {
        let mut load = || {
            let (mut checkpoint, mut tokenizer) = checkpoint::read(files)?;
            // The tokenizer has its own form of these by now: tens of megabytes of a large one.
            for key in VOCABULARY {
                checkpoint.metadata.remove(key);
            }
            let mut release = |bytes: &[u8]| files.release(bytes);
            let model = Model::load(&checkpoint, pool, isa, options, &mut release)?;
            // A model may have more rows in its tables than there are tokens.
            tokenizer.pad_to(model.architecture().n_vocab)?;
            anyhow::Ok((general_facts(&checkpoint), tokenizer, model))
        };
        let (facts, tokenizer, model) =
            load().with_context(|| format!("cannot load {}", files.path().display()))?;
        if !files.is_unchanged() {
            anyhow::bail!("{} was changed while it was loaded", files.path().display());
        }
        Ok(Self {
            identity,
            facts,
            tokenizer: Arc::new(tokenizer),
            model: Arc::new(model),
            time: start.elapsed(),
        })
    }
}

/// Opens the files of a model; fetches them first if they are not here. Says when opening began.
fn find(
    reference: Option<&str>,
    terminal: &Terminal,
) -> anyhow::Result<(Identity, ModelFiles, Instant)> {
    let hub = models::hub(terminal)?;
    match models::find(&hub, reference)? {
        Found::Path(path) => {
            let start = Instant::now();
            let files = mynah_hub::open(&path)?;
            Ok((Identity::of_path(&path), files, start))
        }
        Found::Reference(reference) => {
            let (model, _) = models::pull(&hub, &reference, false, false, terminal)?;
            let start = Instant::now();
            let files = models::open(&model)?;
            Ok((identity(&model), files, start))
        }
    }
}

impl Identity {
    /// That of a file or folder that nobody fetched.
    pub(crate) fn of_path(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        Self { name, sha256: None, path: path.to_owned() }
    }
}

/// That of a model of the cache.
fn identity(model: &mynah_hub::Model) -> Identity {
    let manifest = &model.manifest;
    let is_weights = |name: &str| match &manifest.main {
        Some(main) => name == main,
        None => name.ends_with(".safetensors"),
    };
    let weights = manifest.files.iter().find(|file| is_weights(&file.name));
    Identity {
        name: manifest.name.clone(),
        sha256: weights.map(|file| file.sha256.to_string()),
        path: model.path(),
    }
}

/// The facts that are still needed when the weights are loaded; vocabularies are large.
fn general_facts(checkpoint: &Checkpoint) -> Metadata {
    let is_needed =
        |key: &str| key.starts_with("general.") || key.starts_with("tokenizer.chat_template");
    checkpoint
        .metadata
        .iter()
        .filter(|(key, _)| is_needed(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
