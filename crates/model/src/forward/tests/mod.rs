//! The pass against transformers and the reference, and against itself.

mod adapters;
mod embeddings;
mod exact;
mod fixtures;

use mynah_kernels::{CacheFormat, Isa, PAGE, Pool};

use super::{Batch, KvCache, LoadOptions, Model, Row, Scratch, Sequence};
use crate::checkpoint::Checkpoint;

/// A model, and what it runs with.
pub(super) struct Bench {
    pub(super) model: Model,
    pub(super) pool: Pool,
    pub(super) cache: KvCache,
    pub(super) scratch: Scratch,
}

impl Bench {
    pub(super) fn new(checkpoint: &Checkpoint<'_>, threads: usize, format: CacheFormat) -> Self {
        Self::with_context(checkpoint, threads, format, None)
    }

    pub(super) fn with_context(
        checkpoint: &Checkpoint<'_>,
        threads: usize,
        format: CacheFormat,
        context_length: Option<usize>,
    ) -> Self {
        let mut pool = Pool::new(threads);
        let options = LoadOptions { context_length };
        let model =
            Model::load(checkpoint, &mut pool, Isa::detect(), options, &mut |_| {}).unwrap();
        let cache = KvCache::new(model.architecture(), format, 64);
        Self { model, pool, cache, scratch: Scratch::new() }
    }

    /// The logits of those rows that want them, `[rows, n_vocab]`.
    pub(super) fn forward(&mut self, rows: &[Row], sequences: &[Sequence<'_>]) -> Vec<Vec<f32>> {
        let batch = Batch { rows, sequences };
        let n_vocab = self.model.architecture().n_vocab;
        let logits =
            self.model.forward(&mut self.pool, batch, &mut self.cache, &mut self.scratch).unwrap();
        logits.chunks_exact(n_vocab).map(<[f32]>::to_vec).collect()
    }

    /// The logits after each token of a text, computed at once.
    pub(super) fn at_once(&mut self, tokens: &[u32]) -> Vec<Vec<f32>> {
        let pages: Vec<u32> = (0..tokens.len().div_ceil(PAGE) as u32).collect();
        let sequence = Sequence { pages: &pages, adapter: None };
        self.forward(&rows_of(tokens, 0, 0, |_| true), &[sequence])
    }
}

/// Rows of a text from position `first` on.
pub(super) fn rows_of(
    tokens: &[u32],
    first: usize,
    sequence: u32,
    wants: impl Fn(usize) -> bool,
) -> Vec<Row> {
    let row = |(i, &token): (usize, &u32)| Row {
        token,
        position: (first + i) as u32,
        sequence,
        wants_logits: wants(first + i),
    };
    tokens.iter().enumerate().map(row).collect()
}
