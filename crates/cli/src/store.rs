//! Writes a model as one or more GGUF files: beside their place first, and there when whole.

use std::cell::Cell;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mynah_hub::{Kind, ModelFiles};
use mynah_model::checkpoint::{Checkpoint, Data};
use mynah_model::gguf::{self, PartName};
use mynah_model::huggingface;
use mynah_model::quantize::{Plan, Recipe, Step};
use tempfile::NamedTempFile;

use crate::failure::{Hint as _, Interrupted, Misuse};
use crate::interrupt::Listening;
use crate::terminal::Terminal;
use crate::units;

/// How files are written.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Split the model into files of at most this size each, such as 2G or 500M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    split: Option<u64>,
    /// How many threads to use; all by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
}

/// What is written where.
pub(crate) struct Target<'p> {
    /// A file, or a folder in which the file gets the model's name.
    pub(crate) path: &'p Path,
    /// How weights are stored; as they are if not said.
    pub(crate) recipe: Option<Recipe>,
}

/// Reads a size with a decimal unit.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_uppercase().trim_end_matches('B') {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return Err("the units are K, M and G".to_owned()),
    };
    let n: u64 = digits.parse().map_err(|_| "expected a whole number and a unit".to_owned())?;
    n.checked_mul(factor).filter(|&n| n > 0).ok_or_else(|| "out of range".to_owned())
}

/// Writes a model.
pub(crate) fn write(
    files: &ModelFiles,
    target: &Target,
    options: &Options,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let checkpoint = read(files)?;
    let plan = Plan::new(&checkpoint, target.recipe)?;
    let again = plan.n_requantized();
    if again > 0 {
        terminal.warning(&format!(
            "{again} tensors were quantized before and lose precision a second time; \
             the original weights would give a better model"
        ));
    }
    let path = file_path(files, &checkpoint, target);
    let parts = plan.parts(options.split.unwrap_or(u64::MAX))?;
    let paths = part_paths(&path, parts.len())?;
    if let Some(taken) = paths.iter().find(|path| path.exists()).filter(|_| !options.force) {
        let error = Misuse(format!("{} exists already", taken.display()));
        return Err(error).hint("--force replaces it");
    }
    let n_threads = options.threads.map_or_else(
        || thread::available_parallelism().map_or(1, std::num::NonZero::get),
        usize::from,
    );
    let bar = progress_bar(terminal, plan.n_bytes());
    let stop = Stop { listening: Listening::begin(), pressed: Cell::new(false) };
    let mut after = |step: &Step| {
        bar.inc(step.n_bytes);
        let tensor = checkpoint.tensors.get(&step.entry.name);
        if let Some(Data::Stored(bytes)) = tensor.map(|tensor| &tensor.data) {
            files.release(bytes);
        }
    };
    let written = write_parts(&plan, &parts, &paths, n_threads, &stop, &mut after);
    bar.finish_and_clear();
    if stop.pressed.get() {
        return Err(Interrupted.into());
    }
    let n_bytes = keep(written?, options.force)?;
    for path in &paths {
        terminal.note(&format!("wrote {}", path.display()));
    }
    let n_weights = checkpoint.tensors.values().map(|tensor| tensor.n_elements() as u64).sum();
    terminal.note(&format!(
        "{} weights in {}, from {}",
        units::count(n_weights),
        units::bytes(n_bytes),
        units::bytes(files.bytes())
    ));
    Ok(())
}

/// Reads a model's facts and where its tensors are.
fn read(files: &ModelFiles) -> anyhow::Result<Checkpoint<'_>> {
    if files.kind() == Kind::Gguf {
        return Ok(gguf::read(&files.gguf_parts())?);
    }
    let name = files.path().file_name().unwrap_or_default().to_string_lossy();
    let all: Vec<_> = files.files().collect();
    let read = huggingface::read(&name, &all);
    let (checkpoint, _) = read.with_context(|| files.path().display().to_string())?;
    Ok(checkpoint)
}

/// The file to write; in a folder it is called like the model.
fn file_path(files: &ModelFiles, checkpoint: &Checkpoint, target: &Target) -> PathBuf {
    if !target.path.is_dir() {
        return target.path.to_owned();
    }
    let source = files.path().file_stem().unwrap_or_default().to_string_lossy();
    let name = checkpoint.metadata.str("general.name").unwrap_or(&source);
    let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let recipe = target.recipe.map(|recipe| format!("-{recipe}")).unwrap_or_default();
    target.path.join(format!("{name}{recipe}.gguf"))
}

/// The files of a split model, or the only one.
fn part_paths(path: &Path, count: usize) -> anyhow::Result<Vec<PathBuf>> {
    if count == 1 {
        return Ok(vec![path.to_owned()]);
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let stem = name.and_then(|name| name.strip_suffix(".gguf"));
    let Some(stem) = stem else {
        return Err(Misuse(format!("{} does not end in .gguf", path.display())))
            .hint("the files of a split model are called NAME-00001-of-00002.gguf and so on");
    };
    let first = PartName { stem: stem.to_owned(), no: 0, count: count as u32 };
    Ok(first.all().map(|part| path.with_file_name(part.to_string())).collect())
}

/// A file that is whole but not in its place yet.
struct Written {
    file: NamedTempFile,
    path: PathBuf,
    n_bytes: u64,
}

/// Whether the person wants it to end.
struct Stop {
    listening: Listening,
    pressed: Cell<bool>,
}

/// An output that fails once the person wants it to end.
struct Stoppable<'s, W> {
    out: W,
    stop: &'s Stop,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.listening.was_pressed() {
            self.stop.pressed.set(true);
        }
        if self.stop.pressed.get() {
            return Err(io::Error::other(Interrupted));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes all files beside their places; `after` is told of every tensor.
fn write_parts(
    plan: &Plan,
    parts: &[Range<usize>],
    paths: &[PathBuf],
    n_threads: usize,
    stop: &Stop,
    after: &mut dyn FnMut(&Step),
) -> anyhow::Result<Vec<Written>> {
    let mut written = Vec::new();
    for (no, path) in paths.iter().enumerate() {
        let cannot = || format!("cannot write {}", path.display());
        let mut file = temporary(path).with_context(cannot)?;
        let out = BufWriter::with_capacity(1 << 20, Stoppable { out: file.as_file_mut(), stop });
        let n_bytes = if let [_] = parts {
            plan.write(n_threads, out, after)
        } else {
            plan.write_part(parts, no, n_threads, out, after)
        };
        let n_bytes = n_bytes.with_context(cannot)?;
        file.as_file().sync_all().with_context(cannot)?;
        written.push(Written { file, path: path.clone(), n_bytes });
    }
    Ok(written)
}

/// A new file in the folder of another, with the rights that any new file has.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mynah-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// Puts whole files in their places.
fn keep(written: Vec<Written>, replaces: bool) -> anyhow::Result<u64> {
    let mut n_bytes = 0;
    for Written { file, path, n_bytes: n } in written {
        n_bytes += n;
        let kept = if replaces { file.persist(&path) } else { file.persist_noclobber(&path) };
        kept.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(n_bytes)
}

/// A bar that counts bytes, where a person sees it.
fn progress_bar(terminal: &Terminal, n_bytes: u64) -> ProgressBar {
    if !terminal.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(n_bytes), ProgressDrawTarget::stderr());
    let template = "{bar:24}  {bytes} of {total_bytes}  {bytes_per_sec}  {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▌ "));
    }
    bar
}

#[cfg(test)]
mod tests {
    use mynah_kernels::format::Format;
    use mynah_model::checkpoint::{Metadata, Tensor, Value};

    use super::*;
    use crate::Global;

    /// Writes a model of one matrix of 64 rows.
    fn model(path: &Path) {
        let bytes: Vec<u8> = (0..64 * 32).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let metadata = Metadata::from([
            ("general.architecture", Value::from("llama")),
            ("general.name", Value::from("A model/1")),
            ("llama.block_count", Value::U32(1)),
        ]);
        let names = ["token_embd.weight", "output.weight", "blk.0.attn_q.weight"];
        let tensor =
            || Tensor { shape: vec![32, 64], format: Format::F32, data: Data::Stored(&bytes) };
        let tensors = names.map(|name| (name.to_owned(), tensor())).into();
        let mut file = fs::File::create(path).unwrap();
        gguf::write(&Checkpoint { metadata, tensors }, &mut file).unwrap();
    }

    fn options(force: bool, split: Option<u64>) -> Options {
        Options { force, split, threads: Some(2) }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn store(source: &Path, path: &Path, recipe: &str, options: &Options) -> anyhow::Result<()> {
        let terminal = &mut Terminal::new(&Global { offline: true, quiet: true });
        let target = Target { path, recipe: Some(recipe.parse().unwrap()) };
        write(&mynah_hub::open(source)?, &target, options, terminal)
    }

    #[test]
    fn a_file_is_in_its_place_when_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        model(&at("in.gguf"));
        store(&at("in.gguf"), &at("out.gguf"), "q8_0", &options(false, None)).unwrap();
        assert_eq!(names(folder.path()), ["in.gguf", "out.gguf"]);
        let files = mynah_hub::open(&at("out.gguf")).unwrap();
        let written = read(&files).unwrap();
        assert_eq!(written.tensors["output.weight"].format, Format::Q8_0);

        let error = store(&at("in.gguf"), &at("out.gguf"), "f16", &options(false, None));
        let error = error.unwrap_err();
        assert!(error.to_string().ends_with("out.gguf exists already"), "{error}");
        store(&at("in.gguf"), &at("out.gguf"), "f16", &options(true, None)).unwrap();
        let files = mynah_hub::open(&at("out.gguf")).unwrap();
        assert_eq!(read(&files).unwrap().tensors["output.weight"].format, Format::F16);
        assert_eq!(names(folder.path()), ["in.gguf", "out.gguf"]);
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        model(&at("in.gguf"));
        let nowhere = store(&at("in.gguf"), &at("no/out.gguf"), "f16", &options(false, None));
        assert!(format!("{:#}", nowhere.unwrap_err()).starts_with("cannot write"));
        let mut bytes = fs::read(at("in.gguf")).unwrap();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(at("bad.gguf"), bytes).unwrap();
        let bad = store(&at("bad.gguf"), &at("out.gguf"), "q4_0", &options(false, None));
        let bad = format!("{:#}", bad.unwrap_err());
        assert!(bad.contains("tensor `blk.0.attn_q.weight` has a number that is NaN"), "{bad}");
        assert_eq!(names(folder.path()), ["bad.gguf", "in.gguf"]);
    }

    #[test]
    fn a_folder_gets_a_file_called_like_the_model() {
        let folder = tempfile::tempdir().unwrap();
        model(&folder.path().join("in.gguf"));
        store(&folder.path().join("in.gguf"), folder.path(), "q4_0", &options(false, None))
            .unwrap();
        assert_eq!(names(folder.path()), ["A-model-1-q4_0.gguf", "in.gguf"]);
    }

    #[test]
    fn a_model_is_split_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        model(&at("in.gguf"));
        let split = options(false, Some(9_000));
        store(&at("in.gguf"), &at("out.gguf"), "f32", &split).unwrap();
        let parts =
            ["out-00001-of-00003.gguf", "out-00002-of-00003.gguf", "out-00003-of-00003.gguf"];
        assert_eq!(names(folder.path())[1..], parts);
        let files = mynah_hub::open(&at(parts[1])).unwrap();
        assert_eq!(read(&files).unwrap().tensors.len(), 3);
        let error = store(&at("in.gguf"), &at("model"), "f32", &split).unwrap_err();
        assert!(error.to_string().ends_with("model does not end in .gguf"), "{error}");
    }

    #[test]
    fn sizes_have_units() {
        for (text, n) in [("7", 7), ("2k", 2_000), ("500M", 500_000_000), ("2GB", 2_000_000_000)] {
            assert_eq!(size(text), Ok(n));
        }
        for text in ["", "G", "-1", "0", "1.5G", "2T", "99999999999999G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
