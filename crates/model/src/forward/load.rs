//! Packing a checkpoint's tensors for the processor, on all threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_kernels::format::has_nonfinite_scale;
use mynah_kernels::{Matrix, Pool, pack_group};

use crate::weights::{Packer, Source, WeightsError};

/// How many groups of sixteen rows a thread packs at a time.
const GROUPS_PER_PIECE: usize = 16;
const ROWS_PER_GROUP: usize = 16;

/// About how many bytes of a tensor are packed before they are given back: a table of a quarter of
/// a million tokens is most of a small model, and would be in memory twice.
const SPAN_BYTES: usize = 16 << 20;

/// Packs matrices, tensor by tensor.
pub(super) struct MatrixPacker<'a> {
    pub(super) pool: &'a mut Pool,
    /// Hears of bytes of the file that nobody will read again.
    pub(super) on_loaded: &'a mut dyn FnMut(&[u8]),
}

impl Packer for MatrixPacker<'_> {
    type Matrix = Matrix;

    fn pack(&mut self, source: &Source<'_>) -> Result<Matrix, WeightsError> {
        let &Source { format, bytes, rows, cols, .. } = source;
        let row_bytes = bytes.len() / rows.max(1);
        let finite = AtomicBool::new(true);
        let mut matrix = Matrix::zeroed(format, rows, cols);
        // Each piece takes its own lock, so that none waits.
        let mut groups: Vec<&mut [u8]> = matrix.groups_mut().collect();
        let pieces: Vec<_> = groups.chunks_mut(GROUPS_PER_PIECE).map(Mutex::new).collect();
        let rows_of = |piece: usize| (piece * GROUPS_PER_PIECE * ROWS_PER_GROUP).min(rows);
        let per_span = (SPAN_BYTES / (rows_of(1) * row_bytes).max(1)).max(1);
        for (span, pieces) in pieces.chunks(per_span).enumerate() {
            let before = span * per_span;
            self.pool.run(pieces.len(), &|i, _| {
                let Ok(mut groups) = pieces[i].lock() else { return };
                let piece = before + i;
                let read = &bytes[rows_of(piece) * row_bytes..rows_of(piece + 1) * row_bytes];
                if has_nonfinite_scale(format, read).is_some() {
                    finite.store(false, Ordering::Relaxed);
                }
                for (i, group) in groups.iter_mut().enumerate() {
                    pack_group(format, rows, cols, bytes, piece * GROUPS_PER_PIECE + i, group);
                }
            });
            let (from, to) = (rows_of(before), rows_of(before + pieces.len()));
            self.done(&bytes[from * row_bytes..to * row_bytes]);
        }
        drop(pieces);
        if finite.into_inner() {
            Ok(matrix)
        } else {
            Err(WeightsError::NotFinite { name: source.name.to_owned() })
        }
    }

    fn done(&mut self, bytes: &[u8]) {
        (self.on_loaded)(bytes);
    }
}
