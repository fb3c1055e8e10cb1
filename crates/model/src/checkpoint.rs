//! A model's weights and facts, whatever file they came from.
//!
//! A GGUF file and a Hugging Face folder both become a [`Checkpoint`], with the names and shapes
//! of GGUF; everything above this module sees only that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mynah_kernels::format::Format;

pub use crate::metadata::{Metadata, MetadataError, Value};
pub use crate::strings::Strings;

/// A model's facts and tensors.
#[derive(Debug, Default)]
pub struct Checkpoint<'a> {
    /// Facts by GGUF key.
    pub metadata: Metadata,
    /// Tensors by GGUF name, such as `blk.0.attn_q.weight`.
    pub tensors: BTreeMap<String, Tensor<'a>>,
}

/// A tensor whose numbers lie in a file, or are derived from some that do.
#[derive(Debug)]
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

/// A tensor that is absent or not of the shape that the rest of the model asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// No tensor has this name.
    #[error("the model has no tensor `{name}`")]
    Missing {
        /// The name that was looked for.
        name: String,
    },
    /// The tensor has another shape.
    #[error("tensor `{name}` has the shape {got:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// What the metadata asks for, the length of a row first.
        expected: Vec<usize>,
        /// What the file says.
        got: Vec<usize>,
    },
}

impl<'a> Tensor<'a> {
    /// The numbers in this tensor's format, row after row.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        match &self.data {
            Data::Stored(bytes) => Cow::Borrowed(bytes),
            Data::Derived(make) => Cow::Owned(make()),
        }
    }

    /// How many numbers it holds.
    ///
    /// Every reader checks that the product does not overflow before it makes a tensor.
    pub fn n_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The length of a row; a tensor without dimensions is one number.
    pub fn row_len(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// How many bytes [`Tensor::bytes`] returns.
    pub fn n_bytes(&self) -> usize {
        self.n_elements() / self.format.block_len() * self.format.block_bytes()
    }
}

impl<'a> Checkpoint<'a> {
    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Result<&Tensor<'a>, TensorError> {
        self.tensors.get(name).ok_or_else(|| TensorError::Missing { name: name.to_owned() })
    }

    /// The tensor of this name, if it has this shape (the length of a row first).
    pub fn tensor_of_shape(&self, name: &str, shape: &[usize]) -> Result<&Tensor<'a>, TensorError> {
        let tensor = self.tensor(name)?;
        if tensor.shape != shape {
            return Err(TensorError::Shape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                got: tensor.shape.clone(),
            });
        }
        Ok(tensor)
    }
}

impl std::fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stored(bytes) => write!(f, "Stored({} bytes)", bytes.len()),
            Self::Derived(_) => f.write_str("Derived"),
        }
    }
}
