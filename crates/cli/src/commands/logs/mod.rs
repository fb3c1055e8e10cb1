//! `mynah logs`: what was asked and answered.

mod export;
mod list;
mod manage;
mod show;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mynah_store::{Filter, Store};

use crate::failure::Hint as _;
use crate::log::{DatabaseArgs, tell_empty};
use crate::terminal::Terminal;

/// Look back over what was asked and answered
///
/// `mynah run` and `mynah chat` keep every answer in one SQLite file on this computer. Without
/// anything more this lists the newest.
#[derive(clap::Args)]
#[group(skip)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "\
Examples:
  mynah logs -s \"capital france\"      what has these words
  mynah logs show                     the last answer, whole
  mynah logs show 2f7k --json         the one whose identifier ends so
  mynah logs export --since 7d --format markdown > week.md
  mynah logs off                      keep nothing from now on

The file has the tables of the command line `llm`: `llm logs -d FILE` and `datasette FILE` read it.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Subcommand>,
    #[command(flatten)]
    list: list::Args,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What can be done with the log.
#[derive(clap::Subcommand)]
enum Subcommand {
    /// List answers, the newest first
    List(WithDatabase<list::Args>),
    /// Show an answer whole: the last, or the one with this identifier or end of it
    Show(WithDatabase<show::Args>),
    /// Write answers as JSON, JSON lines or Markdown, the oldest first
    Export(WithDatabase<export::Args>),
    /// Delete answers for good
    Delete(WithDatabase<manage::DeleteArgs>),
    /// Tell whether answers are kept, where, and how many there are
    Status(WithDatabase<manage::StatusArgs>),
    /// Keep answers from now on
    On(WithDatabase<Nothing>),
    /// Keep no answers from now on; those that are kept stay
    Off(WithDatabase<Nothing>),
    /// Print where answers are kept
    Path(WithDatabase<Nothing>),
    /// Copy everything into a file, also while other programs write
    Backup(WithDatabase<BackupArgs>),
}

/// Arguments beside which the file may be named.
#[derive(clap::Args)]
#[group(skip)]
struct WithDatabase<A: clap::Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(clap::Args)]
struct Nothing {}

#[derive(clap::Args)]
struct BackupArgs {
    /// The copy; one that is there is replaced when the new one is whole
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Which answers are wanted.
#[derive(clap::Args, Clone, Debug, Default)]
struct FilterArgs {
    /// Only those with these words; the best match first
    #[arg(long, short, value_name = "WORDS")]
    search: Option<String>,
    /// Only those since a day (2026-03-01), a time, or so long ago (7d, 12h)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// Only those of this model
    #[arg(long, short, value_name = "NAME")]
    model: Option<String>,
    /// Only those of this conversation: its identifier or the end of it
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Also the samples of experiments
    #[arg(long)]
    samples: bool,
}

impl FilterArgs {
    fn filter(&self, limit: Option<usize>) -> Filter {
        let since = self.since.map(|since| match since {
            Since::At(time) => time,
            Since::Ago(time) => {
                SystemTime::now().checked_sub(time).unwrap_or(SystemTime::UNIX_EPOCH)
            }
        });
        Filter {
            limit,
            since,
            model: self.model.clone(),
            thread: self.conversation.clone(),
            search: self.search.clone(),
            ids: None,
            with_samples: self.samples,
        }
    }
}

/// The beginning of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    At(SystemTime),
    Ago(Duration),
}

/// Reads a day, a time or a duration.
fn since(text: &str) -> Result<Since, String> {
    let day = format!("{text}T00:00:00");
    if let Some(time) = mynah_store::time::from_text(text)
        .or_else(|| mynah_store::time::from_text(&day).filter(|_| text.len() == 10))
    {
        return Ok(Since::At(time));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let hours = match &text[digits.len()..] {
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        _ => return Err("write a day such as 2026-03-01, or 12h, 7d, 4w".to_owned()),
    };
    let n: u64 = digits.parse().map_err(|_| "the number is missing".to_owned())?;
    let seconds = n.checked_mul(hours * 3600).ok_or("it is too long ago")?;
    Ok(Since::Ago(Duration::from_secs(seconds)))
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    use Subcommand::{Backup, Delete, Export, List, Off, On, Path, Show, Status};
    let with = |database: &DatabaseArgs, act: &dyn Fn(Store, &Terminal) -> anyhow::Result<()>| {
        match database.open_existing()? {
            Some(store) => act(store, terminal),
            None => tell_empty(database, terminal),
        }
    };
    let Some(command) = &args.command else {
        return with(&args.database, &|store, terminal| list::run(&args.list, &store, terminal));
    };
    match command {
        List(it) => with(&it.database, &|store, terminal| list::run(&it.args, &store, terminal)),
        Show(it) => with(&it.database, &|store, terminal| show::run(&it.args, &store, terminal)),
        Export(it) => {
            with(&it.database, &|store, terminal| export::run(&it.args, &store, terminal))
        }
        Delete(it) => {
            with(&it.database, &|store, terminal| manage::delete(&it.args, store, terminal))
        }
        Status(it) => manage::status(&it.args, &it.database, terminal),
        On(it) => manage::switch(&it.database, true, terminal),
        Off(it) => manage::switch(&it.database, false, terminal),
        Path(it) => manage::path(&it.database, terminal),
        Backup(it) => match it.database.open_existing()? {
            Some(store) => Ok(store.back_up(&it.args.file)?),
            None => Err(anyhow::anyhow!("there is nothing to copy"))
                .hint("`mynah logs path` tells where answers would be"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_times_and_durations() {
        let at = |seconds| Since::At(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(since("2026-03-01"), Ok(at(1_772_323_200)));
        assert_eq!(since("2026-03-01T12:00:00"), Ok(at(1_772_366_400)));
        assert_eq!(since("2026-03-01 12:00:00"), Ok(at(1_772_366_400)));
        assert_eq!(since("12h"), Ok(Since::Ago(Duration::from_hours(12))));
        assert_eq!(since("2w"), Ok(Since::Ago(Duration::from_hours(14 * 24))));
        for wrong in ["", "yesterday", "7", "d", "7m", "-7d", "99999999999999999999d", "日"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
