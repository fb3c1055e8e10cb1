//! `mynah corpus list`: the sources.

use std::io::Write as _;

use mynah_corpus::{Source, collections, default_collection};

use super::Place;
use crate::terminal::{Terminal, printable};
use crate::text;
use crate::units;

/// List the sources of the corpus, or what was not taken in, or the collections that mynah knows
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The collections that `mynah corpus add NAME` fetches
    #[arg(long, conflicts_with = "refused")]
    all: bool,
    /// The texts that were not taken in, and why
    #[arg(long)]
    refused: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    if args.all {
        return list_collections(terminal);
    }
    let corpus = args.place.open()?;
    if args.refused {
        let refused = corpus.refused()?;
        if args.json {
            return terminal.json(&refused);
        }
        let mut out = terminal.out();
        for one in &refused {
            let place = printable(&format!("{}: {}", one.source, one.place));
            writeln!(out, "{place}  {}", terminal.dim(&printable(&one.evidence)))?;
        }
        return Ok(out.flush()?);
    }
    let sources = corpus.sources()?;
    if args.json {
        return terminal.json(&sources);
    }
    if sources.is_empty() {
        terminal.note("the corpus is empty");
    }
    let rows: Vec<[String; 6]> = sources.iter().map(row).collect();
    let width = |i: usize| rows.iter().map(|row| text::width(&row[i])).max().unwrap_or(0);
    let mut out = terminal.out();
    for row in &rows {
        writeln!(
            out,
            "{}  {}  {}  {}  {}  {}",
            text::right(&row[0], width(0)),
            terminal.bold(&text::left(&row[1], width(1))),
            text::right(&row[2], width(2)),
            text::right(&row[3], width(3)),
            text::left(&row[4], width(4)),
            row[5]
        )?;
    }
    Ok(out.flush()?)
}

fn row(source: &Source) -> [String; 6] {
    let licence = match (&source.licence, source.unlicensed, &source.allowed_at) {
        (Some(licence), ..) => licence.clone(),
        (None, 0, _) => "of each document".to_owned(),
        (None, _, Some(_)) => "unknown, allowed".to_owned(),
        (None, _, None) => "unknown, kept apart".to_owned(),
    };
    let state = if source.is_complete { "" } else { "not complete" };
    let language = source.language.as_deref().unwrap_or_default();
    [
        source.id.to_string(),
        text::line(&source.name),
        format!("{} documents", source.documents),
        units::bytes(source.bytes),
        text::line(&licence),
        format!("{language} {state}").trim().to_owned(),
    ]
}

fn list_collections(terminal: &Terminal) -> anyhow::Result<()> {
    let default = default_collection().map(|collection| &collection.name);
    let width = collections().iter().map(|one| text::width(&one.name)).max().unwrap_or(0);
    let mut out = terminal.out();
    for one in collections() {
        let name = terminal.bold(&text::left(&one.name, width));
        let is_default = if Some(&one.name) == default { " (default)" } else { "" };
        let bytes: Option<u64> = one.pieces.iter().map(|piece| piece.bytes).sum();
        let size = bytes.map_or(String::new(), |bytes| format!("{}  ", units::bytes(bytes)));
        writeln!(out, "{name}  {}  {size}{}{is_default}", one.language, one.description)?;
    }
    Ok(out.flush()?)
}
