//! The models that are loaded: on demand, within a bound on memory, the one that was used longest
//! ago unloaded first, and never one that is in use.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mynah_engine::constraint::Grammars;
use mynah_engine::sampling::SamplingParams;
use mynah_engine::{Embedder, Engine, EngineOptions};
use mynah_kernels::PAGE;
use mynah_model::checkpoint::Metadata;
use mynah_model::forward::KvCache;
use mynah_model::tokenizer::Tokenizer;
use serde::Serialize;

use crate::embed::EmbedWorker;
use crate::metrics::{ModelMetrics, Snapshot};
use crate::prompts::Prompts;
use crate::record::Recorder;
use crate::worker::Worker;
use crate::{ApiError, Installed, Library, LibraryError, Opened, Options};

/// A model in memory, with its thread.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) sha256: Option<String>,
    /// What it takes in memory with its cache, about.
    pub(crate) bytes: u64,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) n_vocab: usize,
    pub(crate) metrics: Arc<ModelMetrics>,
    pub(crate) work: Work,
}

/// What a model does.
pub(crate) enum Work {
    /// It writes.
    Writes(Box<Writer>),
    /// It makes vectors of texts.
    Embeds(EmbedWorker),
}

/// What is needed to ask a model that writes.
pub(crate) struct Writer {
    pub(crate) worker: Worker,
    pub(crate) prompts: Prompts,
    pub(crate) grammars: Grammars,
    pub(crate) recommended: SamplingParams,
    /// How many tokens prompt and answer may have together.
    pub(crate) context: usize,
    /// Whether answers are kept.
    pub(crate) is_kept: bool,
}

impl Loaded {
    /// The model as one that writes.
    ///
    /// # Errors
    /// If it does something else.
    pub(crate) fn writer(&self) -> Result<&Writer, ApiError> {
        match &self.work {
            Work::Writes(writer) => Ok(writer),
            Work::Embeds(_) => {
                let name = &self.name;
                let message = format!("{name} makes vectors of texts: ask it at /v1/embeddings");
                Err(ApiError::invalid("model", message))
            }
        }
    }

    /// The model as one that makes vectors.
    ///
    /// # Errors
    /// If it does something else.
    pub(crate) fn embedder(&self) -> Result<&EmbedWorker, ApiError> {
        match &self.work {
            Work::Embeds(worker) => Ok(worker),
            Work::Writes(_) => {
                let message = format!("{} writes text and makes no vectors", self.name);
                Err(ApiError::invalid("model", message))
            }
        }
    }

    /// What is told of the model in `/metrics`.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.metrics.snapshot()
    }
}

/// A loaded model as others see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoadedInfo {
    /// What it is called.
    pub(crate) name: String,
    /// What it takes in memory with its cache, about.
    pub(crate) bytes: u64,
    /// Requests that it answers or that wait for it.
    pub(crate) requests: u64,
    /// Whether it cannot be unloaded now.
    pub(crate) in_use: bool,
}

/// The models that are loaded.
#[derive(Clone)]
pub(crate) struct Models {
    shared: Arc<Shared>,
}

struct Shared {
    library: Arc<dyn Library>,
    options: Arc<Options>,
    recorder: Option<Arc<Recorder>>,
    /// Held while a model is loaded: one at a time.
    loading: tokio::sync::Mutex<()>,
    slots: Mutex<Vec<Slot>>,
    uses: AtomicU64,
}

struct Slot {
    model: Arc<Loaded>,
    /// When it was used last, counted in uses.
    last_use: u64,
}

impl Models {
    /// None is loaded.
    pub(crate) fn new(
        library: Arc<dyn Library>,
        options: Arc<Options>,
        recorder: Option<Arc<Recorder>>,
    ) -> Self {
        let shared = Shared {
            library,
            options,
            recorder,
            loading: tokio::sync::Mutex::new(()),
            slots: Mutex::default(),
            uses: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The models of this computer.
    pub(crate) fn library(&self) -> &Arc<dyn Library> {
        &self.shared.library
    }

    /// The name of the model that answers if none is named.
    pub(crate) fn default_name(&self) -> String {
        let asked = self.shared.options.model.clone();
        asked.unwrap_or_else(|| self.shared.library.default_name())
    }

    /// The model of this name, loaded if it is not yet. It stays loaded as long as it is held.
    ///
    /// # Errors
    /// If it is not installed, cannot be loaded, or finds no room beside those in use.
    pub(crate) async fn get(&self, name: Option<&str>) -> Result<Arc<Loaded>, ApiError> {
        let name = name.map_or_else(|| self.default_name(), str::to_owned);
        if let Some(model) = self.find(&name) {
            return Ok(model);
        }
        let models = self.clone();
        // A task of its own: who asked first may go away, and others wait for it too.
        let load = tokio::spawn(async move {
            let _one_at_a_time = models.shared.loading.lock().await;
            match models.find(&name) {
                Some(model) => Ok(model),
                None => {
                    let loading = models.clone();
                    let load = move || loading.load(&name);
                    tokio::task::spawn_blocking(load).await.map_err(|_| not_loaded())?
                }
            }
        });
        load.await.map_err(|_| not_loaded())?
    }

    /// What is loaded.
    pub(crate) fn loaded(&self) -> Vec<LoadedInfo> {
        let info = |slot: &Slot| LoadedInfo {
            name: slot.model.name.clone(),
            bytes: slot.model.bytes,
            requests: slot.model.metrics.n_open(),
            in_use: Arc::strong_count(&slot.model) > 1,
        };
        self.slots().iter().map(info).collect()
    }

    /// What each loaded model counts.
    pub(crate) fn snapshots(&self) -> Vec<(String, Snapshot)> {
        let slots = self.slots();
        slots.iter().map(|slot| (slot.model.name.clone(), slot.model.snapshot())).collect()
    }

    /// Unloads a model that is not in use. Whether it is not loaded now. May wait for its thread.
    pub(crate) fn unload(&self, name: &str) -> bool {
        let mut slots = self.slots();
        let Some(place) = slots.iter().position(|slot| slot.model.name == name) else {
            return true;
        };
        if Arc::strong_count(&slots[place].model) > 1 {
            return false;
        }
        let slot = slots.swap_remove(place);
        drop(slots);
        drop(slot);
        true
    }

    /// Ends all answers with their next step.
    pub(crate) fn cancel_all(&self) {
        for slot in &*self.slots() {
            if let Work::Writes(writer) = &slot.model.work {
                writer.worker.cancel_all();
            }
        }
    }

    /// Unloads everything and writes what is still to be kept. Waits for the threads.
    pub(crate) fn close(&self) {
        let slots = std::mem::take(&mut *self.slots());
        drop(slots);
        if let Some(recorder) = &self.shared.recorder {
            recorder.finish();
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &str) -> Option<Arc<Loaded>> {
        let mut slots = self.slots();
        let slot = slots.iter_mut().find(|slot| slot.model.name == name)?;
        slot.last_use = self.shared.uses.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&slot.model))
    }

    /// Loads a model that is not loaded. Takes long.
    fn load(&self, name: &str) -> Result<Arc<Loaded>, ApiError> {
        let library = &self.shared.library;
        let installed = library.list().map_err(|error| library_error(&error))?;
        let Some(model) = installed.iter().find(|model| model.name == name) else {
            let names: Vec<String> = installed.into_iter().map(|model| model.name).collect();
            return Err(ApiError::no_model(name, &names));
        };
        self.make_room(model)?;
        let opened = library.open(name).map_err(|error| library_error(&error))?;
        let loaded = Arc::new(self.start(opened, model.bytes)?);
        let last_use = self.shared.uses.fetch_add(1, Ordering::Relaxed);
        self.slots().push(Slot { model: Arc::clone(&loaded), last_use });
        Ok(loaded)
    }

    /// Unloads what was used longest ago until a model's weights, and a page of cache at least,
    /// find room.
    fn make_room(&self, model: &Installed) -> Result<(), ApiError> {
        let budget = self.shared.options.memory_bytes;
        let (name, needed) = (&model.name, model.bytes);
        if needed > budget {
            let message = format!(
                "{name} takes {needed} bytes of memory, and models may take {budget}; \
                 `mynah serve --memory` allows more"
            );
            return Err(ApiError::unavailable(message, "out_of_memory").about("model"));
        }
        loop {
            let mut slots = self.slots();
            let used: u64 = slots.iter().map(|slot| slot.model.bytes).sum();
            // A cache of its own has to fit too; an eighth is a useful one.
            if used + needed + needed / 8 <= budget || slots.is_empty() {
                return Ok(());
            }
            let idle = |slot: &&Slot| Arc::strong_count(&slot.model) == 1;
            let oldest = slots.iter().filter(idle).min_by_key(|slot| slot.last_use);
            let Some(name) = oldest.map(|slot| slot.model.name.clone()) else {
                let message =
                    format!("there is no memory for {} while others are in use", model.name);
                return Err(ApiError::unavailable(message, "out_of_memory").about("model"));
            };
            let gone = slots.extract_if(.., |slot| slot.model.name == name).next();
            drop(slots);
            // Waits for its thread, which gives the memory back.
            drop(gone);
        }
    }

    /// Starts a thread for a model.
    fn start(&self, opened: Opened, weights: u64) -> Result<Loaded, ApiError> {
        let Opened { name, sha256, facts, tokenizer, model, pool } = opened;
        let metrics = Arc::new(ModelMetrics::default());
        let n_vocab = model.architecture().n_vocab;
        let no_thread = |error: std::io::Error| {
            ApiError::internal(format!("the system has no thread for {name}: {error}"))
        };
        let limits = &self.shared.options.limits;
        let (work, bytes) = if model.architecture().is_decoder() {
            let (positions, cache_bytes) = self.cache(&model, weights);
            let options = EngineOptions {
                cache_positions: positions,
                cache_format: self.shared.options.cache_format,
                max_sequences: limits.sequences,
                ..EngineOptions::default()
            };
            let vocabulary = Arc::clone(&tokenizer) as _;
            let engine = Engine::new(model, vocabulary, pool, options);
            let writer = self.writer(&name, &facts, &tokenizer, engine, &metrics);
            (Work::Writes(Box::new(writer.map_err(no_thread)?)), weights + cache_bytes)
        } else {
            let embedder = Embedder::new(model, Arc::clone(&tokenizer), pool)
                .map_err(|error| ApiError::internal(error.to_string()))?;
            let worker = EmbedWorker::start(&name, embedder, limits.requests).map_err(no_thread)?;
            (Work::Embeds(worker), weights)
        };
        Ok(Loaded { name, sha256, bytes, tokenizer, n_vocab, metrics, work })
    }

    fn writer(
        &self,
        name: &str,
        facts: &Metadata,
        tokenizer: &Arc<Tokenizer>,
        engine: Engine,
        metrics: &Arc<ModelMetrics>,
    ) -> std::io::Result<Writer> {
        let limits = &self.shared.options.limits;
        let recorder = self.shared.recorder.clone();
        let context = engine.context();
        let is_kept = recorder.is_some();
        // A request with several prompts is as many submissions.
        let most = limits.requests + limits.prompts;
        Ok(Writer {
            worker: Worker::start(name, engine, most, Arc::clone(metrics), recorder)?,
            prompts: Prompts::new(facts, Arc::clone(tokenizer)),
            grammars: Grammars::new(Arc::clone(tokenizer) as _),
            recommended: SamplingParams::recommended(facts),
            context,
            is_kept,
        })
    }

    /// How many positions the cache of a model may hold, and what that takes.
    fn cache(&self, model: &mynah_model::forward::Model, weights: u64) -> (usize, u64) {
        let options = &self.shared.options;
        let page = KvCache::new(model.architecture(), options.cache_format, 1).page_bytes() as u64;
        let used: u64 = self.slots().iter().map(|slot| slot.model.bytes).sum();
        let left = options.memory_bytes.saturating_sub(used + weights);
        let n_pages = (left / page.max(1)).min(options.cache_positions.div_ceil(PAGE) as u64);
        let n_pages = n_pages.max(1);
        (n_pages as usize * PAGE, n_pages * page)
    }
}

fn not_loaded() -> ApiError {
    ApiError::internal("loading the model failed")
}

/// What is said of a model that cannot be had.
pub(crate) fn library_error(error: &LibraryError) -> ApiError {
    match &error.hint {
        Some(hint) => ApiError::internal(format!("{}; {hint}", error.message)),
        None => ApiError::internal(error.message.clone()),
    }
}
