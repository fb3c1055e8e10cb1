//! `mynah bench`: measures a model, or the machine.

mod programs;

use std::io::Write as _;
use std::time::{Duration, Instant};

use mynah_engine::sampling::SamplingParams;
use mynah_engine::{Engine, EngineOptions, Request};
use mynah_kernels::{CacheFormat, Isa, PAGE, Pool};
use mynah_model::forward::{Batch, KvCache, LoadOptions, Model, Row, Scratch, Sequence};
use serde::Serialize;

use crate::failure::{Hint as _, Misuse};
use crate::limits::Limits;
use crate::machine;
use crate::session::{
    CacheFormatArg, Loaded, Unwatched, at_least_one, generate, milliseconds, rounded,
};
use crate::terminal::Terminal;
use crate::units;

/// How many tokens the prompt has of which many samples are drawn, and how many each sample has.
const SAMPLE_PROMPT: usize = 32;
const SAMPLE_TOKENS: usize = 64;

/// How many tokens the prompt has after which the first token is timed.
const FIRST_PROMPT: usize = 16;

/// Measure how fast a model reads and writes, or what this machine can do at best
///
/// Numbers are medians over the repeats. Reading is one pass over the whole prompt, with the
/// scores of its last token; writing is token after token, from the beginning, without choosing.
/// The first token is timed from the start of the command, with a prompt of 16 tokens.
///
/// `mynah bench humaneval` and `mynah bench mbpp` measure how well it writes programs instead.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "\
Examples:
  mynah bench --model smollm2-135m
  mynah bench --model model.gguf --prompt 2048 --generate 256 --threads 1 --json
  mynah bench --limits
  mynah bench humaneval --model qwen2.5-coder-0.5b --samples 5 --repairs 1")]
pub(crate) struct Args {
    #[command(subcommand)]
    programs: Option<Programs>,
    /// The model: a name, a file, a folder, or a place that `mynah pull` knows
    #[arg(long, short)]
    model: Option<String>,
    /// How many tokens to read
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = at_least_one)]
    prompt: usize,
    /// How many tokens to write
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = at_least_one)]
    generate: usize,
    /// Also write N answers of 64 tokens to one prompt of 32 tokens, together
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    samples: Option<usize>,
    /// How many threads compute [default: all there are]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// How often each is measured
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = at_least_one)]
    repeat: usize,
    /// How what was read is stored
    #[arg(long, value_name = "FORMAT", default_value = "f16")]
    cache_format: CacheFormatArg,
    /// Measure the machine instead: reading memory, multiplying int8 and f32
    #[arg(long, conflicts_with_all = ["model", "prompt", "generate", "samples", "repeat"])]
    #[arg(conflicts_with = "cache_format")]
    limits: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What else can be measured.
#[derive(clap::Subcommand)]
enum Programs {
    /// How many of HumanEval's 164 functions a model writes so that their tests pass
    Humaneval(programs::Args),
    /// How many of MBPP's functions a model writes so that their tests pass
    Mbpp(programs::Args),
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    match &args.programs {
        Some(Programs::Humaneval(args)) => {
            return programs::run(args, programs::Set::HumanEval, terminal);
        }
        Some(Programs::Mbpp(args)) => return programs::run(args, programs::Set::Mbpp, terminal),
        None => {}
    }
    let n_threads = args.threads.unwrap_or_else(machine::n_threads);
    if args.limits {
        let isa = Isa::detect();
        let limits = Limits::measure(n_threads, isa);
        return print(args.json, &limits, &limits_table(&limits, isa), terminal);
    }
    let report = measure(args, n_threads, terminal)?;
    print(args.json, &report, &report.table(), terminal)
}

fn print(
    json: bool,
    value: &impl Serialize,
    table: &[String],
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let mut out = terminal.out();
    if json {
        writeln!(out, "{}", serde_json::to_string(value)?)?;
    } else {
        table.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(out.flush()?)
}

/// What was measured. Speeds are in tokens a second.
#[derive(Serialize)]
struct Report {
    model: String,
    architecture: String,
    isa: &'static str,
    threads: usize,
    prompt_tokens: usize,
    generate_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    repeat: usize,
    prompt_tps: f64,
    generate_tps: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_tps: Option<f64>,
    load_ms: f64,
    time_to_first_token_ms: f64,
    bytes_per_token: usize,
    peak_rss_bytes: Option<u64>,
    /// The least and the most of what was measured several times.
    ranges: Ranges,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of the report's own fields")]
struct Ranges {
    prompt_tps: [f64; 2],
    generate_tps: [f64; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_tps: Option<[f64; 2]>,
}

fn measure(args: &Args, n_threads: usize, terminal: &Terminal) -> anyhow::Result<Report> {
    let start = Instant::now();
    let (mut pool, isa) = (Pool::new(n_threads), Isa::detect());
    let options = LoadOptions::default();
    let loaded = Loaded::open(args.model.as_deref(), &mut pool, isa, options, terminal)?;
    let architecture = loaded.model.architecture();
    let name = &loaded.identity.name;
    if !architecture.is_decoder() {
        anyhow::bail!("{name} does not write text; only models that do are measured");
    }
    let most = architecture.context_length;
    let longest = args.prompt.max(args.generate);
    if longest > most {
        return Err(Misuse(format!("{longest} tokens are more than the {most} that {name} reads")))
            .hint(format!("--prompt and --generate may be up to {most}"));
    }
    let cache_format = args.cache_format.into();
    let mut bench = Bench::new(&loaded.model, pool, cache_format, longest.max(FIRST_PROMPT));
    // Not what was fetched, if it had to be: only a file that is here can be started from.
    let first = bench.read(args.prompt.min(FIRST_PROMPT))?;
    let time_to_first_token = start.elapsed().min(loaded.time + first);
    let mut prompt = Speeds::default();
    let mut generated = Speeds::default();
    for _ in 0..args.repeat {
        prompt.add(args.prompt, bench.read(args.prompt)?);
        generated.add(args.generate, bench.write(args.generate)?);
    }
    let samples = args
        .samples
        .map(|n| draw_samples(n, args.repeat, &loaded, bench.pool, cache_format))
        .transpose()?;
    Ok(Report {
        model: name.clone(),
        architecture: architecture.name.clone(),
        isa: isa.name(),
        threads: n_threads,
        prompt_tokens: args.prompt,
        generate_tokens: args.generate,
        samples: args.samples,
        repeat: args.repeat,
        prompt_tps: prompt.median(),
        generate_tps: generated.median(),
        samples_tps: samples.as_ref().map(Speeds::median),
        load_ms: milliseconds(loaded.time),
        time_to_first_token_ms: milliseconds(time_to_first_token),
        bytes_per_token: loaded.model.bytes_per_token(),
        peak_rss_bytes: machine::peak_memory(),
        ranges: Ranges {
            prompt_tps: prompt.range(),
            generate_tps: generated.range(),
            samples_tps: samples.as_ref().map(Speeds::range),
        },
    })
}

/// A model with a cache for one sequence.
struct Bench<'m> {
    model: &'m Model,
    pool: Pool,
    cache: KvCache,
    pages: Vec<u32>,
    scratch: Scratch,
}

impl<'m> Bench<'m> {
    fn new(model: &'m Model, pool: Pool, format: CacheFormat, n_positions: usize) -> Self {
        let n_pages = n_positions.div_ceil(PAGE);
        let cache = KvCache::new(model.architecture(), format, n_pages);
        Self { model, pool, cache, pages: (0..n_pages as u32).collect(), scratch: Scratch::new() }
    }

    /// Computes rows at these positions, and the logits of the last.
    fn pass(&mut self, positions: std::ops::Range<usize>) -> anyhow::Result<()> {
        let n_vocab = self.model.architecture().n_vocab;
        let row = |position| Row {
            token: token_at(position, n_vocab),
            position: position as u32,
            sequence: 0,
            wants_logits: position + 1 == positions.end,
        };
        let rows: Vec<Row> = positions.clone().map(row).collect();
        let sequences = [Sequence { pages: &self.pages, adapter: None }];
        let batch = Batch { rows: &rows, sequences: &sequences };
        let Self { pool, cache, scratch, .. } = self;
        self.model.forward(pool, batch, cache, scratch)?;
        Ok(())
    }

    fn read(&mut self, n: usize) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.pass(0..n)?;
        Ok(start.elapsed())
    }

    fn write(&mut self, n: usize) -> anyhow::Result<Duration> {
        let start = Instant::now();
        (0..n).try_for_each(|position| self.pass(position..position + 1))?;
        Ok(start.elapsed())
    }
}

/// Tokens all over the vocabulary: experts and embeddings are used as in a real text.
fn token_at(position: usize, n_vocab: usize) -> u32 {
    (position * 7919 % n_vocab) as u32
}

fn draw_samples(
    n: usize,
    repeat: usize,
    loaded: &Loaded,
    pool: Pool,
    cache_format: CacheFormat,
) -> anyhow::Result<Speeds> {
    let n_vocab = loaded.model.architecture().n_vocab;
    let of_sample = (SAMPLE_TOKENS + PAGE).next_multiple_of(PAGE);
    let options = EngineOptions {
        cache_positions: SAMPLE_PROMPT + n.saturating_mul(of_sample),
        cache_format,
        max_sequences: n,
        ..EngineOptions::default()
    };
    let vocabulary = loaded.tokenizer.clone() as _;
    let mut engine = Engine::new(loaded.model.clone(), vocabulary, pool, options);
    let mut speeds = Speeds::default();
    for round in 0..repeat {
        // Another prompt each time, so that it is not found in the cache.
        let tokens = SAMPLE_PROMPT * round..SAMPLE_PROMPT * (round + 1);
        let request = Request {
            prompt: tokens.map(|position| token_at(position, n_vocab)).collect(),
            n_samples: n,
            max_tokens: SAMPLE_TOKENS,
            sampling: SamplingParams::default(),
            stop: Vec::new(),
            constraint: None,
            adapter: None,
            ignore_end: true,
        };
        let (_, timing) = generate(&mut engine, request, &mut Unwatched)?;
        speeds.add(timing.n_tokens, timing.total);
    }
    Ok(speeds)
}

/// Tokens a second, measured several times.
#[derive(Default)]
struct Speeds(Vec<f64>);

impl Speeds {
    fn add(&mut self, n_tokens: usize, time: Duration) {
        self.0.push(rounded(n_tokens as f64 / time.as_secs_f64().max(1e-9)));
        self.0.sort_by(f64::total_cmp);
    }

    fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.len() {
            0 => 0.0,
            n if n % 2 == 1 => self.0[middle],
            _ => rounded(f64::midpoint(self.0[middle - 1], self.0[middle])),
        }
    }

    fn range(&self) -> [f64; 2] {
        let end = |x: Option<&f64>| x.copied().unwrap_or_default();
        [end(self.0.first()), end(self.0.last())]
    }
}

impl Report {
    fn table(&self) -> Vec<String> {
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        let mut lines = vec![
            format!(
                "{} ({}) on {} {threads}, {}",
                self.model, self.architecture, self.threads, self.isa
            ),
            format!("{:24}{:>10}{:>10}{:>10}", "tokens/s", "median", "least", "most"),
        ];
        let mut row = |name: String, median: f64, [least, most]: [f64; 2]| {
            lines.push(format!("{name:24}{median:>10.1}{least:>10.1}{most:>10.1}"));
        };
        let Ranges { prompt_tps, generate_tps, samples_tps } = self.ranges;
        row(format!("reading {}", self.prompt_tokens), self.prompt_tps, prompt_tps);
        row(format!("writing {}", self.generate_tokens), self.generate_tps, generate_tps);
        if let (Some(n), Some(median), Some(range)) = (self.samples, self.samples_tps, samples_tps)
        {
            row(format!("{n} samples of {SAMPLE_TOKENS}"), median, range);
        }
        lines.push(format!("{:24}{:>10.1} ms", "loading", self.load_ms));
        lines
            .push(format!("{:24}{:>10.1} ms", "start to first token", self.time_to_first_token_ms));
        if let Some(bytes) = self.peak_rss_bytes {
            lines.push(format!("{:24}{:>10}", "peak memory", units::bytes(bytes)));
        }
        lines
    }
}

fn limits_table(limits: &Limits, isa: Isa) -> Vec<String> {
    let mut lines = vec![
        format!("this machine at best, {}", isa.name()),
        format!(
            "{:>7}{:>16}{:>16}{:>16}",
            "threads", "memory, GB/s", "int8, GOP/s", "f32, GFLOP/s"
        ),
    ];
    let rows = limits.read_gbps.iter().zip(&limits.int8_gops).zip(&limits.f32_gflops);
    for (((n, read), (_, int8)), (_, f32)) in rows {
        lines.push(format!("{n:>7}{read:>16.1}{int8:>16.0}{f32:>16.0}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        let mut speeds = Speeds::default();
        assert_eq!(speeds.median(), 0.0);
        for n in [30, 10, 20] {
            speeds.add(n, Duration::from_secs(1));
        }
        assert_eq!((speeds.median(), speeds.range()), (20.0, [10.0, 30.0]));
        speeds.add(40, Duration::from_secs(1));
        assert_eq!((speeds.median(), speeds.range()), (25.0, [10.0, 40.0]));
    }

    #[test]
    fn tables_are_for_people() {
        let report = Report {
            model: "tiny".into(),
            architecture: "llama".into(),
            isa: "avx512",
            threads: 1,
            prompt_tokens: 512,
            generate_tokens: 128,
            samples: Some(32),
            repeat: 3,
            prompt_tps: 1234.56,
            generate_tps: 99.94,
            samples_tps: Some(800.0),
            load_ms: 80.0,
            time_to_first_token_ms: 90.5,
            bytes_per_token: 1,
            peak_rss_bytes: Some(130_000_000),
            ranges: Ranges {
                prompt_tps: [1200.0, 1300.0],
                generate_tps: [90.0, 100.0],
                samples_tps: Some([700.0, 900.0]),
            },
        };
        let expected = [
            "tiny (llama) on 1 thread, avx512",
            "tokens/s                    median     least      most",
            "reading 512                 1234.6    1200.0    1300.0",
            "writing 128                   99.9      90.0     100.0",
            "32 samples of 64             800.0     700.0     900.0",
            "loading                       80.0 ms",
            "start to first token          90.5 ms",
            "peak memory                 130 MB",
        ];
        assert_eq!(report.table(), expected);
        let limits = Limits {
            read_gbps: [(1, 34.0), (2, 57.26)].into(),
            int8_gops: [(1, 1020.0), (2, 2000.0)].into(),
            f32_gflops: [(1, 250.0), (2, 500.0)].into(),
        };
        let expected = [
            "this machine at best, scalar",
            "threads    memory, GB/s     int8, GOP/s    f32, GFLOP/s",
            "      1            34.0            1020             250",
            "      2            57.3            2000             500",
        ];
        assert_eq!(limits_table(&limits, Isa::Scalar), expected);
        let json = serde_json::to_string(&limits).unwrap();
        let expected = r#"{"read_gbps":{"1":34.0,"2":57.26},"int8_gops":{"1":1020.0,"2":2000.0},"f32_gflops":{"1":250.0,"2":500.0}}"#;
        assert_eq!(json, expected);
    }
}
