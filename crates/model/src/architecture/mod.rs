//! What a model computes, as data: the one description that the forward pass follows.
//!
//! [`Architecture::read`] turns a checkpoint's metadata into an [`Architecture`], with the help of
//! one row of a table per family of models (`recipe.rs`). Nothing above this module asks for the
//! name of an architecture: a new family is a new row, not a new pass. This module holds no weights
//! and does no arithmetic on activations.
//!
//! The facts (keys, defaults, which tensor is what) are those of GGUF as llama.cpp writes and reads
//! it; where llama.cpp simplifies (the exact GELU of Falcon and BERT, Phi-3's sliding window) the
//! published model's own definition is followed.

mod read;
mod recipe;
mod rope;
#[cfg(test)]
mod tests;

pub use read::ArchitectureError;
pub use recipe::{Biases, QkNormRule, known_names};
pub use rope::{Pairing, Rope};

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// `general.architecture`: only for people and for the names of metadata keys.
    pub name: String,
    /// How many tokens there are: rows of the embedding.
    pub n_vocab: usize,
    /// Width of the residual stream.
    pub dim: usize,
    /// Positions the model was made for.
    pub context_length: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; `n_heads` is a multiple.
    pub n_kv_heads: usize,
    /// Width of a head of queries, keys and values.
    pub head_dim: usize,
    /// How rows are normalised.
    pub norm: Norm,
    /// What happens between a token's row and the first block.
    pub embedding: Embedding,
    /// Where a block normalises, and how its two branches meet the residual stream.
    pub block: Block,
    /// How attention weighs.
    pub attention: Attention,
    /// The rotary embeddings; layers refer to them by index.
    pub ropes: Vec<Rope>,
    /// What differs from layer to layer.
    pub layers: Vec<Layer>,
    /// The feed-forward network of dense layers, and the activation of every one.
    pub feed_forward: FeedForward,
    /// The mixture of experts of layers that have one.
    pub experts: Option<Experts>,
    /// What follows the last block; `None` for an encoder.
    pub output: Option<Output>,
    /// How token vectors become one vector of a text.
    pub pooling: Pooling,
    /// Which tensors a checkpoint of this architecture has beside its matrices.
    pub tensors: Tensors,
}

/// How a row is normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// By what.
    pub kind: NormKind,
    /// Added to the mean square (or to the variance).
    pub eps: f32,
}

/// What a row is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Its root mean square (Zhang & Sennrich 2019).
    Rms,
    /// Its standard deviation, after subtracting its mean (Ba, Kiros & Hinton 2016).
    Layer,
}

/// What happens between a token's row and the first block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Embedding {
    /// The row is multiplied by this.
    pub scale: f32,
    /// A learned row per position is added.
    pub learned_positions: bool,
    /// The row of token type 0 is added.
    pub token_types: bool,
    /// The sum is normalised.
    pub normalised: bool,
}

/// Where a block normalises, and how its two branches (attention, feed-forward) meet the residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Each branch reads a normalised copy of the residual stream.
    pub norm_before: bool,
    /// What is normalised after a branch.
    pub norm_after: NormAfter,
    /// Both branches read the same residual stream, and their sum is added to it. Then a block
    /// without a norm for its feed-forward branch shares the attention's.
    pub parallel: bool,
}

/// What is normalised after a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormAfter {
    /// Nothing.
    Nothing,
    /// The branch's result, before it is added: `x + norm(branch)`.
    Branch,
    /// The sum: `norm(x + branch)`.
    Sum,
}

/// How attention weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// A query's product with a key is multiplied by this.
    pub scale: f32,
    /// Then squashed: `cap * tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// A position sees only itself and those before it.
    pub causal: bool,
}

/// What differs from layer to layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Position p sees q only if `p - q` is less than this.
    pub window: Option<usize>,
    /// Which of [`Architecture::ropes`] turns queries and keys, if any.
    pub rope: Option<usize>,
    /// The feed-forward network is a mixture of experts.
    pub experts: bool,
}

/// A dense feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedForward {
    /// Width of its middle.
    pub width: usize,
    /// What is applied in the middle, here and in experts.
    pub activation: Activation,
    /// The activation of one product multiplies another: `down(act(gate x) * up x)`.
    pub gated: bool,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x * Phi(x)`, with the error function.
    GeluExact,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)^2`.
    ReluSquared,
}

/// A mixture of experts: softmax over all, the best few, their weighted sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// How many there are.
    pub n: usize,
    /// How many a token uses.
    pub n_used: usize,
    /// Width of an expert's middle.
    pub width: usize,
    /// The weights of those used are divided by their sum.
    pub renormalised: bool,
    /// Then multiplied by this.
    pub scale: f32,
    /// Width of an expert that every token uses, if there is one.
    pub shared_width: Option<usize>,
}

/// What follows the last block of a decoder: a norm and the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// Logits are squashed: `cap * tanh(logit / cap)`.
    pub softcap: Option<f32>,
}

/// How token vectors become one vector of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// They do not.
    None,
    /// Their mean.
    Mean,
    /// The first.
    First,
    /// The last.
    Last,
}

/// Which tensors a checkpoint has beside its matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensors {
    /// Which of the matrices have a bias.
    pub biases: Biases,
    /// Whether queries and keys are normalised before they are turned.
    pub qk_norm: QkNormRule,
    /// Whether the embedding is mixed into the residual stream before every block.
    pub residual_mix: bool,
}

impl Architecture {
    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// Whether this model makes logits; otherwise it only encodes.
    pub fn is_decoder(&self) -> bool {
        self.output.is_some()
    }
}
