//! A model that is ready to answer, as the command line describes it.
//!
//! `run`, `chat` and `bench` share this: flags, loading, prompts, answers and their measurement.

mod constraint;
mod generate;
mod load;
mod prompt;
mod sampling;
mod stats;

pub(crate) use constraint::{ConstraintArgs, ConstraintText};
pub(crate) use generate::{Answer, Timing, Unwatched, Watch, generate};
pub(crate) use load::{Identity, Loaded};
pub(crate) use prompt::{Message, Prompts, Role};
pub(crate) use sampling::SamplingArgs;
pub(crate) use stats::{Measured, Timings, milliseconds, rounded};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mynah_engine::{DraftModel, Engine, EngineOptions, PromptLookup, RequestError};
use mynah_kernels::{CacheFormat, Isa, PAGE, Pool};
use mynah_model::forward::{Adapter, KvCache, LoadOptions, Model};
use mynah_model::gguf;
use mynah_model::tokenizer::Tokenizer;

use crate::failure::{Hint as _, Misuse};
use crate::machine;
use crate::terminal::Terminal;

/// Flags that say which model runs, and how.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// The model: a name, a file, a folder, or a place that `mynah pull` knows
    #[arg(long, short)]
    pub(crate) model: Option<String>,
    /// What was learned on top of the model: a GGUF file with a LoRA adapter
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) adapter: Option<PathBuf>,
    /// How much of the adapter is added
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "adapter")]
    #[arg(help_heading = "Model", allow_negative_numbers = true)]
    pub(crate) adapter_strength: f32,
    /// A template for conversations, in place of the model's own: a file in Jinja's notation
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(crate) template: Option<PathBuf>,
    /// How many tokens prompt and answer may have together [default: as many as the model reads]
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = at_least_one)]
    pub(crate) context: Option<usize>,
    /// How what was read is stored: less memory, or more exactly
    #[arg(long, value_name = "FORMAT", default_value = "f16", help_heading = "Model")]
    pub(crate) cache_format: CacheFormatArg,
    /// How many threads compute [default: all there are]
    #[arg(long, value_name = "N", help_heading = "Speed", value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
    /// A smaller model with the same vocabulary that guesses ahead; the answer stays the same
    #[arg(long, value_name = "MODEL", help_heading = "Speed", conflicts_with = "prompt_lookup")]
    pub(crate) draft: Option<String>,
    /// Guess ahead what followed the same words before; the answer stays the same
    #[arg(long, help_heading = "Speed")]
    pub(crate) prompt_lookup: bool,
}

/// How keys and values are stored.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheFormatArg {
    /// Single precision
    F32,
    /// Half precision
    F16,
    /// Bytes with a scale for each 32
    #[value(name = "q8_0")]
    Q8_0,
}

impl From<CacheFormatArg> for CacheFormat {
    fn from(format: CacheFormatArg) -> Self {
        match format {
            CacheFormatArg::F32 => Self::F32,
            CacheFormatArg::F16 => Self::F16,
            CacheFormatArg::Q8_0 => Self::Q8_0,
        }
    }
}

/// Reads a number for which 0 makes no sense.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(error) => Err(error.to_string()),
    }
}

/// How many tokens a draft model guesses at a time.
const DRAFTED_TOKENS: usize = 4;

/// A model that is ready to answer, but for the engine.
pub(crate) struct Session {
    pub(crate) identity: Identity,
    pub(crate) facts: mynah_model::checkpoint::Metadata,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) model: Arc<Model>,
    pub(crate) prompts: Prompts,
    pub(crate) adapter: Option<Arc<Adapter>>,
    /// How many tokens prompt and answer may have together.
    pub(crate) context: usize,
    pub(crate) load_time: Duration,
    pub(crate) n_threads: usize,
    pub(crate) isa: Isa,
    cache_format: CacheFormat,
    prompt_lookup: bool,
    draft: Option<Arc<Model>>,
}

impl Session {
    /// Loads everything that the flags name. The threads go to the engine.
    ///
    /// # Errors
    /// If something cannot be fetched, read or used together.
    pub(crate) fn open(args: &ModelArgs, terminal: &Terminal) -> anyhow::Result<(Self, Pool)> {
        // What the person wrote comes first: it is read before anything large is.
        let template = args.template.as_deref().map(read_template).transpose()?;
        let isa = Isa::detect();
        let mut pool = Pool::new(args.threads.unwrap_or_else(machine::n_threads));
        let options = LoadOptions { context_length: args.context };
        let loaded = Loaded::open(args.model.as_deref(), &mut pool, isa, options, terminal)?;
        let architecture = loaded.model.architecture();
        let name = &loaded.identity.name;
        if !architecture.is_decoder() {
            let hint = format!("it makes vectors of texts: `mynah embed -m {name} \"…\"`");
            return Err(anyhow::anyhow!("{name} does not write text")).hint(hint);
        }
        let context = read_context(args.context, architecture.context_length)?;
        let adapter = args
            .adapter
            .as_deref()
            .map(|path| load_adapter(path, &loaded, args.adapter_strength))
            .transpose()?;
        let draft = args
            .draft
            .as_deref()
            .map(|reference| load_draft(reference, &loaded, &mut pool, isa, terminal))
            .transpose()?;
        let prompts = Prompts::new(&loaded, template.as_deref())?;
        let session = Self {
            prompts,
            adapter,
            context,
            load_time: loaded.time,
            n_threads: pool.n_threads(),
            isa,
            cache_format: args.cache_format.into(),
            prompt_lookup: args.prompt_lookup,
            draft,
            identity: loaded.identity,
            facts: loaded.facts,
            tokenizer: loaded.tokenizer,
            model: loaded.model,
        };
        Ok((session, pool))
    }

    /// An engine whose cache holds this many positions, or as many as memory allows.
    pub(crate) fn engine(&self, pool: Pool, n_positions: usize) -> Engine {
        let n_positions = self.that_fit(n_positions.next_multiple_of(PAGE));
        let options = EngineOptions {
            cache_positions: n_positions,
            cache_format: self.cache_format,
            ..EngineOptions::default()
        };
        let vocabulary = Arc::clone(&self.tokenizer) as _;
        let mut engine = Engine::new(Arc::clone(&self.model), vocabulary, pool, options);
        if let Some(draft) = &self.draft {
            let speculator = DraftModel::new(Arc::clone(draft), n_positions, DRAFTED_TOKENS);
            engine.speculate(Some(Box::new(speculator)));
        } else if self.prompt_lookup {
            engine.speculate(Some(Box::new(PromptLookup::default())));
        }
        engine
    }

    /// At most so many positions that the cache leaves half of the memory that is left now.
    fn that_fit(&self, n_positions: usize) -> usize {
        let Some(available) = machine::available_memory() else { return n_positions };
        let bytes_of_page = |model: &Model, format| {
            KvCache::new(model.architecture(), format, 1).page_bytes() as u64
        };
        let drafted = self.draft.as_ref().map_or(0, |draft| bytes_of_page(draft, CacheFormat::F16));
        let of_page = bytes_of_page(&self.model, self.cache_format) + drafted;
        let n_pages = (available / 2 / of_page.max(1)) as usize;
        n_positions.min(n_pages.max(1) * PAGE)
    }
}

/// The context that was asked for, if the model can have it.
fn read_context(asked: Option<usize>, made_for: usize) -> Result<usize, Misuse> {
    match asked {
        Some(asked) if asked > made_for => Err(Misuse(format!(
            "--context {asked}: the model was made for at most {made_for} tokens"
        ))),
        Some(asked) => Ok(asked),
        None => Ok(made_for),
    }
}

fn read_template(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Misuse(format!("cannot read {}: {error}", path.display())))
        .hint("--template takes the name of a file")
}

fn load_adapter(path: &Path, loaded: &Loaded, strength: f32) -> anyhow::Result<Arc<Adapter>> {
    let read = || {
        let files = mynah_hub::open(path)?;
        let checkpoint = gguf::read(&files.gguf_parts())?;
        anyhow::Ok(Adapter::load(&checkpoint, loaded.model.architecture(), strength)?)
    };
    let adapter = read()
        .with_context(|| format!("{} is no adapter for {}", path.display(), loaded.identity.name))
        .hint("an adapter is a GGUF file that was trained on top of this very model")?;
    Ok(Arc::new(adapter))
}

fn load_draft(
    reference: &str,
    loaded: &Loaded,
    pool: &mut Pool,
    isa: Isa,
    terminal: &Terminal,
) -> anyhow::Result<Arc<Model>> {
    let draft = Loaded::open(Some(reference), pool, isa, LoadOptions::default(), terminal)?;
    if !have_same_tokens(&loaded.tokenizer, &draft.tokenizer) {
        let (name, other) = (&loaded.identity.name, &draft.identity.name);
        return Err(anyhow::anyhow!("{other} does not have the tokens of {name}"))
            .hint("a draft model must be of the same family; --prompt-lookup needs none");
    }
    Ok(draft.model)
}

/// Whether the tokens that both have are the same. A larger model may have more of them, to fill
/// up its tables.
fn have_same_tokens(a: &Tokenizer, b: &Tokenizer) -> bool {
    let n = a.vocab_len().min(b.vocab_len()) as u32;
    n > 0 && (0..n).all(|id| a.token_name(id) == b.token_name(id))
}

/// Says what a person can do about a request that was refused for its length.
pub(crate) fn explain_refusal<T>(result: anyhow::Result<T>, remedy: &str) -> anyhow::Result<T> {
    let is_too_long =
        |error: &anyhow::Error| matches!(error.downcast_ref(), Some(RequestError::TooLong { .. }));
    if result.as_ref().is_err_and(is_too_long) { result.hint(remedy) } else { result }
}
