//! What a run keeps, and where: the model's files, and beside them a folder `training`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mynah_model::tokenizer::{HuggingFaceFiles, Tokenizer};
use mynah_train::config::{Config, Settings};
use mynah_train::data::{Shard, TokenSource as _};
use mynah_train::report::Origin;
use mynah_train::rules::Given;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::failure::{Hint as _, Misuse};

/// What is known of a run beside its settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// What the model is called.
    pub(crate) name: String,
    /// What was asked for.
    pub(crate) command: String,
    /// Where the text came from.
    pub(crate) origins: Vec<Origin>,
    /// The token that begins and ends texts.
    pub(crate) begins: u32,
    /// How many seeds are trained.
    pub(crate) seeds: u64,
    pub(crate) price_per_hour: Option<f64>,
}

/// The folder of a model.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder of a run that was begun.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        let folder = Self(root.to_owned());
        if !folder.config_path().is_file() {
            let error = Misuse(format!("{} has no run to go on with", root.display()));
            return Err(error).hint("--resume takes the folder that `mynah train` wrote to");
        }
        Ok(folder)
    }

    /// A folder for a new run.
    pub(crate) fn create(root: &Path, force: bool) -> anyhow::Result<Self> {
        let folder = Self(root.to_owned());
        if folder.training().exists() {
            if !force {
                let error = Misuse(format!("{} has a run already", root.display()));
                return Err(error).hint(
                    "--resume goes on with it, --force replaces it, --out names another folder",
                );
            }
            let training = folder.training();
            fs::remove_dir_all(&training)
                .with_context(|| format!("cannot remove {}", training.display()))?;
        }
        fs::create_dir_all(folder.training())
            .with_context(|| format!("cannot write {}", root.display()))?;
        Ok(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn training(&self) -> PathBuf {
        self.0.join("training")
    }

    fn config_path(&self) -> PathBuf {
        self.training().join("config.toml")
    }

    pub(crate) fn tokens(&self) -> PathBuf {
        self.training().join("tokens")
    }

    fn tokenizer_path(&self) -> PathBuf {
        self.training().join("tokenizer.json")
    }

    pub(crate) fn checkpoint(&self, seed: u64) -> PathBuf {
        self.training().join(format!("checkpoint-{seed}"))
    }

    pub(crate) fn log(&self, seed: u64) -> PathBuf {
        self.training().join(format!("log-{seed}.jsonl"))
    }

    /// Writes what a run needs to be begun again. The settings come last: with them there is a run.
    pub(crate) fn begin(&self, about: &About, config: &Config) -> anyhow::Result<()> {
        self.put("about.json", &serde_json::to_vec_pretty(about)?)?;
        self.put("config.toml", config.to_toml()?.as_bytes())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.training().join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    fn get(path: &Path) -> anyhow::Result<String> {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    }

    pub(crate) fn about(&self) -> anyhow::Result<About> {
        let path = self.training().join("about.json");
        serde_json::from_str(&Self::get(&path)?)
            .with_context(|| format!("cannot read {}", path.display()))
    }

    /// The effective settings.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let path = self.config_path();
        let settings = Settings::parse(&path.display().to_string(), &Self::get(&path)?)?;
        // Everything is said; the rules have nothing to fill in.
        let given = Given { vocabulary: 0, steps: 0, tokens: 0, depth: None };
        Ok(settings.resolve(&given)?)
    }

    pub(crate) fn put_tokenizer(&self, json: &str) -> anyhow::Result<()> {
        self.put("tokenizer.json", json.as_bytes())
    }

    /// The text of the tokenizer's file.
    pub(crate) fn tokenizer_json(&self) -> anyhow::Result<String> {
        Self::get(&self.tokenizer_path())
    }

    pub(crate) fn tokenizer(&self) -> anyhow::Result<Tokenizer> {
        parse_tokenizer(&self.tokenizer_json()?)
            .with_context(|| format!("cannot read {}", self.tokenizer_path().display()))
    }

    /// What tells this data from other: tokens and tokenizer.
    pub(crate) fn data_hash(&self, shard: &Shard) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        hash.update(shard.fingerprint());
        hash.update(self.tokenizer_json()?);
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

pub(crate) fn parse_tokenizer(json: &str) -> anyhow::Result<Tokenizer> {
    Ok(Tokenizer::from_tokenizer_json(&HuggingFaceFiles {
        tokenizer: json.as_bytes(),
        config: None,
        special_tokens_map: None,
        generation_config: None,
    })?)
}

/// How many bytes of text each token stands for: none for control tokens.
pub(crate) fn token_bytes(tokenizer: &Tokenizer, vocabulary: usize) -> Vec<u32> {
    let bytes = |id: u32| {
        if tokenizer.is_control(id) { 0 } else { tokenizer.token_bytes(id).len() as u32 }
    };
    let known = tokenizer.vocab_len();
    (0..vocabulary).map(|id| if id < known { bytes(id as u32) } else { 0 }).collect()
}
