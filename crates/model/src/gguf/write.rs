//! Writes a model as GGUF 3, one tensor at a time.

use std::io::{self, Write};

use mynah_kernels::format::Format;

use super::{ALIGNMENT, ARCHITECTURE, DEFAULT_ALIGNMENT, SPLIT_COUNT, SPLIT_NO, SPLIT_TENSORS};
use crate::checkpoint::{Checkpoint, Tensor};
use crate::metadata::{Metadata, Value};

/// The version that is written.
const VERSION: u32 = 3;
/// The longest tensor name that ggml reads, in bytes (`GGML_MAX_NAME` less the final zero).
const MAX_NAME_BYTES: usize = 63;

/// Why a model could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The tensor's name is too long for the programs that read GGUF.
    #[error("the name of tensor `{name}` has {} bytes; GGUF readers take at most {MAX_NAME_BYTES}", name.len())]
    Name {
        /// The tensor.
        name: String,
    },
    /// The tensor's shape cannot be written in its format.
    #[error("tensor `{name}` has the shape {shape:?}, which {format} cannot store")]
    Shape {
        /// The tensor.
        name: String,
        /// The length of a row first.
        shape: Vec<usize>,
        /// How it is to be stored.
        format: Format,
    },
    /// A tensor's bytes are not as many as its shape says.
    #[error("tensor `{name}` has {got} bytes, but its shape takes {expected}")]
    Size {
        /// The tensor.
        name: String,
        /// What its shape takes.
        expected: u64,
        /// How many bytes came.
        got: u64,
    },
    /// Bytes came after the last tensor.
    #[error("more bytes than the tensors of this file take")]
    TooMuch,
}

/// What the table of a file says about a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its sizes, the length of a row first.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub format: Format,
}

impl Entry {
    /// The entry of a tensor that is written as it is.
    pub fn of(name: &str, tensor: &Tensor) -> Self {
        Self { name: name.to_owned(), shape: tensor.shape.clone(), format: tensor.format }
    }

    /// How many bytes the tensor takes, without what aligns the next one.
    ///
    /// # Errors
    /// If the name is too long or the format cannot store the shape.
    pub fn n_bytes(&self) -> Result<u64, WriteError> {
        if self.name.len() > MAX_NAME_BYTES {
            return Err(WriteError::Name { name: self.name.clone() });
        }
        let n = self.shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
        let whole_rows = self.shape.first().is_some_and(|row| {
            (1..=4).contains(&self.shape.len()) && row.is_multiple_of(self.format.block_len())
        });
        n.filter(|&n| whole_rows && n > 0)
            .and_then(|n| self.format.bytes_for(n))
            .map(|n| n as u64)
            .ok_or_else(|| WriteError::Shape {
                name: self.name.clone(),
                shape: self.shape.clone(),
                format: self.format,
            })
    }
}

/// Writes a whole model to `out`, and returns how many bytes that took.
///
/// One tensor is in memory at a time, and only if it is derived.
pub fn write(checkpoint: &Checkpoint, out: &mut impl Write) -> Result<u64, WriteError> {
    let names = order(checkpoint.tensors.keys().map(String::as_str));
    let entries =
        names.iter().map(|&name| Entry::of(name, &checkpoint.tensors[name])).collect::<Vec<_>>();
    let mut writer = Writer::new(out, &checkpoint.metadata, entries)?;
    for name in names {
        writer.bytes(&checkpoint.tensors[name].bytes())?;
    }
    writer.finish()
}

/// Puts names of tensors into the order in which they are written: those of no layer first, then
/// layer by layer.
pub fn order<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|name| (layer(name), *name));
    names
}

/// The number of the layer that a tensor belongs to, such as 12 for `blk.12.attn_q.weight`.
pub fn layer(name: &str) -> Option<usize> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

/// What the parts of a split model say about themselves.
///
/// `no` counts from 0, `n_tensors` is the number of all parts together. Source: llama.cpp's
/// `gguf-split`, for the types.
pub fn split_facts(no: u16, count: u16, n_tensors: i32) -> Metadata {
    Metadata::from([
        (SPLIT_NO, Value::U16(no)),
        (SPLIT_COUNT, Value::U16(count)),
        (SPLIT_TENSORS, Value::I32(n_tensors)),
    ])
}

/// A file that is being written: the header is out, the tensors' bytes follow in their order.
pub struct Writer<W> {
    out: W,
    entries: Vec<Entry>,
    /// Which tensor the next byte belongs to.
    current: usize,
    /// How many bytes of it are out, and how many it takes.
    done: u64,
    size: u64,
    /// How many bytes of the file are out.
    at: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header of a file with these facts and tensors.
    ///
    /// The alignment of tensors is 32 bytes, whatever `metadata` says.
    pub fn new(out: W, metadata: &Metadata, entries: Vec<Entry>) -> Result<Self, WriteError> {
        let header = header(metadata, &entries)?;
        let mut writer = Self { out, entries, current: 0, done: 0, size: 0, at: 0 };
        writer.out.write_all(&header)?;
        writer.at = header.len() as u64;
        writer.start()?;
        Ok(writer)
    }

    /// Writes bytes of the current tensor; after its last byte the next one begins.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let Some(entry) = self.entries.get(self.current) else {
            return if bytes.is_empty() { Ok(()) } else { Err(WriteError::TooMuch) };
        };
        let got = self.done + bytes.len() as u64;
        if got > self.size {
            return Err(WriteError::Size { name: entry.name.clone(), expected: self.size, got });
        }
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        self.done = got;
        if got == self.size {
            self.pad()?;
            self.current += 1;
            self.start()?;
        }
        Ok(())
    }

    /// Checks that every tensor is out, flushes, and returns how many bytes the file has.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        if let Some(entry) = self.entries.get(self.current) {
            let (name, expected, got) = (entry.name.clone(), self.size, self.done);
            return Err(WriteError::Size { name, expected, got });
        }
        self.out.flush()?;
        Ok(self.at)
    }

    fn start(&mut self) -> Result<(), WriteError> {
        self.done = 0;
        self.size = self.entries.get(self.current).map_or(Ok(0), Entry::n_bytes)?;
        Ok(())
    }

    fn pad(&mut self) -> Result<(), WriteError> {
        let end = self.at.next_multiple_of(DEFAULT_ALIGNMENT as u64);
        self.out.write_all(&[0; DEFAULT_ALIGNMENT][..(end - self.at) as usize])?;
        self.at = end;
        Ok(())
    }
}

/// Everything up to the first tensor's bytes.
fn header(metadata: &Metadata, entries: &[Entry]) -> Result<Vec<u8>, WriteError> {
    let facts = sorted_facts(metadata);
    let mut out = b"GGUF".to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    out.extend((facts.len() as u64).to_le_bytes());
    for (key, value) in facts {
        put_string(&mut out, key);
        put_value(&mut out, value);
    }
    let mut offset = 0;
    for entry in entries {
        put_string(&mut out, &entry.name);
        out.extend((entry.shape.len() as u32).to_le_bytes());
        out.extend(entry.shape.iter().flat_map(|&dim| (dim as u64).to_le_bytes()));
        out.extend(entry.format.ggml_type().to_le_bytes());
        out.extend(u64::to_le_bytes(offset));
        offset += entry.n_bytes()?.next_multiple_of(DEFAULT_ALIGNMENT as u64);
    }
    out.resize(out.len().next_multiple_of(DEFAULT_ALIGNMENT), 0);
    Ok(out)
}

/// The facts in the order in which they are written: the architecture, `general.*`, those of the
/// architecture, the tokenizer's.
fn sorted_facts(metadata: &Metadata) -> Vec<(&str, &Value)> {
    let rank = |key: &str| match key {
        ARCHITECTURE => 0,
        _ if key.starts_with("general.") => 1,
        _ if key.starts_with("tokenizer.") => 3,
        _ => 2,
    };
    let facts = metadata.iter().filter(|(key, _)| *key != ALIGNMENT);
    let mut facts: Vec<_> = facts.map(|(key, value)| (key.as_str(), value)).collect();
    facts.sort_by_key(|(key, _)| (rank(key), *key));
    facts
}

fn put_string(out: &mut Vec<u8>, string: &str) {
    out.extend((string.len() as u64).to_le_bytes());
    out.extend(string.as_bytes());
}

/// Writes the number of a value's type and the value.
fn put_value(out: &mut Vec<u8>, value: &Value) {
    out.extend(kind(value).to_le_bytes());
    match value {
        Value::U8(v) => out.extend(v.to_le_bytes()),
        Value::I8(v) => out.extend(v.to_le_bytes()),
        Value::U16(v) => out.extend(v.to_le_bytes()),
        Value::I16(v) => out.extend(v.to_le_bytes()),
        Value::U32(v) => out.extend(v.to_le_bytes()),
        Value::I32(v) => out.extend(v.to_le_bytes()),
        Value::U64(v) => out.extend(v.to_le_bytes()),
        Value::I64(v) => out.extend(v.to_le_bytes()),
        Value::F32(v) => out.extend(v.to_le_bytes()),
        Value::F64(v) => out.extend(v.to_le_bytes()),
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::String(v) => put_string(out, v),
        array => put_array(out, array),
    }
}

/// Writes the number of the type of an array's entries, how many there are, and the entries.
fn put_array(out: &mut Vec<u8>, array: &Value) {
    macro_rules! put {
        ($kind:literal, $entries:expr, $bytes:expr) => {{
            out.extend(u32::to_le_bytes($kind));
            out.extend(($entries.len() as u64).to_le_bytes());
            out.extend($entries.iter().flat_map($bytes));
        }};
    }
    match array {
        Value::U8s(v) => put!(0, v, |e| e.to_le_bytes()),
        Value::I8s(v) => put!(1, v, |e| e.to_le_bytes()),
        Value::U16s(v) => put!(2, v, |e| e.to_le_bytes()),
        Value::I16s(v) => put!(3, v, |e| e.to_le_bytes()),
        Value::U32s(v) => put!(4, v, |e| e.to_le_bytes()),
        Value::I32s(v) => put!(5, v, |e| e.to_le_bytes()),
        Value::F32s(v) => put!(6, v, |e| e.to_le_bytes()),
        Value::Bools(v) => put!(7, v, |e| [u8::from(*e)]),
        Value::U64s(v) => put!(10, v, |e| e.to_le_bytes()),
        Value::I64s(v) => put!(11, v, |e| e.to_le_bytes()),
        Value::F64s(v) => put!(12, v, |e| e.to_le_bytes()),
        Value::Strings(v) => {
            out.extend(8u32.to_le_bytes());
            out.extend((v.len() as u64).to_le_bytes());
            for string in v {
                put_string(out, string);
            }
        }
        Value::Array(v) => {
            out.extend(9u32.to_le_bytes());
            out.extend((v.len() as u64).to_le_bytes());
            for inner in v {
                put_array(out, inner);
            }
        }
        // Not an array, so never inside of one that a reader made: an array of one value.
        single => {
            out.extend(kind(single).to_le_bytes());
            out.extend(1u64.to_le_bytes());
            let mut value = Vec::new();
            put_value(&mut value, single);
            out.extend(&value[4..]);
        }
    }
}

/// The number of a value's type in a file.
fn kind(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
        _ => 9,
    }
}
