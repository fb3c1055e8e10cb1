//! `mynah corpus allow`: decides about texts whose licence is not known.

use std::time::SystemTime;

use super::Place;
use crate::terminal::Terminal;

/// Decide that a source may be used: under a licence that you know, or without a known one
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The source: its name or its number
    source: String,
    /// Its licence, as SPDX writes it
    #[arg(long, visible_alias = "license", value_name = "SPDX")]
    licence: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let mut corpus = args.place.change()?;
    corpus.allow(&args.source, args.licence.as_deref(), SystemTime::now())?;
    let source = corpus.source(&args.source)?;
    terminal.note(&match &source.licence {
        Some(licence) => format!("{} is under {licence}", source.name),
        None => format!("{} is used although its licence is not known", source.name),
    });
    Ok(())
}
