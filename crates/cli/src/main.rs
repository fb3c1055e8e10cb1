//! The `mynah` binary: one file per command, files, terminal; no logic of its own.
//!
//! What a command does lies in the crates below; here is how a person asks for it and sees it.

mod answering;
mod checkpoint;
mod commands;
mod environment;
mod failure;
mod interpreter;
mod interrupt;
mod key;
mod limits;
mod log;
mod logged;
mod machine;
mod models;
mod printer;
mod progress;
mod session;
mod store;
mod terminal;
mod text;
mod units;
mod write;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;
use crate::terminal::Terminal;

/// A workshop for language models that you own.
///
/// Everything happens on this computer; nothing that you write is sent anywhere.
#[derive(Parser)]
#[command(name = "mynah", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Results go to standard output, everything else to standard error. \
    Exit status: 0 done, 1 failed, 2 not understood, 130 interrupted.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(clap::Args)]
pub(crate) struct Global {
    /// Use only what is on this computer already
    #[arg(long, global = true, env = "MYNAH_OFFLINE", hide_env_values = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    offline: bool,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

fn main() -> ExitCode {
    #[cfg(feature = "code")]
    if let Some(status) = interpreter::work_as_child() {
        return status;
    }
    let arguments = Arguments::parse();
    let mut terminal = Terminal::new(&arguments.global);
    interrupt::install();
    match arguments.command.run(&mut terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, &terminal),
    }
}
