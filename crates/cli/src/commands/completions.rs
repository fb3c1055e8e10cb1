//! `mynah completions`: scripts that complete commands in a shell.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Arguments;
use crate::terminal::Terminal;

/// Print a script that makes your shell complete mynah's commands
#[derive(clap::Args)]
#[command(after_long_help = "\
For example, for bash:
  mynah completions bash > ~/.local/share/bash-completion/completions/mynah")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    // In memory first: the generator ends the program if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "mynah", &mut script);
    let mut out = terminal.out();
    out.write_all(&script)?;
    out.flush()?;
    Ok(())
}
