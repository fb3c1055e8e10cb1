//! The loss of a batch and its gradient: every step forward has its step backward beside it.
//!
//! Reading order is the order of the data: `Around::forward` calls the `*_forward` functions from
//! the embeddings to the last norm, [`Pass::learn`] computes the loss and calls the `*_backward`
//! functions back again. The shape of every buffer is beside it in `arena.rs`.

use mynah_kernels::training::{
    AttentionGradient, AttentionSpace, GemmSpace, Heads, HeadsMut, LossOptions, Shape, Start, Turn,
    View, add_scaled, attention_backward, attention_forward, cross_entropy, head_norm_backward,
    head_norm_forward, product, relu_squared_backward, relu_squared_forward, rms_norm_backward,
    rms_norm_forward, rotate, sum_of_products, swiglu_backward, swiglu_forward,
};
use mynah_kernels::{Isa, Pool, scale};

use super::arena::{Buffers, CHUNK, LayerBuffers, Sizes};
use super::dropout::Dropout;
use super::layout::{LayerTensors, Layout};
use crate::config::{Config, ModelConfig};

/// The threads, and the instruction set they use.
pub struct Machine {
    /// The threads.
    pub pool: Pool,
    /// What they calculate with.
    pub isa: Isa,
}

/// Sequences to learn from, one after the other; `[rows]` each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// How many rows a sequence has.
    pub length: usize,
    /// What is read.
    pub tokens: Vec<u32>,
    /// What comes next.
    pub targets: Vec<u32>,
    /// The first row, within its sequence, of each row's document.
    pub starts: Vec<u32>,
}

impl Batch {
    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.tokens.len()
    }

    /// Sequences `first..first + n`.
    #[must_use]
    pub fn part(&self, first: usize, n: usize) -> Self {
        let rows = first * self.length..(first + n) * self.length;
        Self {
            length: self.length,
            tokens: self.tokens[rows.clone()].to_vec(),
            targets: self.targets[rows.clone()].to_vec(),
            starts: self.starts[rows].to_vec(),
        }
    }
}

/// The memory of passes through one model.
pub struct Pass {
    layout: Layout,
    model: ModelConfig,
    sizes: Sizes,
    seed: u64,
    dropout: f64,
    z_loss: f32,
    arena: Vec<f32>,
    cos: Vec<f32>,
    sin: Vec<f32>,
    positions: Vec<u32>,
    spaces: Spaces,
}

/// Memory that kernels keep.
struct Spaces {
    gemm: GemmSpace,
    attention: AttentionSpace,
    sums: Vec<f32>,
    copy: Vec<f32>,
}

/// What every function of a pass is given.
struct Around<'p> {
    machine: &'p mut Machine,
    layout: &'p Layout,
    model: &'p ModelConfig,
    sizes: Sizes,
    spaces: &'p mut Spaces,
    shape: Shape<'p>,
    positions: &'p [u32],
    angles: (&'p [f32], &'p [f32]),
    dropout: Option<Dropout>,
    weights: &'p [f32],
}

impl Pass {
    /// Memory for passes of up to `sequences` sequences at a time.
    pub fn new(config: &Config, sequences: usize, n_threads: usize) -> Self {
        let model = config.model.clone();
        let dropout = config.optimiser.dropout;
        let rows = sequences * model.context;
        let sizes = Sizes::new(config.preset, &model, rows, dropout > 0.0);
        let (cos, sin) = angles(&model);
        Self {
            layout: Layout::new(config.preset, &model),
            sizes,
            seed: config.seed,
            dropout,
            z_loss: config.optimiser.z_loss as f32,
            arena: vec![0.0; sizes.n_numbers()],
            cos,
            sin,
            positions: Vec::new(),
            spaces: Spaces {
                gemm: GemmSpace::new(n_threads),
                attention: AttentionSpace::new(n_threads),
                sums: Vec::new(),
                copy: Vec::new(),
            },
            model,
        }
    }

    /// Where the tensors lie in the vectors of weights and gradients.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Computes the loss of each row, and adds the gradient of `scale` times their sum to
    /// `gradient`. `number` tells passes apart for dropout.
    ///
    /// # Panics
    /// If the batch is larger than the memory, or a length differs.
    pub fn learn(
        &mut self,
        machine: &mut Machine,
        weights: &[f32],
        batch: &Batch,
        (scale, number): (f32, u64),
        gradient: &mut [f32],
        losses: &mut [f32],
    ) {
        let dropout = Dropout { share: self.dropout, seed: self.seed, pass: number };
        let dropout = (self.dropout > 0.0).then_some(dropout);
        let z_loss = self.z_loss;
        let (mut around, mut buffers) = self.prepare(machine, weights, batch, dropout);
        around.forward(batch, &mut buffers);
        let options = LossOptions { scale, z_loss };
        around.loss(&mut buffers, batch, options, losses, Some(gradient));
        around.backward(batch, &mut buffers, gradient);
    }

    /// Computes the loss of each row.
    ///
    /// # Panics
    /// As [`Pass::learn`].
    pub fn losses(
        &mut self,
        machine: &mut Machine,
        weights: &[f32],
        batch: &Batch,
        losses: &mut [f32],
    ) {
        let (mut around, mut buffers) = self.prepare(machine, weights, batch, None);
        around.forward(batch, &mut buffers);
        let options = LossOptions { scale: 0.0, z_loss: 0.0 };
        around.loss(&mut buffers, batch, options, losses, None);
    }

    /// Computes the logits that follow the last of `tokens`, at most a context of them.
    ///
    /// # Panics
    /// As [`Pass::learn`], or if there are no tokens.
    pub fn next_logits(
        &mut self,
        machine: &mut Machine,
        weights: &[f32],
        tokens: &[u32],
    ) -> Vec<f32> {
        let n = tokens.len();
        let batch =
            Batch { length: n, tokens: tokens.to_vec(), targets: Vec::new(), starts: vec![0; n] };
        let (mut around, mut buffers) = self.prepare(machine, weights, &batch, None);
        around.forward(&batch, &mut buffers);
        let (width, vocabulary) = (around.sizes.width, around.sizes.vocabulary);
        let mut logits = vec![0.0; vocabulary];
        let embedding = around.layout.of(weights, around.layout.embedding);
        let last = View::rows(&buffers.read[(n - 1) * width..], width);
        let turned = View::rows(embedding, width).turned();
        around.multiply([1, vocabulary, width], last, turned, Start::Zero, &mut logits);
        logits
    }

    fn prepare<'p>(
        &'p mut self,
        machine: &'p mut Machine,
        weights: &'p [f32],
        batch: &'p Batch,
        dropout: Option<Dropout>,
    ) -> (Around<'p>, Buffers<'p>) {
        let rows = batch.n_rows();
        assert!(rows <= self.sizes.rows, "memory for {} rows, not {rows}", self.sizes.rows);
        assert_eq!(weights.len(), self.layout.n_numbers(), "length of the weights");
        self.positions.clear();
        let places = batch.starts.iter().enumerate();
        self.positions.extend(places.map(|(row, start)| (row % batch.length) as u32 - start));
        let model = &self.model;
        let around = Around {
            machine,
            layout: &self.layout,
            model,
            sizes: self.sizes,
            spaces: &mut self.spaces,
            shape: Shape {
                length: batch.length,
                n_heads: model.n_heads,
                n_kv_heads: model.n_kv_heads,
                head_dim: model.head_dim,
                starts: &batch.starts,
            },
            positions: &self.positions,
            angles: (&self.cos, &self.sin),
            dropout,
            weights,
        };
        (around, self.sizes.cut(&mut self.arena, rows))
    }
}

/// By how much each pair of dimensions turns at each position: `[context, head_dim / 2]`.
fn angles(model: &ModelConfig) -> (Vec<f32>, Vec<f32>) {
    let pairs = model.head_dim / 2;
    let turn = |i: usize| {
        let exponent = -2.0 * (i % pairs) as f64 / model.head_dim as f64;
        (i / pairs) as f64 * model.rope_base.powf(exponent)
    };
    let turns = || (0..model.context * pairs).map(turn);
    (turns().map(|t| t.cos() as f32).collect(), turns().map(|t| t.sin() as f32).collect())
}

impl<'p> Around<'p> {
    fn weight(&self, n: usize) -> &'p [f32] {
        self.layout.of(self.weights, n)
    }

    fn multiply(&mut self, size: [usize; 3], a: View, b: View, start: Start, out: &mut [f32]) {
        let (machine, space) = (&mut *self.machine, &mut self.spaces.gemm);
        product(&mut machine.pool, machine.isa, size, a, b, start, out, space);
    }

    /// `out = start + x Wᵀ`, `[rows, out]`, with tensor `n`, `[out, in]`.
    fn linear_forward(&mut self, x: &[f32], n: usize, start: Start, out: &mut [f32]) {
        let (outputs, inputs) = (self.layout.tensors()[n].rows, self.layout.tensors()[n].columns);
        let size = [x.len() / inputs, outputs, inputs];
        let weight = View::rows(self.weight(n), inputs).turned();
        self.multiply(size, View::rows(x, inputs), weight, start, out);
    }

    /// `by_x = by_out W` and `by_W += by_outᵀ x`.
    fn linear_backward(
        &mut self,
        x: &[f32],
        n: usize,
        by_out: &[f32],
        by_x: &mut [f32],
        gradient: &mut [f32],
    ) {
        let (outputs, inputs) = (self.layout.tensors()[n].rows, self.layout.tensors()[n].columns);
        let rows = x.len() / inputs;
        let weight = View::rows(self.weight(n), inputs);
        let by_rows = View::rows(by_out, outputs);
        self.multiply([rows, inputs, outputs], by_rows, weight, Start::Zero, by_x);
        let by_weight = self.layout.of_mut(gradient, n);
        let (turned, x) = (by_rows.turned(), View::rows(x, inputs));
        self.multiply([outputs, inputs, rows], turned, x, Start::Output, by_weight);
    }

    fn norm_forward(&mut self, x: &[f32], n: usize, out: &mut [f32]) {
        let (weight, eps) = (self.weight(n), self.model.norm_eps as f32);
        rms_norm_forward(&mut self.machine.pool, self.machine.isa, x, weight, eps, out);
    }

    /// Adds to the gradient by `x`.
    fn norm_backward(
        &mut self,
        x: &[f32],
        n: usize,
        by_out: &[f32],
        by_x: &mut [f32],
        gradient: &mut [f32],
    ) {
        let (weight, eps) = (self.weight(n), self.model.norm_eps as f32);
        let by_weight = self.layout.of_mut(gradient, n);
        let (machine, sums) = (&mut *self.machine, &mut self.spaces.sums);
        let (pool, isa) = (&mut machine.pool, machine.isa);
        rms_norm_backward(pool, isa, x, weight, eps, by_out, by_x, by_weight, sums);
    }

    /// Each row's token: the first layer's `x`.
    fn embed_forward(&self, batch: &Batch, x: &mut [f32]) {
        let (width, table) = (self.sizes.width, self.weight(self.layout.embedding));
        for (x, &token) in x.chunks_exact_mut(width).zip(&batch.tokens) {
            x.copy_from_slice(&table[token as usize * width..][..width]);
        }
    }

    fn embed_backward(&self, batch: &Batch, by_x: &[f32], gradient: &mut [f32]) {
        let width = self.sizes.width;
        let table = self.layout.of_mut(gradient, self.layout.embedding);
        for (by_x, &token) in by_x.chunks_exact(width).zip(&batch.tokens) {
            let to = &mut table[token as usize * width..][..width];
            to.iter_mut().zip(by_x).for_each(|(to, x)| *to += x);
        }
    }

    fn forward(&mut self, batch: &Batch, b: &mut Buffers) {
        let first = b.layers.first_mut().map_or(&mut *b.last, LayerBuffers::input);
        self.embed_forward(batch, first);
        if self.sizes.mixes_embedding {
            b.first.copy_from_slice(first);
        }
        for i in 0..b.layers.len() {
            let (before, after) = b.layers.split_at_mut(i + 1);
            let next = after.first_mut().map_or(&mut *b.last, LayerBuffers::input);
            self.mix_forward(i, &mut before[i], b.first);
            self.layer_forward(i, &mut before[i], &mut *b.branch, next);
        }
        self.norm_forward(b.last, self.layout.output_norm, b.read);
    }

    fn backward(&mut self, batch: &Batch, b: &mut Buffers, gradient: &mut [f32]) {
        // `by_norm` holds the gradient by `read`, which the loss has left there.
        b.by_x.fill(0.0);
        b.by_first.fill(0.0);
        self.norm_backward(b.last, self.layout.output_norm, b.by_norm, b.by_x, gradient);
        for i in (0..b.layers.len()).rev() {
            self.layer_backward(i, b, gradient);
            self.mix_backward(i, b, gradient);
        }
        if self.sizes.mixes_embedding {
            let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
            add_scaled(pool, isa, b.by_x, 1.0, 1.0, b.by_first);
        }
        self.embed_backward(batch, b.by_x, gradient);
    }

    /// The loss of each row; with a gradient, that by the output, some rows at a time.
    fn loss(
        &mut self,
        b: &mut Buffers,
        batch: &Batch,
        options: LossOptions,
        losses: &mut [f32],
        mut gradient: Option<&mut [f32]>,
    ) {
        let (width, vocabulary) = (self.sizes.width, self.sizes.vocabulary);
        let embedding = self.layout.embedding;
        for first in (0..batch.n_rows()).step_by(CHUNK) {
            let n = CHUNK.min(batch.n_rows() - first);
            let rows = first * width..(first + n) * width;
            let logits = &mut b.logits[..n * vocabulary];
            self.linear_forward(&b.read[rows.clone()], embedding, Start::Zero, logits);
            let (targets, losses) =
                (&batch.targets[first..first + n], &mut losses[first..first + n]);
            let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
            cross_entropy(pool, isa, logits, targets, options, losses);
            if let Some(gradient) = &mut gradient {
                let (read, by_read) = (&b.read[rows.clone()], &mut b.by_norm[rows]);
                self.linear_backward(read, embedding, logits, by_read, gradient);
            }
        }
    }

    /// `x = a before + b first`, if the layer mixes the embedding in.
    fn mix_forward(&mut self, i: usize, b: &mut LayerBuffers, first: &[f32]) {
        let Some(mix) = self.layout.layers[i].residual_mix else { return };
        let mix = self.weight(mix);
        let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
        b.x.copy_from_slice(b.before);
        add_scaled(pool, isa, b.x, mix[0], mix[1], first);
    }

    fn mix_backward(&mut self, i: usize, b: &mut Buffers, gradient: &mut [f32]) {
        let Some(tensor) = self.layout.layers[i].residual_mix else { return };
        let mix = self.weight(tensor);
        let by_mix = self.layout.of_mut(gradient, tensor);
        let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
        let Buffers { layers, first, by_first, by_x, .. } = b;
        for (by_mix, x) in by_mix.iter_mut().zip([&*layers[i].before, &**first]) {
            *by_mix += sum_of_products(pool, isa, by_x, x, &mut self.spaces.sums) as f32;
        }
        add_scaled(pool, isa, by_first, 1.0, mix[1], by_x);
        scale(pool, isa, by_x, mix[0]);
    }

    /// `next = middle + feed(norm(middle))` with `middle = x + attention(norm(x))`.
    fn layer_forward(
        &mut self,
        i: usize,
        b: &mut LayerBuffers,
        branch: &mut [f32],
        next: &mut [f32],
    ) {
        let tensors = self.layout.layers[i];
        self.norm_forward(b.x, tensors.attention_norm, b.attention_in);
        self.linear_forward(b.attention_in, tensors.qkv, Start::Zero, b.qkv);
        self.turn_forward(tensors, b);
        self.attend_forward(b);
        self.join_forward(b.gathered, tensors.attention_out, 2 * i, b.x, branch, b.middle);
        self.norm_forward(b.middle, tensors.feed_norm, b.feed_in);
        self.linear_forward(b.feed_in, tensors.up, Start::Zero, b.up);
        self.activate_forward(b);
        self.join_forward(b.active, tensors.down, 2 * i + 1, b.middle, branch, next);
    }

    fn layer_backward(&mut self, i: usize, b: &mut Buffers, gradient: &mut [f32]) {
        let tensors = self.layout.layers[i];
        let Buffers {
            layers, by_x, by_norm, branch, by_qkv, by_gathered, by_up, by_active, ..
        } = b;
        let l = &mut layers[i];
        self.join_backward(l.active, tensors.down, 2 * i + 1, by_x, branch, by_active, gradient);
        self.activate_backward(l, by_active, by_up);
        self.linear_backward(l.feed_in, tensors.up, by_up, by_norm, gradient);
        self.norm_backward(l.middle, tensors.feed_norm, by_norm, by_x, gradient);
        self.join_backward(
            l.gathered,
            tensors.attention_out,
            2 * i,
            by_x,
            branch,
            by_gathered,
            gradient,
        );
        self.attend_backward(l, by_gathered, by_qkv);
        self.turn_backward(tensors, l, by_qkv, gradient);
        self.linear_backward(l.attention_in, tensors.qkv, by_qkv, by_norm, gradient);
        self.norm_backward(l.x, tensors.attention_norm, by_norm, by_x, gradient);
    }

    /// `next = x + drop(y Wᵀ)`.
    fn join_forward(
        &mut self,
        y: &[f32],
        n: usize,
        number: usize,
        x: &[f32],
        branch: &mut [f32],
        next: &mut [f32],
    ) {
        next.copy_from_slice(x);
        let Some(dropout) = self.dropout else {
            return self.linear_forward(y, n, Start::Output, next);
        };
        self.linear_forward(y, n, Start::Zero, branch);
        dropout.apply(branch, number);
        add_scaled(&mut self.machine.pool, self.machine.isa, next, 1.0, 1.0, branch);
    }

    /// The gradient by the residual stream, `by_next`, stays as it is: what was added to has it too.
    fn join_backward(
        &mut self,
        y: &[f32],
        n: usize,
        number: usize,
        by_next: &[f32],
        branch: &mut [f32],
        by_y: &mut [f32],
        gradient: &mut [f32],
    ) {
        let Some(dropout) = self.dropout else {
            return self.linear_backward(y, n, by_next, by_y, gradient);
        };
        branch.copy_from_slice(by_next);
        dropout.apply(branch, number);
        self.linear_backward(y, n, branch, by_y, gradient);
    }

    /// Where heads of queries and of keys lie among queries, keys and values.
    fn places(&self) -> [(usize, usize, usize); 2] {
        let Sizes { query, .. } = self.sizes;
        let (stride, model) = (self.sizes.qkv(), self.model);
        [(stride, 0, model.n_heads), (stride, query, model.n_kv_heads)]
    }

    /// Normalises queries and keys, if the model does, and turns them to where they stand.
    fn turn_forward(&mut self, tensors: LayerTensors, b: &mut LayerBuffers) {
        if let Some(norms) = tensors.head_norms {
            let eps = self.model.norm_eps as f32;
            for (place, norm) in self.places().into_iter().zip(norms) {
                let weight = self.weight(norm);
                let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
                head_norm_forward(pool, isa, b.qkv, place, weight, eps, b.turned);
            }
        }
        let x = if tensors.head_norms.is_some() { &mut *b.turned } else { &mut *b.qkv };
        self.rotate(x, Turn::Forward);
    }

    fn turn_backward(
        &mut self,
        tensors: LayerTensors,
        b: &LayerBuffers,
        by_qkv: &mut [f32],
        gradient: &mut [f32],
    ) {
        self.rotate(by_qkv, Turn::Backward);
        let Some(norms) = tensors.head_norms else { return };
        let eps = self.model.norm_eps as f32;
        for (place, norm) in self.places().into_iter().zip(norms) {
            let weight = self.weight(norm);
            let by_weight = self.layout.of_mut(gradient, norm);
            let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
            let spaces = [&mut self.spaces.sums, &mut self.spaces.copy];
            head_norm_backward(pool, isa, b.qkv, place, weight, eps, by_qkv, by_weight, spaces);
        }
    }

    fn rotate(&mut self, x: &mut [f32], turn: Turn) {
        let model = self.model;
        let shape = (self.sizes.qkv(), model.n_heads + model.n_kv_heads, model.head_dim);
        let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
        rotate(pool, isa, x, shape, self.positions, self.angles, turn);
    }

    /// The heads of a layer, as attention reads them.
    fn heads<'b>(&self, qkv: &'b [f32], turned: &'b [f32]) -> [Heads<'b>; 3] {
        let Sizes { query, kv, normalises_heads, .. } = self.sizes;
        let stride = self.sizes.qkv();
        let turned = if normalises_heads { turned } else { qkv };
        [
            Heads { numbers: turned, stride, first: 0 },
            Heads { numbers: turned, stride, first: query },
            Heads { numbers: qkv, stride, first: query + kv },
        ]
    }

    fn attend_forward(&mut self, b: &mut LayerBuffers) {
        let heads = self.heads(b.qkv, b.turned);
        let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
        let (out, log_sums) = (&mut *b.gathered, &mut *b.log_sums);
        attention_forward(pool, isa, self.shape, heads, out, log_sums, &self.spaces.attention);
    }

    fn attend_backward(&mut self, b: &LayerBuffers, by_out: &[f32], by_qkv: &mut [f32]) {
        let heads = self.heads(b.qkv, b.turned);
        let given = AttentionGradient { out: b.gathered, log_sums: b.log_sums, by_out };
        let Sizes { query, kv, .. } = self.sizes;
        let stride = self.sizes.qkv();
        let into = HeadsMut { numbers: by_qkv, stride, first: [0, query, query + kv] };
        let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
        attention_backward(pool, isa, self.shape, heads, given, into, &self.spaces.attention);
    }

    /// The middle of the feed-forward network: gated, or the squared ReLU.
    fn activate_forward(&mut self, b: &mut LayerBuffers) {
        let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
        if self.sizes.up == self.sizes.feed {
            relu_squared_forward(pool, isa, b.up, b.active);
        } else {
            swiglu_forward(pool, isa, b.up, self.sizes.feed, b.active);
        }
    }

    fn activate_backward(&mut self, b: &LayerBuffers, by_active: &[f32], by_up: &mut [f32]) {
        let (pool, isa) = (&mut self.machine.pool, self.machine.isa);
        if self.sizes.up == self.sizes.feed {
            relu_squared_backward(pool, isa, b.up, by_active, by_up);
        } else {
            swiglu_backward(pool, isa, b.up, self.sizes.feed, by_active, by_up);
        }
    }
}
