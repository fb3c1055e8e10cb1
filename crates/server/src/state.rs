//! What all requests share.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::guard::Key;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::record::Recorder;
use crate::{Library, Options};

/// What all requests share: the models, how the server is set up, and what it counts.
#[derive(Clone)]
pub struct AppState {
    shared: Arc<Shared>,
}

struct Shared {
    options: Arc<Options>,
    key: Option<Key>,
    models: Models,
    metrics: Arc<Metrics>,
    /// Whose programs run.
    code_turns: Arc<Semaphore>,
    /// Whether the server was asked to end.
    ending: watch::Sender<bool>,
}

impl AppState {
    /// A server's state before the first request; no model is loaded.
    pub fn new(library: Arc<dyn Library>, options: Options) -> Self {
        let options = Arc::new(options);
        let recorder =
            options.records.then(|| Recorder::start(&options.database, Arc::clone(&library)));
        let key = options.access.key.as_deref().map(Key::new);
        let models = Models::new(library, Arc::clone(&options), recorder);
        let metrics = Arc::new(Metrics::default());
        let at_once = options.code.as_ref().map_or(0, |code| code.at_once.max(1));
        let code_turns = Arc::new(Semaphore::new(at_once));
        let ending = watch::Sender::new(false);
        let shared = Shared { options, key, models, metrics, code_turns, ending };
        Self { shared: Arc::new(shared) }
    }

    /// How the server is set up.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// The models: which are installed, which are loaded.
    pub(crate) fn models(&self) -> &Models {
        &self.shared.models
    }

    /// What was counted.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// Bounds how many programs run at once.
    pub(crate) fn code_turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.shared.code_turns)
    }

    /// The key that requests must show.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.shared.key.as_ref()
    }

    /// Whether the server was asked to end.
    pub(crate) fn is_ending(&self) -> bool {
        *self.shared.ending.borrow()
    }

    /// Tells when the server is asked to end.
    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.shared.ending.subscribe()
    }

    /// Unloads every model and writes what is still to be kept; nothing can be asked afterwards.
    /// Waits for the threads.
    pub fn close(&self) {
        self.end();
        self.models().close();
    }

    /// Lets requests that are answered come to their end, and takes no further ones.
    pub(crate) fn end(&self) {
        self.shared.ending.send_replace(true);
    }
}
