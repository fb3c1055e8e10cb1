//! The SQLite file in which mynah keeps what was asked and answered.
//!
//! [`Store`] keeps answers ([`Turn`]) in the tables of the command line `llm`, so that it and
//! Datasette read them as their own, and beside them, in tables that begin with `mynah_`, what only
//! mynah knows: how an answer was drawn, experiments ([`Experiment`], [`Sample`]), judgements by
//! people ([`Label`]), saved queries and settings.
//!
//! This crate knows no engine and no statistics: its structures are plain. It reads no clock: every
//! time is given to it. It prints nothing.

mod error;
mod experiments;
mod id;
mod labels;
mod message;
mod schema;
mod settings;
mod store;
pub mod time;
mod turns;

pub use error::Error;
pub use experiments::{Cell, Experiment, Kept, Sample, SampleId, State};
pub use labels::{Choice, Label};
pub use message::{Message, Role, message_hash};
pub use schema::VERSION;
pub use store::Store;
pub use turns::{Turn, TurnId};
