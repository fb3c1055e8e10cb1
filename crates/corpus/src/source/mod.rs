//! What a file holds: records, one after the other, whatever the form.
//!
//! Every reader streams: it holds one record at a time. A record that is larger than
//! [`LARGEST_BYTES`] is an error, except in plain text, which is cut at paragraphs.

mod archive;
mod code;
mod epub;
mod html;
mod json;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod table;
mod text;

use std::fs::{self, File};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::error::Doing as _;

use packed::Packing;
pub(crate) use text::front_matter;

/// No single record may be larger.
const LARGEST_BYTES: u64 = 64 << 20;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Markdown,
    Html,
    /// One value, or a list of records.
    Json,
    JsonLines,
    /// Values with this between them.
    Table(u8),
    Epub,
    Parquet,
    Code,
    /// An archive of such files.
    Tar,
}

/// A text in a file, and what the file says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its name in the file, if it has one.
    pub(crate) place: Option<String>,
    pub(crate) text: String,
    pub(crate) title: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) url: Option<String>,
    /// An SPDX expression.
    pub(crate) licence: Option<String>,
    /// What in the record itself says that it is not to be used.
    pub(crate) opt_out: Option<String>,
}

/// What a reader is told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings<'s> {
    /// The fields that are the text; the usual names if empty.
    pub(crate) fields: &'s [String],
    /// Which members of an archive are read: how their names begin and end.
    pub(crate) members: Option<(&'s str, &'s str)>,
    /// Every text of a record counts, whatever its field.
    pub(crate) reads_all: bool,
}

/// Takes records; an error ends the reading.
pub(crate) type Sink<'s> = dyn FnMut(Record) -> Result<(), Error> + 's;

impl Kind {
    /// Whether such a file is one text, as a rule.
    pub(crate) fn is_one(self) -> bool {
        matches!(self, Self::Text | Self::Markdown | Self::Html | Self::Code)
    }

    /// What it is called.
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "Markdown",
            Self::Html => "HTML",
            Self::Json => "JSON",
            Self::JsonLines => "JSON lines",
            Self::Table(_) => "table",
            Self::Epub => "EPUB",
            Self::Parquet => "Parquet",
            Self::Code => "code",
            Self::Tar => "archive",
        }
    }
}

/// Folders that hold what others wrote or a machine made.
const SKIPPED: [&str; 5] = ["node_modules", "target", "__pycache__", "venv", "dist"];

/// The files of a source in the order of their names: the file itself, or those of a folder that
/// `.gitignore` does not leave out and that are not hidden.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let metadata = fs::metadata(path).doing("read", path)?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut walk = ignore::WalkBuilder::new(path);
    walk.sort_by_file_name(std::cmp::Ord::cmp).follow_links(false).require_git(false);
    walk.filter_entry(|entry| {
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        !is_folder || !SKIPPED.iter().any(|name| entry.file_name() == *name)
    });
    let mut files = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|error| Error::File {
            action: "read",
            path: path.to_owned(),
            source: error.into_io_error().unwrap_or_else(|| std::io::ErrorKind::Other.into()),
        })?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            files.push(entry.into_path());
        }
    }
    files.retain(|file| !is_paper(file));
    if files.is_empty() {
        return Err(Error::Format {
            path: path.to_owned(),
            place: String::new(),
            problem: "there are no files in it".to_owned(),
            hint: Some("hidden files and those in .gitignore are not read".to_owned()),
        });
    }
    Ok(files)
}

/// Whether a file is about the texts beside it and no text itself.
fn is_paper(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    crate::licence::is_licence_file(&name)
        || matches!(name.as_str(), "robots.txt" | "ai.txt" | "tdmrep.json" | "mynah.json")
        || (name == "readme.md" && crate::licence::is_card(path))
}

/// The folder whose papers count: the folder itself, or the one that the file lies in.
pub(crate) fn root(path: &Path) -> PathBuf {
    if path.is_dir() { path.to_owned() } else { path.parent().unwrap_or(path).to_owned() }
}

/// What the files of a source are, for people.
pub(crate) fn describe(files: &[PathBuf]) -> String {
    let mut names: Vec<&str> =
        files.iter().filter_map(|file| Some(kind_of_name(file)?.name())).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "text".to_owned() } else { names.join(", ") }
}

/// What a file is by its name, without `.gz` and `.zst`.
fn kind_of_name(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = Packing::of(&name).inner_name(&name);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    Some(match end {
        "txt" | "text" => Kind::Text,
        "md" | "markdown" => Kind::Markdown,
        "html" | "htm" | "xhtml" => Kind::Html,
        "json" => Kind::Json,
        "jsonl" | "ndjson" => Kind::JsonLines,
        "csv" => Kind::Table(b','),
        "tsv" => Kind::Table(b'\t'),
        "epub" => Kind::Epub,
        "parquet" => Kind::Parquet,
        "tar" | "tgz" => Kind::Tar,
        end if code::is_code(end, name) => Kind::Code,
        _ => return None,
    })
}

/// What a file is; none if it is no text.
pub(crate) fn kind_of(path: &Path) -> Result<Option<Kind>, Error> {
    let kind = kind_of_name(path);
    if kind.is_some() {
        return Ok(kind);
    }
    // Of what has no known name, whatever is text counts as text.
    let mut start = Vec::new();
    open(path)?.take(1 << 16).read_to_end(&mut start).doing("read", path)?;
    let is_cut = |error: &std::str::Utf8Error| error.error_len().is_none();
    let is_text = match std::str::from_utf8(&start) {
        Ok(_) => true,
        Err(error) => is_cut(&error) && error.valid_up_to() > 0,
    };
    Ok((is_text && !start.contains(&0)).then_some(Kind::Text))
}

/// Reads a file's records in order.
pub(crate) fn read(
    path: &Path,
    kind: Kind,
    settings: &Settings<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    match kind {
        Kind::Epub => epub::read(path, sink),
        #[cfg(feature = "parquet")]
        Kind::Parquet => parquet::read(path, settings, sink),
        #[cfg(not(feature = "parquet"))]
        Kind::Parquet => Err(Error::Format {
            path: path.to_owned(),
            place: String::new(),
            problem: "this mynah was built without the feature `parquet`".to_owned(),
            hint: Some(
                "build it with `cargo build --release --features parquet`, or convert the file to \
                 JSON lines"
                    .to_owned(),
            ),
        }),
        _ => read_from(path, kind, &mut *open(path)?, settings, sink),
    }
}

/// Reads the records of a file, or of a member of an archive, that needs no going back.
fn read_from(
    path: &Path,
    kind: Kind,
    from: &mut dyn BufRead,
    settings: &Settings<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    match kind {
        Kind::Text => text::read_plain(path, from, sink),
        Kind::Markdown => text::read_markdown(path, from, sink),
        Kind::Code => code::read(path, from, sink),
        Kind::Html => html::read(path, from, sink),
        Kind::Json => json::read(path, from, settings, sink),
        Kind::JsonLines => json::read_lines(path, from, settings, sink),
        Kind::Table(separator) => table::read(path, from, separator, settings, sink),
        Kind::Tar => archive::read(path, from, settings, sink),
        // These need the whole file.
        Kind::Epub | Kind::Parquet => Ok(()),
    }
}

/// Opens a file, which is unpacked as it is read.
fn open(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    let file = File::open(path).doing("read", path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    Packing::of(&name).reader(path, file)
}

/// Reads all of a text that must be UTF-8 and not larger than [`LARGEST_BYTES`].
fn whole(path: &Path, from: impl Read) -> Result<String, Error> {
    let mut bytes = Vec::new();
    from.take(LARGEST_BYTES + 1).read_to_end(&mut bytes).doing("read", path)?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(too_large(path, ""));
    }
    utf8(path, "", bytes)
}

fn utf8(path: &Path, place: &str, bytes: Vec<u8>) -> Result<String, Error> {
    let text = String::from_utf8(bytes).map_err(|error| Error::Format {
        path: path.to_owned(),
        place: place.to_owned(),
        problem: format!("it is not UTF-8: {}", error.utf8_error()),
        hint: Some("convert it first, for example with `iconv -f GB18030 -t UTF-8`".to_owned()),
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn too_large(path: &Path, place: &str) -> Error {
    Error::Format {
        path: path.to_owned(),
        place: place.to_owned(),
        problem: format!("a text is larger than {} MiB", LARGEST_BYTES >> 20),
        hint: Some("cut it into several".to_owned()),
    }
}

/// Reads a line into `line`, without its end; false at the end of the file.
fn next_line(
    path: &Path,
    from: &mut dyn BufRead,
    number: u64,
    line: &mut Vec<u8>,
) -> Result<bool, Error> {
    line.clear();
    let n = from.take(LARGEST_BYTES + 1).read_until(b'\n', line).doing("read", path)?;
    if line.len() as u64 > LARGEST_BYTES {
        return Err(too_large(path, &format!("line {number}")));
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(n > 0)
}
