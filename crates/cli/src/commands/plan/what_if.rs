//! `mynah plan --what-if`: sizes against loss on somebody's own text, from short runs.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;
use mynah_kernels::Isa;
use mynah_train::config::{Config, Settings};
use mynah_train::data::{Part, TokenSource as _};
use mynah_train::evaluate::evaluate;
use mynah_train::plan::{CONFIDENCE, Fit, Point, Prediction, grid};
use mynah_train::rules::{self, Given};
use mynah_train::trainer::{Material, Trainer};
use serde::Serialize;

use super::{Args, duration};
use crate::commands::train::{Prepared, prepare_texts, token_bytes};
use crate::failure::{Hint as _, Interrupted, Misuse};
use crate::interrupt::Listening;
use crate::machine;
use crate::terminal::Terminal;
use crate::units;

/// The deepest model that is tried, and that is in the table.
const DEEPEST_TRIED: usize = 8;
const DEEPEST: usize = 24;

/// For how long the speed is measured before the runs are chosen.
const MEASURED_SECONDS: f64 = 2.0;

/// How many tokens of held-out text are predicted after each run.
const HELD_TOKENS: usize = 1 << 16;

/// How often a text may be seen with nearly the use of new text.
const MOST_EPOCHS: f64 = super::MOST_EPOCHS;

/// A short run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Short {
    depth: usize,
    weights: f64,
    tokens: f64,
    bits_per_byte: f64,
    seconds: f64,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, Serialize)]
struct Row {
    depth: usize,
    parameters: usize,
    tokens: f64,
    epochs: f64,
    bits_per_byte: f64,
    low: f64,
    high: f64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    budget_seconds: f64,
    confidence: f64,
    runs: Vec<Short>,
    /// E, A and B.
    coefficients: [f64; 3],
    deviation: f64,
    best_depth: usize,
    sizes: Vec<Row>,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let n_threads = args.threads.unwrap_or_else(machine::n_threads);
    let budget = args.budget.unwrap_or(600.0);
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let texts = &args.texts;
    let prepared = prepare_texts(texts, &args.place, folder.path(), n_threads, terminal)?;
    let lab = Lab::new(&prepared, n_threads)?;
    let runs = lab.runs(args.spend, terminal)?;
    let points: Vec<Point> = runs.iter().map(Short::point).collect();
    let fit = Fit::new(&points).context("the runs are too few to fit anything on")?;
    // Operations a second, as the longest runs reached them.
    let last = &runs[runs.len().saturating_sub(3)..];
    let rate = |run: &Short| lab.operations(run.depth) * run.tokens / run.seconds;
    let rate = last.iter().map(rate).sum::<f64>() / last.len().max(1) as f64;
    let sizes = lab.table(&fit, rate * budget);
    let best = sizes.iter().min_by(|a, b| a.bits_per_byte.total_cmp(&b.bits_per_byte));
    let best_depth = best.map_or(0, |row| row.depth);
    if args.json {
        let (coefficients, deviation) = (fit.coefficients, fit.deviation);
        return terminal.json(&Report {
            budget_seconds: budget,
            confidence: CONFIDENCE,
            runs,
            coefficients,
            deviation,
            best_depth,
            sizes,
        });
    }
    show(&runs, &sizes, best_depth, budget, terminal)
}

impl Short {
    fn point(&self) -> Point {
        Point { weights: self.weights, tokens: self.tokens, loss: self.bits_per_byte }
    }
}

/// Text that models of several sizes learn from.
struct Lab<'p> {
    prepared: &'p Prepared,
    learnt: Part<'p>,
    held: Part<'p>,
    token_bytes: Vec<u32>,
    n_threads: usize,
}

impl<'p> Lab<'p> {
    fn new(prepared: &'p Prepared, n_threads: usize) -> anyhow::Result<Self> {
        let vocabulary = prepared.tokenizer.vocab_len();
        let token_bytes = token_bytes(&prepared.tokenizer, vocabulary);
        let held_out = Settings::default().resolve(&given(prepared, 1, 1))?.watch.held_out;
        let [learnt, held] = Part::divide(&prepared.shard, held_out);
        if learnt.n_documents() == 0 || held.n_documents() == 0 {
            let error = Misuse("there is too little text to hold some of it out".to_owned());
            return Err(error).hint("losses are measured on text that was not learnt from");
        }
        Ok(Self { prepared, learnt, held, token_bytes, n_threads })
    }

    fn config(&self, depth: usize, steps: u64) -> anyhow::Result<Config> {
        Ok(Settings::default().resolve(&given(self.prepared, depth, steps))?)
    }

    /// Weights that a token is multiplied with, all weights, and operations of a token.
    fn weights(&self, depth: usize) -> (f64, usize) {
        self.config(depth, 1).map_or((f64::NAN, 0), |config| {
            let layout = mynah_train::model::Layout::new(config.preset, &config.model);
            (layout.n_in_products() as f64, layout.n_numbers())
        })
    }

    fn operations(&self, depth: usize) -> f64 {
        self.config(depth, 1).map_or(f64::NAN, |config| rules::flops_per_token(&config))
    }

    fn material<'m>(&'m self, source: &'m Part<'p>) -> Material<'m> {
        Material { source, begins: self.prepared.begins, token_bytes: &self.token_bytes }
    }

    /// The short runs, in all as long as `seconds`.
    fn runs(&self, seconds: f64, terminal: &Terminal) -> anyhow::Result<Vec<Short>> {
        let listening = Listening::begin();
        let rate = self.rate()?;
        let sizes: Vec<f64> = (1..=DEEPEST_TRIED).map(|depth| self.weights(depth).0).collect();
        let plan = grid(&sizes, rate * (seconds - MEASURED_SECONDS).max(1.0));
        let mut runs = Vec::new();
        for (n, &(i, tokens)) in plan.iter().enumerate() {
            let run = self.short(i + 1, tokens, &listening)?;
            terminal.note(&format!(
                "run {} of {}: {} layers, {} tokens: {:.4} bits/byte",
                n + 1,
                plan.len(),
                run.depth,
                units::count(run.tokens as u64),
                run.bits_per_byte
            ));
            runs.push(run);
        }
        Ok(runs)
    }

    /// Operations a second, measured.
    fn rate(&self) -> anyhow::Result<f64> {
        let config = self.config(2, 1000)?;
        let operations = rules::flops_per_token(&config) * config.tokens_per_step() as f64;
        let material = self.material(&self.learnt);
        let mut trainer = Trainer::new(config, &material, Isa::detect(), self.n_threads);
        trainer.step()?;
        let (begun, mut n) = (Instant::now(), 0.0);
        while n < 1.0 || begun.elapsed().as_secs_f64() < MEASURED_SECONDS {
            trainer.step()?;
            n += 1.0;
        }
        Ok(operations * n / begun.elapsed().as_secs_f64())
    }

    fn short(&self, depth: usize, tokens: f64, listening: &Listening) -> anyhow::Result<Short> {
        let per_step = self.config(depth, 1)?.tokens_per_step() as f64;
        let steps = (tokens / per_step).round().max(2.0) as u64;
        let config = self.config(depth, steps)?;
        let material = self.material(&self.learnt);
        let begun = Instant::now();
        let mut trainer = Trainer::new(config, &material, Isa::detect(), self.n_threads);
        for _ in 0..steps {
            if listening.was_pressed() {
                return Err(Interrupted.into());
            }
            trainer.step()?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let held = evaluate(&mut trainer, &self.material(&self.held), HELD_TOKENS)?;
        let bits_per_byte = held.context("there is no held-out text")?.bits_per_byte;
        let weights = self.weights(depth).0;
        Ok(Short { depth, weights, tokens: steps as f64 * per_step, bits_per_byte, seconds })
    }

    /// What each size would come to with so many operations.
    fn table(&self, fit: &Fit, operations: f64) -> Vec<Row> {
        let there = self.learnt.n_tokens() as f64;
        let row = |depth: usize| {
            let (weights, parameters) = self.weights(depth);
            let tokens = operations / self.operations(depth);
            // Text that is seen more often teaches no more.
            let fresh = tokens.min(MOST_EPOCHS * there);
            let Prediction { loss, low, high } = fit.predict(weights, fresh);
            let epochs = tokens / there;
            Row { depth, parameters, tokens, epochs, bits_per_byte: loss, low, high }
        };
        (1..=DEEPEST).map(row).collect()
    }
}

fn given(prepared: &Prepared, depth: usize, steps: u64) -> Given {
    let vocabulary = prepared.tokenizer.vocab_len();
    Given { vocabulary, steps, tokens: prepared.shard.n_tokens(), depth: Some(depth) }
}

fn show(
    runs: &[Short],
    sizes: &[Row],
    best: usize,
    budget: f64,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let mut out = terminal.out();
    let best_row = sizes.iter().find(|row| row.depth == best).context("there are no sizes")?;
    writeln!(
        out,
        "For {}, {} layers ({} parameters) would come to about {:.3} bits per byte.\n",
        duration(budget),
        best,
        units::count(best_row.parameters as u64),
        best_row.bits_per_byte
    )?;
    let head = "depth  parameters   tokens  times seen  bits/byte  95 % of runs within";
    writeln!(out, "{}", terminal.bold(head))?;
    // Around the best; further away there is nothing to choose.
    let shown = |row: &&Row| row.depth + 4 >= best && row.depth <= best + 4;
    for row in sizes.iter().filter(shown) {
        let mark = if row.depth == best { "  <- best" } else { "" };
        writeln!(
            out,
            "{:>5}  {:>10}  {:>7}  {:>10.2}  {:>9.3}  {:.3} to {:.3}{mark}",
            row.depth,
            units::count(row.parameters as u64),
            units::count(row.tokens as u64),
            row.epochs,
            row.bits_per_byte,
            row.low.max(0.0),
            row.high
        )?;
    }
    let longest = runs.iter().map(|run| run.tokens).fold(0.0, f64::max);
    let far = best_row.tokens / longest.max(1.0);
    let seconds: f64 = runs.iter().map(|run| run.seconds).sum();
    writeln!(
        out,
        "\nFitted on {} runs that took {}; the best size learns from {far:.0} times as many tokens \
         as the longest of them. The exponents of size and text are Chinchilla's, which the \
         intervals take for granted.",
        runs.len(),
        duration(seconds)
    )?;
    Ok(out.flush()?)
}
