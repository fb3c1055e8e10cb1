//! safetensors: the file format in which Hugging Face keeps weights.
//!
//! Source: the format's description in the repository `huggingface/safetensors`. A file is the
//! length of a header, the header as JSON, and the tensors' bytes, which fill the rest of the file
//! without holes. A large model is several such files (shards) with an index that says which
//! tensor is where.
//!
//! Nothing here opens a file, and a tensor's numbers are not looked at.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The longest header that is read, in bytes; the limit of the format's own reader.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Why bytes are not a model in safetensors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SafetensorsError {
    /// The file ends inside the length of the header or the header.
    #[error(
        "{shard}: the {field} at byte {offset} takes {needed} bytes, but the file ends after {left}"
    )]
    Truncated {
        /// The file's name.
        shard: String,
        /// What is cut off.
        field: &'static str,
        /// Where it begins.
        offset: usize,
        /// How many bytes it takes.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// The header is longer than any reader takes.
    #[error(
        "{shard}: the header length at byte 0 is {length}, beyond the limit of {MAX_HEADER_BYTES}"
    )]
    HeaderTooLong {
        /// The file's name.
        shard: String,
        /// How long the header claims to be.
        length: u64,
    },
    /// The header is not the JSON that it must be.
    #[error("{shard}: the header is wrong: {problem}")]
    Header {
        /// The file's name.
        shard: String,
        /// What the JSON reader says, with line and column.
        problem: String,
    },
    /// The range of a tensor's bytes is not one.
    #[error(
        "{shard}: `data_offsets` of tensor `{name}` is [{begin}, {end}], but the tensors take {available} bytes"
    )]
    Offsets {
        /// The file's name.
        shard: String,
        /// The tensor.
        name: String,
        /// The first byte.
        begin: u64,
        /// The byte after the last.
        end: u64,
        /// How many bytes there are.
        available: usize,
    },
    /// A tensor's bytes do not begin where those of the tensor before it end.
    #[error(
        "{shard}: the bytes of tensor `{name}` begin at {got}, but those before it end at {expected}"
    )]
    Gap {
        /// The file's name.
        shard: String,
        /// The tensor, or "the end of the file".
        name: String,
        /// Where the tensors before it end.
        expected: usize,
        /// Where its own begin.
        got: usize,
    },
    /// The range of bytes is not what shape and type take.
    #[error("{shard}: tensor `{name}` of {dtype} and shape {shape:?} has {got} bytes{}", takes(*expected))]
    Size {
        /// The file's name.
        shard: String,
        /// The tensor.
        name: String,
        /// How its numbers are stored.
        dtype: Dtype,
        /// Its sizes, the length of a row last.
        shape: Vec<u64>,
        /// How many bytes that takes; `None` if the product overflows.
        expected: Option<u64>,
        /// How many bytes it has.
        got: u64,
    },
    /// Two shards have a tensor of one name.
    #[error("{shard}: tensor `{name}` is in {other} too")]
    TwoShards {
        /// The second file's name.
        shard: String,
        /// The tensor.
        name: String,
        /// The first file's name.
        other: String,
    },
    /// The index is not the JSON that it must be.
    #[error("the index of shards is wrong: {problem}")]
    Index {
        /// What is wrong.
        problem: String,
    },
    /// The index names a file that is not a plain file name.
    #[error("the index of shards names the file {file:?}, which is not a file beside it")]
    IndexPath {
        /// What the index says.
        file: String,
    },
    /// A tensor that the index promises is not there.
    #[error("the index of shards says that tensor `{name}` is in {shard}, {}", if *given { "but it is not" } else { "which was not given" })]
    IndexMissing {
        /// The tensor.
        name: String,
        /// The file that should have it.
        shard: String,
        /// Whether that file was given.
        given: bool,
    },
}

fn takes(expected: Option<u64>) -> String {
    expected.map_or(", and its size overflows".to_owned(), |n| format!(", expected {n}"))
}

/// How a file stores numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[expect(missing_docs, reason = "the names are the format's own")]
#[allow(non_camel_case_types, reason = "the names are the format's own")]
pub enum Dtype {
    BOOL,
    F4,
    F6_E2M3,
    F6_E3M2,
    U8,
    I8,
    F8_E5M2,
    F8_E4M3,
    F8_E8M0,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

impl Dtype {
    /// How many bits a number takes.
    pub const fn bits(self) -> u64 {
        match self {
            Self::F4 => 4,
            Self::F6_E2M3 | Self::F6_E3M2 => 6,
            Self::BOOL
            | Self::U8
            | Self::I8
            | Self::F8_E5M2
            | Self::F8_E4M3
            | Self::F8_E8M0
            | Self::F8_E4M3FNUZ
            | Self::F8_E5M2FNUZ => 8,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 16,
            Self::I32 | Self::U32 | Self::F32 => 32,
            Self::C64 | Self::F64 | Self::I64 | Self::U64 => 64,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A tensor as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Its sizes in the order of `PyTorch`: the length of a row last.
    pub shape: Vec<usize>,
    /// Its numbers, row after row.
    pub bytes: &'a [u8],
}

/// Every tensor of a model by its name, from all its shards.
pub type Tensors<'a> = BTreeMap<String, View<'a>>;

/// Reads a model from its shards, each a file's name and bytes.
///
/// `index` is the bytes of `model.safetensors.index.json`, if there is one: every tensor that it
/// promises must be in the shard that it names.
///
/// # Errors
/// If a header is cut off, too long or not as the format says, if tensors overlap or leave a hole,
/// if a size does not fit a shape, or if a tensor is in two shards or missing. The error names the
/// shard and the tensor. Memory is asked for in proportion to the size of the headers.
pub fn read<'a>(
    shards: &[(&str, &'a [u8])],
    index: Option<&[u8]>,
) -> Result<Tensors<'a>, SafetensorsError> {
    let mut all = Tensors::new();
    let mut homes = BTreeMap::new();
    for &(shard, bytes) in shards {
        for (name, view) in read_shard(shard, bytes)? {
            if let Some(other) = homes.insert(name.clone(), shard) {
                let (shard, other) = (shard.to_owned(), other.to_owned());
                return Err(SafetensorsError::TwoShards { shard, name, other });
            }
            all.insert(name, view);
        }
    }
    if let Some(index) = index {
        for (name, shard) in read_index(index)? {
            if homes.get(&name) != Some(&shard.as_str()) {
                let given = shards.iter().any(|(given, _)| *given == shard);
                return Err(SafetensorsError::IndexMissing { name, shard, given });
            }
        }
    }
    Ok(all)
}

/// The names of the files that an index speaks of, each once, in alphabetical order.
///
/// # Errors
/// If the index is not JSON with a `weight_map`, or names something else than a file beside it:
/// the caller is about to open these names.
pub fn shard_names(index: &[u8]) -> Result<Vec<String>, SafetensorsError> {
    let names: std::collections::BTreeSet<_> = read_index(index)?.into_values().collect();
    Ok(names.into_iter().collect())
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads which tensor is in which file.
fn read_index(index: &[u8]) -> Result<BTreeMap<String, String>, SafetensorsError> {
    let index: Index = serde_json::from_slice(index)
        .map_err(|error| SafetensorsError::Index { problem: error.to_string() })?;
    let plain = |file: &str| {
        !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', ':', '\0'])
    };
    match index.weight_map.values().find(|file| !plain(file)) {
        Some(file) => Err(SafetensorsError::IndexPath { file: file.clone() }),
        None => Ok(index.weight_map),
    }
}

/// Reads one file.
fn read_shard<'a>(
    shard: &str,
    bytes: &'a [u8],
) -> Result<Vec<(String, View<'a>)>, SafetensorsError> {
    let (header, data) = split_header(shard, bytes)?;
    let Header(entries) = serde_json::from_slice(header).map_err(|error| {
        SafetensorsError::Header { shard: shard.to_owned(), problem: error.to_string() }
    })?;
    let mut placed = entries
        .into_iter()
        .map(|(name, entry)| place(shard, name, &entry, data))
        .collect::<Result<Vec<_>, _>>()?;
    // Empty tensors share their place with the tensor after them.
    placed.sort_by_key(|(begin, _, view)| (*begin, view.bytes.len()));
    let mut end = 0;
    for (begin, name, view) in &placed {
        if *begin != end {
            let (shard, name) = (shard.to_owned(), name.clone());
            return Err(SafetensorsError::Gap { shard, name, expected: end, got: *begin });
        }
        end += view.bytes.len();
    }
    if end != data.len() {
        let (shard, name) = (shard.to_owned(), "the end of the file".to_owned());
        return Err(SafetensorsError::Gap { shard, name, expected: end, got: data.len() });
    }
    Ok(placed.into_iter().map(|(_, name, view)| (name, view)).collect())
}

/// The header's JSON and the tensors' bytes.
fn split_header<'a>(
    shard: &str,
    bytes: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), SafetensorsError> {
    let cut = |field, offset: usize, needed| {
        let left = bytes.len() - offset;
        SafetensorsError::Truncated { shard: shard.to_owned(), field, offset, needed, left }
    };
    let (length, rest) = bytes.split_first_chunk().ok_or_else(|| cut("header length", 0, 8))?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(SafetensorsError::HeaderTooLong { shard: shard.to_owned(), length });
    }
    rest.split_at_checked(length as usize).ok_or_else(|| cut("header", 8, length))
}

/// Finds a tensor's bytes: where they begin, its name, and the tensor.
fn place<'a>(
    shard: &str,
    name: String,
    entry: &HeaderEntry,
    data: &'a [u8],
) -> Result<(usize, String, View<'a>), SafetensorsError> {
    let [begin, end] = entry.data_offsets;
    let range = usize::try_from(begin).ok().zip(usize::try_from(end).ok());
    let Some((start, bytes)) = range.and_then(|(b, e)| Some((b, data.get(b..e)?))) else {
        let (shard, available) = (shard.to_owned(), data.len());
        return Err(SafetensorsError::Offsets { shard, name, begin, end, available });
    };
    let n = entry.shape.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim));
    let bits = n.and_then(|n| n.checked_mul(entry.dtype.bits()));
    let got = bytes.len() as u64;
    if bits.is_none_or(|bits| bits != got * 8) {
        return Err(SafetensorsError::Size {
            shard: shard.to_owned(),
            name,
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            expected: bits.map(|bits| bits.div_ceil(8)),
            got,
        });
    }
    // A shape with a zero in it may have other sizes that mean nothing.
    let shape = entry.shape.iter().map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX)).collect();
    Ok((start, name, View { dtype: entry.dtype, shape, bytes }))
}

/// What the header says about a tensor.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object of dtype, shape and data_offsets")]
struct HeaderEntry {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The header: tensors by name, in order, each name once.
struct Header(Vec<(String, HeaderEntry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with an entry for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut entries = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(de::Error::custom(format!("`{name}` appears a second time")));
            }
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
            } else {
                let entry = map.next_value();
                let entry = entry
                    .map_err(|error| de::Error::custom(format!("tensor `{name}`: {error}")))?;
                entries.push((name, entry));
            }
        }
        Ok(Header(entries))
    }
}
