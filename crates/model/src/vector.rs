//! Small tensors (norms, biases, factors) as numbers.

use mynah_kernels::format::Format;

use crate::checkpoint::Tensor;

/// Why a tensor cannot be read as a row of numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// The tensor is stored in a format that is only for matrices.
    #[error("tensor `{name}` is stored as {format}, expected F32, F16 or BF16")]
    Format {
        /// The tensor.
        name: String,
        /// How it is stored.
        format: Format,
    },
    /// The bytes are not as many as the shape asks for.
    #[error("tensor `{name}` has {got} bytes, expected {expected}")]
    Length {
        /// The tensor.
        name: String,
        /// What its shape and format ask for.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A number is infinite or not a number.
    #[error("tensor `{name}` holds a number that is not finite, at {index}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// Which number, counted from 0.
        index: usize,
    },
}

/// All numbers of a small tensor, in single precision.
///
/// # Errors
/// If it is stored in a quantised format, is too short or holds a number that is not finite.
pub fn numbers(name: &str, tensor: &Tensor<'_>) -> Result<Vec<f32>, VectorError> {
    let bytes = tensor.bytes();
    let format = tensor.format;
    if bytes.len() != tensor.n_bytes() {
        let (expected, got) = (tensor.n_bytes(), bytes.len());
        return Err(VectorError::Length { name: name.to_owned(), expected, got });
    }
    if !matches!(format, Format::F32 | Format::F16 | Format::BF16) {
        return Err(VectorError::Format { name: name.to_owned(), format });
    }
    let numbers = decode(format, &bytes);
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(VectorError::NotFinite { name: name.to_owned(), index }),
        None => Ok(numbers),
    }
}

/// Numbers that are stored one by one. (Blocks are the kernels' business.)
pub(crate) fn decode(format: Format, bytes: &[u8]) -> Vec<f32> {
    match format {
        Format::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Format::F16 => {
            bytes.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect()
        }
        Format::BF16 => {
            bytes.as_chunks().0.iter().map(|&b| half::bf16::from_le_bytes(b).to_f32()).collect()
        }
        _ => Vec::new(),
    }
}
