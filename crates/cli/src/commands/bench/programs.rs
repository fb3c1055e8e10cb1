//! `mynah bench humaneval` and `mynah bench mbpp`: how well a model writes programs.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mynah_agent::ground::{Standing, Trial};
use mynah_agent::measure::{Measured, Plan, canonical, measure};
use mynah_agent::problems::{self, Problem};
use mynah_hub::Reference;
use mynah_lab::passing::{Count, Passing, passing};
use mynah_respond::{Identity, Responder, Sampling};
use serde::Serialize;

use crate::answering::{self, OtherArgs, Room, WIDTH};
use crate::failure::{Hint as _, Interrupted, Misuse};
use crate::interpreter::{self, SandboxArgs};
use crate::interrupt::Listening;
use crate::machine;
use crate::models;
use crate::session::{ModelArgs, SamplingArgs, at_least_one};
use crate::terminal::Terminal;

/// How many tokens a prompt may have beside its answer: a problem, a wrong program, its error.
const PROMPT_TOKENS: usize = 1536;

/// Which problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    HumanEval,
    Mbpp,
}

/// Measure how often a model's programs pass their tests, at once and after repairs
///
/// pass@k is the chance that of k programs at least one passes, estimated without bias from all
/// samples; intervals are over problems. With --repairs, a program that fails is written again by
/// the model that has seen the failing test. So what passes after repairs is told apart, beside
/// what as many programs give that were drawn anew.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah bench humaneval --canonical
  mynah bench humaneval --model qwen2.5-coder-0.5b --temperature 0
  mynah bench humaneval --model smollm2-135m --samples 10 --repairs 1 --json > result.json
  mynah bench mbpp --problems sanitized-mbpp.json --model qwen2.5-coder-0.5b")]
pub(super) struct Args {
    /// The file with the problems; HumanEval's is fetched, MBPP's is sanitized-mbpp.json or
    /// mbpp.jsonl of google-research
    #[arg(long, value_name = "FILE")]
    problems: Option<PathBuf>,
    /// Only the first N problems
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    first: Option<usize>,
    /// How many programs are drawn for each problem
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    samples: usize,
    /// The k of pass@k; may be given several times [default: 1, and --samples]
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    k: Vec<usize>,
    /// How often a program that fails is repaired at most
    #[arg(long, value_name = "N", default_value_t = 0)]
    repairs: usize,
    /// How many tokens an answer may have
    #[arg(long, short = 'n', value_name = "N", default_value_t = 512, value_parser = at_least_one)]
    max_tokens: usize,
    /// Run the solutions that come with the problems instead: all must pass
    #[arg(long, conflicts_with_all = ["samples", "repairs", "draw_only", "model"])]
    canonical: bool,
    /// Draw programs and run none: how long that takes without the sandbox beside it
    #[arg(long, conflicts_with = "repairs")]
    draw_only: bool,
    /// Print everything as JSON, every program included
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sandbox: SandboxArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    other: OtherArgs,
}

pub(super) fn run(args: &Args, set: Set, terminal: &Terminal) -> anyhow::Result<()> {
    args.sampling.check()?;
    let ks = ks(args)?;
    let mut problems = read(args, set, terminal)?;
    problems.truncate(args.first.unwrap_or(usize::MAX));
    let scratch = tempfile::Builder::new().prefix("mynah-bench-").tempdir();
    let scratch = scratch.context("cannot make a folder for programs")?;
    let parallel = machine::n_threads();
    let interpreter = interpreter::open(&args.sandbox, parallel, terminal)?;
    let listening = Listening::begin();
    let stop = listening.flag();
    if args.canonical {
        let trials = canonical(&problems, &*interpreter, scratch.path(), parallel, &stop)?;
        return report_canonical(args, &problems, &trials, terminal);
    }
    let plan = plan(args, &problems, parallel, &stop);
    let room = Room { width: 2 * WIDTH, each: PROMPT_TOKENS + args.max_tokens };
    let mut ask = |responder: &mut dyn Responder| {
        let bar = bar(&responder.identity(), terminal);
        let mut tell = |done: usize, of: usize| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        };
        let measured = measure(&plan, responder, &*interpreter, scratch.path(), &mut tell);
        bar.finish_and_clear();
        Ok((responder.identity(), measured?))
    };
    let (model, measured) =
        answering::with(&args.model, &args.sampling, &args.other, &room, terminal, &mut ask)?;
    if measured.is_stopped {
        return Err(Interrupted.into());
    }
    let report = Report::new(args, &ks, model, &problems, &measured);
    if args.json {
        return terminal.json(&report);
    }
    let mut out = terminal.out();
    write!(out, "{}", report.text())?;
    Ok(out.flush()?)
}

fn plan<'a>(
    args: &Args,
    problems: &'a [Problem],
    parallel: usize,
    stop: &'a AtomicBool,
) -> Plan<'a> {
    let sampling = Sampling {
        temperature: args.sampling.temperature,
        top_k: args.sampling.top_k,
        top_p: args.sampling.top_p,
        min_p: args.sampling.min_p,
        max_tokens: args.max_tokens,
        stop: args.sampling.stop.clone(),
    };
    Plan {
        problems,
        samples: args.samples,
        repairs: args.repairs,
        runs: !args.draw_only,
        sampling,
        seed: args.sampling.seed.unwrap_or(0),
        parallel,
        stop,
    }
}

/// The values of k, each once and rising.
fn ks(args: &Args) -> Result<Vec<usize>, Misuse> {
    let mut ks = if args.k.is_empty() { vec![1, args.samples] } else { args.k.clone() };
    ks.sort_unstable();
    ks.dedup();
    match ks.last() {
        Some(&k) if k > args.samples => Err(Misuse(format!(
            "--k {k}: pass@{k} needs at least {k} samples, and there are {}",
            args.samples
        ))),
        _ => Ok(ks),
    }
}

/// Reads the problems: a file's, or those of HumanEval, which are fetched.
fn read(args: &Args, set: Set, terminal: &Terminal) -> anyhow::Result<Vec<Problem>> {
    let path = match (&args.problems, set) {
        (Some(path), _) => path.clone(),
        (None, Set::HumanEval) => fetched("humaneval", terminal)?,
        (None, Set::Mbpp) => {
            return Err(Misuse("MBPP's problems are in no package that could be fetched".to_owned()))
                .hint("--problems sanitized-mbpp.json, of github.com/google-research/google-research, folder mbpp");
        }
    };
    let cannot_read = || format!("cannot read {}", path.display());
    let bytes = fs::read(&path).with_context(cannot_read)?;
    let text = problems::unpacked(bytes).with_context(cannot_read)?;
    let read = match set {
        Set::HumanEval => problems::human_eval(&text),
        Set::Mbpp => problems::mbpp(&text),
    };
    read.with_context(|| path.display().to_string())
}

/// The one file of something in the catalogue that is no model.
fn fetched(name: &str, terminal: &Terminal) -> anyhow::Result<PathBuf> {
    let hub = models::hub(terminal)?;
    let (data, _) = models::pull(&hub, &Reference::Name(name.to_owned()), false, false, terminal)?;
    Ok(data.path())
}

fn bar(model: &Identity, terminal: &Terminal) -> ProgressBar {
    if !terminal.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{prefix}  {bar:24}  {pos} of {len}  {eta}") {
        bar.set_style(style.progress_chars("█▌ "));
    }
    bar.set_prefix(crate::terminal::printable(&model.name));
    bar
}

/// What became of the solutions that come with the problems.
fn report_canonical(
    args: &Args,
    problems: &[Problem],
    trials: &[Trial],
    terminal: &Terminal,
) -> anyhow::Result<()> {
    if trials.len() < problems.len() {
        return Err(Interrupted.into());
    }
    let passed = trials.iter().filter(|trial| trial.standing == Standing::Works).count();
    let failed: Vec<(&str, &str)> = problems
        .iter()
        .zip(trials)
        .filter(|(_, trial)| trial.standing != Standing::Works)
        .map(|(problem, trial)| (problem.name.as_str(), trial.said()))
        .collect();
    if args.json {
        let of = problems.len();
        terminal.json(&serde_json::json!({"passed": passed, "of": of, "failed": failed}))?;
    } else {
        let mut out = terminal.out();
        writeln!(out, "{passed} of {} canonical solutions pass", problems.len())?;
        for (name, said) in &failed {
            writeln!(out, "{name}: {}", crate::text::line(said))?;
        }
        out.flush()?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    anyhow::bail!("{} canonical solutions do not pass", failed.len())
}

/// What was measured.
#[derive(Serialize)]
struct Report<'a> {
    model: Identity,
    problems: usize,
    samples: usize,
    repairs: usize,
    sandbox: String,
    seed: u64,
    temperature: Option<f32>,
    max_tokens: usize,
    #[serde(flatten)]
    passing: Passing,
    /// Repairs that were asked for, those that passed, and those that only took assertions away.
    repairs_tried: usize,
    repairs_passed: usize,
    repairs_only_deleting_assertions: usize,
    repairs_passed_only_deleting_assertions: usize,
    tokens: u64,
    tokens_of_repairs: u64,
    unanswered: usize,
    seconds: f64,
    waiting_seconds: f64,
    running_seconds: f64,
    runs: bool,
    names: Vec<&'a str>,
    measured: &'a Measured,
}

impl<'a> Report<'a> {
    fn new(
        args: &Args,
        ks: &[usize],
        model: Identity,
        problems: &'a [Problem],
        measured: &'a Measured,
    ) -> Self {
        let mut counts = vec![Count::default(); problems.len()];
        for sample in &measured.samples {
            let count = &mut counts[sample.problem];
            count.samples += 1;
            count.passed += usize::from(sample.passes_at_once());
            count.passed_in_the_end += usize::from(sample.passes());
        }
        let repaired = || measured.samples.iter().flat_map(|sample| sample.tried.iter().skip(1));
        let works = |tried: &&mynah_agent::measure::Tried| tried.standing == Standing::Works;
        let all = measured.samples.iter().flat_map(|sample| &sample.tried);
        Self {
            model,
            problems: problems.len(),
            samples: args.samples,
            repairs: args.repairs,
            sandbox: format!("{:?}", args.sandbox.sandbox).to_lowercase(),
            seed: args.sampling.seed.unwrap_or(0),
            temperature: args.sampling.temperature,
            max_tokens: args.max_tokens,
            passing: passing(&counts, ks, args.repairs),
            repairs_tried: repaired().count(),
            repairs_passed: repaired().filter(works).count(),
            repairs_only_deleting_assertions: repaired()
                .filter(|tried| tried.only_deletes_assertions)
                .count(),
            repairs_passed_only_deleting_assertions: repaired()
                .filter(works)
                .filter(|tried| tried.only_deletes_assertions)
                .count(),
            tokens: all.map(|tried| tried.tokens).sum(),
            tokens_of_repairs: repaired().map(|tried| tried.tokens).sum(),
            unanswered: measured.unanswered,
            seconds: measured.seconds,
            waiting_seconds: measured.waiting_seconds,
            running_seconds: measured.running_seconds,
            runs: !args.draw_only,
            names: problems.iter().map(|problem| problem.name.as_str()).collect(),
            measured,
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}: {} problems, {} samples each, {} tokens in {:.1} s ({:.0} tokens/s)\n",
            self.model.name,
            self.problems,
            self.samples,
            self.tokens,
            self.seconds,
            self.tokens as f64 / self.seconds.max(1e-9)
        );
        if !self.runs {
            return text;
        }
        text.push_str(&self.passing.text());
        if self.repairs > 0 {
            let _ = writeln!(
                text,
                "repairs: {} asked for, {} passed; {} only took assertions away, {} of those passed; \
                 {:.0} % of all tokens",
                self.repairs_tried,
                self.repairs_passed,
                self.repairs_only_deleting_assertions,
                self.repairs_passed_only_deleting_assertions,
                100.0 * self.tokens_of_repairs as f64 / self.tokens.max(1) as f64
            );
        }
        let _ = writeln!(
            text,
            "programs ran {:.1} s in all beside that; {:.1} s of the time nothing was written because \
             of them",
            self.running_seconds, self.waiting_seconds
        );
        if self.unanswered > 0 {
            let _ = writeln!(
                text,
                "{} requests could not be answered and count as failed, the last because {}",
                self.unanswered,
                self.measured.reason.as_deref().unwrap_or("nobody said why")
            );
        }
        text
    }
}
