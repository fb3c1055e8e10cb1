//! After the last step: the model's files, read again and compared, and the reports.

use std::fs;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context as _;
use mynah_kernels::{CacheFormat, Isa, PAGE, Pool};
use mynah_model::forward::{Batch, KvCache, LoadOptions, Model, Row, Scratch, Sequence};
use mynah_model::gguf;
use mynah_model::tokenizer::Tokenizer;
use mynah_train::evaluate::Evaluation;
use mynah_train::journal::Journal;
use mynah_train::report::{self, About};
use mynah_train::run::Course;
use mynah_train::trainer::Trainer;

use super::{Run, log};
use crate::checkpoint;
use crate::terminal::Terminal;
use crate::write;

/// How many tokens the exported model is compared on, and how many it writes.
const COMPARED: usize = 64;
const WRITTEN: usize = 24;

/// The most that logits may differ on average, of their spread. The engine rounds activations to
/// eight bits, training does not.
const MOST_DIFFERENCE: f64 = 0.05;

/// Writes the model's files, reads them again, and says how they compare.
pub(super) fn export(
    run: &Run,
    trainer: &mut Trainer,
    tokenizer: &Tokenizer,
    course: &Course,
    terminal: &Terminal,
) -> anyhow::Result<String> {
    let root = run.folder.root();
    let json = run.folder.tokenizer_json()?;
    let begins = run.about.begins;
    mynah_train::export::write(root, &run.config, trainer.weights(), &json, begins)?;
    let gguf = root.join(format!("{}.gguf", run.about.name));
    write_gguf(root, &gguf)?;
    let text = text_to_compare(trainer, course, begins)?;
    let mut said = Vec::new();
    for path in [root, &gguf] {
        let result = compare(path, trainer, &text, run.n_threads)
            .with_context(|| format!("{} was read again", path.display()))?;
        said.push(result);
    }
    let [folder, file] = &said[..] else { unreachable!("two files were compared") };
    if folder.greedy != file.greedy {
        anyhow::bail!("the folder and the GGUF file write different texts");
    }
    terminal.note(&format!("read again: {folder}"));
    let written = tokenizer.decode(&folder.greedy);
    terminal.note(&format!("  ▸{}", String::from_utf8_lossy(&written)));
    Ok(folder.to_string())
}

/// Writes the folder as one GGUF file.
fn write_gguf(root: &Path, path: &Path) -> anyhow::Result<()> {
    let files = mynah_hub::open(root)?;
    let (checkpoint, _) = checkpoint::read(&files)?;
    let cannot = || format!("cannot write {}", path.display());
    let file = tempfile::NamedTempFile::new_in(root).with_context(cannot)?;
    let mut out = BufWriter::new(file);
    gguf::write(&checkpoint, &mut out).with_context(cannot)?;
    let file =
        out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(cannot)?;
    file.as_file().sync_all().with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).with_context(cannot)?;
    }
    Ok(())
}

/// Tokens that the model has not learnt from, if there are such; else what it writes itself.
fn text_to_compare(
    trainer: &mut Trainer,
    course: &Course,
    begins: u32,
) -> anyhow::Result<Vec<u32>> {
    let mut text = vec![begins];
    let most = COMPARED.min(trainer.config().model.context);
    if let Some(held) = &course.held {
        for i in 0..held.source.n_documents() {
            let n = held.source.length(i).min(most - text.len());
            held.source.read(i, 0, n, &mut text)?;
        }
    }
    if text.len() < 2 {
        text.extend(mynah_train::evaluate::sample(trainer, begins, &[], most - 1, 0));
    }
    Ok(text)
}

/// How an exported model compares with the trained one.
struct Comparison {
    positions: usize,
    /// The mean difference of logits, and their spread: one standard deviation.
    difference: f64,
    spread: f64,
    /// At how many positions the most likely token is the same.
    same: usize,
    /// How many of the tokens that follow, each the most likely one, are the same before one is
    /// not.
    same_written: usize,
    greedy: Vec<u32>,
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { positions, difference, spread, same, same_written, greedy } = self;
        let written = greedy.len();
        write!(
            f,
            "logits differ by {difference:.4} on average (their spread is {spread:.2}), the most \
             likely token is the same at {same} of {positions} places, and so are the first \
             {same_written} of {written} tokens written"
        )
    }
}

fn compare(
    path: &Path,
    trainer: &mut Trainer,
    text: &[u32],
    n_threads: usize,
) -> anyhow::Result<Comparison> {
    let files = mynah_hub::open(path)?;
    let (checkpoint, _) = checkpoint::read(&files)?;
    let mut pool = Pool::new(n_threads);
    let options = LoadOptions::default();
    let model = Model::load(&checkpoint, &mut pool, Isa::detect(), options, &mut |_| {})?;
    let context = trainer.config().model.context;
    let mut reader = Reader::new(&model, &mut pool, text.len() + WRITTEN);
    let (mut differences, mut squares, mut n, mut same) = (0.0, 0.0, 0.0, 0);
    for i in 0..text.len() {
        let logits = reader.read(text[i])?;
        let (pass, machine, weights) = trainer.parts();
        let expected = pass.next_logits(machine, weights, &text[..=i]);
        let mean = expected.iter().map(|&x| f64::from(x)).sum::<f64>() / expected.len() as f64;
        for (&got, &x) in logits.iter().zip(&expected) {
            differences += f64::from(got - x).abs();
            squares += (f64::from(x) - mean).powi(2);
            n += 1.0;
        }
        same += usize::from(most_likely(&logits) == most_likely(&expected));
    }
    let (mut own, mut greedy) = (text.to_vec(), Vec::new());
    let mut same_written = 0;
    for _ in 0..WRITTEN.min(context.saturating_sub(text.len())) {
        let (pass, machine, weights) = trainer.parts();
        own.push(most_likely(&pass.next_logits(machine, weights, &own)));
        let token = most_likely(&reader.logits);
        greedy.push(token);
        if same_written + 1 == greedy.len() && own.last() == Some(&token) {
            same_written += 1;
        }
        reader.read(token)?;
    }
    let (difference, spread) = (differences / n, f64::sqrt(squares / n));
    if difference > MOST_DIFFERENCE * spread.max(0.1) {
        anyhow::bail!(
            "its logits differ from those of training by {difference:.4} on average, with a \
             spread of {spread:.4}"
        );
    }
    Ok(Comparison { positions: text.len(), difference, spread, same, same_written, greedy })
}

fn most_likely(logits: &[f32]) -> u32 {
    (0..logits.len() as u32)
        .max_by(|&a, &b| logits[a as usize].total_cmp(&logits[b as usize]).then(b.cmp(&a)))
        .unwrap_or_default()
}

/// A loaded model that reads one token after the other.
struct Reader<'m> {
    model: &'m Model,
    pool: &'m mut Pool,
    cache: KvCache,
    pages: Vec<u32>,
    scratch: Scratch,
    position: u32,
    /// What follows the last token.
    logits: Vec<f32>,
}

impl<'m> Reader<'m> {
    fn new(model: &'m Model, pool: &'m mut Pool, n: usize) -> Self {
        let n_pages = n.div_ceil(PAGE);
        Self {
            model,
            pool,
            cache: KvCache::new(model.architecture(), CacheFormat::F32, n_pages),
            pages: (0..n_pages as u32).collect(),
            scratch: Scratch::new(),
            position: 0,
            logits: Vec::new(),
        }
    }

    fn read(&mut self, token: u32) -> anyhow::Result<Vec<f32>> {
        let rows = [Row { token, position: self.position, sequence: 0, wants_logits: true }];
        let sequences = [Sequence { pages: &self.pages, adapter: None }];
        let batch = Batch { rows: &rows, sequences: &sequences };
        let logits = self.model.forward(self.pool, batch, &mut self.cache, &mut self.scratch)?;
        self.logits = logits.to_vec();
        self.position += 1;
        Ok(self.logits.clone())
    }
}

/// Writes the reports and the model's card, and says where they are.
pub(super) fn report(
    run: &Run,
    evaluations: &[(u64, Evaluation)],
    check: Option<&str>,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let (folder, config) = (run.folder, &run.config);
    let shard = mynah_train::data::Shard::open(&folder.tokens())?;
    let journal = Journal::open(&folder.log(config.seed), u64::MAX)?;
    let seconds = journal.events().iter().rev().find_map(|event| match event {
        mynah_train::journal::Event::Step { seconds, .. } => Some(*seconds),
        _ => None,
    });
    let [learnt, _] = mynah_train::data::Part::divide(&shard, config.watch.held_out);
    let machine = format!("{} threads, {}", run.n_threads, Isa::detect().name());
    let about = About {
        name: &run.about.name,
        config,
        origins: &run.about.origins,
        data: &folder.data_hash(&shard)?,
        tokens: mynah_train::data::TokenSource::n_tokens(&learnt),
        evaluations,
        seconds: seconds.unwrap_or_default(),
        machine: &machine,
        peak: Some(run.peak),
        price_per_hour: run.about.price_per_hour,
        command: &run.about.command,
        check,
    };
    let events = journal.events();
    let html = report::html(&about, events);
    for (name, text) in [
        ("report.md", &report::markdown(&about, events)),
        ("report.html", &html),
        ("README.md", &report::card(&about, events)),
    ] {
        write::whole(&folder.root().join(name), &|out| out.write_all(text.as_bytes()))?;
    }
    log::keep_report(run.log, folder.root(), config.seed, &html, terminal);
    let root = folder.root().display();
    terminal
        .note(&format!("the model is in {root}, and what there is to know in {root}/report.html"));
    terminal.note(&format!("let it speak: mynah run {} 'Once'", shown(folder.root())));
    Ok(())
}

/// A path that no name of a model is taken for.
fn shown(path: &Path) -> String {
    if path.is_absolute() || path.starts_with(".") {
        path.display().to_string()
    } else {
        format!("./{}", path.display())
    }
}
