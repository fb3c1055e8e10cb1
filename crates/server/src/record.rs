//! Keeps what was asked and answered, on a thread of its own.
//!
//! What goes wrong here never costs anybody an answer; who runs the server is told of it once, and
//! again if it happens after it had worked.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

use mynah_store::{Role, Store, Turn};

use crate::Library;

/// How many requests may wait to be kept. Beyond that, answers wait for the disk.
const N_WAITING: usize = 256;

/// The answers to one request.
pub(crate) struct Kept {
    /// The conversation that they belong to, if the request named it.
    pub(crate) thread: Option<String>,
    /// What was asked and answered.
    pub(crate) turns: Vec<Turn>,
}

/// Keeps answers.
pub(crate) struct Recorder {
    /// `None` when no more are taken.
    sender: Mutex<Option<SyncSender<Kept>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Begins to keep answers in a file, which is made with the first of them.
    pub(crate) fn start(database: &Path, library: Arc<dyn Library>) -> Arc<Self> {
        let (sender, receiver) = sync_channel(N_WAITING);
        let path = database.to_owned();
        let work = move || Keeper { path, library, store: None, has_failed: false }.run(&receiver);
        // Without a thread nothing is kept, as with a full disk: the answers go on.
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(work).ok();
        Arc::new(Self { sender: Mutex::new(Some(sender)), thread: Mutex::new(thread) })
    }

    /// Keeps the answers to a request.
    pub(crate) fn keep(&self, kept: Kept) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sender) = sender {
            // It fails only if there is no thread.
            let _ = sender.send(kept);
        }
    }

    /// Writes what waits, and takes no more.
    pub(crate) fn finish(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Keeper {
    path: PathBuf,
    library: Arc<dyn Library>,
    store: Option<Store>,
    has_failed: bool,
}

impl Keeper {
    fn run(&mut self, receiver: &Receiver<Kept>) {
        for kept in receiver {
            match self.keep(&kept) {
                Ok(()) => self.has_failed = false,
                Err(error) => {
                    if !self.has_failed {
                        self.library.warn(&format!("an answer was not kept: {error}"));
                    }
                    self.has_failed = true;
                }
            }
        }
    }

    fn keep(&mut self, kept: &Kept) -> Result<(), mynah_store::Error> {
        let store = match &mut self.store {
            Some(store) => store,
            None => self.store.insert(Store::open(&self.path, SystemTime::now())?),
        };
        // Another process may have switched it off meanwhile.
        if !store.records()? {
            return Ok(());
        }
        let thread = match (&kept.thread, kept.turns.first()) {
            (Some(thread), _) => Some(thread.clone()),
            (None, Some(turn)) => {
                // Clients send the conversation again with each question.
                let said = &turn.messages;
                let n = said.iter().rposition(|m| m.role == Role::Assistant).map_or(0, |i| i + 1);
                store.thread_at(&said[..n])?
            }
            (None, None) => return Ok(()),
        };
        store.record_turns(thread.as_deref(), &kept.turns).map(drop)
    }
}
