//! Keeps what a run comes to beside what was asked and answered: for the page, and for questions in
//! SQL. What goes wrong here never costs anybody a run.

use std::path::Path;
use std::time::SystemTime;

use mynah_store::{State, Store, Training, TrainingPoint};
use mynah_train::config::Config;
use mynah_train::journal::Event;
use mynah_train::run::Watch;
use sha2::{Digest as _, Sha256};

use crate::failure;
use crate::log::LogArgs;
use crate::terminal::Terminal;
use crate::write;

/// How many steps are kept of a run, about: enough for a curve.
const POINTS: u64 = 100;

/// The entry of one run.
pub(super) struct Log<'t> {
    terminal: &'t Terminal,
    store: Option<Store>,
    id: String,
    every: u64,
}

impl<'t> Log<'t> {
    /// Begins an entry, or goes on with the one of this folder and seed.
    pub(super) fn begin(
        args: &LogArgs,
        (name, folder): (&str, &Path),
        config: &Config,
        done: u64,
        terminal: &'t Terminal,
    ) -> Self {
        let (id, folder) = (id_of(folder, config.seed), whole_path(folder));
        let every = config.schedule.steps.div_ceil(POINTS).max(1);
        let mut log = Self { terminal, store: None, id, every };
        let begin = || -> anyhow::Result<Option<Store>> {
            let Some(mut store) = args.open_to_keep()? else { return Ok(None) };
            let training = Training {
                id: log.id.clone(),
                name: name.to_owned(),
                folder,
                seed: config.seed,
                config: config.to_toml()?,
                steps: config.schedule.steps,
                state: State::Running,
                bits_per_byte: None,
                created: SystemTime::now(),
                ended: None,
            };
            store.begin_training(&training, done)?;
            Ok(Some(store))
        };
        match begin() {
            Ok(store) => log.store = store,
            Err(error) => failure::warn(&error.context("the run is not logged"), terminal),
        }
        log
    }

    /// Does something with the entry. What goes wrong is said once.
    fn keep(&mut self, write: impl FnOnce(&mut Store, &str) -> Result<(), mynah_store::Error>) {
        let Some(store) = &mut self.store else { return };
        if let Err(error) = write(store, &self.id) {
            let error = anyhow::Error::new(error).context("the run is not logged any more");
            failure::warn(&error, self.terminal);
            self.store = None;
        }
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::Step { report, seconds } if report.step.is_multiple_of(self.every) => {
                let point = TrainingPoint {
                    step: report.step,
                    seconds: Some(*seconds),
                    loss: Some(report.loss),
                    bits_per_byte: Some(report.bits_per_byte),
                    held_out_bits_per_byte: None,
                };
                self.keep(|store, id| store.record_training_point(id, &point));
            }
            Event::Evaluated { step, evaluation } => {
                let held_out_bits_per_byte = Some(evaluation.bits_per_byte);
                let point =
                    TrainingPoint { step: *step, held_out_bits_per_byte, ..Default::default() };
                self.keep(|store, id| store.record_training_point(id, &point));
            }
            Event::Sample { step, prompt, text } => {
                self.keep(|store, id| store.record_training_sample(id, *step, prompt, text));
            }
            Event::Step { .. } | Event::Saved { .. } => {}
        }
    }

    /// Says how the run ended.
    pub(super) fn end(&mut self, state: State, bits_per_byte: Option<f64>) {
        self.keep(|store, id| store.end_training(id, state, bits_per_byte, SystemTime::now()));
    }
}

/// What a run is known by: its folder and its seed, so that it is the same when it goes on.
fn id_of(folder: &Path, seed: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(whole_path(folder));
    hash.update(seed.to_le_bytes());
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn whole_path(folder: &Path) -> String {
    let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    path.to_string_lossy().into_owned()
}

/// Keeps the report of a run where the page finds it.
pub(super) fn keep_report(
    args: &LogArgs,
    folder: &Path,
    seed: u64,
    html: &str,
    terminal: &Terminal,
) {
    let keep = || match args.open_to_keep()? {
        None => Ok(()),
        Some(store) => {
            let name = id_of(folder, seed);
            write::report(store.path(), &name, &|out| out.write_all(html.as_bytes()))
        }
    };
    let kept: anyhow::Result<()> = keep();
    if let Err(error) = kept {
        failure::warn(&error.context("the report was not kept"), terminal);
    }
}

/// Somebody who looks on, and the log.
pub(super) struct Logged<'w, 't> {
    pub(super) watch: Box<dyn Watch + 't>,
    pub(super) log: &'w mut Log<'t>,
}

impl Watch for Logged<'_, '_> {
    fn event(&mut self, event: &Event) {
        self.watch.event(event);
        self.log.add(event);
    }

    fn wants_stop(&mut self) -> bool {
        self.watch.wants_stop()
    }

    fn seconds(&mut self) -> f64 {
        self.watch.seconds()
    }
}
