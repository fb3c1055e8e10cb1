//! Numbers of safetensors on their way into GGUF: rows in another order, sums, transposes.

use mynah_kernels::format::Format;

use super::HuggingFaceError;
use crate::checkpoint::{Data, Tensor};
use crate::safetensors::{Dtype, View};

/// A tensor that is being put together: pieces of files that follow each other.
#[derive(Clone)]
pub(super) struct Source<'a> {
    /// The tensor's name in the folder, for messages.
    pub(super) name: String,
    /// Its sizes, the length of a row last.
    pub(super) shape: Vec<usize>,
    dtype: Dtype,
    pieces: Vec<&'a [u8]>,
}

impl<'a> Source<'a> {
    /// A tensor as it lies in a file.
    ///
    /// # Errors
    /// If its numbers are not floating-point numbers of 16 or more bits, it is empty, has more than
    /// four dimensions or more numbers than fit memory.
    pub(super) fn new(name: String, view: View<'a>) -> Result<Self, HuggingFaceError> {
        if !matches!(view.dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(HuggingFaceError::Dtype { name, dtype: view.dtype });
        }
        let source = Self { name, shape: view.shape, dtype: view.dtype, pieces: vec![view.bytes] };
        if source.shape.contains(&0) {
            return Err(source.error("a size is 0"));
        }
        if !(1..=4).contains(&source.shape.len()) {
            return Err(source.error("a tensor has 1 to 4 dimensions"));
        }
        Ok(source)
    }

    /// An error about this tensor's shape.
    pub(super) fn error(&self, problem: impl Into<String>) -> HuggingFaceError {
        let (name, shape) = (self.name.clone(), self.shape.clone());
        HuggingFaceError::Shape { name, shape, problem: problem.into() }
    }

    /// How many rows it has: its first size. A row here is everything behind one index of that.
    pub(super) fn n_rows(&self) -> usize {
        self.shape[0]
    }

    /// Takes runs of rows, each a first row and how many, in another order or not all of them.
    ///
    /// # Panics
    /// If a run lies outside: the caller has checked the shape.
    pub(super) fn take_rows(self, runs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let row_bytes = self.n_bytes() / self.n_rows();
        let mut pieces: Vec<&'a [u8]> = Vec::new();
        let mut n_rows = 0;
        for (first, count) in runs {
            n_rows += count;
            let mut from = first * row_bytes;
            let mut left = count * row_bytes;
            // A tensor that was put together before may have the run in several pieces.
            for piece in &self.pieces {
                if left == 0 || from >= piece.len() {
                    from = from.saturating_sub(piece.len());
                    continue;
                }
                let part = &piece[from..piece.len().min(from + left)];
                (from, left) = (0, left - part.len());
                pieces.push(part);
            }
            assert_eq!(left, 0, "rows {first}+{count} of {}", self.name);
        }
        let shape = [&[n_rows], &self.shape[1..]].concat();
        Self { shape, pieces, ..self }
    }

    /// The same numbers under another shape.
    ///
    /// # Panics
    /// If that is not as many numbers: the caller has checked the shape.
    pub(super) fn reshaped(self, shape: Vec<usize>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), self.shape.iter().product::<usize>());
        Self { shape, ..self }
    }

    /// Puts tensors of one shape on top of each other, under a new first dimension.
    pub(super) fn stack(parts: Vec<Self>) -> Result<Self, HuggingFaceError> {
        let n = parts.len();
        let mut parts = parts.into_iter();
        let mut whole = parts.next().ok_or_else(|| HuggingFaceError::MissingPart {
            place: String::new(),
            expected: 1,
            missing: 0,
        })?;
        for part in parts {
            if part.shape != whole.shape || part.dtype != whole.dtype {
                return Err(part.error(format!(
                    "`{}` beside it is {} of shape {:?}",
                    whole.name, whole.dtype, whole.shape
                )));
            }
            whole.pieces.extend(part.pieces);
        }
        whole.shape.insert(0, n);
        Ok(whole)
    }

    fn n_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// The tensor for GGUF: as it lies in the file where that is possible, otherwise derived.
    pub(super) fn finish(self, finish: Finish) -> Result<Tensor<'a>, HuggingFaceError> {
        let stored = match self.dtype {
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::BF16,
            _ => Format::F32,
        };
        let mut shape: Vec<_> = self.shape.iter().rev().copied().collect();
        if finish.transposed {
            if shape.len() != 2 {
                return Err(self.error("expected two dimensions"));
            }
            shape.swap(0, 1);
        }
        let same_numbers = self.dtype != Dtype::F64 && finish.add == 0.0;
        let format = if finish.as_f32 || !same_numbers { Format::F32 } else { stored };
        let Self { dtype, pieces, .. } = self;
        let data = match pieces[..] {
            [piece] if same_numbers && format == stored && !finish.transposed => {
                Data::Stored(piece)
            }
            _ => Data::Derived(Box::new({
                let n_columns = shape[0];
                move || derive(&pieces, dtype, format, n_columns, finish)
            })),
        };
        Ok(Tensor { shape, format, data })
    }
}

/// What is done to a tensor's numbers in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Finish {
    /// Whether rows and columns change places.
    pub(super) transposed: bool,
    /// Whether the numbers become F32.
    pub(super) as_f32: bool,
    /// What is added to each; if not 0, the numbers become F32.
    pub(super) add: f32,
}

/// The bytes of a derived tensor, whose rows have `n_columns` numbers.
fn derive(
    pieces: &[&[u8]],
    dtype: Dtype,
    format: Format,
    n_columns: usize,
    finish: Finish,
) -> Vec<u8> {
    let mut bytes = pieces.concat();
    if finish.transposed {
        bytes = transpose(&bytes, (dtype.bits() / 8) as usize, n_columns);
    }
    let unchanged = dtype != Dtype::F64 && finish.add == 0.0;
    if unchanged && (format != Format::F32 || dtype == Dtype::F32) {
        return bytes;
    }
    let add = |number: f32| (number + finish.add).to_le_bytes();
    match dtype {
        Dtype::F16 => bytes
            .chunks_exact(2)
            .flat_map(|b| add(half::f16::from_le_bytes([b[0], b[1]]).to_f32()))
            .collect(),
        Dtype::BF16 => bytes
            .chunks_exact(2)
            .flat_map(|b| add(half::bf16::from_le_bytes([b[0], b[1]]).to_f32()))
            .collect(),
        Dtype::F64 => bytes
            .chunks_exact(8)
            .flat_map(|b| {
                let mut number = [0; 8];
                number.copy_from_slice(b);
                add(f64::from_le_bytes(number) as f32)
            })
            .collect(),
        _ => bytes
            .chunks_exact(4)
            .flat_map(|b| add(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
            .collect(),
    }
}

/// Swaps rows and columns of a matrix of numbers of `size` bytes; the result has `n_columns`.
fn transpose(bytes: &[u8], size: usize, n_columns: usize) -> Vec<u8> {
    let n_rows = bytes.len() / size / n_columns;
    let mut out = Vec::with_capacity(bytes.len());
    for row in 0..n_rows {
        for column in 0..n_columns {
            let at = (column * n_rows + row) * size;
            out.extend_from_slice(&bytes[at..at + size]);
        }
    }
    out
}
