//! The texts of a corpus, or plain texts: files, and folders of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mynah_corpus::clean::Clean;
use mynah_corpus::{Corpus, default_collection};
use mynah_train::report::Origin;

use crate::commands::corpus::{Place, collection};
use crate::failure::{Hint as _, Misuse};
use crate::terminal::Terminal;

/// What a text file may be called.
const ENDINGS: [&str; 4] = ["txt", "md", "markdown", "text"];

/// About how many bytes a document has that is cut out of a long text: so that some can be held
/// out, and each fits some sequences.
const PIECE: usize = 8_000;

/// Texts to learn from.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) documents: Vec<String>,
    pub(super) origins: Vec<Origin>,
}

/// Reads what a corpus has to use. One that is not there, or is empty, gets the default collection
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
    let mut texts = Texts::default();
    for document in corpus.documents(0) {
        let document = document?;
        let is_of = |origin: &&mut Origin| {
            origin.name == document.source && origin.licence == document.licence
        };
        let before = texts.documents.len();
        texts.documents.extend(pieces(&document.text).map(str::to_owned));
        let bytes = texts.documents[before..].iter().map(|text| text.len() as u64).sum();
        match texts.origins.iter_mut().find(is_of) {
            Some(origin) => {
                origin.documents += 1;
                origin.bytes += bytes;
            }
            None => texts.origins.push(Origin {
                name: document.source,
                licence: document.licence,
                documents: 1,
                bytes,
            }),
        }
    }
    if texts.documents.is_empty() {
        let error = Misuse(format!("the corpus {} has no text to use", corpus.folder().display()));
        return Err(error).hint(
            "`mynah corpus stats` says why texts are left out; `mynah corpus add` takes more in",
        );
    }
    Ok(texts)
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

/// Reads files, and all texts in folders.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Texts> {
    let mut texts = Texts::default();
    for path in paths {
        let before = texts.documents.len();
        let mut files = Vec::new();
        find(path, &mut files)?;
        for file in &files {
            let bytes =
                fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let text = String::from_utf8(bytes)
                .ok()
                .with_context(|| format!("{} is not text in UTF-8", file.display()))?;
            texts.documents.extend(pieces(&text).map(str::to_owned));
        }
        let documents = &texts.documents[before..];
        texts.origins.push(Origin {
            name: path.display().to_string(),
            licence: None,
            documents: documents.len() as u64,
            bytes: documents.iter().map(|text| text.len() as u64).sum(),
        });
    }
    if texts.documents.is_empty() {
        let error = Misuse("there is no text to learn from".to_owned());
        return Err(error).hint("texts are files ending in .txt or .md, and folders of them");
    }
    Ok(texts)
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
        let texts = read(&[folder.path().to_owned()]).unwrap();
        assert_eq!(texts.documents, ["first", "second"]);
        assert_eq!((texts.origins[0].documents, texts.origins[0].bytes), (2, 11));
        let error = read(&[folder.path().join("none.txt")]).err().unwrap();
        assert!(error.to_string().starts_with("cannot read "), "{error}");
    }
}
