//! `mynah corpus tokenizer`: learns a vocabulary.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::ValueEnum;
use mynah_corpus::bpe::{self, Bpe, BpeOptions, Pattern};
use serde::Serialize;

use super::{Place, collection};
use crate::machine;
use crate::terminal::Terminal;
use crate::units;

/// Learn a vocabulary from the corpus, and write it as tokenizer.json
///
/// Byte-level BPE: what Hugging Face's tokenizers would learn, in less time and memory. `mynah train`
/// does this itself.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to write it
    #[arg(value_name = "FILE")]
    out: PathBuf,
    /// How many tokens
    #[arg(long, value_name = "N", default_value_t = 8192)]
    size: usize,
    /// How texts are cut into words
    #[arg(long, value_name = "NAME", default_value = "qwen2")]
    pattern: PatternName,
    /// The name of a special token; may be given several times
    #[arg(long, value_name = "NAME", default_value = "<|endoftext|>")]
    special: Vec<String>,
    /// How often a pair must occur to become a token
    #[arg(long, value_name = "N", default_value_t = 2)]
    min_frequency: u64,
    /// How many threads count [default: all there are]
    #[arg(long, value_name = "N", value_parser = crate::session::at_least_one)]
    threads: Option<usize>,
    /// How much memory counts may take, in MiB, before they go to disk
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    memory: usize,
    /// Read this text instead of the corpus, each line as a text; may be given several times
    #[arg(long, value_name = "FILE")]
    text: Vec<PathBuf>,
    /// Print what was learned as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// The patterns by name.
#[derive(Clone, Copy, ValueEnum)]
enum PatternName {
    Gpt2,
    Llama3,
    Qwen2,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    tokens: usize,
    merges: usize,
    bytes: u64,
    words: u64,
    distinct_words: u64,
    least_frequency: u64,
    seconds: f64,
    peak_rss_bytes: Option<u64>,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let options = BpeOptions {
        n_vocab: args.size,
        special: args.special.clone(),
        pattern: match args.pattern {
            PatternName::Gpt2 => Pattern::Gpt2,
            PatternName::Llama3 => Pattern::Llama3,
            PatternName::Qwen2 => Pattern::Qwen2,
        },
        min_frequency: args.min_frequency,
        n_threads: args.threads.unwrap_or_else(machine::n_threads),
        memory_bytes: args.memory << 20,
    };
    let bar = collection::spinner(terminal);
    bar.set_message("learning a vocabulary");
    let start = Instant::now();
    let learned = if args.text.is_empty() {
        let corpus = args.place.open()?;
        let texts = corpus.documents(0).map(|document| document.map(|document| document.text));
        bpe::train(texts, &options)
    } else {
        let mut texts = Vec::new();
        for path in &args.text {
            let text = fs::read_to_string(path);
            texts.push(text.with_context(|| format!("cannot read {}", path.display()))?);
        }
        let lines = texts.iter().flat_map(|text| text.split_inclusive('\n'));
        bpe::train_on(lines, &options)
    };
    bar.finish_and_clear();
    let learned = learned?;
    let seconds = start.elapsed().as_secs_f64();
    fs::write(&args.out, learned.to_tokenizer_json())
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    tell(args, &learned, seconds, terminal)
}

fn tell(args: &Args, learned: &Bpe, seconds: f64, terminal: &Terminal) -> anyhow::Result<()> {
    let counted = learned.counted;
    if args.json {
        return terminal.json(&Report {
            tokens: learned.n_vocab(),
            merges: learned.merges.len(),
            bytes: counted.bytes,
            words: counted.words,
            distinct_words: counted.distinct,
            least_frequency: counted.least_frequency,
            seconds,
            peak_rss_bytes: machine::peak_memory(),
        });
    }
    terminal.note(&format!(
        "{}: {} tokens from {} of text ({} words, {} different) in {seconds:.1} s",
        args.out.display(),
        learned.n_vocab(),
        units::bytes(counted.bytes),
        units::count(counted.words),
        units::count(counted.distinct)
    ));
    if learned.n_vocab() < args.size {
        terminal.note("the texts have no more pairs that are frequent enough");
    }
    if counted.least_frequency > 1 {
        terminal.warning(&format!(
            "words that occur fewer than {} times were left out, for want of memory",
            counted.least_frequency
        ));
    }
    Ok(())
}
