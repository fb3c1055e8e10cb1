//! From a checkpoint's tensors, found by their GGUF names, to the matrices of an architecture.
//!
//! Every difference in how files cut a model into tensors ends here: queries, keys and values that
//! lie fused in one tensor, gates beside ups, experts stacked or one by one become the same
//! `Layer`. What a matrix is, is up to a `Packer`: the forward pass packs for the processor,
//! the tests' reference keeps plain numbers. This module computes nothing.

mod load;

use mynah_kernels::Matrix;
use mynah_kernels::format::Format;

use crate::architecture::Architecture;
use crate::checkpoint::TensorError;
use crate::vector::VectorError;

/// Why a checkpoint's tensors are not those of its architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// A tensor is absent or of another shape.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A norm or bias cannot be read.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// A row is not a whole number of blocks.
    #[error("tensor `{name}` has rows of {cols}, which {format} cannot store")]
    Blocks {
        /// The tensor.
        name: String,
        /// The length of a row.
        cols: usize,
        /// How it is stored.
        format: Format,
    },
    /// A scale or number is infinite or not a number.
    #[error("tensor `{name}` holds a scale that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// The file has a tensor that would change what the model says, were it used.
    #[error("tensor `{name}` has no place in architecture `{architecture}`")]
    Unused {
        /// The tensor.
        name: String,
        /// `general.architecture`.
        architecture: String,
    },
}

/// A run of whole rows of a tensor, as it is stored.
pub(crate) struct Source<'a> {
    /// The tensor's name, for messages.
    pub(crate) name: &'a str,
    pub(crate) format: Format,
    /// `[rows, cols]`.
    pub(crate) bytes: &'a [u8],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

/// Makes matrices of stored numbers.
pub(crate) trait Packer {
    /// What a matrix is.
    type Matrix;

    fn pack(&mut self, source: &Source<'_>) -> Result<Self::Matrix, WeightsError>;

    /// Hears of bytes of the file that nobody will read again.
    fn done(&mut self, bytes: &[u8]);
}

/// All weights of a model.
#[derive(Debug)]
pub(crate) struct Weights<M> {
    /// `[n_vocab, dim]`.
    pub(crate) token_embedding: M,
    /// `[context_length, dim]`.
    pub(crate) position_embedding: Option<M>,
    /// The row of token type 0, `[dim]`.
    pub(crate) token_type: Option<Vec<f32>>,
    pub(crate) embedding_norm: Option<NormWeights>,
    pub(crate) layers: Vec<Layer<M>>,
    pub(crate) output_norm: Option<NormWeights>,
    /// `[n_vocab, dim]`; `None`: the token embedding serves.
    pub(crate) output: Option<M>,
    /// `[n_vocab]`.
    pub(crate) output_bias: Option<Vec<f32>>,
}

/// The weights of a block.
#[derive(Debug)]
pub(crate) struct Layer<M> {
    /// Before the block the residual stream is multiplied by the first, and the embedding, times
    /// the second, is added.
    pub(crate) residual_mix: Option<[f32; 2]>,
    pub(crate) attention_norm: Option<NormWeights>,
    /// `[n_heads * head_dim, dim]`.
    pub(crate) query: Linear<M>,
    /// `[n_kv_heads * head_dim, dim]`.
    pub(crate) key: Linear<M>,
    /// `[n_kv_heads * head_dim, dim]`.
    pub(crate) value: Linear<M>,
    pub(crate) query_norm: Option<HeadNorm>,
    pub(crate) key_norm: Option<HeadNorm>,
    /// `[dim, n_heads * head_dim]`.
    pub(crate) attention_output: Linear<M>,
    pub(crate) norm_after_attention: Option<NormWeights>,
    pub(crate) feed_forward_norm: Option<NormWeights>,
    pub(crate) feed_forward: FeedForward<M>,
    pub(crate) norm_after_feed_forward: Option<NormWeights>,
}

/// `y = W x + b`.
#[derive(Debug)]
pub(crate) struct Linear<M> {
    /// `[out, in]`.
    pub(crate) weights: M,
    /// `[out]`.
    pub(crate) bias: Option<Vec<f32>>,
}

/// What a normalised row is multiplied by, and what is added.
#[derive(Debug)]
pub(crate) struct NormWeights {
    /// `[dim]`.
    pub(crate) weight: Vec<f32>,
    /// `[dim]`.
    pub(crate) bias: Option<Vec<f32>>,
}

/// How the queries (or keys) of all heads are normalised.
#[derive(Debug)]
pub(crate) enum HeadNorm {
    /// Each head by itself, all with the same weights `[head_dim]`.
    Shared(NormWeights),
    /// Each head by itself with its own weights `[head_dim]`.
    PerHead(Vec<NormWeights>),
    /// All heads as one row, `[n_heads * head_dim]`.
    Whole(NormWeights),
}

/// The second branch of a block.
#[derive(Debug)]
pub(crate) enum FeedForward<M> {
    Dense(Mlp<M>),
    Experts(Experts<M>),
}

/// `down(act(gate x) * up x)`, or `down(act(up x))` without a gate.
#[derive(Debug)]
pub(crate) struct Mlp<M> {
    /// `[width, dim]`.
    pub(crate) gate: Option<Linear<M>>,
    /// `[width, dim]`.
    pub(crate) up: Linear<M>,
    /// `[dim, width]`.
    pub(crate) down: Linear<M>,
}

/// A mixture of experts.
#[derive(Debug)]
pub(crate) struct Experts<M> {
    /// `[n_experts, dim]`.
    pub(crate) router: M,
    pub(crate) each: Vec<Mlp<M>>,
    /// An expert that every token uses.
    pub(crate) shared: Option<Mlp<M>>,
    /// `[1, dim]`: how much of the shared expert, through a sigmoid.
    pub(crate) shared_gate: Option<M>,
}

impl Weights<Matrix> {
    /// How many bytes of matrices one token reads, beside its own row of the embedding.
    pub(crate) fn bytes_per_token(&self, architecture: &Architecture) -> usize {
        let linear = |linear: &Linear<Matrix>| linear.weights.bytes();
        let mlp = |mlp: &Mlp<Matrix>| {
            linear(&mlp.up) + linear(&mlp.down) + mlp.gate.as_ref().map_or(0, linear)
        };
        let used = architecture.experts.map_or(0, |experts| experts.n_used);
        let layer = |layer: &Layer<Matrix>| {
            let attention = [&layer.query, &layer.key, &layer.value, &layer.attention_output];
            let feed_forward = match &layer.feed_forward {
                FeedForward::Dense(dense) => mlp(dense),
                FeedForward::Experts(experts) => {
                    experts.router.bytes()
                        + experts.each.iter().take(used).map(mlp).sum::<usize>()
                        + experts.shared.as_ref().map_or(0, mlp)
                }
            };
            attention.into_iter().map(linear).sum::<usize>() + feed_forward
        };
        let output = if architecture.is_decoder() {
            self.output.as_ref().unwrap_or(&self.token_embedding).bytes()
        } else {
            0
        };
        self.layers.iter().map(layer).sum::<usize>() + output
    }
}
