//! `mynah logs list`: a few lines for each answer.

use std::io::Write as _;

use mynah_store::{Entry, Store};

use super::FilterArgs;
use crate::terminal::Terminal;
use crate::text;

/// How wide a line is where no terminal says.
const WIDTH: usize = 100;
/// How much of an identifier is shown: its end, which differs.
pub(super) const ID: usize = 8;

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// How many; 0 is all
    #[arg(short, value_name = "N", default_value_t = 10)]
    n: usize,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, store: &Store, terminal: &Terminal) -> anyhow::Result<()> {
    let entries = store.entries(&args.filter.filter((args.n > 0).then_some(args.n)))?;
    if args.json {
        return terminal.json(&entries);
    }
    if entries.is_empty() {
        terminal.note("no answer fits");
        return Ok(());
    }
    let width = text::columns().unwrap_or(WIDTH);
    let mut out = terminal.out();
    for entry in &entries {
        writeln!(out, "{}", of_entry(entry, width, terminal))?;
    }
    Ok(out.flush()?)
}

/// Identifier, time and model; what was asked; what was answered.
fn of_entry(entry: &Entry, width: usize, terminal: &Terminal) -> String {
    let id = end_of(&entry.id);
    let time = minutes(&entry.datetime_utc);
    let mut head = vec![time, text::line(&entry.model)];
    let sample = entry.sample.filter(|&sample| sample > 0);
    head.extend(sample.map(|sample| format!("sample {sample}")));
    head.extend(entry.conversation.as_ref().map(|id| format!("conversation {}", end_of(id))));
    let head = head.join("  ");
    let indent = " ".repeat(ID + 2);
    let line = |mark: &str, text: &str| {
        let room = width.saturating_sub(ID + 2 + mark.len());
        let words: Vec<&str> = text.split_whitespace().collect();
        format!("{mark}{}", text::shortened(&text::line(&words.join(" ")), room))
    };
    format!(
        "{}  {}\n{indent}{}\n{indent}{}",
        terminal.bold(id),
        terminal.dim(&text::shortened(&head, width.saturating_sub(ID + 2))),
        line("> ", &entry.prompt),
        line("", &entry.response),
    )
}

/// What tells an identifier from others.
pub(super) fn end_of(id: &str) -> &str {
    let start = id.char_indices().rev().nth(ID - 1).map_or(0, |(start, _)| start);
    &id[start..]
}

/// Day and minute of a time in the file.
pub(super) fn minutes(datetime_utc: &str) -> String {
    datetime_utc.chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
