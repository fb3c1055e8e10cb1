//! GGUF: the file format of ggml, versions 2 and 3, little endian.
//!
//! Source: ggml's `docs/gguf.md`. A file is a header, typed facts by key, a table of tensors, and
//! the tensors' bytes at aligned offsets; a large model may be split over several such files.
//!
//! Nothing here opens a file: the caller passes the bytes, most likely a memory map. A tensor's
//! numbers are not looked at.

mod cursor;
mod error;
mod read;
mod split;
mod write;

pub use error::{GgufError, Place, Problem};
pub use read::read;
pub use split::PartName;
pub use write::{Entry, WriteError, Writer, layer, order, split_facts, write};

/// The key that names the architecture.
pub const ARCHITECTURE: &str = "general.architecture";

/// Where a file says how its tensors are aligned.
const ALIGNMENT: &str = "general.alignment";
/// How tensors are aligned in a file that does not say.
const DEFAULT_ALIGNMENT: usize = 32;
/// The number of this part of a split model, from 0.
const SPLIT_NO: &str = "split.no";
/// How many parts a split model has.
const SPLIT_COUNT: &str = "split.count";
/// How many tensors all parts have together.
const SPLIT_TENSORS: &str = "split.tensors.count";
