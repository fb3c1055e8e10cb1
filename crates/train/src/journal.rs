//! What happened, one line of JSON for each event: for programs, for the report, and to look at.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::evaluate::Evaluation;
use crate::trainer::StepReport;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step was made.
    Step {
        /// What it found.
        #[serde(flatten)]
        report: StepReport,
        /// How long the run has taken.
        seconds: f64,
    },
    /// Held-out text was read.
    Evaluated {
        /// After this step.
        step: u64,
        /// What was measured.
        #[serde(flatten)]
        evaluation: Evaluation,
    },
    /// A sample was drawn.
    Sample {
        /// After this step.
        step: u64,
        /// What it begins with.
        prompt: String,
        /// What the model wrote.
        text: String,
    },
    /// A checkpoint was kept.
    Saved {
        /// After this step.
        step: u64,
    },
}

impl Event {
    /// The step after which it happened.
    pub fn step(&self) -> u64 {
        match self {
            Self::Step { report, .. } => report.step,
            Self::Evaluated { step, .. } | Self::Sample { step, .. } | Self::Saved { step } => {
                *step
            }
        }
    }
}

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {error}", path.display())]
pub struct JournalError {
    /// The file.
    path: PathBuf,
    /// Why.
    error: io::Error,
}

/// The log of a run.
pub struct Journal {
    path: PathBuf,
    file: File,
    events: Vec<Event>,
}

impl Journal {
    /// Opens the log of a run that goes on after `step`; what came later is forgotten, as it
    /// happens again.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(path: &Path, step: u64) -> Result<Self, JournalError> {
        let open = || -> io::Result<(File, Vec<Event>)> {
            let mut events = Vec::new();
            if path.exists() {
                for line in BufReader::new(File::open(path)?).lines() {
                    // A line that is not whole was being written when the process was killed.
                    let Ok(event) = serde_json::from_str::<Event>(&line?) else { continue };
                    if event.step() <= step {
                        events.push(event);
                    }
                }
            }
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut kept = tempfile::NamedTempFile::new_in(folder)?;
            for event in &events {
                writeln!(kept, "{}", serde_json::to_string(event)?)?;
            }
            kept.persist(path)?;
            Ok((OpenOptions::new().append(true).open(path)?, events))
        };
        let (file, events) =
            open().map_err(|error| JournalError { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), file, events })
    }

    /// Adds an event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, event: Event) -> Result<(), JournalError> {
        let line = || -> io::Result<String> { Ok(format!("{}\n", serde_json::to_string(&event)?)) };
        line()
            .and_then(|line| self.file.write_all(line.as_bytes()))
            .map_err(|error| JournalError { path: self.path.clone(), error })?;
        self.events.push(event);
        Ok(())
    }

    /// Everything that happened.
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}
