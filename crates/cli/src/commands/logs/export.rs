//! `mynah logs export`: answers for other programs, or for reading.

use std::io::{self, Write};

use mynah_store::{Entry, Store};

use super::FilterArgs;
use super::list::minutes;
use crate::printer::for_output;
use crate::terminal::Terminal;
use crate::text;

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many, the newest
    #[arg(short, value_name = "N")]
    n: Option<usize>,
    /// In which form
    #[arg(long, short, value_name = "FORMAT", default_value = "json")]
    format: Format,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// A list of objects
    Json,
    /// An object a line
    Jsonl,
    /// Text with headings
    Markdown,
}

pub(super) fn run(args: &Args, store: &Store, terminal: &Terminal) -> anyhow::Result<()> {
    let mut entries = store.entries(&args.filter.filter(args.n))?;
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    let mut out = terminal.out();
    match args.format {
        Format::Json => return terminal.json(&entries),
        Format::Jsonl => {
            for entry in &entries {
                serde_json::to_writer(&mut out, entry).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        Format::Markdown => entries.iter().try_for_each(|entry| markdown(entry, &mut out))?,
    }
    Ok(out.flush()?)
}

/// A section for an answer. What was said stands in fences that it cannot leave.
fn markdown(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# {} · {}\n", minutes(&entry.datetime_utc), text::line(&entry.model))?;
    writeln!(out, "id: `{}`", entry.id)?;
    if let Some(thread) = &entry.conversation {
        writeln!(out, "conversation: `{thread}`")?;
    }
    for (heading, text) in [
        ("System", entry.system.as_deref()),
        ("Prompt", Some(entry.prompt.as_str())),
        ("Answer", Some(entry.response.as_str())),
    ] {
        let Some(text) = text else { continue };
        let (fence, text) = (fence_around(text), for_output(text));
        writeln!(out, "\n## {heading}\n\n{fence}text\n{text}\n{fence}")?;
    }
    writeln!(out)
}

/// A fence that is longer than any in the text.
fn fence_around(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence_around("plain `code`"), "```");
        assert_eq!(fence_around("```rust\n```"), "````");
        assert_eq!(fence_around("`````"), "``````");
    }
}
