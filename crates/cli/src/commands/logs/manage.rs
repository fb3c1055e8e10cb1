//! `mynah logs` `delete`, `status`, `on`, `off` and `path`.

use std::fs;
use std::io::Write as _;

use mynah_store::{Filter, Store};
use serde::Serialize;

use super::FilterArgs;
use crate::failure::{Hint as _, Misuse};
use crate::log::DatabaseArgs;
use crate::terminal::Terminal;
use crate::units;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct DeleteArgs {
    /// Which: identifiers, or ends of them
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// All of them
    #[arg(long, conflicts_with_all = ["ids", "search", "since", "model", "conversation"])]
    all: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn delete(
    args: &DeleteArgs,
    mut store: Store,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let ids = chosen(args, &store)?;
    if ids.is_empty() {
        terminal.note("no answer fits");
        return Ok(());
    }
    let n = if ids.len() == 1 { "1 answer".to_owned() } else { format!("{} answers", ids.len()) };
    if !args.yes {
        if !terminal.is_interactive() {
            return Err(Misuse(format!("nobody is there to say whether {n} may be deleted")))
                .hint("--yes deletes without asking");
        }
        let answer = terminal.ask(&format!("delete {n} for good? [y/N] "))?;
        if !matches!(answer.as_deref(), Some("y" | "Y" | "yes")) {
            terminal.note("nothing was deleted");
            return Ok(());
        }
    }
    store.delete(&ids)?;
    terminal.note(&format!("deleted {n}"));
    Ok(())
}

fn chosen(args: &DeleteArgs, store: &Store) -> anyhow::Result<Vec<String>> {
    if !args.ids.is_empty() {
        let id = |id: &String| Ok(store.entry(Some(id))?.id);
        return args.ids.iter().map(id).collect();
    }
    let FilterArgs { search, since, model, conversation, .. } = &args.filter;
    let says_which = args.all
        || search.is_some()
        || since.is_some()
        || model.is_some()
        || conversation.is_some();
    if !says_which {
        return Err(Misuse("it is not said what to delete".to_owned()))
            .hint("name identifiers, or use --search, --since, --model, --conversation or --all");
    }
    let mut filter = args.filter.filter(None);
    if args.all {
        filter = Filter { with_samples: true, ..Filter::default() };
    }
    Ok(store.entries(&filter)?.into_iter().map(|entry| entry.id).collect())
}

#[derive(clap::Args, Clone, Debug)]
pub(super) struct StatusArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Status {
    records: bool,
    path: std::path::PathBuf,
    exists: bool,
    bytes: u64,
    answers: u64,
    samples: u64,
    conversations: u64,
}

pub(super) fn status(
    args: &StatusArgs,
    database: &DatabaseArgs,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let path = database.path()?;
    let store = database.open_existing()?;
    let (records, (answers, samples, conversations)) = match &store {
        Some(store) => (store.records()?, store.counts()?),
        None => (true, (0, 0, 0)),
    };
    let bytes = fs::metadata(&path).map_or(0, |file| file.len());
    let exists = store.is_some();
    let status = Status { records, path, exists, bytes, answers, samples, conversations };
    if args.json {
        return terminal.json(&status);
    }
    let mut out = terminal.out();
    writeln!(out, "{}", if records { "answers are kept" } else { "answers are not kept" })?;
    writeln!(out, "file           {}", status.path.display())?;
    writeln!(out, "size           {}", units::bytes(bytes))?;
    writeln!(out, "answers        {answers}, of which {samples} samples of experiments")?;
    writeln!(out, "conversations  {conversations}")?;
    Ok(out.flush()?)
}

pub(super) fn switch(database: &DatabaseArgs, on: bool, terminal: &Terminal) -> anyhow::Result<()> {
    database.open()?.set_records(on)?;
    terminal.note(if on {
        "answers are kept from now on"
    } else {
        "no answers are kept from now on; `mynah logs on` changes that"
    });
    Ok(())
}

pub(super) fn path(database: &DatabaseArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let mut out = terminal.out();
    writeln!(out, "{}", database.path()?.display())?;
    Ok(out.flush()?)
}
