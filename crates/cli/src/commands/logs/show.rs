//! `mynah logs show`: one answer with everything that is known of it.

use std::io::Write as _;

use mynah_store::{Entry, Store};

use super::list::minutes;
use crate::printer::for_output;
use crate::terminal::Terminal;
use crate::text;

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(super) struct Args {
    /// Which; the last if not said
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// Print nothing but the answer
    #[arg(long, short, conflicts_with = "json")]
    response: bool,
}

pub(super) fn run(args: &Args, store: &Store, terminal: &Terminal) -> anyhow::Result<()> {
    let entry = store.entry(args.id.as_deref())?;
    if args.json {
        return terminal.json(&entry);
    }
    let mut out = terminal.out();
    if args.response {
        writeln!(out, "{}", for_output(&entry.response))?;
        return Ok(out.flush()?);
    }
    for (name, value) in facts(&entry) {
        writeln!(out, "{}  {}", terminal.bold(&text::left(name, 12)), text::line(&value))?;
    }
    if let Some(system) = &entry.system {
        writeln!(out, "\n{}\n{}", terminal.bold("system"), for_output(system))?;
    }
    writeln!(out, "\n{}\n{}", terminal.bold("prompt"), for_output(&entry.prompt))?;
    writeln!(out, "\n{}\n{}", terminal.bold("answer"), for_output(&entry.response))?;
    Ok(out.flush()?)
}

/// What is known of an answer beside what was said.
pub(super) fn facts(entry: &Entry) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("id", entry.id.clone()),
        ("time", format!("{} UTC", minutes(&entry.datetime_utc))),
        ("model", entry.model.clone()),
    ];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("weights", entry.fingerprint.as_ref().map(|sum| format!("SHA-256 {sum}")));
    add("conversation", entry.conversation.clone());
    add("command", entry.command.clone());
    add("sample", entry.sample.filter(|&sample| sample > 0).map(|sample| sample.to_string()));
    let options = entry.options.as_object().filter(|options| !options.is_empty());
    add(
        "options",
        options.map(|options| {
            let pairs: Vec<String> =
                options.iter().map(|(name, value)| format!("{name}={value}")).collect();
            pairs.join(" ")
        }),
    );
    add("schema", entry.schema.as_ref().map(ToString::to_string));
    let tokens = entry.input_tokens.zip(entry.output_tokens);
    add("tokens", tokens.map(|(read, written)| format!("{read} read, {written} written")));
    add("duration", entry.duration_ms.map(|ms| format!("{ms:.0} ms")));
    add("ended by", entry.finish.clone());
    facts
}
