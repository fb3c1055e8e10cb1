//! Reads a model from the bytes of its files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use mynah_kernels::format::Format;

use super::cursor::Cursor;
use super::error::{GgufError, Problem};
use super::split::join;
use super::{ALIGNMENT, DEFAULT_ALIGNMENT};
use crate::checkpoint::{Checkpoint, Data, Tensor};
use crate::metadata::{Metadata, Value};

/// How deep arrays may be nested; no known model nests them at all.
const MAX_DEPTH: usize = 4;
/// The fewest bytes a fact takes: the length of its key, one letter, its type, a value.
const MIN_FACT_BYTES: usize = 8 + 1 + 4 + 1;
/// The fewest bytes a tensor takes in the table: the length of its name, one letter, the number of
/// dimensions, one dimension, its type, its offset.
const MIN_ENTRY_BYTES: usize = 8 + 1 + 4 + 8 + 4 + 8;

/// Reads a model from its file, or from all parts of a split one in any order.
///
/// Tensors borrow from `parts`, facts are copied. The `split.*` facts of a split model, which
/// describe the files and not the model, are left out, and so is everything else that a part other
/// than the first one says.
///
/// # Errors
/// If a file is not GGUF 2 or 3 in little-endian order, is cut off, has a field that contradicts
/// another or the file's size, has a tensor of a type that [`Format`] lacks; or if a part is
/// missing. The error names the field and where it is. Memory is asked for in proportion to the
/// size of the files, whatever they say.
pub fn read<'a>(parts: &[&'a [u8]]) -> Result<Checkpoint<'a>, GgufError> {
    let several = parts.len() > 1;
    let parts = parts.iter().enumerate();
    join(parts.map(|(i, bytes)| read_part(bytes, several.then_some(i))).collect::<Result<_, _>>()?)
}

/// What the table says about a tensor.
struct TableEntry {
    shape: Vec<usize>,
    format: Format,
    size: usize,
    /// From the start of the tensor data.
    offset: u64,
    /// Where the file says so.
    offset_at: usize,
}

/// Reads one file.
fn read_part(bytes: &[u8], file: Option<usize>) -> Result<Checkpoint<'_>, GgufError> {
    let mut cursor = Cursor::new(bytes, file);
    read_version(&mut cursor)?;
    let n_tensors = cursor.count(MIN_ENTRY_BYTES, format_args!("the number of tensors"))?;
    let n_facts = cursor.count(MIN_FACT_BYTES, format_args!("the number of facts"))?;
    let (metadata, alignment) = read_metadata(&mut cursor, n_facts)?;
    let table = read_table(&mut cursor, n_tensors)?;
    let tensors = place_tensors(&cursor, bytes, table, alignment)?;
    Ok(Checkpoint { metadata, tensors })
}

fn read_version(cursor: &mut Cursor) -> Result<(), GgufError> {
    let magic = cursor.bytes(4, format_args!("the magic"))?;
    if magic != b"GGUF" {
        let got = magic.escape_ascii().to_string();
        return Err(cursor.error(format_args!("the magic"), 0, Problem::Magic { got }));
    }
    let field = format_args!("the version");
    let version: u32 = cursor.number(field)?;
    match version {
        2 | 3 => Ok(()),
        // No version will ever be a multiple of 65536, unless its bytes are reversed.
        _ if version != 0 && version.trailing_zeros() >= 16 => {
            Err(cursor.error(field, 4, Problem::BigEndian))
        }
        _ => Err(cursor.error(field, 4, Problem::Version { got: version })),
    }
}

/// Reads all facts and how tensors are aligned.
fn read_metadata(cursor: &mut Cursor, n: usize) -> Result<(Metadata, usize), GgufError> {
    let mut facts = Metadata::new();
    let mut alignment = DEFAULT_ALIGNMENT;
    for i in 0..n {
        let field = format_args!("the key of fact {i}");
        let offset = cursor.at();
        let key = cursor.string(field)?;
        if key.is_empty() {
            return Err(cursor.error(field, offset, Problem::Empty));
        }
        let value_at = cursor.at();
        let value = read_value(cursor, key)?;
        if key == ALIGNMENT {
            alignment = read_alignment(cursor, &value, value_at)?;
        }
        match facts.entry(key.to_owned()) {
            Entry::Vacant(entry) => entry.insert(value),
            Entry::Occupied(_) => {
                return Err(cursor.error(
                    format_args!("the key `{key}`"),
                    offset,
                    Problem::Duplicate,
                ));
            }
        };
    }
    Ok((facts, alignment))
}

fn read_alignment(cursor: &Cursor, value: &Value, at: usize) -> Result<usize, GgufError> {
    let field = format_args!("`{ALIGNMENT}`");
    let Value::U32(alignment) = *value else {
        let problem = Problem::Kind { expected: "a u32", got: value.kind().to_owned() };
        return Err(cursor.error(field, at, problem));
    };
    if !alignment.is_power_of_two() {
        return Err(cursor.error(field, at, Problem::NotPowerOfTwo { got: alignment.into() }));
    }
    Ok(alignment as usize)
}

/// Reads a type and a value of it.
fn read_value(cursor: &mut Cursor, key: &str) -> Result<Value, GgufError> {
    let field = format_args!("`{key}`");
    let type_at = cursor.at();
    let kind: u32 = cursor.number(format_args!("the type of `{key}`"))?;
    Ok(match kind {
        0 => Value::U8(cursor.number(field)?),
        1 => Value::I8(cursor.number(field)?),
        2 => Value::U16(cursor.number(field)?),
        3 => Value::I16(cursor.number(field)?),
        4 => Value::U32(cursor.number(field)?),
        5 => Value::I32(cursor.number(field)?),
        6 => Value::F32(cursor.number(field)?),
        7 => {
            let at = cursor.at();
            let byte = cursor.number(field)?;
            Value::Bool(
                to_bool(byte)
                    .ok_or_else(|| cursor.error(field, at, Problem::Bool { got: byte }))?,
            )
        }
        8 => Value::String(cursor.string(field)?.to_owned()),
        9 => read_array(cursor, key, 1)?,
        10 => Value::U64(cursor.number(field)?),
        11 => Value::I64(cursor.number(field)?),
        12 => Value::F64(cursor.number(field)?),
        got => {
            let field = format_args!("the type of `{key}`");
            return Err(cursor.error(field, type_at, Problem::ValueType { got }));
        }
    })
}

/// Reads an array: the type of its entries, how many there are, the entries.
fn read_array(cursor: &mut Cursor, key: &str, depth: usize) -> Result<Value, GgufError> {
    let type_at = cursor.at();
    if depth > MAX_DEPTH {
        let problem = Problem::Depth { most: MAX_DEPTH };
        return Err(cursor.error(format_args!("`{key}`"), type_at, problem));
    }
    let type_field = format_args!("the type of the entries of `{key}`");
    let kind: u32 = cursor.number(type_field)?;
    let entry_bytes = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        8 | 10..=12 => 8,
        // An array's type and count.
        9 => 12,
        got => return Err(cursor.error(type_field, type_at, Problem::ValueType { got })),
    };
    let n = cursor.count(entry_bytes, format_args!("the number of entries of `{key}`"))?;
    let field = format_args!("`{key}`");
    Ok(match kind {
        0 => Value::U8s(cursor.numbers(n, field)?),
        1 => Value::I8s(cursor.numbers(n, field)?),
        2 => Value::U16s(cursor.numbers(n, field)?),
        3 => Value::I16s(cursor.numbers(n, field)?),
        4 => Value::U32s(cursor.numbers(n, field)?),
        5 => Value::I32s(cursor.numbers(n, field)?),
        6 => Value::F32s(cursor.numbers(n, field)?),
        7 => Value::Bools(read_bools(cursor, n, key)?),
        8 => Value::Strings(cursor.strings(n, key)?),
        10 => Value::U64s(cursor.numbers(n, field)?),
        11 => Value::I64s(cursor.numbers(n, field)?),
        12 => Value::F64s(cursor.numbers(n, field)?),
        _ => {
            let arrays = (0..n).map(|_| read_array(cursor, key, depth + 1));
            Value::Array(arrays.collect::<Result<_, _>>()?)
        }
    })
}

fn read_bools(cursor: &mut Cursor, n: usize, key: &str) -> Result<Vec<bool>, GgufError> {
    let start = cursor.at();
    let bytes = cursor.bytes(n as u64, format_args!("`{key}`"))?;
    let wrong = |(i, &got): (usize, &u8)| {
        let problem = Problem::Bool { got };
        cursor.error(format_args!("`{key}` entry {i}"), start + i, problem)
    };
    let bools = bytes.iter().enumerate().map(|entry| to_bool(*entry.1).ok_or_else(|| wrong(entry)));
    bools.collect()
}

fn to_bool(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Reads the table of tensors.
fn read_table(cursor: &mut Cursor, n: usize) -> Result<BTreeMap<String, TableEntry>, GgufError> {
    let mut table = BTreeMap::new();
    for i in 0..n {
        let field = format_args!("the name of tensor {i}");
        let offset = cursor.at();
        let name = cursor.string(field)?;
        if name.is_empty() {
            return Err(cursor.error(field, offset, Problem::Empty));
        }
        let entry = read_entry(cursor, name)?;
        if table.insert(name.to_owned(), entry).is_some() {
            let field = format_args!("the name of tensor {i}, `{name}`,");
            return Err(cursor.error(field, offset, Problem::Duplicate));
        }
    }
    Ok(table)
}

/// Reads the shape, type and offset of one tensor.
fn read_entry(cursor: &mut Cursor, name: &str) -> Result<TableEntry, GgufError> {
    let start = cursor.at();
    let field = format_args!("the number of dimensions of tensor `{name}`");
    let n_dims: u32 = cursor.number(field)?;
    if !(1..=4).contains(&n_dims) {
        return Err(cursor.error(field, start, Problem::Dimensions { got: n_dims }));
    }
    let dims: Vec<u64> =
        cursor.numbers(n_dims as usize, format_args!("the shape of tensor `{name}`"))?;
    if let Some(i) = dims.iter().position(|&dim| dim == 0) {
        let field = format_args!("dimension {i} of tensor `{name}`");
        return Err(cursor.error(field, start + 4 + 8 * i, Problem::Zero));
    }
    let type_at = cursor.at();
    let type_field = format_args!("the type of tensor `{name}`");
    let number = cursor.number(type_field)?;
    let Some(format) = Format::from_ggml_type(number) else {
        return Err(cursor.error(type_field, type_at, Problem::TensorType { got: number }));
    };
    let offset_at = cursor.at();
    let offset = cursor.number(format_args!("the offset of tensor `{name}`"))?;
    let (shape, size) = measure(&dims, format)
        .map_err(|problem| cursor.error(format_args!("tensor `{name}`"), start, problem))?;
    Ok(TableEntry { shape, format, size, offset, offset_at })
}

/// The shape as sizes in memory, and how many bytes it takes.
fn measure(dims: &[u64], format: Format) -> Result<(Vec<usize>, usize), Problem> {
    let overflow = || Problem::Overflow { shape: dims.to_vec() };
    let shape: Vec<usize> = dims
        .iter()
        .map(|&dim| usize::try_from(dim).ok())
        .collect::<Option<_>>()
        .ok_or_else(overflow)?;
    let (row, block) = (shape[0], format.block_len());
    if !row.is_multiple_of(block) {
        return Err(Problem::Row { row, format: format.name(), block });
    }
    let n = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim)).ok_or_else(overflow)?;
    // Everything works on numbers of four bytes sooner or later.
    n.checked_mul(4).ok_or_else(overflow)?;
    let size = format.bytes_for(n).ok_or_else(overflow)?;
    Ok((shape, size))
}

/// Finds each tensor's bytes, which must lie in the file and belong to it alone.
fn place_tensors<'a>(
    cursor: &Cursor<'a>,
    bytes: &'a [u8],
    table: BTreeMap<String, TableEntry>,
    alignment: usize,
) -> Result<BTreeMap<String, Tensor<'a>>, GgufError> {
    let data = cursor
        .at()
        .checked_next_multiple_of(alignment)
        .and_then(|start| bytes.get(start..))
        .unwrap_or_default();
    let mut taken = Vec::with_capacity(table.len());
    let mut tensors = BTreeMap::new();
    for (name, entry) in table {
        let offset_error = |problem| {
            cursor.error(format_args!("the offset of tensor `{name}`"), entry.offset_at, problem)
        };
        let got = entry.offset;
        if !got.is_multiple_of(alignment as u64) {
            return Err(offset_error(Problem::Unaligned { got, alignment }));
        }
        let place = usize::try_from(got)
            .ok()
            .and_then(|start| Some(start..start.checked_add(entry.size)?))
            .and_then(|range| Some((range.start, data.get(range)?)));
        let Some((start, stored)) = place else {
            let problem = Problem::Outside { got, size: entry.size, available: data.len() };
            return Err(offset_error(problem));
        };
        taken.push((start, entry.size, entry.offset_at, name.clone()));
        let tensor =
            Tensor { shape: entry.shape, format: entry.format, data: Data::Stored(stored) };
        tensors.insert(name, tensor);
    }
    taken.sort_unstable();
    for pair in taken.windows(2) {
        let [(start, size, _, other), (got, _, offset_at, name)] = pair else { continue };
        if start + size > *got {
            let problem = Problem::Overlap { got: *got, other: other.clone() };
            let field = format_args!("the offset of tensor `{name}`");
            return Err(cursor.error(field, *offset_at, problem));
        }
    }
    Ok(tensors)
}
