//! Runs Python that nobody has read, under limits.
//!
//! # What it does not stop
//!
//! - **A program that lies about itself.** It can print whatever it likes, end with any exit code, and
//!   undo a test that runs in the same interpreter. Its verdict says what became of the program, not
//!   that the program is right.
//! - **What its output makes somebody do.** Text and files that it leaves are as untrusted as it is:
//!   terminal escapes, spreadsheets with formulas, pictures made to break a viewer.
//! - **Harm within the granted folder.** Whatever lies there can be read, changed and deleted.
//! - **Measuring and being measured.** A program that shares a processor with others can learn from
//!   its caches (Spectre and its kin), and can take its share of the processor until its time is over.
//! - **Faults of what it stands on**: the processor, the kernel, Wasmtime, and with
//!   [`Sandbox::os`] bubblewrap and every system call that is left to the program. There a fault of
//!   the kernel alone is enough; in the other sandbox one of Wasmtime's must come first.
//! - **Whoever can write as the person already**: they can replace this program, too. See
//!   [`compiled`] for what is checked about the compiled interpreter.
//!
//! # What it is
//!
//! A [`Sandbox`] runs a [`Program`] within [`Limits`] and gives a [`Run`], whose [`Verdict`] is always
//! one of those listed, whatever the program does; a [`Session`] is an interpreter whose variables
//! live on. [`Sandbox::wasi`] is a CPython compiled to WebAssembly in a child process of this
//! program; [`Sandbox::os`] the machine's own Python under bubblewrap. Neither is a fallback for the
//! other.
//!
//! Has never heard of language models. Prints nothing and reads no environment.

mod child;
mod compiled;
mod error;
mod frame;
#[cfg(target_os = "linux")]
mod os;
mod program;
mod sandbox;
pub mod worker;

pub use error::SandboxError;
pub use program::{Limits, Program, Run, Verdict};
pub use sandbox::{OsChoice, Sandbox, Session, WasiFiles, Worker};
