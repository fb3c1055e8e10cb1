//! The texts of a corpus, or plain texts: files, and folders of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mynah_corpus::clean::Clean;
use mynah_corpus::{Corpus, Document, default_collection};
use mynah_train::report::Origin;

use crate::commands::corpus::{Place, collection};
use crate::failure::{Hint as _, Misuse};
use crate::terminal::Terminal;

/// What a text file may be called.
const ENDINGS: [&str; 4] = ["txt", "md", "markdown", "text"];

/// About how many bytes a document has that is cut out of a long text: so that some can be held
/// out, and each fits some sequences.
const PIECE: usize = 8_000;

/// Where texts to learn from are. They are read one after the other, as often as it takes: no more
/// than one of them is in memory.
pub(super) enum Texts {
    /// What a corpus has to use.
    Corpus(Corpus),
    /// What was named, and the files that are meant.
    Files(Vec<(PathBuf, Vec<PathBuf>)>),
}

/// A text, and where it is from.
pub(super) struct Text {
    source: String,
    licence: Option<String>,
    whole: String,
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.whole
    }
}

impl Text {
    /// Its text in pieces: see [`PIECE`].
    pub(super) fn pieces(&self) -> impl Iterator<Item = &str> {
        pieces(&self.whole)
    }

    /// Counts it with those of its source and licence.
    pub(super) fn count(&self, origins: &mut Vec<Origin>) {
        let is_of =
            |origin: &&mut Origin| origin.name == self.source && origin.licence == self.licence;
        let bytes = self.whole.len() as u64;
        match origins.iter_mut().find(is_of) {
            Some(origin) => {
                origin.documents += 1;
                origin.bytes += bytes;
            }
            None => origins.push(Origin {
                name: self.source.clone(),
                licence: self.licence.clone(),
                documents: 1,
                bytes,
            }),
        }
    }
}

impl Texts {
    /// How many documents there are, and about how many bytes.
    pub(super) fn size(&self) -> anyhow::Result<(u64, u64)> {
        match self {
            Self::Corpus(corpus) => Ok(corpus.size()?),
            Self::Files(named) => {
                let (mut documents, mut bytes) = (0, 0);
                for file in named.iter().flat_map(|(_, files)| files) {
                    let about = fs::metadata(file);
                    bytes +=
                        about.with_context(|| format!("cannot read {}", file.display()))?.len();
                    documents += 1;
                }
                Ok((documents, bytes))
            }
        }
    }

    /// Reads them.
    pub(super) fn read(&self) -> Box<dyn Iterator<Item = anyhow::Result<Text>> + '_> {
        match self {
            Self::Corpus(corpus) => Box::new(corpus.documents(0).map(|document| {
                let Document { source, licence, text, .. } = document?;
                Ok(Text { source, licence, whole: text })
            })),
            Self::Files(named) => Box::new(named.iter().flat_map(|(name, files)| {
                let source = name.display().to_string();
                files.iter().map(move |file| {
                    Ok(Text { source: source.clone(), licence: None, whole: text_of(file)? })
                })
            })),
        }
    }
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8(bytes).ok();
    text.with_context(|| format!("{} is not text in UTF-8", file.display()))
}

/// What a corpus has to use. One that is not there, or is empty, gets the default collection
/// first, cleaned.
pub(super) fn of_corpus(
    place: &Place,
    n_threads: usize,
    terminal: &Terminal,
) -> anyhow::Result<Texts> {
    let is_empty = |corpus: &Corpus| anyhow::Ok(corpus.sources()?.is_empty());
    let corpus = match place.open() {
        Ok(corpus) if !is_empty(&corpus)? => corpus,
        Err(error) if !is_missing(&error) => return Err(error),
        _ => fill(place, n_threads, terminal)?,
    };
    if corpus.size()?.0 == 0 {
        let error = Misuse(format!("the corpus {} has no text to use", corpus.folder().display()));
        return Err(error).hint(
            "`mynah corpus stats` says why texts are left out; `mynah corpus add` takes more in",
        );
    }
    Ok(Texts::Corpus(corpus))
}

fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(mynah_corpus::Error::NoCorpus { .. }))
}

/// Fetches the default collection and cleans it.
fn fill(place: &Place, n_threads: usize, terminal: &Terminal) -> anyhow::Result<Corpus> {
    let mut corpus = place.open_to_change()?;
    let known = default_collection().context("there is no default collection")?;
    collection::add(&mut corpus, known, terminal)?;
    let clean = Clean { against: Vec::new(), languages: None, n_threads };
    corpus.clean(&clean, &mut |_| true)?;
    Ok(corpus)
}

/// Files, and all texts in folders.
pub(super) fn of_files(paths: &[PathBuf]) -> anyhow::Result<Texts> {
    let mut named = Vec::new();
    for path in paths {
        let mut files = Vec::new();
        find(path, &mut files)?;
        named.push((path.clone(), files));
    }
    if named.iter().all(|(_, files)| files.is_empty()) {
        let error = Misuse("there is no text to learn from".to_owned());
        return Err(error).hint("texts are files ending in .txt or .md, and folders of them");
    }
    Ok(Texts::Files(named))
}

/// Finds files in the order of their names.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let cannot = || format!("cannot read {}", path.display());
    let entries = fs::read_dir(path).with_context(cannot)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(cannot)?;
    entries.sort_by_key(fs::DirEntry::path);
    for path in entries.iter().map(fs::DirEntry::path) {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        // A link may lead in a circle.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() || ENDINGS.contains(&ending.as_str()) {
            find(&path, files)?;
        }
    }
    Ok(())
}

/// Cuts a text at ends of paragraphs, or of lines where there are none.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut left = text;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let far = (PIECE..=left.len()).find(|&at| left.is_char_boundary(at));
        let end = far.map_or(left.len(), |far| {
            let within = &left[far..];
            let near = |what: &str, most: usize| {
                within.find(what).filter(|&at| at < most).map(|at| far + at + what.len())
            };
            near("\n\n", PIECE).or_else(|| near("\n", PIECE)).unwrap_or(left.len().min(far))
        });
        let (piece, rest) = left.split_at(end);
        left = rest;
        Some(piece.trim_matches('\n'))
    })
    .filter(|piece| !piece.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_where_paragraphs_end() {
        let paragraph = "Zeile über Zeile.\n".repeat(30);
        let text = format!("{paragraph}\n").repeat(60);
        let cut: Vec<&str> = pieces(&text).collect();
        assert!(cut.len() > 2 && cut.iter().all(|piece| piece.len() < 2 * PIECE));
        assert!(cut.iter().all(|piece| piece.starts_with("Zeile") && piece.ends_with('.')));
        let words = |text: &str| text.split_whitespace().count();
        assert_eq!(cut.iter().map(|piece| words(piece)).sum::<usize>(), words(&text));
        assert_eq!(pieces("short").collect::<Vec<_>>(), ["short"]);
        assert_eq!(pieces("\n \n").count(), 0);
        // Without any line's end it is cut all the same, between characters.
        assert!(pieces(&"ü".repeat(3 * PIECE)).count() > 3);
    }

    #[test]
    fn folders_are_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b.txt", "second"), ("a.md", "first"), ("c.png", "no text")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let texts = of_files(&[folder.path().to_owned()]).unwrap();
        let read: Vec<Text> = texts.read().map(Result::unwrap).collect();
        assert_eq!([&read[0].whole, &read[1].whole], ["first", "second"]);
        assert_eq!((texts.size().unwrap(), read.len()), ((2, 11), 2));
        let mut origins = Vec::new();
        read.iter().for_each(|text| text.count(&mut origins));
        assert_eq!((origins.len(), origins[0].documents, origins[0].bytes), (1, 2, 11));
        let missing = of_files(&[folder.path().join("none.txt")]).unwrap();
        let error = missing.size().unwrap_err();
        assert!(error.to_string().starts_with("cannot read "), "{error}");
    }
}
