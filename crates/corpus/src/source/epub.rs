//! Electronic books: a document for each book, its chapters in reading order.
//!
//! Source: EPUB 3.3 (W3C Recommendation, 2023), sections 4.2.6 (container.xml) and 5 (package
//! document). Books with rights management are refused.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;
use zip::ZipArchive;

use super::{LARGEST_BYTES, Record, Sink, html, too_large};
use crate::error::Doing as _;
use crate::{Error, licence};

/// A book with more chapters is a trap.
const MOST_CHAPTERS: usize = 10_000;

#[derive(Deserialize)]
struct Container {
    rootfiles: RootFiles,
}

#[derive(Deserialize)]
struct RootFiles {
    rootfile: Vec<RootFile>,
}

#[derive(Deserialize)]
struct RootFile {
    #[serde(rename = "@full-path")]
    full_path: String,
}

#[derive(Deserialize)]
struct Package {
    metadata: Metadata,
    manifest: Manifest,
    spine: Spine,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    title: Vec<Words>,
    #[serde(default)]
    creator: Vec<Words>,
    #[serde(default)]
    rights: Vec<Words>,
}

/// The text of an element.
#[derive(Default, Deserialize)]
struct Words {
    #[serde(rename = "$text", default)]
    text: String,
}

#[derive(Deserialize)]
struct Manifest {
    item: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "@href")]
    href: String,
}

#[derive(Deserialize)]
struct Spine {
    itemref: Vec<ItemRef>,
}

#[derive(Deserialize)]
struct ItemRef {
    #[serde(rename = "@idref")]
    idref: String,
}

pub(super) fn read(path: &Path, sink: &mut Sink<'_>) -> Result<(), Error> {
    let file = BufReader::new(File::open(path).doing("read", path)?);
    let archive = ZipArchive::new(file);
    let mut archive = archive.map_err(|error| fault(path, "", error.to_string()))?;
    if archive.index_for_name("META-INF/rights.xml").is_some() {
        return Err(fault(path, "META-INF/rights.xml", "it is protected".to_owned()));
    }
    let mut room = LARGEST_BYTES;
    let mut text_of = |name: &str| member(&mut archive, path, name, &mut room);
    let container: Container = parsed(path, "META-INF/container.xml", &mut text_of)?;
    let Some(root) = container.rootfiles.rootfile.first() else {
        return Err(fault(path, "META-INF/container.xml", "it names no package".to_owned()));
    };
    let package: Package = parsed(path, &root.full_path, &mut text_of)?;
    let folder = root.full_path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut text = String::new();
    for reference in package.spine.itemref.iter().take(MOST_CHAPTERS) {
        let item = package.manifest.item.iter().find(|item| item.id == reference.idref);
        let Some(item) = item else { continue };
        let chapter = html::chapter(&text_of(&inner_path(folder, &item.href))?);
        if !chapter.is_empty() {
            text.push_str(&chapter);
            text.push_str("\n\n");
        }
    }
    let joined = |words: &[Words]| {
        let words: Vec<&str> = words.iter().map(|word| word.text.trim()).collect();
        Some(words.join(", ")).filter(|text| !text.is_empty())
    };
    let Metadata { title, creator, rights } = package.metadata;
    sink(Record {
        text: text.trim_end().to_owned(),
        title: joined(&title),
        author: joined(&creator),
        licence: joined(&rights).and_then(|rights| licence::stated(&rights)),
        ..Record::default()
    })
}

/// A member's text. All members together must not be too large.
fn member(
    archive: &mut ZipArchive<BufReader<File>>,
    path: &Path,
    name: &str,
    room: &mut u64,
) -> Result<String, Error> {
    let entry = archive.by_name(name).map_err(|error| fault(path, name, error.to_string()))?;
    let mut bytes = Vec::new();
    entry
        .take(*room + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fault(path, name, error.to_string()))?;
    *room = room.checked_sub(bytes.len() as u64).ok_or_else(|| too_large(path, name))?;
    super::utf8(path, name, bytes)
}

fn parsed<T: for<'de> Deserialize<'de>>(
    path: &Path,
    name: &str,
    text_of: &mut dyn FnMut(&str) -> Result<String, Error>,
) -> Result<T, Error> {
    let text = text_of(name)?;
    quick_xml::de::from_str(&text).map_err(|error| fault(path, name, error.to_string()))
}

/// A place named beside the package document, as a name in the archive.
fn inner_path(folder: &str, href: &str) -> String {
    let href = href.split('#').next().unwrap_or_default();
    let mut parts: Vec<String> =
        folder.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    for part in href.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(unescaped(part)),
        }
    }
    parts.join("/")
}

/// Without `%20` and the like.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| byte == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn fault(path: &Path, place: &str, problem: String) -> Error {
    Error::Format { path: path.to_owned(), place: place.to_owned(), problem, hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_archive_are_found() {
        assert_eq!(inner_path("OEBPS/text", "../c%201.xhtml#x"), "OEBPS/c 1.xhtml");
        assert_eq!(inner_path("", "a//./b%zz"), "a/b%zz");
        assert_eq!(inner_path("x", "../../y"), "y");
    }
}
