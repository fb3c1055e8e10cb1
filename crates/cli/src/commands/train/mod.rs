//! `mynah train`: builds a model from texts.

mod budget;
mod finish;
mod folder;
mod log;
mod prepare;
mod screen;
mod texts;
mod watch;

use std::path::PathBuf;

pub(crate) use folder::token_bytes;
pub(crate) use prepare::{Prepared, prepare_texts};

use anyhow::Context as _;
use mynah_kernels::Isa;
use mynah_store::State;
use mynah_train::config::{Config, Preset};
use mynah_train::data::{Part, Shard};
use mynah_train::evaluate::Evaluation;
use mynah_train::journal::Journal;
use mynah_train::run::{Course, Ending, RunError, Watch};
use mynah_train::trainer::{Material, StepError, Trainer};

use crate::commands::corpus::Place;
use crate::commands::train::folder::{About, Folder};
use crate::commands::train::log::{Log, Logged};
use crate::commands::train::screen::Screen;
use crate::commands::train::watch::Lines;
use crate::failure::{Hint as _, Interrupted, Misuse};
use crate::interrupt::Listening;
use crate::limits;
use crate::log::LogArgs;
use crate::machine;
use crate::session::at_least_one;
use crate::terminal::Terminal;
use crate::units;

/// Build a language model from text
///
/// Learns a vocabulary, chooses a size for the time it is given, trains, and writes a folder that
/// `mynah run ./FOLDER` speaks from, with a report. Ctrl-C stops and keeps what was learnt;
/// --resume goes on from there, and comes to the same bits as a run that was never stopped.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah train
  mynah train my.txt more-texts/ --budget 1h --out my-model
  mynah train config.toml my.txt --preset nano --seeds 3
  mynah train --resume my-model")]
pub(crate) struct Args {
    /// Texts: files, and folders of them [default: the corpus]; a file ending in .toml has settings
    #[arg(value_name = "TEXT")]
    what: Vec<PathBuf>,
    /// How long it may take, such as 10m, 1h30m or 90s
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::seconds)]
    budget: f64,
    /// Where the model goes [default: called like the text]
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// llama: every program reads it; nano: learns more in the same time, mynah reads it
    #[arg(long, value_parser = preset)]
    preset: Option<Preset>,
    /// How many layers; everything else follows [default: what suits the time]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    depth: Option<usize>,
    /// How many steps, instead of a time
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "budget")]
    steps: Option<usize>,
    /// How many tokens the vocabulary has [default: what suits the amount of text]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    vocabulary: Option<usize>,
    /// A tokenizer.json to use instead of learning a vocabulary
    #[arg(long, value_name = "FILE", conflicts_with = "vocabulary")]
    tokenizer: Option<PathBuf>,
    /// Where all randomness begins
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Train with N seeds in turn, in the time given, for an interval
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    seeds: usize,
    /// Show curves and samples on the whole screen; q stops and keeps what was learnt
    #[arg(long)]
    tui: bool,
    /// How many threads compute [default: all there are]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// What an hour of this machine costs, for the report
    #[arg(long, value_name = "PRICE")]
    price_per_hour: Option<f64>,
    /// Replace what is in the folder
    #[arg(long)]
    force: bool,
    /// Go on with a run that was stopped
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["what", "out", "preset", "depth"])]
    #[arg(conflicts_with_all = ["steps", "vocabulary", "tokenizer", "seed", "seeds", "force"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    log: LogArgs,
}

fn preset(name: &str) -> Result<Preset, String> {
    Preset::named(name).ok_or_else(|| "the presets are llama and nano".to_owned())
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    if args.tui && !terminal.shows_progress() {
        let error = Misuse("--tui needs a terminal on standard error".to_owned());
        return Err(error).hint("without it a run is shown line by line");
    }
    let n_threads = args.threads.unwrap_or_else(machine::n_threads);
    let folder = match &args.resume {
        Some(folder) => Folder::open(folder)?,
        None => prepare::prepare(args, n_threads, terminal)?,
    };
    let (mut about, config) = (folder.about()?, folder.config()?);
    if args.price_per_hour.is_some() {
        about.price_per_hour = args.price_per_hour;
    }
    let on_screen = args.tui;
    let peak = limits::f32_flops(n_threads, Isa::detect());
    let (mut evaluations, mut check) = (Vec::new(), None);
    for n in 0..about.seeds {
        let config = Config { seed: config.seed + n, ..config.clone() };
        let run = Run {
            folder: &folder,
            about: &about,
            config,
            n_threads,
            peak,
            on_screen,
            log: &args.log,
        };
        if about.seeds > 1 {
            terminal.note(&format!("seed {} ({} of {})", run.config.seed, n + 1, about.seeds));
        }
        let (evaluation, said) = run.train(n == 0, terminal)?;
        evaluations.extend(evaluation.map(|evaluation| (run.config.seed, evaluation)));
        check = said.or(check);
    }
    let run =
        Run { folder: &folder, about: &about, config, n_threads, peak, on_screen, log: &args.log };
    finish::report(&run, &evaluations, check.as_deref(), terminal)
}

/// One run with one seed.
struct Run<'r> {
    folder: &'r Folder,
    about: &'r About,
    config: Config,
    n_threads: usize,
    /// What the machine multiplies at best, in operations a second.
    peak: f64,
    on_screen: bool,
    log: &'r LogArgs,
}

impl Run<'_> {
    /// Trains to the end; writes the model if it is the one that is kept.
    fn train(
        &self,
        is_kept: bool,
        terminal: &Terminal,
    ) -> anyhow::Result<(Option<Evaluation>, Option<String>)> {
        let (folder, config, seed) = (self.folder, &self.config, self.config.seed);
        let tokenizer = folder.tokenizer()?;
        let shard = Shard::open(&folder.tokens())?;
        shard.verify()?;
        let data = folder.data_hash(&shard)?;
        let [learnt, held] = Part::divide(&shard, config.watch.held_out);
        let token_bytes = folder::token_bytes(&tokenizer, config.model.vocabulary);
        let begins = self.about.begins;
        let material = Material { source: &learnt, begins, token_bytes: &token_bytes };
        let mut trainer = Trainer::new(config.clone(), &material, Isa::detect(), self.n_threads);
        let checkpoint = folder.checkpoint(seed);
        if checkpoint.exists() {
            trainer
                .restore(&checkpoint, &data, &material)
                .hint("a run goes on with the data and settings that it was begun with")?;
            terminal.note(&format!("going on after step {}", trainer.state().step));
        }
        let mut journal = Journal::open(&folder.log(seed), trainer.state().step)?;
        let held = Material { source: &held, begins, token_bytes: &token_bytes };
        let decode =
            |tokens: &[u32]| String::from_utf8_lossy(&tokenizer.decode(tokens)).into_owned();
        let prompts = config.watch.prompts.iter();
        let course = Course {
            held: (held.source.n_documents() > 0).then_some(held),
            begins,
            prompts: prompts.map(|p| (p.clone(), prepare::encode(&tokenizer, p))).collect(),
            decode: &decode,
            checkpoint: &checkpoint,
            data: &data,
        };
        let entry = (self.about.name.as_str(), folder.root());
        let mut log = Log::begin(self.log, entry, config, trainer.state().step, terminal);
        let watch = self.watch(terminal, trainer.state(), &journal)?;
        let mut watch = Logged { watch, log: &mut log };
        let ended = mynah_train::run::run(&mut trainer, &course, &mut journal, &mut watch);
        drop(watch);
        match &ended {
            Ok(Ending::Done(evaluation)) => {
                log.end(State::Finished, evaluation.map(|measured| measured.bits_per_byte));
            }
            Ok(Ending::Stopped) => log.end(State::Stopped, None),
            Err(_) => log.end(State::Failed, None),
        }
        match ended.map_err(explained)? {
            Ending::Stopped => {
                let (step, root) = (trainer.state().step, folder.root().display());
                terminal.note(&format!(
                    "stopped after step {step}; go on with `mynah train --resume {root}`"
                ));
                Err(Interrupted.into())
            }
            Ending::Done(evaluation) => {
                let export = || finish::export(self, &mut trainer, &tokenizer, &course, terminal);
                Ok((evaluation, is_kept.then(export).transpose()?))
            }
        }
    }
}

impl Run<'_> {
    /// Who looks on, as a person wants to.
    fn watch<'t>(
        &self,
        terminal: &'t Terminal,
        state: mynah_train::trainer::State,
        journal: &Journal,
    ) -> anyhow::Result<Box<dyn Watch + 't>> {
        let (config, peak) = (&self.config, self.peak);
        if self.on_screen {
            let events = journal.events();
            return Ok(Box::new(Screen::new(&self.about.name, config, peak, state, events)?));
        }
        Ok(Box::new(Lines::new(terminal, config, peak, state, Listening::begin())))
    }
}

/// Adds what a person can do.
fn explained(error: RunError) -> anyhow::Error {
    let hint = match &error {
        RunError::Step(StepError::NotFinite { .. }) => {
            "the last checkpoint is whole; train again with a smaller optimiser.learning_rate"
        }
        RunError::Checkpoint(_) | RunError::Journal(_) => {
            "the last checkpoint is whole; make room on the disk and go on with --resume"
        }
        _ => return anyhow::Error::new(error),
    };
    let failed: Result<(), _> = Err(error).context("training stopped");
    failed.hint(hint).err().unwrap_or_else(|| anyhow::anyhow!("training stopped"))
}
