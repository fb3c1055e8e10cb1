//! Where each tensor lies in the one vector of weights.

use std::ops::Range;

use crate::config::{ModelConfig, Preset};

/// How a tensor is treated by the optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The embeddings, which are the output too: AdamW, without decay.
    Embedding,
    /// A matrix: AdamW with decay, or Muon.
    Matrix,
    /// The weights of a norm: AdamW, without decay.
    Norm,
    /// What the residual stream and the embedding are multiplied by before a layer: AdamW, without
    /// decay.
    Mix,
}

/// A tensor: `rows` of `columns`, or one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// What it is called, for checkpoints.
    pub name: String,
    /// Where its first number is.
    pub at: usize,
    /// How many rows it has.
    pub rows: usize,
    /// How many numbers a row has.
    pub columns: usize,
    /// How it is treated.
    pub group: Group,
    /// Whether its product is added to the residual stream.
    pub writes_residual: bool,
    /// How many matrices lie one under the other in it, by their rows.
    pub parts: Vec<usize>,
}

impl Tensor {
    /// Its numbers.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.rows * self.columns
    }
}

/// The tensors of one layer, as numbers of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerTensors {
    /// What the residual stream, and the embedding, are multiplied by before the layer.
    pub(crate) residual_mix: Option<usize>,
    pub(crate) attention_norm: usize,
    /// Queries, keys and values, one under the other.
    pub(crate) qkv: usize,
    /// The norms of queries and keys, if they are normalised.
    pub(crate) head_norms: Option<[usize; 2]>,
    pub(crate) attention_out: usize,
    pub(crate) feed_norm: usize,
    /// Gate and up, one under the other; without a gate, up.
    pub(crate) up: usize,
    pub(crate) down: usize,
}

/// All tensors of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<Tensor>,
    pub(crate) embedding: usize,
    pub(crate) layers: Vec<LayerTensors>,
    pub(crate) output_norm: usize,
}

/// Numbers tensors as they come.
#[derive(Default)]
struct Builder(Vec<Tensor>);

impl Builder {
    fn add(&mut self, name: String, rows: usize, columns: usize, group: Group) -> usize {
        let at = self.0.last().map_or(0, |tensor| tensor.range().end);
        let parts = vec![rows];
        self.0.push(Tensor { name, at, rows, columns, group, writes_residual: false, parts });
        self.0.len() - 1
    }

    fn matrix(&mut self, name: String, parts: &[usize], columns: usize) -> usize {
        let tensor = self.add(name, parts.iter().sum(), columns, Group::Matrix);
        self.0[tensor].parts = parts.to_vec();
        tensor
    }

    /// A matrix whose product is added to the residual stream.
    fn writer(&mut self, name: String, rows: usize, columns: usize) -> usize {
        let tensor = self.matrix(name, &[rows], columns);
        self.0[tensor].writes_residual = true;
        tensor
    }
}

impl Layout {
    /// The tensors of a model of these sizes.
    pub fn new(preset: Preset, model: &ModelConfig) -> Self {
        let mut build = Builder::default();
        let (dim, d) = (model.width, model.head_dim);
        let (query, kv) = (model.n_heads * d, model.n_kv_heads * d);
        let embedding = build.add("embedding".into(), model.vocabulary, dim, Group::Embedding);
        let layer = |i: usize| {
            let name = |what: &str| format!("layer.{i}.{what}");
            let norm = Group::Norm;
            LayerTensors {
                residual_mix: (preset == Preset::Nano)
                    .then(|| build.add(name("residual_mix"), 1, 2, Group::Mix)),
                attention_norm: build.add(name("attention_norm"), 1, dim, norm),
                qkv: build.matrix(name("qkv"), &[query, kv, kv], dim),
                head_norms: (preset == Preset::Nano).then(|| {
                    [
                        build.add(name("query_norm"), 1, d, norm),
                        build.add(name("key_norm"), 1, d, norm),
                    ]
                }),
                attention_out: build.writer(name("attention_out"), dim, query),
                feed_norm: build.add(name("feed_norm"), 1, dim, norm),
                up: match preset {
                    Preset::Llama => build.matrix(name("gate_up"), &[model.feed_forward; 2], dim),
                    Preset::Nano => build.matrix(name("up"), &[model.feed_forward], dim),
                },
                down: build.writer(name("down"), dim, model.feed_forward),
            }
        };
        let layers = (0..model.depth).map(layer).collect();
        let output_norm = build.add("output_norm".into(), 1, dim, Group::Norm);
        Self { tensors: build.0, embedding, layers, output_norm }
    }

    /// All tensors, in their order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// How many numbers there are.
    pub fn n_numbers(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range().end)
    }

    /// How many of them a token is multiplied with: the embeddings once, as the output.
    pub fn n_in_products(&self) -> usize {
        let is_matrix = |group| matches!(group, Group::Embedding | Group::Matrix);
        let in_products = self.tensors.iter().filter(|tensor| is_matrix(tensor.group));
        in_products.map(|tensor| tensor.range().len()).sum()
    }

    /// The numbers of tensor `n` of a vector of weights or gradients.
    pub(crate) fn of<'w>(&self, weights: &'w [f32], n: usize) -> &'w [f32] {
        &weights[self.tensors[n].range()]
    }

    /// The same, to be written.
    pub(crate) fn of_mut<'w>(&self, weights: &'w mut [f32], n: usize) -> &'w mut [f32] {
        &mut weights[self.tensors[n].range()]
    }
}
