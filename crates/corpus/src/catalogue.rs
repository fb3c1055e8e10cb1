//! Collections of texts that mynah knows by a short name, and where they come from.
//!
//! The format is described at the top of `catalogue.toml`. This crate fetches nothing: whoever does
//! compares what comes with the checksums here.

use std::sync::OnceLock;

use serde::Deserialize;

/// Texts under one name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// The name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Its language as ISO 639-3.
    pub language: String,
    /// Its pieces, each of which becomes a source.
    #[serde(rename = "piece")]
    pub pieces: Vec<Piece>,
}

/// A piece of a collection: one source of a corpus.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// What the source is called.
    pub name: String,
    /// Where it comes from, as `mynah pull` reads it.
    pub from: String,
    /// The sum of what comes; none for those that are only named.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Bytes of it.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// An SPDX expression; none if what comes says it itself.
    #[serde(default)]
    pub licence: Option<String>,
    /// How that is known.
    #[serde(default)]
    pub licence_evidence: String,
    /// The fields that are the text, for records.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Only these members of an archive, by the beginning and the end of their names.
    #[serde(default)]
    pub members: Option<Members>,
}

/// Which members of an archive are texts.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// How their names begin.
    pub begin: String,
    /// How their names end.
    pub end: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: String,
    #[serde(rename = "collection")]
    collections: Vec<Collection>,
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| {
        let read = toml::from_str(include_str!("catalogue.toml"));
        // A test reads it: only a build that nobody tested has a faulty one.
        read.unwrap_or_else(|_| File { default: String::new(), collections: Vec::new() })
    })
}

/// All collections.
pub fn collections() -> &'static [Collection] {
    &file().collections
}

/// The collection that is used when none is named.
pub fn default_collection() -> Option<&'static Collection> {
    collections().iter().find(|collection| collection.name == file().default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_holds_together() {
        let file: File = toml::from_str(include_str!("catalogue.toml")).unwrap();
        assert!(file.collections.len() >= 6);
        assert_eq!(default_collection().unwrap().name, "english");
        let mut names = Vec::new();
        for collection in collections() {
            assert!(whatlang::Lang::from_code(&collection.language).is_some());
            assert!(!collection.pieces.is_empty(), "{}", collection.name);
            for piece in &collection.pieces {
                names.push(piece.name.as_str());
                // What comes from a package registry is compared, and its licence is known.
                if !piece.from.starts_with("hf:") {
                    assert_eq!(piece.sha256.as_ref().unwrap().len(), 64, "{}", piece.name);
                    let licence = piece.licence.as_ref().unwrap();
                    assert_eq!(&crate::checked_licence(licence).unwrap(), licence);
                }
            }
        }
        let n = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}
