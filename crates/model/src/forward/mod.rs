//! Running a model: loading it for the processor, continuing texts, embedding texts.
//!
//! [`Model::forward`] computes any rows of any sequences together; [`Model::encode`] whole texts.
//! Both are the same pass (`pass.rs`), which follows the [`Architecture`] as data. This module does
//! not decide which sequence uses which pages, which token comes next, or when a thread sleeps.

mod adapter;
mod batch;
mod cache;
mod encode;
mod experts;
mod load;
mod machine;
mod pass;
mod scratch;
#[cfg(test)]
mod tests;

pub use adapter::{Adapter, AdapterError};
pub use batch::{Batch, BatchError, Row, Sequence};
pub use cache::KvCache;
pub use scratch::Scratch;

use mynah_kernels::{self as kernels, Isa, Matrix, Pool};

use crate::architecture::{Architecture, ArchitectureError};
use crate::checkpoint::Checkpoint;
use crate::weights::{Weights, WeightsError};
use machine::Machine;
use pass::{Caches, Pass};
use scratch::{Lists, recycle, room};

/// A model that is ready to run.
pub struct Model {
    architecture: Architecture,
    weights: Weights<Matrix>,
    isa: Isa,
}

/// Why a checkpoint cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// Its metadata describes no model that mynah runs.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// Its tensors are not those of its architecture.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// How a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// How many positions sequences will use, if not as many as the model was made for: Phi-3
    /// turns queries and keys differently in long contexts.
    pub context_length: Option<usize>,
}

impl Model {
    /// Packs a checkpoint's tensors for the processor, one after the other on all threads.
    ///
    /// `on_loaded` hears of bytes of the file that nobody will read again, so that a memory map can
    /// let them go.
    ///
    /// # Errors
    /// If the metadata or tensors do not describe a model that mynah runs, or hold a number that is
    /// not finite.
    pub fn load(
        checkpoint: &Checkpoint<'_>,
        pool: &mut Pool,
        isa: Isa,
        options: LoadOptions,
        on_loaded: &mut dyn FnMut(&[u8]),
    ) -> Result<Self, LoadError> {
        let architecture = Architecture::read(checkpoint, options.context_length)?;
        let mut packer = load::MatrixPacker { pool, on_loaded };
        let weights = Weights::load(checkpoint, &architecture, &mut packer)?;
        Ok(Self { architecture, weights, isa })
    }

    /// What the model computes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// How many bytes of weights one token reads, beside its own row of the embedding.
    pub fn bytes_per_token(&self) -> usize {
        self.weights.bytes_per_token(&self.architecture)
    }

    /// Computes the rows of a batch and returns the logits, `[rows that want them, n_vocab]`, in
    /// the order of the rows. Keys and values of all rows are in the cache afterwards.
    ///
    /// A row's logits are the same bits whatever other rows are in the batch, however its sequence
    /// was cut into batches, and on any number of threads.
    ///
    /// # Errors
    /// If the batch asks for something that the model or the cache does not have; then nothing is
    /// computed.
    pub fn forward<'s>(
        &self,
        pool: &mut Pool,
        batch: Batch<'_>,
        cache: &mut KvCache,
        scratch: &'s mut Scratch,
    ) -> Result<&'s mut [f32], BatchError> {
        batch.check(&self.architecture, cache)?;
        let has_adapter = batch.sequences.iter().any(|sequence| sequence.adapter.is_some());
        let of_row = |row: &Row| batch.sequences[row.sequence as usize].adapter;
        let mut alive = std::mem::take(&mut scratch.lists.alive);
        alive.clear();
        alive.extend(0..batch.rows.len() as u32);
        let mut pass = Pass {
            model: self,
            machine: Machine {
                pool,
                isa: self.isa,
                scratch: &mut scratch.products,
                adapters: if has_adapter {
                    batch.rows.iter().map(of_row).collect()
                } else {
                    Vec::new()
                },
            },
            batch,
            caches: Caches { cache: &mut cache.cache, one_for_all: false },
            s: &mut scratch.rows,
            attention: &mut scratch.attention,
            experts: &mut scratch.experts,
            lengths: None,
            alive,
            contexts: recycle(std::mem::take(&mut scratch.lists.contexts)),
        };
        pass.run();
        let Pass { mut machine, s, alive, contexts, .. } = pass;
        let n = alive.len();
        scratch.lists = Lists { alive, contexts: recycle(contexts) };
        let logits = room(&mut scratch.logits, n * self.architecture.n_vocab);
        self.make_logits(&mut machine, &s.read[..n * self.architecture.dim], n, logits);
        Ok(logits)
    }

    /// `read`: `[n, dim]`, `logits`: `[n, n_vocab]`.
    fn make_logits<'p>(
        &'p self,
        machine: &mut Machine<'p>,
        read: &[f32],
        n: usize,
        logits: &mut [f32],
    ) {
        let w = &self.weights;
        machine.multiply(w.output.as_ref().unwrap_or(&w.token_embedding), read, n, logits);
        if let Some(bias) = &w.output_bias {
            machine.add(logits, bias);
        }
        machine.adapt(read, n, logits, Adapter::output);
        if let Some(cap) = self.architecture.output.and_then(|output| output.softcap) {
            kernels::soft_cap(machine.pool, machine.isa, cap, logits);
        }
    }
}
