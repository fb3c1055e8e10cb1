//! Stores the rows of a tensor in another format, on several threads.

use std::io::Write;
use std::sync::Mutex;
use std::thread;

use mynah_kernels::format::{Format, dequantize, has_nonfinite_scale, quantize};

use super::{QuantizeError, Step};
use crate::gguf::Writer;

/// How many numbers a thread takes at a time.
const PIECE_NUMBERS: usize = 1 << 17;
/// How many pieces each thread takes before what they made is written.
const PIECES: usize = 8;

/// Writes a tensor, whose `bytes` are in the format it is stored in now.
pub(super) fn write(
    step: &Step,
    bytes: &[u8],
    n_threads: usize,
    writer: &mut Writer<impl Write>,
) -> Result<(), QuantizeError> {
    let (from, to) = (step.from, step.entry.format);
    // Both formats divide a row into whole blocks, so any number of rows is whole blocks of each.
    let row = step.entry.shape.first().copied().unwrap_or(1);
    let (row_from, row_to) = (row_bytes(from, row), row_bytes(to, row));
    let n_rows = (PIECE_NUMBERS / row).max(1);
    let (piece_from, piece_to) = (n_rows * row_from, n_rows * row_to);
    let n_threads = n_threads.max(1);
    let mut out = Vec::new();
    for (i, batch) in bytes.chunks(piece_from * PIECES * n_threads).enumerate() {
        let bad = if from == to {
            writer.bytes(batch)?;
            has_nonfinite_scale(to, batch)
        } else {
            out.resize(batch.len() / row_from * row_to, 0);
            let pieces = batch.chunks(piece_from).zip(out.chunks_mut(piece_to));
            convert(from, to, pieces, n_threads);
            writer.bytes(&out)?;
            has_nonfinite_scale(to, &out)
        };
        if let Some(block) = bad {
            let row = i * n_rows * PIECES * n_threads + block * to.block_len() / row;
            let name = step.entry.name.clone();
            return Err(QuantizeError::NotFinite { name, row, format: to });
        }
    }
    Ok(())
}

fn row_bytes(format: Format, row: usize) -> usize {
    row / format.block_len() * format.block_bytes()
}

/// Stores pieces in another format; threads take them as they become free.
fn convert<'p>(
    from: Format,
    to: Format,
    pieces: impl Iterator<Item = (&'p [u8], &'p mut [u8])> + Send,
    n_threads: usize,
) {
    let pieces = Mutex::new(pieces);
    let work = || {
        let mut numbers = Vec::new();
        loop {
            // A poisoned lock means that another thread panicked, and this one ends with it.
            let piece = pieces.lock().ok().and_then(|mut pieces| pieces.next());
            let Some((source, target)) = piece else { return };
            numbers.resize(source.len() / from.block_bytes() * from.block_len(), 0.0);
            dequantize(from, source, &mut numbers);
            quantize(to, &numbers, target);
        }
    };
    thread::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(work);
        }
        work();
    });
}
