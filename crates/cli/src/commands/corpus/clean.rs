//! `mynah corpus clean`: looks at every text, and says what each rule takes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mynah_corpus::clean::{Clean, Effect, Taken};
use mynah_corpus::{Error, Report, report_html};

use super::{Place, collection};
use crate::failure::Interrupted;
use crate::interrupt::Listening;
use crate::machine;
use crate::terminal::Terminal;
use crate::text;
use crate::units;

/// Look at every text: duplicates, quality, language, personal data, benchmarks
///
/// Every rule leaves its reasons beside the texts, also one that is off; turning a rule on or off
/// needs no second look. Nothing is deleted. The table shows what each rule takes.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah corpus clean
  mynah corpus clean --on c4 --on fineweb        also the rules for web pages
  mynah corpus clean --off gopher-bullets        a rule or a family of them
  mynah corpus clean --languages eng,cmn --against humaneval.jsonl --report report.html

Rules are named in the table; `gopher` means all whose names begin so. What they are and where their
numbers come from is in the report and in docs/corpus.md.")]
pub(crate) struct Args {
    /// Turn a rule or a family of rules on
    #[arg(long, value_name = "RULE")]
    on: Vec<String>,
    /// Turn a rule or a family of rules off
    #[arg(long, value_name = "RULE")]
    off: Vec<String>,
    /// The languages that are wanted, as ISO 639-3 writes them; "all" for every language
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    languages: Option<Vec<String>>,
    /// A benchmark, as a file or folder: texts that share 13 words in a row with it are left out
    #[arg(long, value_name = "PATH")]
    against: Vec<PathBuf>,
    /// Write a page with the numbers and examples
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How many examples of each rule the page shows
    #[arg(long, value_name = "N", default_value_t = 4)]
    examples: usize,
    /// How many threads look [default: all there are]
    #[arg(long, value_name = "N", value_parser = crate::session::at_least_one)]
    threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let mut corpus = args.place.change()?;
    for name in &args.on {
        corpus.turn(name, true)?;
    }
    for name in &args.off {
        corpus.turn(name, false)?;
    }
    let languages = args.languages.clone().map(|languages| match languages.as_slice() {
        [all] if all == "all" => Vec::new(),
        _ => languages,
    });
    let clean = Clean {
        against: args.against.iter().map(PathBuf::as_path).collect::<Vec<&Path>>(),
        languages,
        n_threads: args.threads.unwrap_or_else(machine::n_threads),
    };
    let listening = Listening::begin();
    let bar = collection::spinner(terminal);
    let cleaned = corpus.clean(&clean, &mut |n| {
        bar.set_message(format!("{n} documents looked at"));
        !listening.was_pressed()
    });
    bar.finish_and_clear();
    match cleaned {
        Err(Error::Stopped) => {
            terminal.note("stopped; the same command goes on from here");
            return Err(Interrupted.into());
        }
        cleaned => cleaned?,
    }
    drop(listening);
    let taken = corpus.taken(if args.report.is_some() { args.examples } else { 1 })?;
    let stats = corpus.stats()?;
    if let Some(path) = &args.report {
        let report = Report {
            name: format!("Corpus {}", corpus.folder().display()),
            stats: stats.clone(),
            sources: corpus.sources()?,
            taken: taken.clone(),
            refused: corpus.refused()?,
        };
        std::fs::write(path, report_html(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
        terminal.note(&format!("wrote {}", path.display()));
    }
    if args.json {
        return terminal.json(&taken);
    }
    table(&taken, terminal)?;
    let (used, all) = (stats.used, stats.all);
    terminal.note(&format!(
        "{} of {} documents are used, {} of {}",
        used.documents,
        all.documents,
        units::bytes(used.bytes),
        units::bytes(all.bytes)
    ));
    Ok(())
}

fn table(taken: &[Taken], terminal: &Terminal) -> anyhow::Result<()> {
    let mut out = terminal.out();
    let names = ["rule", "", "documents", "alone", "bytes", "for example"];
    let rows: Vec<[String; 6]> = taken.iter().map(row).collect();
    let width = |i: usize| {
        rows.iter().map(|row| text::width(&row[i])).max().unwrap_or(0).max(names[i].len())
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String]| {
        let cell = |(i, cell): (usize, &String)| match i {
            2..=4 => text::right(cell, widths[i]),
            5 => cell.clone(),
            _ => text::left(cell, widths[i]),
        };
        let line = row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        let columns = text::columns().unwrap_or(110);
        text::shortened(line.trim_end(), columns)
    };
    writeln!(out, "{}", terminal.bold(&line(&names.map(str::to_owned))))?;
    for (row, one) in rows.iter().zip(taken) {
        let line = line(row);
        writeln!(out, "{}", if one.is_on { line } else { terminal.dim(&line) })?;
    }
    Ok(out.flush()?)
}

fn row(one: &Taken) -> [String; 6] {
    let count = |n: u64| if n == 0 { "·".to_owned() } else { n.to_string() };
    let example = one.examples.first().map_or(String::new(), |example| {
        text::line(&format!("{} ({})", example.place, example.detail))
    });
    [
        one.rule.name.to_owned(),
        if one.is_on { "on" } else { "off" }.to_owned(),
        count(one.documents),
        if one.rule.effect == Effect::LeavesOut { count(one.alone) } else { String::new() },
        if one.bytes == 0 { "·".to_owned() } else { units::bytes(one.bytes) },
        example,
    ]
}
