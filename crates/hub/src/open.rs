//! Maps a model's files into memory.
//!
//! The weights of a model are not read: the operating system brings a page in when it is first
//! touched, and may drop it again when memory is short.
//!
//! # If a file is changed while it is mapped
//!
//! The bytes seen through a map are those of the file at that moment. A program that writes into a
//! mapped file changes the weights under the reader; one that shortens it makes the next access
//! to a lost page end the process (`SIGBUS` on Unix). Rust cannot exclude this, so the hub makes
//! it unlikely: files in the cache are read-only, are only ever replaced by a rename (the map
//! keeps the old file alive), and are removed by removing their name. For files elsewhere the
//! person who keeps them is responsible; [`ModelFiles::is_unchanged`] tells afterwards, for
//! example when the output looks odd, whether a file was touched.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::{Mmap, UncheckedAdvice};

use crate::cache::MANIFEST;
use crate::error::READS;
use crate::plan::{part_name, split_part};

/// Pages are whole multiples of this smaller than or equal to it, on every processor that mynah
/// runs on; ranges are given back in steps of it.
const LARGEST_PAGE: usize = 1 << 16;
/// A folder of weights has fewer files.
const MOST_FILES: usize = 4096;

/// A model cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file is empty.
    #[error("{path} is empty", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The folder is not one that holds a model.
    #[error("{path} holds no model: {reason}", path = path.display())]
    NoModel {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The file is not one that mynah reads.
    #[error("{path} is not a GGUF file: it begins with {found:?}", path = path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: String,
    },
}

impl OpenError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("check the path; `mynah list` shows the models that are here".into())
            }
            Self::NoModel { .. } | Self::NotGguf { .. } => Some(READS.into()),
            _ => None,
        }
    }
}

/// What kind of files a model consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One GGUF file, or all parts of a split one.
    Gguf,
    /// A folder as on Hugging Face: `config.json`, `tokenizer.json`, safetensors.
    Folder,
}

/// A model's files, mapped into memory.
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    kind: Kind,
    files: Vec<MappedFile>,
}

#[derive(Debug)]
struct MappedFile {
    name: String,
    path: PathBuf,
    map: Mmap,
    length: u64,
    modified: Option<SystemTime>,
}

/// Maps a GGUF file (all parts of a split one, whichever part is named) or a Hugging Face folder.
///
/// A folder that holds no `config.json` but one GGUF model is that model.
pub fn open(path: &Path) -> Result<ModelFiles, OpenError> {
    let metadata = metadata(path)?;
    if !metadata.is_dir() {
        return open_gguf(path);
    }
    let names = names_in(path)?;
    if names.iter().any(|name| name == "config.json") {
        return open_folder(path, &names);
    }
    let mut ggufs = names
        .iter()
        .filter(|name| name.to_ascii_lowercase().ends_with(".gguf"))
        .filter(|name| split_part(name).is_none_or(|(_, part, _)| part == 1));
    let no_model =
        |reason: &str| OpenError::NoModel { path: path.to_owned(), reason: reason.into() };
    match (ggufs.next(), ggufs.next()) {
        (Some(one), None) => open_gguf(&path.join(one)),
        (Some(_), Some(_)) => Err(no_model("it has several GGUF files; name one")),
        (None, _) => Err(no_model("it has neither config.json nor a GGUF file")),
    }
}

fn open_gguf(path: &Path) -> Result<ModelFiles, OpenError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let names = match split_part(name) {
        Some((stem, _, count)) if count as usize <= MOST_FILES => {
            (1..=count).map(|part| part_name(stem, part, count)).collect()
        }
        _ => vec![name.to_owned()],
    };
    let mut files = Vec::new();
    for name in names {
        let file = map(&path.with_file_name(&name), name)?;
        if !file.map.starts_with(b"GGUF") {
            let head = &file.map[..file.map.len().min(8)];
            let found = String::from_utf8_lossy(head).into_owned();
            return Err(OpenError::NotGguf { path: file.path, found });
        }
        files.push(file);
    }
    Ok(ModelFiles { path: path.to_owned(), kind: Kind::Gguf, files })
}

fn open_folder(path: &Path, names: &[String]) -> Result<ModelFiles, OpenError> {
    let is_part = |name: &&String| {
        [".json", ".txt", ".model", ".jinja", ".safetensors"].iter().any(|end| name.ends_with(end))
    };
    let mut files = Vec::new();
    for name in names.iter().filter(is_part).filter(|name| *name != MANIFEST) {
        match map(&path.join(name), name.clone()) {
            // Some repositories hold an empty added_tokens.json.
            Err(OpenError::Empty { .. }) => {}
            file => files.push(file?),
        }
    }
    if !files.iter().any(|file| file.name.ends_with(".safetensors")) {
        let reason = "it has no .safetensors file".into();
        return Err(OpenError::NoModel { path: path.to_owned(), reason });
    }
    Ok(ModelFiles { path: path.to_owned(), kind: Kind::Folder, files })
}

/// The names of the files in a folder, and of `1_Pooling/config.json` if there is one.
fn names_in(path: &Path) -> Result<Vec<String>, OpenError> {
    let read = |source| OpenError::Read { path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(read)? {
        let entry = entry.map_err(read)?;
        if let Ok(name) = entry.file_name().into_string()
            && entry.path().is_file()
        {
            names.push(name);
        }
        if names.len() > MOST_FILES {
            let reason = format!("it has more than {MOST_FILES} files");
            return Err(OpenError::NoModel { path: path.to_owned(), reason });
        }
    }
    let pooling = "1_Pooling/config.json";
    if path.join(pooling).is_file() {
        names.push(pooling.into());
    }
    names.sort_unstable();
    Ok(names)
}

fn metadata(path: &Path) -> Result<Metadata, OpenError> {
    fs::metadata(path).map_err(|source| OpenError::Read { path: path.to_owned(), source })
}

fn map(path: &Path, name: String) -> Result<MappedFile, OpenError> {
    let read = |source| OpenError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    if metadata.len() == 0 {
        return Err(OpenError::Empty { path: path.to_owned() });
    }
    #[expect(unsafe_code, reason = "a map is a slice only while nobody shortens the file")]
    // SAFETY: the map is read-only and private to this process's view. That no other program
    // changes the file meanwhile cannot be proved; the module's documentation says what happens
    // then and what is done against it.
    let map = unsafe { Mmap::map(&file) }.map_err(read)?;
    let modified = metadata.modified().ok();
    let path = path.to_owned();
    Ok(MappedFile { name, path, length: map.len() as u64, map, modified })
}

impl ModelFiles {
    /// What was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kind of files there are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every file: its name, in a folder relative to it, and its bytes. The parts of a split GGUF
    /// file come in order, the files of a folder by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|file| (file.name.as_str(), &file.map[..]))
    }

    /// The bytes of the file of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files().find(|(found, _)| *found == name).map(|(_, bytes)| bytes)
    }

    /// The parts of a GGUF file in order; nothing for a folder.
    pub fn gguf_parts(&self) -> Vec<&[u8]> {
        match self.kind {
            Kind::Gguf => self.files().map(|(_, bytes)| bytes).collect(),
            Kind::Folder => Vec::new(),
        }
    }

    /// The size of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Gives the memory of a range back to the operating system, after its content was copied
    /// elsewhere. The range stays readable: its pages are read from the file again when touched.
    ///
    /// Only whole pages inside `part` are given back. A range that is not of these files, and a
    /// system without this service, are ignored.
    pub fn release(&self, part: &[u8]) {
        let Some((map, offset)) = self.files.iter().find_map(|file| {
            let offset = (part.as_ptr() as usize).checked_sub(file.map.as_ptr() as usize)?;
            let end = offset.checked_add(part.len())?;
            (end <= file.map.len()).then_some((&file.map, offset))
        }) else {
            return;
        };
        let base = map.as_ptr() as usize;
        let first = (base + offset).next_multiple_of(LARGEST_PAGE) - base;
        let end = (base + offset + part.len()) / LARGEST_PAGE * LARGEST_PAGE;
        let Some(length) = end.checked_sub(base + first).filter(|length| *length > 0) else {
            return;
        };
        give_back(map, first, length);
    }

    /// Whether every file has the length and the time of change that it had when it was mapped.
    pub fn is_unchanged(&self) -> bool {
        self.files.iter().all(|file| {
            fs::metadata(&file.path)
                .is_ok_and(|now| now.len() == file.length && now.modified().ok() == file.modified)
        })
    }
}

#[cfg(unix)]
fn give_back(map: &Mmap, offset: usize, length: usize) {
    #[expect(unsafe_code, reason = "the one way to give pages back")]
    // SAFETY: the range lies inside the map, as `release` has checked. The map is of a file and is
    // never written through, so a page that is dropped comes back with the same bytes.
    let result = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, length) };
    // A kernel that refuses keeps the pages: more memory is used, nothing else changes.
    drop(result);
}

#[cfg(not(unix))]
fn give_back(_: &Mmap, _: usize, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn names(files: &ModelFiles) -> Vec<&str> {
        files.files().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_gguf_file_and_the_folder_it_lies_in() {
        let folder = folder(&[("m.gguf", b"GGUF1234"), ("LICENSE", b"text")]);
        for path in [folder.path().join("m.gguf"), folder.path().to_owned()] {
            let files = open(&path).unwrap();
            assert_eq!(files.kind(), Kind::Gguf);
            assert_eq!(files.gguf_parts(), [b"GGUF1234"]);
            assert_eq!(files.bytes(), 8);
            assert!(files.is_unchanged());
        }
    }

    #[test]
    fn any_part_of_a_split_file_opens_all() {
        let folder = folder(&[
            ("m-00001-of-00002.gguf", b"GGUF one"),
            ("m-00002-of-00002.gguf", b"GGUF two!"),
        ]);
        for part in ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf", ""] {
            let files = open(&folder.path().join(part)).unwrap();
            assert_eq!(files.gguf_parts(), [&b"GGUF one"[..], b"GGUF two!"]);
        }
        fs::remove_file(folder.path().join("m-00002-of-00002.gguf")).unwrap();
        let error = open(&folder.path().join("m-00001-of-00002.gguf")).unwrap_err();
        assert!(error.to_string().contains("m-00002-of-00002.gguf"), "{error}");
    }

    #[test]
    fn a_folder_of_safetensors() {
        let folder = folder(&[
            ("config.json", b"{}"),
            ("tokenizer.json", b"{}"),
            ("added_tokens.json", b""),
            ("model.safetensors", b"weights"),
            ("pytorch_model.bin", b"pickle"),
            ("1_Pooling/config.json", b"{\"a\": 1}"),
        ]);
        let files = open(folder.path()).unwrap();
        assert_eq!(files.kind(), Kind::Folder);
        assert_eq!(
            names(&files),
            ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json"]
        );
        assert_eq!(files.get("model.safetensors"), Some(&b"weights"[..]));
        assert_eq!(files.get("pytorch_model.bin"), None);
        assert!(files.gguf_parts().is_empty());
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let folder = folder(&[
            ("empty.gguf", b""),
            ("text.gguf", b"hello world"),
            ("two/a.gguf", b"GGUF"),
            ("two/b.gguf", b"GGUF"),
            ("bare/config.json", b"{}"),
            ("none/x", b"x"),
        ]);
        for (path, complaint) in [
            ("empty.gguf", "is empty"),
            ("text.gguf", "begins with \"hello wo\""),
            ("two", "several GGUF files"),
            ("bare", "no .safetensors file"),
            ("none", "neither config.json nor"),
            ("missing", "cannot read"),
        ] {
            let error = open(&folder.path().join(path)).unwrap_err().to_string();
            assert!(error.contains(complaint), "{path}: {error}");
        }
    }

    #[test]
    fn what_was_given_back_can_be_read_again() {
        let bytes: Vec<u8> =
            b"GGUF".iter().copied().chain((0..1_000_000u32).map(|i| (i % 251) as u8)).collect();
        let folder = folder(&[("m.gguf", &bytes)]);
        let files = open(folder.path()).unwrap();
        let part = files.gguf_parts()[0];
        files.release(part);
        files.release(&part[100_000..700_001]);
        files.release(&part[5..6]);
        files.release(&part[part.len()..]);
        files.release(&bytes);
        files.release(&[]);
        assert_eq!(part, bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn giving_back_shrinks_the_process() {
        let folder = folder(&[("m.gguf", &[&b"GGUF"[..], &vec![1; 64 << 20]].concat())]);
        let files = open(folder.path()).unwrap();
        let part = files.gguf_parts()[0];
        let touched = || {
            // RssFile of this map alone, so that other tests do not disturb.
            let maps = fs::read_to_string("/proc/self/smaps").unwrap();
            let path = folder.path().join("m.gguf").display().to_string();
            let here = maps.split(&path).nth(1).unwrap();
            let rss = here.lines().find(|line| line.starts_with("Rss:")).unwrap();
            rss.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(part.iter().map(|b| u64::from(*b)).sum::<u64>(), (64 << 20) + 297);
        assert!(touched() > 60 << 10, "{} KiB", touched());
        files.release(part);
        assert!(touched() < 1 << 10, "{} KiB", touched());
    }

    #[test]
    fn a_change_is_noticed() {
        let folder = folder(&[("m.gguf", b"GGUF1234")]);
        let files = open(folder.path()).unwrap();
        fs::write(folder.path().join("m.gguf"), b"GGUF12345").unwrap();
        assert!(!files.is_unchanged());
    }
}
