//! `mynah corpus`: texts, where they come from, and what is wrong with them.

mod add;
mod allow;
mod clean;
pub(crate) mod collection;
mod list;
mod rm;
mod stats;
mod tokenizer;

use std::path::PathBuf;

use mynah_corpus::Corpus;

use crate::environment;
use crate::terminal::Terminal;

/// Gather texts to train a model on, with their licences, and clean them
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah corpus add                        a small collection in English
  mynah corpus add chinese                one in Chinese
  mynah corpus add ~/writing notes.jsonl --licence CC-BY-4.0
  mynah corpus clean                      find duplicates, bad texts and personal data
  mynah corpus stats
  mynah corpus stats --sql \"select title, bytes from used order by bytes desc limit 5\"

A corpus is a folder with a SQLite file and compressed texts. Nothing in it is deleted but by
`mynah corpus rm`: a rule that leaves a text out can be turned off again.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Add(add::Args),
    Clean(clean::Args),
    Stats(stats::Args),
    List(list::Args),
    Allow(allow::Args),
    Tokenizer(tokenizer::Args),
    Rm(rm::Args),
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    match &args.command {
        Command::Add(args) => add::run(args, terminal),
        Command::Clean(args) => clean::run(args, terminal),
        Command::Stats(args) => stats::run(args, terminal),
        Command::List(args) => list::run(args, terminal),
        Command::Allow(args) => allow::run(args, terminal),
        Command::Tokenizer(args) => tokenizer::run(args, terminal),
        Command::Rm(args) => rm::run(args, terminal),
    }
}

/// Which corpus is meant.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The folder of the corpus [default: `corpus` in MYNAH_HOME or in your data folder]
    #[arg(long, value_name = "FOLDER", env = "MYNAH_CORPUS", hide_env_values = true)]
    corpus: Option<PathBuf>,
}

impl Place {
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        self.corpus.clone().map_or_else(environment::corpus, Ok)
    }

    pub(crate) fn open(&self) -> anyhow::Result<Corpus> {
        Ok(Corpus::open(&self.folder()?)?)
    }

    pub(crate) fn open_to_change(&self) -> anyhow::Result<Corpus> {
        Ok(Corpus::open_to_change(&self.folder()?)?)
    }

    /// Opens a corpus that is there to change it.
    pub(crate) fn change(&self) -> anyhow::Result<Corpus> {
        // One that is not there is not made.
        drop(self.open()?);
        self.open_to_change()
    }
}
