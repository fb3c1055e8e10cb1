//! `mynah code`: has a program written, run and repaired until it works.

mod report;
mod save;
mod sessions;
mod show;

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use mynah_agent::Interpreter;
use mynah_agent::ground::{Cell, Given, Ground};
use mynah_agent::probe;
use mynah_agent::session::{Session, Turn};
use mynah_agent::work::{Attempt, Budget, End, Manner, Outcome, Task, work};
use mynah_respond::Sampling;

use crate::answering::{self, OtherArgs, Room};
use crate::failure::{Hint as _, Interrupted, Misuse};
use crate::interpreter::{self, SandboxArgs, seconds};
use crate::interrupt::Listening;
use crate::log::LogArgs;
use crate::logged::Logged;
use crate::machine;
use crate::session::{ModelArgs, SamplingArgs, at_least_one};
use crate::terminal::Terminal;
use report::Report;
use sessions::SessionArgs;
use show::Show;

/// How many tokens a prompt may have beside its answer: task, files, tests, the last program and
/// its error.
const PROMPT_TOKENS: usize = 6144;

/// Have a program written, run, and repaired until it works
///
/// The model writes Python; it is run in a sandbox, and what it prints or the error goes back to
/// the model, until the program works or the budget is spent. A program works if it runs to its
/// end and prints or makes something; with --test, if the tests pass. The output of the program
/// that works is printed; everything before that is told on standard error.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah code \"Print the first 20 prime numbers\"
  mynah code \"Which month was best?\" --file sales.csv
  mynah code --test tests.py \"Write slug(title): small letters, words joined by -\"
  mynah code --samples 16 --save result \"How many Fridays fell on a 13th from 2000 to 2025?\"
  mynah code --session sales --file sales.csv \"Read sales.csv into the list rows\"
  mynah code --session sales \"How many rows are there?\"
  mynah code --sessions

Exit status 1: no program worked within the budget.")]
pub(crate) struct Args {
    /// What the program is to do; several words are joined by spaces
    #[arg(value_name = "TASK", required_unless_present_any = ["sessions", "end"])]
    task: Vec<String>,
    /// A file that the program may read; a copy lies in its folder. May be given several times
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Tests that decide whether it works: Python that is run after the program
    #[arg(long, value_name = "FILE.py")]
    test: Option<PathBuf>,
    /// Save the program, its output and the files that it made in this folder
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// How many candidates each attempt draws; the largest group that does the same is kept
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    samples: usize,
    /// Print all attempts as JSON
    #[arg(long)]
    json: bool,
    /// How many attempts there are at most
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    #[arg(help_heading = "Budget")]
    attempts: usize,
    /// How many tokens may be written, all answers together
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = at_least_one)]
    #[arg(help_heading = "Budget")]
    tokens: usize,
    /// How many tokens an answer may have
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1024, value_parser = at_least_one)]
    #[arg(help_heading = "Budget")]
    max_tokens: usize,
    /// How many seconds it may take, all attempts together
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    #[arg(help_heading = "Budget")]
    seconds: Duration,
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    sandbox: SandboxArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    other: OtherArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    if args.session.is_about_sessions() {
        return sessions::manage(&args.session, args.json, terminal);
    }
    let given = read_files(&args.file)?;
    let tests = args.test.as_deref().map(read_tests).transpose()?;
    let task = read_task(&args.task)?;
    args.sampling.check()?;
    if let Some(folder) = &args.save {
        save::check(folder)?;
    }
    let parallel = args.samples.min(machine::n_threads());
    let interpreter = interpreter::open(&args.sandbox, parallel, terminal)?;
    let session = args.session.open(&interpreter.identity())?;
    let job = Job { args, task, given, tests, parallel };
    job.run(&*interpreter, session, terminal)
}

/// What was read of the command line.
struct Job<'a> {
    args: &'a Args,
    task: String,
    given: Vec<Given>,
    tests: Option<String>,
    parallel: usize,
}

impl Job<'_> {
    fn run(
        self,
        interpreter: &dyn Interpreter,
        mut session: Option<Session>,
        terminal: &Terminal,
    ) -> anyhow::Result<()> {
        let Self { args, task, given: new, tests, parallel } = self;
        let scratch = tempfile::Builder::new().prefix("mynah-code-").tempdir();
        let scratch = scratch.context("cannot make a folder for programs")?;
        let cells: Vec<Cell> = session.as_ref().map_or_else(Vec::new, Session::cells);
        let new: Vec<Given> =
            new.into_iter().map(|one| Given { before: cells.len(), ..one }).collect();
        let earlier = session.as_ref().map_or_else(Vec::new, Session::earlier);
        let told = session.as_ref().map_or_else(|| task.clone(), |session| session.told(&task));
        let given: Vec<Given> =
            session.iter().flat_map(Session::given).chain(new.clone()).collect();
        // One program needs no comparison.
        let functions = if args.samples > 1 { probe::functions(&task) } else { Vec::new() };
        let ground = Ground {
            interpreter,
            scratch: scratch.path(),
            given: &given,
            cells: &cells,
            in_session: session.is_some(),
            tests: tests.as_deref(),
            functions: &functions,
        };
        let listening = Listening::begin();
        let stop = listening.flag();
        let manner = manner(args, parallel, &stop);
        let asked = Task { text: &told, earlier: &earlier };
        let room = Room { width: args.samples, each: PROMPT_TOKENS + args.max_tokens };
        let mut ask = |responder: &mut dyn mynah_respond::Responder| {
            let mut responder = Logged::new(responder, "code", &args.log, terminal);
            let mut show = Show::new(terminal, args.json);
            Ok(work(&asked, &manner, &mut responder, &ground, &mut show)?)
        };
        let outcome =
            answering::with(&args.model, &args.sampling, &args.other, &room, terminal, &mut ask)?;
        drop(listening);
        if let (Some(session), Some(attempt)) = (&mut session, outcome.working()) {
            keep(session, task.clone(), attempt, &new)?;
        }
        finish(args, &task, &outcome, terminal)
    }
}

/// Keeps what worked.
fn keep(
    session: &mut Session,
    task: String,
    attempt: &Attempt,
    given: &[Given],
) -> anyhow::Result<()> {
    let (Some(source), Some(trial)) = (&attempt.source, &attempt.trial) else { return Ok(()) };
    let cell = Cell { source: source.clone(), stdout: trial.run.stdout.clone() };
    let turn = Turn { task, answer: attempt.answer.clone(), cell, given: Vec::new() };
    session.keep(turn, given).context("the session was not kept")
}

/// Prints what came of it, and saves it if that is wanted.
fn finish(args: &Args, task: &str, outcome: &Outcome, terminal: &Terminal) -> anyhow::Result<()> {
    if let (Some(folder), Some(attempt)) = (&args.save, outcome.working()) {
        save::save(folder, attempt)?;
        terminal.note(&format!("saved in {}", folder.display()));
    }
    if args.json {
        terminal.json(&Report::new(task, outcome))?;
    }
    if let Some(attempt) = outcome.working() {
        if args.json {
            return Ok(());
        }
        show::sureness(attempt, terminal);
        let made = attempt.made();
        if !made.is_empty() && args.save.is_none() {
            terminal.hint("--save FOLDER keeps the files that a program makes");
        }
        let mut out = terminal.out();
        let stdout = attempt.trial.as_ref().map_or("", |trial| &trial.run.stdout);
        write!(out, "{}", crate::printer::for_output(stdout))?;
        if !stdout.is_empty() && !stdout.ends_with('\n') {
            writeln!(out)?;
        }
        return Ok(out.flush()?);
    }
    if outcome.end == End::Stopped {
        return Err(Interrupted.into());
    }
    show::closest(outcome, terminal);
    Err(anyhow::anyhow!("{}", show::why(outcome)))
        .hint("say more exactly what is wanted, allow more --attempts or --samples, or take a larger --model")
}

/// How the task is gone about.
fn manner<'a>(args: &Args, parallel: usize, stop: &'a AtomicBool) -> Manner<'a> {
    Manner {
        sampling: sampling(args),
        seed: args.sampling.seed.unwrap_or(0),
        samples: args.samples,
        parallel,
        budget: Budget { attempts: args.attempts, tokens: args.tokens as u64, time: args.seconds },
        stop,
    }
}

/// How answers are drawn.
fn sampling(args: &Args) -> Sampling {
    Sampling {
        temperature: args.sampling.temperature,
        top_k: args.sampling.top_k,
        top_p: args.sampling.top_p,
        min_p: args.sampling.min_p,
        max_tokens: args.max_tokens,
        stop: args.sampling.stop.clone(),
    }
}

/// The task: the words, and what is piped in.
fn read_task(words: &[String]) -> anyhow::Result<String> {
    let mut task = words.join(" ");
    if !io::stdin().is_terminal() && task.trim() == "-" {
        task.clear();
        io::stdin().lock().read_to_string(&mut task).context("cannot read standard input")?;
    }
    if task.trim().is_empty() {
        return Err(Misuse("there is no task".to_owned()))
            .hint("say what the program is to do; `-` reads it from standard input");
    }
    Ok(task)
}

/// Finds files that are given, by names that differ.
fn read_files(paths: &[PathBuf]) -> anyhow::Result<Vec<Given>> {
    let mut names = HashSet::new();
    let given = paths.iter().map(|path| {
        let cannot = |reason: String| Misuse(format!("--file {}: {reason}", path.display()));
        let facts = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
        if !facts.is_file() {
            return Err(cannot("it is not a file".to_owned()).into());
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| cannot("its name is not text in UTF-8".to_owned()))?;
        if !names.insert(name) {
            return Err(cannot("another file has the same name".to_owned()).into());
        }
        Ok(Given { name: name.to_owned(), path: path.clone(), before: 0 })
    });
    given.collect()
}

fn read_tests(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Misuse(format!("--test {}: {error}", path.display())))?;
    if text.trim().is_empty() {
        return Err(Misuse(format!("--test {}: there is nothing in it", path.display())).into());
    }
    Ok(text)
}
