//! Pulls from a server on this machine.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "it serves tests")]

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mynah_hub::{Config, Error, Event, Hub, Model, Observer, Reference, Terms};

use super::server::Server;

/// Writes down what happens.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) RefCell<Vec<String>>);

impl Notes {
    /// Whether something like this happened.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.borrow().iter().any(|note| note.contains(text))
    }
}

impl Observer for Notes {
    fn event(&self, event: Event<'_>) {
        if !matches!(event, Event::FileProgress { .. }) {
            self.0.borrow_mut().push(format!("{event:?}"));
        }
    }

    fn accept(&self, _: &Terms) -> bool {
        false
    }
}

/// A hub that knows no server but this one, and never waits.
pub(crate) fn config(home: &Path, server: &Server) -> Config {
    let mut config = Config::new(home);
    config.pip_index_url = server.url("/simple");
    config.hf_endpoint = server.url("/hf");
    config.npm_registry = server.url("/npm");
    config.patience.first_wait = Duration::ZERO;
    config.patience.longest_wait = Duration::ZERO;
    config
}

/// Pulls with this configuration.
pub(crate) fn pull_with(config: Config, text: &str, notes: &Notes) -> Result<Model, Error> {
    let reference: Reference = text.parse()?;
    Hub::new(config)?.pull(&reference, false, notes).map(|pulled| pulled.model)
}

/// Pulls as a person would.
pub(crate) fn pull(home: &Path, server: &Server, text: &str) -> Result<Model, Error> {
    pull_with(config(home, server), text, &Notes::default())
}

/// One try in a row, so that the process seems to end at the first failure.
pub(crate) fn pull_once(home: &Path, server: &Server, text: &str) -> Result<Model, Error> {
    let mut config = config(home, server);
    config.patience.tries = 1;
    pull_with(config, text, &Notes::default())
}

/// The bytes of a model of one file.
pub(crate) fn content(model: &Model) -> Vec<u8> {
    fs::read(model.path()).unwrap()
}

/// Every file under `models`, which is where whole models are.
pub(crate) fn visible(home: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![home.join("models")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}
