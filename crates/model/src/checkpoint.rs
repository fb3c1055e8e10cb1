//! A model's weights and facts, whatever file they came from.
//!
//! A GGUF file and a Hugging Face folder both become a [`Checkpoint`], with the names and shapes
//! of GGUF; everything above this module sees only that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mynah_kernels::format::Format;

/// One fact about a model, typed as in GGUF.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are GGUF's value types")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Vec<Value>),
    Strings(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
    U32s(Vec<u32>),
}

/// A model's facts by their GGUF key, such as `llama.embedding_length`.
pub type Metadata = BTreeMap<String, Value>;

/// A model's facts and tensors.
#[derive(Default)]
pub struct Checkpoint<'a> {
    /// Facts by GGUF key.
    pub metadata: Metadata,
    /// Tensors by GGUF name, such as `blk.0.attn_q.weight`.
    pub tensors: BTreeMap<String, Tensor<'a>>,
}

/// A tensor whose numbers lie in a file, or are derived from some that do.
pub struct Tensor<'a> {
    /// Sizes in GGUF's order: the first is the length of a row, which is contiguous.
    pub shape: Vec<usize>,
    /// How the numbers are stored in what [`Tensor::bytes`] returns.
    pub format: Format,
    /// Where they are.
    pub data: Data<'a>,
}

/// Where a tensor's bytes come from.
pub enum Data<'a> {
    /// They lie in a file as they are.
    Stored(&'a [u8]),
    /// They are made on demand, such as by permuting rows or stacking experts.
    Derived(Box<dyn Fn() -> Vec<u8> + Send + Sync + 'a>),
}

impl<'a> Tensor<'a> {
    /// The numbers in this tensor's format, row after row.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        match &self.data {
            Data::Stored(bytes) => Cow::Borrowed(bytes),
            Data::Derived(make) => Cow::Owned(make()),
        }
    }
}
