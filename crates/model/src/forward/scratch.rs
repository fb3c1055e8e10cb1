//! Memory that passes use over and over: it grows to the largest batch and stays.

use mynah_kernels::{Activations, AttentionScratch, Cache, Context};

use super::experts::ExpertScratch;

/// Memory that passes use over and over. One serves any number of models, one pass at a time.
#[derive(Default)]
pub struct Scratch {
    pub(super) rows: RowScratch,
    pub(super) products: ProductScratch,
    pub(super) attention: AttentionScratch,
    pub(super) experts: ExpertScratch,
    pub(super) lists: Lists,
    /// `[rows that want them, n_vocab]`.
    pub(super) logits: Vec<f32>,
    /// Keys and values of texts that are embedded: of one layer, as they are not needed again.
    pub(super) texts: Option<Cache>,
    /// The key heads and their width that it was made for.
    pub(super) texts_shape: (usize, usize),
}

/// Lists that a pass takes and gives back.
#[derive(Default)]
pub(super) struct Lists {
    /// The rows still computed, as numbers of rows of the batch.
    pub(super) alive: Vec<u32>,
    /// Memory for what each row sees; empty between passes.
    pub(super) contexts: Vec<Context<'static>>,
}

/// The memory of an empty list, for entries that live for another time.
pub(super) fn recycle<'a>(mut contexts: Vec<Context<'_>>) -> Vec<Context<'a>> {
    contexts.clear();
    // Collecting in place keeps the memory.
    contexts.into_iter().map(|_| unreachable!("the list is empty")).collect()
}

/// A number for each row and dimension, n being the number of rows.
#[derive(Default)]
pub(super) struct RowScratch {
    /// The residual stream, `[n, dim]`.
    pub(super) x: Vec<f32>,
    /// What it began with, for models that come back to it, `[n, dim]`.
    pub(super) first: Vec<f32>,
    /// What a branch reads, `[n, dim]`.
    pub(super) read: Vec<f32>,
    /// What a branch says, `[n, dim]`.
    pub(super) said: Vec<f32>,
    /// What something else becomes when normalised, as large as that.
    pub(super) spare: Vec<f32>,
    /// Queries, `[n, n_heads * head_dim]`.
    pub(super) q: Vec<f32>,
    /// Keys, `[n, n_kv_heads * head_dim]`.
    pub(super) k: Vec<f32>,
    /// Values, `[n, n_kv_heads * head_dim]`.
    pub(super) v: Vec<f32>,
    /// What attention gathers, `[n, n_heads * head_dim]`.
    pub(super) mixed: Vec<f32>,
    pub(super) middle: Middle,
    /// By how much each row turns, for each of the model's rotary embeddings.
    pub(super) angles: Vec<Angles>,
}

/// The middle of a feed-forward network.
#[derive(Default)]
pub(super) struct Middle {
    /// `[n, width]`.
    pub(super) gate: Vec<f32>,
    /// `[n, width]`.
    pub(super) up: Vec<f32>,
}

/// By how much rows turn.
#[derive(Default)]
pub(super) struct Angles {
    /// `[n, pairs]`.
    pub(super) cos: Vec<f32>,
    /// `[n, pairs]`.
    pub(super) sin: Vec<f32>,
}

/// What products need beside their inputs and outputs.
#[derive(Default)]
pub(super) struct ProductScratch {
    pub(super) activations: Activations,
    /// What an adapter's first matrix says, `[rows, rank]`.
    pub(super) low: Vec<f32>,
    /// What its second adds, `[rows, out]`.
    pub(super) delta: Vec<f32>,
}

impl Scratch {
    /// No memory yet.
    pub fn new() -> Self {
        Self::default()
    }
}

/// The first `n` numbers, of which there are enough afterwards.
pub(super) fn room(numbers: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if numbers.len() < n {
        numbers.resize(n, 0.0);
    }
    &mut numbers[..n]
}

/// Moves the rows of `width` numbers that `keep` names, in rising order, to the front.
pub(super) fn keep_rows(numbers: &mut [f32], width: usize, keep: &[u32]) {
    for (to, &from) in keep.iter().enumerate() {
        let from = from as usize * width;
        numbers.copy_within(from..from + width, to * width);
    }
}
