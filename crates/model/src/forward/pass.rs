//! The forward pass: one for every architecture.
//!
//! Reading order is the order of the data. The shape of every buffer is beside it in `scratch.rs`.
//! Each step computes a row from that row alone (or, in attention, from the positions it can see),
//! with sums in an order that depends on nothing else: so a row's numbers are the same bits
//! whatever is computed beside it.

use mynah_kernels::{self as kernels, AttentionOptions, AttentionScratch, Cache, Context, PAGE};

use super::Model;
use super::adapter::Place;
use super::batch::{Batch, Row};
use super::experts::{ExpertScratch, mixture};
use super::machine::{Machine, Target};
use super::scratch::{RowScratch, keep_rows, room};
use crate::architecture::{NormAfter, Pairing};
use crate::weights::{FeedForward, Layer, NormWeights};

/// Where keys and values are kept.
pub(super) struct Caches<'p> {
    pub(super) cache: &'p mut Cache,
    /// Whether there is one layer's place only, which every layer uses in turn: then the texts are
    /// whole, and do not go on later.
    pub(super) one_for_all: bool,
}

impl Caches<'_> {
    /// Where the cache keeps layer `i`.
    fn layer(&self, i: usize) -> usize {
        if self.one_for_all { 0 } else { i }
    }
}

/// One pass over some rows.
pub(super) struct Pass<'p> {
    pub(super) model: &'p Model,
    pub(super) machine: Machine<'p>,
    pub(super) batch: Batch<'p>,
    pub(super) caches: Caches<'p>,
    pub(super) s: &'p mut RowScratch,
    pub(super) attention: &'p mut AttentionScratch,
    pub(super) experts: &'p mut ExpertScratch,
    /// How many positions the sequences have, if every row sees all of them.
    pub(super) lengths: Option<&'p [u32]>,
    /// The rows still computed, as numbers of rows of the batch.
    pub(super) alive: Vec<u32>,
    /// Memory for what each row sees.
    pub(super) contexts: Vec<Context<'p>>,
}

impl<'p> Pass<'p> {
    /// Computes the rows of the batch down to those that want to be known, and leaves these,
    /// normalised if the model does that, in `s.read`: `[rows that want it, dim]`.
    pub(super) fn run(&mut self) {
        let model = self.model;
        let dim = model.architecture.dim;
        if self.alive.is_empty() {
            return;
        }
        self.embed();
        self.measure_angles();
        for (i, layer) in model.weights.layers.iter().enumerate() {
            self.block(i, layer);
            // In the last block all rows may have left.
            if self.alive.is_empty() {
                return;
            }
        }
        let n = self.alive.len();
        let x = &self.s.x[..n * dim];
        norm_or_copy(
            &mut self.machine,
            model,
            model.weights.output_norm.as_ref(),
            x,
            room(&mut self.s.read, n * dim),
        );
    }

    fn row(&self, alive: u32) -> &'p Row {
        &self.batch.rows[alive as usize]
    }

    /// Every row's token at its position: `s.x`.
    fn embed(&mut self) {
        let (a, w) = (&self.model.architecture, &self.model.weights);
        let (isa, dim, n) = (self.machine.isa, a.dim, self.alive.len());
        let x = room(&mut self.s.x, n * dim);
        for (x, row) in x.chunks_exact_mut(dim).zip(self.batch.rows) {
            w.token_embedding.row(isa, row.token as usize, x);
        }
        if a.embedding.scale != 1.0 {
            kernels::scale(self.machine.pool, isa, x, a.embedding.scale);
        }
        if let Some(token_type) = &w.token_type {
            self.machine.add(x, token_type);
        }
        let spare = room(&mut self.s.spare, n * dim);
        if let Some(table) = &w.position_embedding {
            for (position, row) in spare.chunks_exact_mut(dim).zip(self.batch.rows) {
                table.row(isa, row.position as usize, position);
            }
            self.machine.add(x, spare);
        }
        if let Some(weights) = &w.embedding_norm {
            self.machine.norm(a.norm, weights, x, spare);
            std::mem::swap(&mut self.s.x, &mut self.s.spare);
        }
        if w.layers.iter().any(|layer| layer.residual_mix.is_some()) {
            room(&mut self.s.first, n * dim).copy_from_slice(&self.s.x[..n * dim]);
        }
    }

    /// By how much each row turns: `s.angles`.
    fn measure_angles(&mut self) {
        let ropes = &self.model.architecture.ropes;
        self.s.angles.resize_with(ropes.len().max(self.s.angles.len()), Default::default);
        for (rope, angles) in ropes.iter().zip(&mut self.s.angles) {
            let pairs = rope.frequencies.len();
            let cos = room(&mut angles.cos, self.alive.len() * pairs).chunks_exact_mut(pairs);
            let sin = room(&mut angles.sin, self.alive.len() * pairs).chunks_exact_mut(pairs);
            for (row, (cos, sin)) in self.batch.rows.iter().zip(cos.zip(sin)) {
                let turns = rope.frequencies.iter().map(|f| f64::from(row.position) * f);
                for (angle, (c, s)) in turns.zip(cos.iter_mut().zip(sin)) {
                    let (sin, cos) = angle.sin_cos();
                    *c = cos as f32 * rope.magnitude;
                    *s = sin as f32 * rope.magnitude;
                }
            }
        }
    }

    /// One block: `s.x` becomes what the next reads.
    fn block(&mut self, i: usize, layer: &'p Layer<kernels::Matrix>) {
        let model = self.model;
        let a = &model.architecture;
        if let Some([keep, factor]) = layer.residual_mix {
            let n = self.alive.len() * a.dim;
            let (x, first) = (&mut self.s.x[..n], &self.s.first[..n]);
            let (pool, isa) = (&mut *self.machine.pool, self.machine.isa);
            kernels::training::add_scaled(pool, isa, x, keep, factor, first);
        }
        self.read(layer.attention_norm.as_ref());
        self.attend(i, layer);
        if self.alive.is_empty() {
            return;
        }
        if a.block.parallel {
            let n = self.alive.len() * a.dim;
            if let Some(own) = &layer.feed_forward_norm {
                let read = room(&mut self.s.read, n);
                self.machine.norm(a.norm, own, &self.s.x[..n], read);
            }
            self.machine.add(&mut self.s.x[..n], &self.s.said[..n]);
        } else {
            self.join(layer.norm_after_attention.as_ref());
            self.read(layer.feed_forward_norm.as_ref());
        }
        let n = self.alive.len();
        let read = &self.s.read[..n * a.dim];
        let said = room(&mut self.s.said, n * a.dim);
        match &layer.feed_forward {
            FeedForward::Dense(mlp) => {
                let (function, middle) = (a.feed_forward.activation, &mut self.s.middle);
                self.machine.feed_forward(mlp, function, Some(i), read, n, middle, said);
            }
            FeedForward::Experts(experts) => {
                mixture(&mut self.machine, self.experts, a, experts, read, n, said);
            }
        }
        self.join(layer.norm_after_feed_forward.as_ref());
    }

    /// What a branch reads: `s.read`.
    fn read(&mut self, norm: Option<&NormWeights>) {
        let n = self.alive.len() * self.model.architecture.dim;
        let read = room(&mut self.s.read, n);
        norm_or_copy(&mut self.machine, self.model, norm, &self.s.x[..n], read);
    }

    /// What a branch says, `s.said`, meets the residual stream, `s.x`.
    fn join(&mut self, after: Option<&NormWeights>) {
        let a = &self.model.architecture;
        let n = self.alive.len() * a.dim;
        let (x, said) = (&mut self.s.x[..n], &self.s.said[..n]);
        let spare = room(&mut self.s.spare, n);
        match (a.block.norm_after, after) {
            (NormAfter::Branch, Some(weights)) => {
                self.machine.norm(a.norm, weights, said, spare);
                self.machine.add(x, spare);
            }
            (NormAfter::Sum, Some(weights)) => {
                self.machine.add(x, said);
                self.machine.norm(a.norm, weights, x, spare);
                std::mem::swap(&mut self.s.x, &mut self.s.spare);
            }
            _ => self.machine.add(x, said),
        }
    }

    /// Attention: `s.read` to `s.said`. Keys and values of every row are kept; in the last layer
    /// only rows that want to be known go on.
    fn attend(&mut self, i: usize, layer: &'p Layer<kernels::Matrix>) {
        let model = self.model;
        let a = &model.architecture;
        let (query, kv) = (a.query_width(), a.kv_width());
        let n = self.alive.len();
        let last = i + 1 == a.layers.len();
        let wanted = self.batch.rows.iter().filter(|row| row.wants_logits).count();
        let leave = last && wanted < n;
        let read = &self.s.read[..n * a.dim];
        let at = |place| Some((i, place));
        let key =
            Target { linear: &layer.key, out: room(&mut self.s.k, n * kv), place: at(Place::Key) };
        let value = Target {
            linear: &layer.value,
            out: room(&mut self.s.v, n * kv),
            place: at(Place::Value),
        };
        if leave {
            self.machine.project(read, n, [key, value]);
        } else {
            let out = room(&mut self.s.q, n * query);
            let query = Target { linear: &layer.query, out, place: at(Place::Query) };
            self.machine.project(read, n, [query, key, value]);
        }
        if let Some(weights) = &layer.key_norm {
            let spare = room(&mut self.s.spare, n * kv);
            self.machine.norm_heads(a.norm, weights, &self.s.k[..n * kv], spare);
            std::mem::swap(&mut self.s.k, &mut self.s.spare);
        }
        self.turn(i, false);
        self.keep_keys_and_values(i);
        if leave {
            self.leave_unwanted_rows();
            let n = self.alive.len();
            if n == 0 {
                return;
            }
            let (read, out) = (&self.s.read[..n * a.dim], room(&mut self.s.q, n * query));
            let target = Target { linear: &layer.query, out, place: at(Place::Query) };
            self.machine.project(read, n, [target]);
        }
        let n = self.alive.len();
        if let Some(weights) = &layer.query_norm {
            let spare = room(&mut self.s.spare, n * query);
            self.machine.norm_heads(a.norm, weights, &self.s.q[..n * query], spare);
            std::mem::swap(&mut self.s.q, &mut self.s.spare);
        }
        self.turn(i, true);
        self.mix(i);
        let target = Target {
            linear: &layer.attention_output,
            out: room(&mut self.s.said, n * a.dim),
            place: at(Place::AttentionOutput),
        };
        self.machine.project(&self.s.mixed[..n * query], n, [target]);
    }

    /// Turns queries, or keys, to where they stand.
    fn turn(&mut self, i: usize, queries: bool) {
        let a = &self.model.architecture;
        let Some(index) = a.layers[i].rope else { return };
        let (rope, n) = (&a.ropes[index], self.alive.len());
        let pairs = n * rope.frequencies.len();
        let angles = &self.s.angles[index];
        let (x, heads) = if queries {
            (&mut self.s.q[..n * a.query_width()], a.n_heads)
        } else {
            (&mut self.s.k[..n * a.kv_width()], a.n_kv_heads)
        };
        let style = match rope.pairing {
            Pairing::Interleaved => kernels::RopeStyle::Interleaved,
            Pairing::HalfSplit => kernels::RopeStyle::HalfSplit,
        };
        let (cos, sin) = (&angles.cos[..pairs], &angles.sin[..pairs]);
        let (pool, isa) = (&mut *self.machine.pool, self.machine.isa);
        kernels::rope(pool, isa, x, heads, a.head_dim, cos, sin, style);
    }

    fn keep_keys_and_values(&mut self, i: usize) {
        let (isa, kv) = (self.machine.isa, self.model.architecture.kv_width());
        let layer = self.caches.layer(i);
        let rows = self.s.k.chunks_exact(kv).zip(self.s.v.chunks_exact(kv));
        for (&alive, (k, v)) in self.alive.iter().zip(rows) {
            let Row { position, sequence, .. } = self.batch.rows[alive as usize];
            let position = position as usize;
            let page = self.batch.sequences[sequence as usize].pages[position / PAGE];
            self.caches.cache.write(isa, layer, page, position % PAGE, k, v);
        }
    }

    /// Goes on with those rows alone that want to be known.
    fn leave_unwanted_rows(&mut self) {
        let a = &self.model.architecture;
        self.alive.retain(|&i| self.batch.rows[i as usize].wants_logits);
        keep_rows(&mut self.s.x, a.dim, &self.alive);
        keep_rows(&mut self.s.read, a.dim, &self.alive);
        for (rope, angles) in a.ropes.iter().zip(&mut self.s.angles) {
            keep_rows(&mut angles.cos, rope.frequencies.len(), &self.alive);
            keep_rows(&mut angles.sin, rope.frequencies.len(), &self.alive);
        }
        if !self.machine.adapters.is_empty() {
            for (to, &from) in self.alive.iter().enumerate() {
                self.machine.adapters[to] = self.machine.adapters[from as usize];
            }
            self.machine.adapters.truncate(self.alive.len());
        }
    }

    /// Gathers the values that each row sees: `s.q` to `s.mixed`.
    fn mix(&mut self, i: usize) {
        let a = &self.model.architecture;
        let mut contexts = std::mem::take(&mut self.contexts);
        contexts.clear();
        for &alive in &self.alive {
            let row = self.row(alive);
            let sequence = row.sequence as usize;
            let next = row.position as usize + 1;
            contexts.push(Context {
                pages: self.batch.sequences[sequence].pages,
                from: a.layers[i].window.map_or(0, |window| next.saturating_sub(window)),
                to: self.lengths.map_or(next, |lengths| lengths[sequence] as usize),
            });
        }
        let n = self.alive.len() * a.query_width();
        let options = AttentionOptions {
            n_heads: a.n_heads,
            scale: a.attention.scale,
            soft_cap: a.attention.softcap,
        };
        kernels::attention(
            self.machine.pool,
            self.machine.isa,
            options,
            self.caches.cache.layer(self.caches.layer(i)),
            &contexts,
            &self.s.q[..n],
            self.attention,
            room(&mut self.s.mixed, n),
        );
        self.contexts = contexts;
    }
}

fn norm_or_copy(
    machine: &mut Machine<'_>,
    model: &Model,
    norm: Option<&NormWeights>,
    x: &[f32],
    out: &mut [f32],
) {
    match norm {
        Some(weights) => machine.norm(model.architecture.norm, weights, x, out),
        None => out.copy_from_slice(x),
    }
}
