//! `mynah plan`: what training a model costs, before anything starts.

mod measure;
mod what_if;

use std::io::Write as _;
use std::path::PathBuf;

use mynah_kernels::Isa;
use mynah_train::plan::{CHINCHILLA, DEVICES, Device, Memory, Precision, Run, Shape, device};
use serde::Serialize;

use crate::commands::corpus::Place;
use crate::failure::{Hint as _, Misuse};
use crate::limits::f32_flops;
use crate::machine;
use crate::terminal::Terminal;
use crate::text;
use crate::units;

/// Bytes of text that a token of a small vocabulary stands for, about, where nothing else is known.
const BYTES_PER_TOKEN: f64 = 3.5;
/// How often a text may be seen with nearly the use of new text.
///
/// Source: Muennighoff et al. 2023, "Scaling Data-Constrained Language Models".
const MOST_EPOCHS: f64 = 4.0;

/// Work out what training a model costs: parameters, operations, memory, time, price
///
/// Without --tokens a model is trained on what suits its size; without --parameters the size is
/// found that suits the budget. This machine is measured, which takes a second or two; GPUs are
/// taken from their data sheets, with the utilisation that published trainings reached.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah plan                                     what ten minutes on this machine can train
  mynah plan --budget 8h
  mynah plan --parameters 124M --tokens 10B --on h100 --count 8
  mynah plan --parameters 2.7B --tokens 1.4T --on a100 --count 96 --utilisation 0.63
  mynah plan --budget 4h --on h100 --count 8 --price 2.5
  mynah plan --what-if my-texts/ --budget 2h      which size suits this text, measured on it
  mynah plan --devices

How the sums are made, and which published ones they reproduce, is in docs/plan.md.")]
pub(crate) struct Args {
    /// How long it may take: 10m, 8h, 14d
    #[arg(long, value_name = "TIME", value_parser = units::seconds, conflicts_with = "tokens")]
    budget: Option<f64>,
    /// How many parameters, without embeddings, such as 124M
    #[arg(long, short, value_name = "N", value_parser = quantity)]
    parameters: Option<f64>,
    /// How many tokens it is trained on, such as 2.5B
    #[arg(long, value_name = "N", value_parser = quantity)]
    tokens: Option<f64>,
    /// How many tokens the vocabulary has
    #[arg(long, value_name = "N", default_value_t = 8192, help_heading = "Model")]
    vocabulary: u64,
    /// How many tokens are read at once
    #[arg(long, value_name = "N", default_value_t = 512, help_heading = "Model")]
    context: u64,
    /// How many sequences are computed at once, for the memory
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Model")]
    batch: u64,
    /// Find out what each size would come to on this text, or on the corpus, by short runs here
    #[arg(long, help_heading = "What if", conflicts_with_all = ["parameters", "tokens", "on"])]
    what_if: bool,
    /// Texts for --what-if: files, and folders of them [default: the corpus]
    #[arg(value_name = "TEXT", requires = "what_if", help_heading = "What if")]
    texts: Vec<PathBuf>,
    /// How long the short runs may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = units::seconds)]
    #[arg(requires = "what_if", help_heading = "What if")]
    spend: f64,
    /// A processor that --devices lists; this machine if none is named
    #[arg(long, value_name = "NAME", help_heading = "Machine")]
    on: Option<String>,
    /// How many of them
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Machine")]
    count: u32,
    /// Dollars an hour for one of them
    #[arg(long, value_name = "DOLLARS", help_heading = "Machine")]
    price: Option<f64>,
    /// The part of the peak that is reached, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = "Machine")]
    utilisation: Option<f64>,
    /// How many threads compute on this machine [default: all there are]
    #[arg(long, value_name = "N", value_parser = crate::session::at_least_one)]
    #[arg(help_heading = "Machine")]
    threads: Option<usize>,
    /// List the processors that are known
    #[arg(long, help_heading = "Machine")]
    devices: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Reads `124M`, `2.5B`, `1.4T`, `1e9`.
fn quantity(text: &str) -> Result<f64, String> {
    let text = text.trim().replace(['_', ','], "");
    let (number, factor) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text[..at], 1e6),
        Some((at, 'b' | 'B' | 'g' | 'G')) => (&text[..at], 1e9),
        Some((at, 't' | 'T')) => (&text[..at], 1e12),
        _ => (text.as_str(), 1.0),
    };
    let n = number.trim().parse::<f64>().map_err(|_| "it must be like 124M, 2.5B or 1.4T")?;
    let n = n * factor;
    if (1.0..=1e18).contains(&n) { Ok(n) } else { Err("it is out of range".to_owned()) }
}

/// Reads a number above 0 and not above 1.
fn share(text: &str) -> Result<f64, String> {
    let x: f64 = text.parse().map_err(|_| "it must be a number from 0 to 1")?;
    if x > 0.0 && x <= 1.0 { Ok(x) } else { Err("it must be above 0 and at most 1".to_owned()) }
}

/// What computes.
struct Machine {
    title: String,
    /// Operations a second of one.
    peak: f64,
    count: u32,
    utilisation: f64,
    /// Where the utilisation is from.
    reason: String,
    price: Option<f64>,
    memory_bytes: Option<u64>,
    precision: Precision,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    machine: String,
    count: u32,
    peak_flops: f64,
    utilisation: f64,
    utilisation_source: String,
    parameters: u64,
    parameters_multiplied: u64,
    layers: u64,
    dim: u64,
    tokens: f64,
    flops: f64,
    seconds: f64,
    gpu_hours: f64,
    dollars: Option<f64>,
    memory_bytes: u64,
    corpus_bytes: Option<u64>,
    optimum: Sized,
}

/// A size beside the optimum.
#[derive(Clone, Copy, Serialize)]
struct Sized {
    parameters: f64,
    tokens: f64,
    loss_above_optimum: f64,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    if args.devices {
        return list(terminal);
    }
    if args.what_if {
        return what_if::run(args, terminal);
    }
    let machine = machine_of(args)?;
    let run = planned(args, &machine);
    let corpus = corpus_bytes(args);
    let report = report(args, &machine, &run, corpus);
    if args.json {
        return terminal.json(&report);
    }
    show(args, &machine, &run, &report, terminal)
}

fn machine_of(args: &Args) -> anyhow::Result<Machine> {
    let Some(name) = &args.on else {
        let n_threads = args.threads.unwrap_or_else(machine::n_threads);
        let isa = Isa::detect();
        let peak = f32_flops(n_threads, isa);
        let utilisation = match args.utilisation {
            Some(utilisation) => utilisation,
            None => (measure::operations_a_second(n_threads)? / peak).min(1.0),
        };
        return Ok(Machine {
            title: format!("this machine, {n_threads} threads, f32 in {}", isa.name()),
            peak,
            count: args.count,
            utilisation,
            reason: said(args, "measured by training for a moment"),
            price: args.price,
            memory_bytes: machine::available_memory(),
            precision: Precision::Single,
        });
    };
    let Some(known) = device(name) else {
        let names: Vec<&str> = DEVICES.iter().map(|device| device.name).collect();
        return Err(Misuse(format!("there is no processor {name:?}")))
            .hint(format!("there are: {}", names.join(", ")));
    };
    let Device { title, peak, memory_bytes, utilisation, utilisation_source, price, .. } = *known;
    Ok(Machine {
        title: title.to_owned(),
        peak,
        count: args.count,
        utilisation: args.utilisation.unwrap_or(utilisation),
        reason: said(args, utilisation_source),
        price: args.price.or(price),
        memory_bytes: Some(memory_bytes * u64::from(args.count)),
        precision: Precision::Mixed,
    })
}

fn said(args: &Args, source: &str) -> String {
    if args.utilisation.is_some() { "as you say" } else { source }.to_owned()
}

/// The training that is asked for, with what was left open chosen.
fn planned(args: &Args, machine: &Machine) -> Run {
    let peak = machine.peak * f64::from(machine.count);
    let utilisation = machine.utilisation;
    let shape = |parameters| Shape::of_size(parameters, args.vocabulary, args.context);
    let run = |shape, tokens| Run { shape, tokens, peak, utilisation };
    match (args.parameters, args.tokens) {
        (Some(parameters), Some(tokens)) => run(shape(parameters), tokens),
        (Some(parameters), None) => {
            let shape = shape(parameters);
            // Tokens for the time, or twenty for each parameter.
            let tokens = args.budget.map_or(20.0 * shape.multiplied() as f64, |seconds| {
                peak * utilisation * seconds / shape.training_operations()
            });
            run(shape, tokens)
        }
        (None, Some(tokens)) => run(shape(tokens / 20.0), tokens),
        (None, None) => {
            let operations = peak * utilisation * args.budget.unwrap_or(600.0);
            let best = CHINCHILLA.optimum(operations).parameters;
            let shape = suiting(best, &shape);
            run(shape, operations / shape.training_operations())
        }
    }
}

/// The shape whose multiplied parameters come nearest to those that are wanted.
fn suiting(wanted: f64, shape: &dyn Fn(f64) -> Shape) -> Shape {
    // The output matrix counts, and grows with the width.
    let candidates = (0..200).map(|i| shape(wanted * 1.05f64.powi(-i)));
    let distance = |shape: &Shape| (shape.multiplied() as f64 / wanted).ln().abs();
    candidates.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or_else(|| shape(wanted))
}

/// Bytes of text in the corpus, if there is one.
fn corpus_bytes(args: &Args) -> Option<u64> {
    args.place.open().ok()?.size().ok().map(|(_, bytes)| bytes).filter(|bytes| *bytes > 0)
}

fn report(args: &Args, machine: &Machine, run: &Run, corpus: Option<u64>) -> Report {
    let hours = run.hours() * f64::from(machine.count);
    let best = CHINCHILLA.optimum(run.operations());
    Report {
        machine: machine.title.clone(),
        count: machine.count,
        peak_flops: run.peak,
        utilisation: run.utilisation,
        utilisation_source: machine.reason.clone(),
        parameters: run.shape.parameters(),
        parameters_multiplied: run.shape.multiplied(),
        layers: run.shape.n_layers,
        dim: run.shape.dim,
        tokens: run.tokens,
        flops: run.operations(),
        seconds: run.seconds(),
        gpu_hours: hours,
        dollars: machine.price.map(|price| price * hours),
        memory_bytes: Memory::of(&run.shape, args.batch, machine.precision).total(),
        corpus_bytes: corpus,
        optimum: Sized {
            parameters: best.parameters,
            tokens: best.tokens,
            loss_above_optimum: 0.0,
        },
    }
}

fn show(
    args: &Args,
    machine: &Machine,
    run: &Run,
    report: &Report,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let times = if machine.count > 1 { format!("{} x ", machine.count) } else { String::new() };
    lines.push(("machine", format!("{times}{}", machine.title)));
    lines.push(("peak", format!("{}FLOP/s", prefixed(run.peak))));
    let percent = 100.0 * run.utilisation;
    lines.push(("utilisation", format!("{percent:.0} % ({})", machine.reason)));
    let shape = run.shape;
    lines.push((
        "model",
        format!(
            "{} parameters ({} multiplied with each token): {} layers, {} wide, {} tokens",
            units::count(shape.parameters()),
            units::count(shape.multiplied()),
            shape.n_layers,
            shape.dim,
            shape.n_vocab
        ),
    ));
    let per = run.tokens / shape.multiplied() as f64;
    let tokens = units::count(run.tokens as u64);
    lines.push(("tokens", format!("{tokens} ({per:.1} for each multiplied parameter)")));
    if let Some(bytes) = report.corpus_bytes {
        lines.push(("data", data(run.tokens, bytes)));
    }
    let per_token = prefixed(shape.training_operations());
    lines
        .push(("operations", format!("{:.2e} FLOPs ({per_token}FLOPs a token)", run.operations())));
    let memory = Memory::of(&shape, args.batch, machine.precision);
    let room = machine.memory_bytes.map_or(String::new(), |bytes| {
        let fits = if memory.total() <= bytes { "" } else { ": not enough" };
        format!(", of {} there{fits}", units::bytes(bytes))
    });
    lines.push((
        "memory",
        format!(
            "{} ({} state, {} activations of {} sequences of {}){room}",
            units::bytes(memory.total()),
            units::bytes(memory.state),
            units::bytes(memory.activations),
            args.batch,
            shape.context
        ),
    ));
    let hours = if machine.count > 1 {
        format!(" ({:.0} processor hours)", report.gpu_hours)
    } else {
        String::new()
    };
    lines.push(("time", format!("{}{hours}", duration(run.seconds()))));
    if let (Some(price), Some(dollars)) = (machine.price, report.dollars) {
        lines.push(("price", format!("about ${} at ${price:.2} an hour each", money(dollars))));
    }
    let mut out = terminal.out();
    for (name, value) in &lines {
        writeln!(out, "{}{value}", terminal.bold(&text::left(name, 13)))?;
    }
    sizes(run.operations(), &mut out, terminal)?;
    Ok(out.flush()?)
}

/// Sizes around the best for a number of operations.
fn sizes(
    operations: f64,
    out: &mut impl std::io::Write,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let best = CHINCHILLA.optimum(operations);
    writeln!(
        out,
        "\n{}",
        terminal.bold("sizes for these operations     tokens  a parameter   loss")
    )?;
    for factor in [0.25, 0.5, 1.0, 2.0, 4.0] {
        let at = CHINCHILLA.at(factor * best.parameters, operations);
        let loss = at.loss - best.loss;
        let note = if factor == 1.0 { "best".to_owned() } else { format!("+{loss:.3}") };
        writeln!(
            out,
            "{}{}{}{}",
            text::right(&format!("{} parameters", units::count(at.parameters as u64)), 26),
            text::right(&units::count(at.tokens as u64), 11),
            text::right(&format!("{:.0}", at.tokens / at.parameters), 13),
            text::right(&note, 7)
        )?;
    }
    Ok(())
}

/// What the tokens mean for the texts that are there.
fn data(tokens: f64, bytes: u64) -> String {
    let there = bytes as f64 / BYTES_PER_TOKEN;
    let epochs = tokens / there;
    if epochs > 1000.0 {
        let (bytes, there) = (units::bytes(bytes), units::count(there as u64));
        return format!("the corpus has {bytes}, about {there} tokens: far too little");
    }
    let verdict = if epochs > MOST_EPOCHS {
        ": more than 4 times is of little use; more text is needed"
    } else {
        ""
    };
    format!(
        "the corpus has {}, about {} tokens: seen {epochs:.1} times{verdict}",
        units::bytes(bytes),
        units::count(there as u64)
    )
}

/// A number with a prefix, three digits.
fn prefixed(x: f64) -> String {
    let prefixes = ["", "k", "M", "G", "T", "P", "E"];
    let i = ((x.max(1.0).log10() / 3.0).floor() as usize).min(prefixes.len() - 1);
    let digits = format!("{:.3}", x / 10f64.powi(3 * i as i32));
    format!("{} {}", digits.trim_end_matches('0').trim_end_matches('.'), prefixes[i])
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.1} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} hours", s / 3600.0),
        s if s < 63_072_000.0 => format!("{:.1} days", s / 86_400.0),
        s => format!("{:.0} years", s / 31_536_000.0),
    }
}

/// Dollars with commas, and cents below ten.
fn money(dollars: f64) -> String {
    if dollars < 10.0 {
        return format!("{dollars:.2}");
    }
    let digits = format!("{dollars:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn list(terminal: &Terminal) -> anyhow::Result<()> {
    let mut out = terminal.out();
    for device in DEVICES {
        let price =
            device.price.map_or(String::new(), |price| format!("  about ${price:.2} an hour"));
        writeln!(
            out,
            "{}{}  {}FLOP/s  {}{price}",
            terminal.bold(&text::left(device.name, 10)),
            text::left(device.title, 28),
            prefixed(device.peak),
            units::bytes(device.memory_bytes)
        )?;
        writeln!(out, "          {}", terminal.dim(device.peak_source))?;
        let utilisation = 100.0 * device.utilisation;
        let source = device.utilisation_source;
        writeln!(out, "          {}", terminal.dim(&format!("{utilisation:.0} %: {source}")))?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_units() {
        for (text, n) in [("124M", 124e6), ("2.5b", 2.5e9), ("1.4T", 1.4e12), ("1e6", 1e6)] {
            assert_eq!(quantity(text), Ok(n));
        }
        for text in ["", "M", "-1B", "nan", "infT", "0"] {
            assert!(quantity(text).is_err(), "{text}");
        }
        assert!(share("0").is_err() && share("1.1").is_err() && share("NaN").is_err());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!((prefixed(312e12), prefixed(3.49e9)), ("312 T".into(), "3.49 G".into()));
        assert_eq!((money(35_481.6), money(3.5)), ("35,482".into(), "3.50".into()));
        assert_eq!(
            (duration(90.0), duration(1_209_600.0)),
            ("90 seconds".into(), "14.0 days".into())
        );
    }

    #[test]
    fn a_budget_is_used_up() {
        let shape = |parameters| Shape::of_size(parameters, 8192, 512);
        for wanted in [1e6, 1e7, 1e9] {
            let got = suiting(wanted, &shape).multiplied() as f64;
            assert!((got / wanted).ln().abs() < 0.5, "{wanted:e}: {got:e}");
        }
    }
}
