//! `mynah list`: the models that are here, and those that could be.

use std::io::Write as _;
use std::path::PathBuf;

use mynah_hub::{Entry, Hub, Model};
use serde::Serialize;

use crate::models;
use crate::terminal::{Terminal, printable};
use crate::units;

/// List the models that are here
#[derive(clap::Args)]
pub(crate) struct Args {
    /// List also the models that `mynah pull` knows by name
    #[arg(long, short)]
    all: bool,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// A line of the list.
#[derive(Serialize)]
struct Line {
    name: String,
    is_here: bool,
    bytes: u64,
    licence: Option<String>,
    description: Option<String>,
    source: Option<String>,
    fetched_at: Option<String>,
    path: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let hub = models::hub(terminal)?;
    let mut lines = Vec::new();
    for model in hub.list()? {
        match model {
            Ok(model) => lines.push(of_model(&hub, &model)),
            Err(error) => terminal.warning(&error.to_string()),
        }
    }
    if args.all {
        let is_there = |entry: &Entry| lines.iter().any(|line| line.name == entry.name);
        let missing = |entry: &&Entry| !entry.data && !is_there(entry);
        let more: Vec<Line> =
            hub.catalogue().entries().iter().filter(missing).map(of_entry).collect();
        lines.extend(more);
    }
    if args.json {
        return terminal.json(&lines);
    }
    if lines.is_empty() {
        terminal.note("no models are here yet");
        terminal.hint("`mynah list --all` shows names; `mynah pull NAME` fetches one");
        return Ok(());
    }
    print(&lines, args.all, terminal)
}

fn of_model(hub: &Hub, model: &Model) -> Line {
    let manifest = &model.manifest;
    Line {
        name: manifest.name.clone(),
        is_here: true,
        bytes: model.bytes(),
        licence: manifest.licence.as_ref().map(|licence| licence.name.clone()),
        description: hub.catalogue().get(&manifest.name).map(|entry| entry.description.clone()),
        source: Some(manifest.source.clone()),
        fetched_at: Some(manifest.fetched_at.clone()),
        path: Some(model.path()),
    }
}

fn of_entry(entry: &Entry) -> Line {
    Line {
        name: entry.name.clone(),
        is_here: false,
        bytes: entry.bytes(),
        licence: Some(entry.licence.clone()),
        description: Some(entry.description.clone()),
        source: None,
        fetched_at: None,
        path: None,
    }
}

/// A table: name, size, licence, and what it is or where it came from.
fn print(lines: &[Line], tells_state: bool, terminal: &Terminal) -> anyhow::Result<()> {
    let rows: Vec<[String; 4]> = lines
        .iter()
        .map(|line| {
            let about = line.description.as_ref().or(line.source.as_ref());
            [
                printable(&line.name),
                units::bytes(line.bytes),
                printable(line.licence.as_deref().unwrap_or("?")),
                printable(about.map_or("", String::as_str)),
            ]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let (names, sizes, licences) =
        (width(0).unwrap_or(0), width(1).unwrap_or(0), width(2).unwrap_or(0));
    let mut out = terminal.out();
    for (row, line) in rows.iter().zip(lines) {
        let [name, size, licence, about] = row;
        let mark = match (tells_state, line.is_here) {
            (false, _) => "",
            (true, true) => "* ",
            (true, false) => "  ",
        };
        let name = terminal.bold(&format!("{name:names$}"));
        let about = terminal.dim(about);
        writeln!(out, "{mark}{name}  {size:>sizes$}  {licence:licences$}  {about}")?;
    }
    out.flush()?;
    if tells_state {
        terminal.note("* is here");
    }
    Ok(())
}
