//! Code that a model writes, run until it works.
//!
//! A [`Task`](work::Task) becomes a prompt ([`prompt`]); a responder answers it; the program is taken
//! out of the answer ([`extract`]) and tried out in a folder of its own ([`ground`]), by an
//! [`Interpreter`]; what that says goes back to the model, until the program works or the budget is
//! spent ([`work`]). Of several candidates the largest group that agrees is kept ([`agree`]).
//! [`session`] keeps the variables of a conversation, [`measure`] counts how often all this succeeds
//! on [`problems`].
//!
//! Names no model and no sandbox: it sees a `Responder` and an [`Interpreter`]. What it does *not*
//! do: hold a program back. That is the interpreter's work, and nothing here makes one safe. A
//! program that works may still be wrong: it was seen to run, and to pass the tests it was given.

pub mod agree;
pub mod changes;
pub mod extract;
pub mod ground;
pub mod harness;
pub mod interpreter;
pub mod measure;
#[cfg(test)]
mod measure_tests;
pub mod probe;
pub mod problems;
pub mod prompt;
mod round;
#[cfg(feature = "sandbox")]
pub mod sandboxed;
pub mod session;
#[cfg(test)]
pub(crate) mod testing;
pub mod transcript;
pub mod trim;
pub mod work;
#[cfg(test)]
mod work_tests;

pub use round::RoundError;

pub use interpreter::{Cells, Ending, Interpreter, InterpreterError, Program, Run};
