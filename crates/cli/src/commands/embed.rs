//! `mynah embed`: turns texts into vectors.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use mynah_engine::Embedder;
use mynah_kernels::{Isa, Pool};
use mynah_model::forward::LoadOptions;

use crate::failure::{Hint as _, Misuse};
use crate::machine;
use crate::session::{Loaded, at_least_one};
use crate::terminal::Terminal;

/// The model if none is named.
pub(crate) const DEFAULT_MODEL: &str = "all-minilm-l6-v2";

/// How many texts are read before they are computed.
const BATCH_TEXTS: usize = 32;

/// Turn texts into vectors whose angles tell how near the texts are in meaning
///
/// Prints a vector of length 1 for each text, one on each line. Without TEXT, every line of
/// standard input is a text.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah embed \"A bird in the hand\"
  mynah embed --format csv < sentences.txt > vectors.csv
  mynah embed --similarity \"It is raining.\" \"Bring an umbrella.\"")]
pub(crate) struct Args {
    /// The texts
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// The model: a name, a file, a folder, or a place that `mynah pull` knows
    #[arg(long, short, default_value = DEFAULT_MODEL)]
    model: String,
    /// How vectors are written
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: Format,
    /// Print how near two texts are instead: 1 says the same, 0 or less has nothing to do with it
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["texts", "format"])]
    similarity: Vec<String>,
    /// Use the beginning of texts that are longer than the model reads
    #[arg(long)]
    truncate: bool,
    /// How many threads compute [default: all there are]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
}

/// How vectors are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A JSON array on each line
    Json,
    /// Numbers with commas between them
    Csv,
    /// Four bytes for each number, little endian, nothing between vectors
    Binary,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let reads_input = args.texts.is_empty() && args.similarity.is_empty();
    if reads_input && io::stdin().is_terminal() {
        return Err(Misuse("there is no text".to_owned()))
            .hint("`mynah embed \"some text\"`, or one text on each line of standard input");
    }
    if args.format == Format::Binary && io::stdout().is_terminal() {
        return Err(Misuse("a terminal does not show binary numbers".to_owned()))
            .hint("write them to a file: `mynah embed --format binary … > FILE`");
    }
    let mut encoder = Encoder::open(&args.model, args.threads, args.truncate, terminal)?;
    if let [a, b] = &args.similarity[..] {
        let vectors = encoder.encode(&[(0, a.clone()), (0, b.clone())])?;
        let cosine: f32 = vectors[0].iter().zip(&vectors[1]).map(|(a, b)| a * b).sum();
        let mut out = terminal.out();
        writeln!(out, "{cosine:.4}")?;
        return Ok(out.flush()?);
    }
    let mut texts: Box<dyn Iterator<Item = anyhow::Result<(usize, String)>>> = if reads_input {
        let lines = (1..).zip(io::stdin().lock().lines());
        Box::new(lines.map(|(number, line)| {
            let line = line.map_err(|e| Misuse(format!("standard input, line {number}: {e}")))?;
            Ok((number, line))
        }))
    } else {
        Box::new(args.texts.iter().map(|text| Ok((0, text.clone()))))
    };
    loop {
        let batch = texts.by_ref().take(BATCH_TEXTS).collect::<anyhow::Result<Vec<_>>>()?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut out = terminal.out();
        for vector in encoder.encode(&batch)? {
            args.format.write(&vector, &mut out)?;
        }
        out.flush()?;
    }
}

/// A model that makes vectors.
pub(crate) struct Encoder {
    embedder: Embedder,
    truncate: bool,
}

impl Encoder {
    /// Loads an embedding model. `truncate`: whether the beginning of a text that is too long will
    /// do.
    pub(crate) fn open(
        model: &str,
        threads: Option<usize>,
        truncate: bool,
        terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        let mut pool = Pool::new(threads.unwrap_or_else(machine::n_threads));
        let isa = Isa::detect();
        let options = LoadOptions::default();
        let loaded = Loaded::open(Some(model), &mut pool, isa, options, terminal)?;
        let name = &loaded.identity.name;
        let embedder = Embedder::new(loaded.model, loaded.tokenizer, pool)
            .map_err(|_| anyhow::anyhow!("{name} writes text and makes no vectors"))
            .hint(format!("take a model that is made for it, such as {DEFAULT_MODEL}"))?;
        Ok(Self { embedder, truncate })
    }

    /// The vectors of numbered texts; the number is that of a line of standard input, or 0.
    pub(crate) fn encode(&mut self, texts: &[(usize, String)]) -> anyhow::Result<Vec<Vec<f32>>> {
        let tokens = texts
            .iter()
            .map(|(line, text)| self.tokens(*line, text))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(self.embedder.embed(&tokens, &mut || true)?)
    }

    fn tokens(&self, line: usize, text: &str) -> anyhow::Result<Vec<u32>> {
        self.embedder
            .tokens(text, self.truncate)
            .map_err(|error| match line {
                0 => anyhow::anyhow!("{error}"),
                line => anyhow::anyhow!("line {line}: {error}"),
            })
            .hint("split it into parts, or use its beginning with --truncate")
    }
}

impl Format {
    fn write(self, vector: &[f32], out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Json => {
                serde_json::to_writer(&mut *out, vector).map_err(io::Error::from)?;
                writeln!(out)
            }
            Self::Csv => {
                let numbers: Vec<String> = vector.iter().map(ToString::to_string).collect();
                writeln!(out, "{}", numbers.join(","))
            }
            Self::Binary => vector.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, vector: &[f32]) -> Vec<u8> {
        let mut out = Vec::new();
        format.write(vector, &mut out).unwrap();
        out
    }

    #[test]
    fn every_format_gives_the_same_numbers_back() {
        let vector = [0.1f32, -2.5e-8, 1.0, f32::MIN_POSITIVE, 0.333_333_34];
        let json: Vec<f32> = serde_json::from_slice(&written(Format::Json, &vector)).unwrap();
        assert_eq!(json, vector);
        let csv = String::from_utf8(written(Format::Csv, &vector)).unwrap();
        let csv: Vec<f32> = csv.trim_end().split(',').map(|x| x.parse().unwrap()).collect();
        assert_eq!(csv, vector);
        let binary = written(Format::Binary, &vector);
        let (numbers, []) = binary.as_chunks::<4>() else { panic!("four bytes each") };
        assert!(numbers.iter().copied().map(f32::from_le_bytes).eq(vector));
    }
}
