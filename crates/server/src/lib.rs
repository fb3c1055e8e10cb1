//! Models over HTTP, in the shape of OpenAI's and Anthropic's APIs.
//!
//! This is the only crate that is asynchronous and that knows wire formats. One thread serves all
//! connections; each loaded model has a thread of its own that advances its engine ([`worker`]).
//! Between them stand a queue of bounded length and a mailbox of bounded size for each answer.
//!
//! A request takes this way: [`guard`] (who asks), [`wire`] (what is asked), [`models`] (which
//! model, loaded if need be), [`prepare`] (tokens and constraints), [`queue`] and [`worker`]
//! (the engine), [`answers`] (text, tool calls), and back through [`routes`].
//!
//! A model may have programs run ([`code`]) and go on after them ([`interpreting`]), if the binary
//! brought an interpreter.
//!
//! It does not say what is installed or fetch anything: a [`Library`] does, which the binary
//! brings. It prints nothing and does not read the environment.

mod answers;
mod code;
mod embed;
mod error;
mod guard;
mod interpreting;
mod library;
mod limits;
mod listen;
mod mailbox;
mod metrics;
mod models;
mod options;
mod page;
mod prepare;
mod prompts;
mod queue;
mod random;
mod record;
mod routes;
mod state;
mod stream;
mod tools;
pub mod wire;
mod worker;

pub use code::Code;
pub use error::ApiError;
pub use library::{Installed, Known, Library, LibraryError, Opened, Progress};
pub use limits::Limits;
pub use listen::{ServeError, Server};
pub use options::{Access, Options};
pub use routes::router;
pub use state::AppState;
