//! Models that are split over several files.

use super::error::GgufError;
use super::{SPLIT_COUNT, SPLIT_NO, SPLIT_TENSORS};
use crate::checkpoint::Checkpoint;
use crate::metadata::Metadata;

/// The file name of one part of a split model, such as `model-00002-of-00003.gguf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    /// What stands before the numbers, such as `model`.
    pub stem: String,
    /// The part's number, from 0; file names count from 1.
    pub no: u32,
    /// How many parts there are.
    pub count: u32,
}

impl PartName {
    /// Takes a file name apart; `None` if it is not that of a part.
    pub fn parse(file_name: &str) -> Option<Self> {
        let (rest, count) = file_name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (stem, no) = rest.rsplit_once('-')?;
        let number = |digits: &str| {
            let plain = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<u32>().ok()).flatten()
        };
        let (no, count) = (number(no)?, number(count)?);
        (1..=count).contains(&no).then(|| Self { stem: stem.to_owned(), no: no - 1, count })
    }

    /// The file names of all parts, in order.
    pub fn all(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.count).map(|no| Self { stem: self.stem.clone(), no, count: self.count })
    }
}

impl std::fmt::Display for PartName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:05}-of-{:05}.gguf", self.stem, self.no + 1, self.count)
    }
}

/// Puts the parts of a model together, in whatever order they come.
pub(super) fn join(mut parts: Vec<Checkpoint<'_>>) -> Result<Checkpoint<'_>, GgufError> {
    let first = parts.first().ok_or(GgufError::NoParts)?;
    let count = fact(&first.metadata, SPLIT_COUNT).unwrap_or(0);
    let n_tensors = fact(&first.metadata, SPLIT_TENSORS);
    if count > 1 || parts.len() > 1 {
        let head = check_order(&parts, count, n_tensors)?;
        // Only the first part has the model's facts.
        parts.swap(0, head);
    }
    let mut whole = Checkpoint::default();
    for (file, part) in parts.into_iter().enumerate() {
        if file == 0 {
            whole.metadata = part.metadata;
        }
        for (name, tensor) in part.tensors {
            if whole.tensors.contains_key(&name) {
                return Err(GgufError::TwoParts { name, file });
            }
            whole.tensors.insert(name, tensor);
        }
    }
    for key in [SPLIT_COUNT, SPLIT_NO, SPLIT_TENSORS] {
        whole.metadata.remove(key);
    }
    let got = whole.tensors.len() as u64;
    match n_tensors {
        Some(expected) if expected != got => Err(GgufError::TensorCount { expected, got }),
        _ => Ok(whole),
    }
}

/// Checks that every part is there once, and says which file is the first part.
fn check_order(
    parts: &[Checkpoint],
    count: u64,
    n_tensors: Option<u64>,
) -> Result<usize, GgufError> {
    let mut files = std::collections::BTreeMap::new();
    for (file, part) in parts.iter().enumerate() {
        let got = fact(&part.metadata, SPLIT_COUNT).ok_or(GgufError::NotAPart { file })?;
        if got != count {
            return Err(GgufError::OtherModel { file, key: SPLIT_COUNT, expected: count, got });
        }
        if let (Some(expected), Some(got)) = (n_tensors, fact(&part.metadata, SPLIT_TENSORS))
            && expected != got
        {
            return Err(GgufError::OtherModel { file, key: SPLIT_TENSORS, expected, got });
        }
        let no = fact(&part.metadata, SPLIT_NO).unwrap_or(0);
        if no >= count {
            return Err(GgufError::PartNumber { file, no, count });
        }
        if let Some(first) = files.insert(no, file) {
            return Err(GgufError::SamePart { no, first, second: file });
        }
    }
    // This takes at most one step more than there are files, whatever `count` says.
    match (0..count).find(|no| !files.contains_key(no)) {
        Some(no) => Err(GgufError::MissingPart { no, count }),
        None => Ok(files.get(&0).copied().unwrap_or(0)),
    }
}

/// A whole number that is not negative.
fn fact(metadata: &Metadata, key: &str) -> Option<u64> {
    metadata.get(key)?.as_integer()?.try_into().ok()
}
