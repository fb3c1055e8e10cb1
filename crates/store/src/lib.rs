//! The SQLite file in which mynah keeps what was asked and answered.
//!
//! [`Store`] keeps answers ([`Turn`]) in the tables of the command line `llm`, so that it and
//! Datasette read them as their own, and beside them, in tables that begin with `mynah_`, what only
//! mynah knows: how an answer was drawn, experiments ([`Experiment`], [`Sample`]), judgements by
//! people ([`Label`]), runs of training ([`Training`]), saved queries and settings.
//!
//! Questions in SQL are answered by [`sql::Reader`], which only reads.
//!
//! This crate knows no engine and no statistics: its structures are plain. It reads no clock: every
//! time is given to it. It prints nothing.

mod backup;
mod delete;
mod error;
mod experiments;
mod id;
mod labels;
mod logs;
mod message;
mod queries;
mod schema;
mod settings;
pub mod sql;
mod store;
mod threads;
pub mod time;
mod trainings;
mod turns;
mod words;

pub use error::Error;
pub use experiments::{Cell, Experiment, Kept, Sample, SampleId, State};
pub use labels::{Choice, Label};
pub use logs::{Conversation, Entry, Filter};
pub use message::{Message, Role, message_hash};
pub use queries::SavedQuery;
pub use schema::VERSION;
pub use store::Store;
pub use threads::{DrawnTurn, Node, ThreadLine, Tree};
pub use trainings::{Training, TrainingPoint};
pub use turns::{Turn, TurnId};
pub use words::words;
