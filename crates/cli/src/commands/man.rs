//! `mynah man`: manual pages.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::Arguments;
use crate::terminal::Terminal;

/// Print the manual page, or write all manual pages into a folder
#[derive(clap::Args)]
#[command(after_long_help = "To read it at once: mynah man | man -l -")]
pub(crate) struct Args {
    /// Write a page for mynah and one for each command into this folder
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let command = Arguments::command();
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        let mut out = terminal.out();
        out.write_all(&page)?;
        out.flush()?;
        return Ok(());
    };
    let cannot_write = || format!("cannot write to {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot_write)?;
    clap_mangen::generate_to(command, folder).with_context(cannot_write)?;
    Ok(())
}
