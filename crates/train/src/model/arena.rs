//! The memory of a pass, taken once and cut into buffers by name.

use crate::config::{ModelConfig, Preset};

/// How many rows have logits at a time: they are never there for a whole batch.
pub(super) const CHUNK: usize = 256;

/// What a layer keeps for its backward pass; `[rows, …]`.
pub(super) struct LayerBuffers<'a> {
    /// The residual stream before the embedding is mixed in; empty if it is not. `[rows, width]`
    pub(super) before: &'a mut [f32],
    /// The residual stream that it reads. `[rows, width]`
    pub(super) x: &'a mut [f32],
    /// Normalised. `[rows, width]`
    pub(super) attention_in: &'a mut [f32],
    /// Queries, keys and values; turned in place if they are not normalised.
    /// `[rows, query + 2 kv]`
    pub(super) qkv: &'a mut [f32],
    /// Queries and keys, normalised and turned, in the same places. Empty if they are not.
    pub(super) turned: &'a mut [f32],
    /// What the heads gathered. `[rows, query]`
    pub(super) gathered: &'a mut [f32],
    /// `[rows, heads]`
    pub(super) log_sums: &'a mut [f32],
    /// The residual stream after attention. `[rows, width]`
    pub(super) middle: &'a mut [f32],
    /// Normalised. `[rows, width]`
    pub(super) feed_in: &'a mut [f32],
    /// Gate and up, or up. `[rows, 2 feed]` or `[rows, feed]`
    pub(super) up: &'a mut [f32],
    /// `[rows, feed]`
    pub(super) active: &'a mut [f32],
}

impl LayerBuffers<'_> {
    /// Where the layer before writes to.
    pub(super) fn input(&mut self) -> &mut [f32] {
        if self.before.is_empty() { self.x } else { self.before }
    }
}

/// What all layers share.
pub(super) struct Buffers<'a> {
    pub(super) layers: Vec<LayerBuffers<'a>>,
    /// The embedding and the gradient by it, if layers mix it in. `[rows, width]`
    pub(super) first: &'a mut [f32],
    pub(super) by_first: &'a mut [f32],
    /// The residual stream after the last layer, and normalised. `[rows, width]`
    pub(super) last: &'a mut [f32],
    pub(super) read: &'a mut [f32],
    /// `[CHUNK, vocabulary]`
    pub(super) logits: &'a mut [f32],
    /// The gradient by the residual stream, by a norm's output, by a branch. `[rows, width]`
    pub(super) by_x: &'a mut [f32],
    pub(super) by_norm: &'a mut [f32],
    pub(super) branch: &'a mut [f32],
    /// Gradients by the layer's buffers of the same shape.
    pub(super) by_qkv: &'a mut [f32],
    pub(super) by_gathered: &'a mut [f32],
    pub(super) by_up: &'a mut [f32],
    pub(super) by_active: &'a mut [f32],
}

/// The sizes of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) query: usize,
    pub(super) kv: usize,
    pub(super) heads: usize,
    pub(super) feed: usize,
    pub(super) up: usize,
    pub(super) vocabulary: usize,
    pub(super) depth: usize,
    pub(super) normalises_heads: bool,
    pub(super) mixes_embedding: bool,
    pub(super) dropout: bool,
}

impl Sizes {
    pub(super) fn new(preset: Preset, model: &ModelConfig, rows: usize, dropout: bool) -> Self {
        Self {
            rows,
            width: model.width,
            query: model.n_heads * model.head_dim,
            kv: model.n_kv_heads * model.head_dim,
            heads: model.n_heads,
            feed: model.feed_forward,
            up: if preset == Preset::Llama { 2 } else { 1 } * model.feed_forward,
            vocabulary: model.vocabulary,
            depth: model.depth,
            normalises_heads: preset == Preset::Nano,
            mixes_embedding: preset == Preset::Nano,
            dropout,
        }
    }

    /// The width of queries, keys and values together.
    pub(super) fn qkv(&self) -> usize {
        self.query + 2 * self.kv
    }

    fn turned(&self) -> usize {
        if self.normalises_heads { self.qkv() } else { 0 }
    }

    fn first(&self) -> usize {
        if self.mixes_embedding { self.width } else { 0 }
    }

    fn branch(&self) -> usize {
        if self.dropout { self.width } else { 0 }
    }

    /// How many numbers a pass needs.
    pub(super) fn n_numbers(&self) -> usize {
        let layer = 4 * self.width
            + self.first()
            + self.qkv()
            + self.turned()
            + self.query
            + self.heads
            + self.up
            + self.feed;
        let shared = 4 * self.width
            + 2 * self.first()
            + self.branch()
            + self.qkv()
            + self.query
            + self.up
            + self.feed;
        self.rows * (self.depth * layer + shared) + CHUNK * self.vocabulary
    }

    /// Cuts `arena`, which has [`Sizes::n_numbers`], for this many of the rows.
    pub(super) fn cut<'a>(&self, arena: &'a mut [f32], rows: usize) -> Buffers<'a> {
        let mut left = arena;
        let mut numbers = |n: usize| {
            let (taken, rest) = std::mem::take(&mut left).split_at_mut(n);
            left = rest;
            taken
        };
        let layers = (0..self.depth)
            .map(|_| LayerBuffers {
                before: numbers(rows * self.first()),
                x: numbers(rows * self.width),
                attention_in: numbers(rows * self.width),
                qkv: numbers(rows * self.qkv()),
                turned: numbers(rows * self.turned()),
                gathered: numbers(rows * self.query),
                log_sums: numbers(rows * self.heads),
                middle: numbers(rows * self.width),
                feed_in: numbers(rows * self.width),
                up: numbers(rows * self.up),
                active: numbers(rows * self.feed),
            })
            .collect();
        Buffers {
            layers,
            first: numbers(rows * self.first()),
            by_first: numbers(rows * self.first()),
            last: numbers(rows * self.width),
            read: numbers(rows * self.width),
            logits: numbers(CHUNK * self.vocabulary),
            by_x: numbers(rows * self.width),
            by_norm: numbers(rows * self.width),
            branch: numbers(rows * self.branch()),
            by_qkv: numbers(rows * self.qkv()),
            by_gathered: numbers(rows * self.query),
            by_up: numbers(rows * self.up),
            by_active: numbers(rows * self.feed),
        }
    }
}
