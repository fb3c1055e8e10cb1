//! `mynah corpus stats`: the corpus in numbers, and questions in SQL.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use mynah_corpus::{Amount, Corpus, Share, Stats};
use mynah_model::tokenizer::{HuggingFaceFiles, SpecialText, Tokenizer};
use serde::Serialize;

use super::Place;
use crate::commands::sql;
use crate::terminal::Terminal;
use crate::text;
use crate::units;

/// Show the corpus in numbers: documents, bytes, tokens, duplicates, languages, licences
///
/// Tokens are counted with --tokenizer: the whole corpus is read.
#[derive(clap::Args)]
#[command(after_long_help = "\
Tables for --sql: sources, files, documents, used (a view: the documents that are used), reasons,
edits, rules, refused, blocks. `select sql from sqlite_master` describes them.")]
pub(crate) struct Args {
    /// Count tokens with this tokenizer.json
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Answer a question about the tables instead; only reading is possible
    #[arg(long, value_name = "SQL", conflicts_with = "tokenizer")]
    sql: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    stats: Stats,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let corpus = args.place.open()?;
    if let Some(question) = &args.sql {
        let path = corpus.database();
        drop(corpus);
        return sql::ask(&path, question, args.json, terminal);
    }
    let tokens = args.tokenizer.as_ref().map(|path| tokens(&corpus, path)).transpose()?;
    let stats = corpus.stats()?;
    if args.json {
        return terminal.json(&Report { stats, tokens });
    }
    show(&stats, tokens, terminal)
}

/// The tokens of all documents that are used, with one after each that ends it.
fn tokens(corpus: &Corpus, path: &PathBuf) -> anyhow::Result<u64> {
    let json = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let files = HuggingFaceFiles { tokenizer: &json, ..HuggingFaceFiles::default() };
    let tokenizer =
        Tokenizer::from_tokenizer_json(&files).with_context(|| path.display().to_string())?;
    let mut n = 0;
    for document in corpus.documents(0) {
        n += tokenizer.encode(&document?.text, SpecialText::AsText).len() as u64 + 1;
    }
    Ok(n)
}

fn show(stats: &Stats, tokens: Option<u64>, terminal: &Terminal) -> anyhow::Result<()> {
    let mut out = terminal.out();
    let line = |name: &str, amount: &Amount| {
        format!(
            "{}{}  {}",
            text::left(name, 18),
            text::right(&format!("{} documents", amount.documents), 18),
            text::right(&units::bytes(amount.bytes), 8)
        )
    };
    for (name, amount) in [
        ("all", &stats.all),
        ("used", &stats.used),
        ("left out by rules", &stats.left_out),
        ("kept apart", &stats.apart),
    ] {
        writeln!(out, "{}", line(name, amount))?;
    }
    if let Some(tokens) = tokens {
        let per = stats.used.bytes as f64 / tokens.max(1) as f64;
        writeln!(out, "tokens            {} ({per:.2} bytes each)", units::count(tokens))?;
    }
    let (exact, near) = (stats.exact_duplicates, stats.near_duplicates);
    writeln!(out, "duplicates        {exact} exact, {near} near")?;
    if stats.refused > 0 {
        writeln!(out, "not taken in      {}", stats.refused)?;
    }
    writeln!(out, "on the disk       {}", units::bytes(stats.stored_bytes))?;
    for (title, shares) in [
        ("languages", &stats.languages),
        ("licences", &stats.licences),
        ("sources", &stats.sources),
    ] {
        writeln!(out, "\n{}", terminal.bold(title))?;
        let width = shares.iter().map(|share| text::width(&share.name)).max().unwrap_or(0);
        for share in shares {
            writeln!(out, "{}", share_line(share, width))?;
        }
    }
    out.flush()?;
    if stats.unseen > 0 {
        terminal.note(&format!(
            "{} documents were not cleaned yet; `mynah corpus clean`",
            stats.unseen
        ));
    }
    Ok(())
}

fn share_line(share: &Share, width: usize) -> String {
    format!(
        "{}  {}  {}  {}",
        text::left(&text::line(&share.name), width),
        text::right(&format!("{:.1} %", 100.0 * share.share), 7),
        text::right(&units::bytes(share.bytes), 8),
        text::right(&format!("{} documents", share.documents), 18)
    )
}
