//! From a checkpoint's metadata to an [`Architecture`], with every number checked.

use super::recipe::{Kind, Parallel, Positions, Recipe, SlidingRope, recipe};
use super::rope::RopeFacts;
use super::{
    Activation, Architecture, Attention, Block, Embedding, Experts, FeedForward, Layer, Norm,
    NormKind, Output, Pooling, Rope, Tensors, known_names,
};
use crate::checkpoint::{Checkpoint, Metadata, MetadataError, TensorError, Value};
use crate::vector::VectorError;

/// Why a checkpoint describes no model that mynah runs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ArchitectureError {
    /// A fact is absent or of another type.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A tensor is absent or of another shape.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A small tensor cannot be read.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// No row of the table has this name.
    #[error("architecture `{name}` is not one of: {known}")]
    Unknown {
        /// `general.architecture`.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A fact contradicts another, or makes no sense.
    #[error("`{key}` is {got}, expected {expected}")]
    Value {
        /// The fact's key.
        key: String,
        /// What it says.
        got: String,
        /// What would make sense.
        expected: String,
    },
    /// A factor of the rotary embedding is not a positive number.
    #[error("tensor `{name}` holds a number that is not finite and above 0")]
    Factors {
        /// The tensor.
        name: String,
    },
}

/// The facts of one architecture: keys without its name in front.
pub(super) struct Facts<'a> {
    metadata: &'a Metadata,
    name: &'a str,
}

impl<'a> Facts<'a> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.metadata.get(&self.key(key))
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, ArchitectureError> {
        Ok(self.metadata.size(&self.key(key))?)
    }

    pub(super) fn optional_size(&self, key: &str) -> Result<Option<usize>, ArchitectureError> {
        Ok(self.metadata.optional_size(&self.key(key))?)
    }

    pub(super) fn optional_str(&self, key: &str) -> Result<Option<&'a str>, ArchitectureError> {
        Ok(self.metadata.optional_str(&self.key(key))?)
    }

    fn optional_bool(&self, key: &str) -> Result<Option<bool>, ArchitectureError> {
        Ok(self.metadata.optional_bool(&self.key(key))?)
    }

    /// A finite number above 0; `None` if absent or 0, which files write for "not set".
    pub(super) fn positive(&self, key: &str) -> Result<Option<f64>, ArchitectureError> {
        match self.metadata.optional_f32(&self.key(key))? {
            None | Some(0.0) => Ok(None),
            Some(x) if x.is_finite() && x > 0.0 => Ok(Some(f64::from(x))),
            Some(x) => Err(self.bad(key, x, "a finite number above 0")),
        }
    }

    /// A size that is at least 1.
    fn count(&self, key: &str) -> Result<usize, ArchitectureError> {
        match self.size(key)? {
            0 => Err(self.bad(key, 0, "at least 1")),
            n => Ok(n),
        }
    }

    /// A size that is the same in every layer, whether the file says it once or per layer.
    fn uniform(&self, key: &str, n_layers: usize) -> Result<usize, ArchitectureError> {
        let sizes = self.metadata.size_per_layer(&self.key(key), n_layers)?;
        let (&first, rest) = sizes.split_first().ok_or_else(|| self.bad(key, "empty", "a size"))?;
        if first == 0 || rest.iter().any(|&size| size != first) {
            return Err(self.bad(
                key,
                format!("{sizes:?}"),
                "one size of at least 1 for all layers",
            ));
        }
        Ok(first)
    }

    /// One truth value per layer, from an array of them or of whole numbers.
    fn per_layer(&self, key: &str, n: usize) -> Result<Option<Vec<bool>>, ArchitectureError> {
        let flags = match self.value(key) {
            Some(Value::Bools(flags)) => flags.clone(),
            Some(value) => match value.as_integers() {
                Some(numbers) => numbers.iter().map(|&x| x != 0).collect(),
                None => return Ok(None),
            },
            None => return Ok(None),
        };
        if flags.len() != n {
            let (key, got) = (self.key(key), flags.len());
            return Err(MetadataError::WrongLength { key, expected: n, got }.into());
        }
        Ok(Some(flags))
    }

    pub(super) fn bad(
        &self,
        key: &str,
        got: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> ArchitectureError {
        ArchitectureError::Value {
            key: self.key(key),
            got: got.to_string(),
            expected: expected.into(),
        }
    }
}

impl Architecture {
    /// Reads what a checkpoint's metadata says, checked against the shapes that decide sizes.
    ///
    /// `context`: the positions that sequences will use, if that is not what the model was made
    /// for; it decides between Phi-3's factors for short and long contexts.
    ///
    /// # Errors
    /// If the architecture is unknown, or a fact is absent, of another type, contradicts a tensor
    /// or makes no sense. Nothing larger than the checkpoint backs is allocated before.
    pub fn read(
        checkpoint: &Checkpoint<'_>,
        context: Option<usize>,
    ) -> Result<Self, ArchitectureError> {
        let name = checkpoint.metadata.str("general.architecture")?;
        let recipe = recipe(name).ok_or_else(|| ArchitectureError::Unknown {
            name: name.to_owned(),
            known: known_names().collect::<Vec<_>>().join(", "),
        })?;
        Reader { checkpoint, recipe, facts: Facts { metadata: &checkpoint.metadata, name } }
            .read(context)
    }
}

/// What is at hand while reading.
struct Reader<'a> {
    checkpoint: &'a Checkpoint<'a>,
    recipe: &'static Recipe,
    facts: Facts<'a>,
}

/// The sizes that everything else is checked against.
struct Sizes {
    n_vocab: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
}

impl Reader<'_> {
    fn read(&self, context: Option<usize>) -> Result<Architecture, ArchitectureError> {
        let (facts, recipe) = (&self.facts, self.recipe);
        let sizes = self.sizes()?;
        let context_length = facts.count("context_length")?;
        let (ropes, layers) = self.layers(&sizes, context.unwrap_or(context_length))?;
        let experts = self.experts(&sizes, &layers)?;
        Ok(Architecture {
            name: facts.name.to_owned(),
            n_vocab: sizes.n_vocab,
            dim: sizes.dim,
            context_length,
            n_heads: sizes.n_heads,
            n_kv_heads: sizes.n_kv_heads,
            head_dim: sizes.head_dim,
            norm: self.norm()?,
            embedding: Embedding {
                scale: if recipe.scaled_embedding { (sizes.dim as f32).sqrt() } else { 1.0 },
                learned_positions: recipe.positions == Positions::Learned,
                token_types: recipe.kind == Kind::Encoder && self.has("token_types.weight"),
                normalised: recipe.kind == Kind::Encoder,
            },
            block: self.block(),
            attention: self.attention(&sizes)?,
            ropes,
            layers,
            feed_forward: self.feed_forward(sizes.n_layers, experts.is_some())?,
            experts,
            output: match recipe.kind {
                Kind::Decoder => Some(Output { softcap: self.cap("final_logit_softcapping")? }),
                Kind::Encoder => None,
            },
            pooling: self.pooling()?,
            tensors: Tensors {
                biases: recipe.biases,
                qk_norm: recipe.qk_norm,
                residual_mix: recipe.residual_mix,
            },
        })
    }

    fn has(&self, tensor: &str) -> bool {
        self.checkpoint.tensors.contains_key(tensor)
    }

    fn sizes(&self) -> Result<Sizes, ArchitectureError> {
        let facts = &self.facts;
        let dim = facts.count("embedding_length")?;
        let n_layers = facts.count("block_count")?;
        // Every layer has tensors, so that the file bounds what is allocated per layer.
        if n_layers > self.checkpoint.tensors.len() {
            return Err(facts.bad("block_count", n_layers, "no more than there are tensors"));
        }
        let embedding = self.checkpoint.tensor("token_embd.weight")?;
        let &[width, n_vocab] = embedding.shape.as_slice() else {
            return Err(shape_error("token_embd.weight", &[dim], &embedding.shape));
        };
        if width != dim || n_vocab == 0 {
            return Err(shape_error("token_embd.weight", &[dim, n_vocab], &embedding.shape));
        }
        let n_heads = facts.uniform("attention.head_count", n_layers)?;
        let n_kv_heads = match facts.value("attention.head_count_kv") {
            Some(_) => facts.uniform("attention.head_count_kv", n_layers)?,
            None => n_heads,
        };
        if n_kv_heads > n_heads || !n_heads.is_multiple_of(n_kv_heads) {
            let expected = format!("a divisor of the {n_heads} query heads");
            return Err(facts.bad("attention.head_count_kv", n_kv_heads, expected));
        }
        let head_dim = self.head_dim(dim, n_heads)?;
        let sizes = Sizes { n_vocab, dim, n_layers, n_heads, n_kv_heads, head_dim };
        self.check_query_rows(&sizes)?;
        Ok(sizes)
    }

    fn head_dim(&self, dim: usize, n_heads: usize) -> Result<usize, ArchitectureError> {
        let facts = &self.facts;
        let keys = facts.optional_size("attention.key_length")?;
        let head_dim = match keys {
            Some(width) => width,
            None if dim.is_multiple_of(n_heads) => dim / n_heads,
            None => {
                let expected = format!("a divisor of the width {dim}");
                return Err(facts.bad("attention.head_count", n_heads, expected));
            }
        };
        if head_dim == 0 {
            return Err(facts.bad("attention.key_length", 0, "at least 1"));
        }
        match facts.optional_size("attention.value_length")? {
            Some(values) if values != head_dim => {
                let expected = format!("the width of a key, {head_dim}");
                Err(facts.bad("attention.value_length", values, expected))
            }
            _ => Ok(head_dim),
        }
    }

    /// Bounds the heads by the first block's tensor of queries, before anything of their size is
    /// allocated.
    fn check_query_rows(&self, sizes: &Sizes) -> Result<(), ArchitectureError> {
        let fused = "blk.0.attn_qkv.weight";
        let (name, heads) = if self.has(fused) {
            (fused, sizes.n_heads.saturating_add(2 * sizes.n_kv_heads))
        } else {
            ("blk.0.attn_q.weight", sizes.n_heads)
        };
        let rows = heads.saturating_mul(sizes.head_dim);
        self.checkpoint.tensor_of_shape(name, &[sizes.dim, rows])?;
        Ok(())
    }

    fn norm(&self) -> Result<Norm, ArchitectureError> {
        let kind = self.recipe.norm;
        let key = match kind {
            NormKind::Rms => "attention.layer_norm_rms_epsilon",
            NormKind::Layer => "attention.layer_norm_epsilon",
        };
        let eps = self.facts.metadata.f32(&self.facts.key(key))?;
        if !(0.0..1.0).contains(&eps) {
            return Err(self.facts.bad(key, eps, "a number from 0 to 1"));
        }
        Ok(Norm { kind, eps })
    }

    fn block(&self) -> Block {
        let parallel = match self.recipe.parallel {
            Parallel::Never => false,
            Parallel::Always => true,
            Parallel::WithoutFeedForwardNorm => !self.has("blk.0.ffn_norm.weight"),
        };
        let Recipe { norm_before, norm_after, .. } = *self.recipe;
        Block { norm_before, norm_after, parallel }
    }

    fn attention(&self, sizes: &Sizes) -> Result<Attention, ArchitectureError> {
        let width = if self.recipe.wide_scale_layers == Some(sizes.n_layers) {
            sizes.dim as f64 / sizes.n_heads as f64
        } else {
            sizes.head_dim as f64
        };
        let scale = self.facts.positive("attention.scale")?.unwrap_or(width.powf(-0.5));
        let causal = self.facts.optional_bool("attention.causal")?;
        Ok(Attention {
            scale: scale as f32,
            softcap: self.cap("attn_logit_softcapping")?,
            causal: causal.unwrap_or(self.recipe.kind == Kind::Decoder),
        })
    }

    fn cap(&self, key: &str) -> Result<Option<f32>, ArchitectureError> {
        Ok(self.facts.positive(key)?.map(|cap| cap as f32))
    }

    /// The rotary embeddings, and per layer which one it uses and how far it sees.
    fn layers(
        &self,
        sizes: &Sizes,
        context: usize,
    ) -> Result<(Vec<Rope>, Vec<Layer>), ArchitectureError> {
        let (facts, recipe, n) = (&self.facts, self.recipe, sizes.n_layers);
        let window = match facts.optional_size("attention.sliding_window")? {
            None => recipe.window.default,
            Some(0) => None,
            given => given,
        };
        let slides = match window {
            None => vec![false; n],
            Some(_) => self.sliding_layers(n)?,
        };
        let turns = match facts.per_layer("attention.rope_pattern", n)? {
            Some(pattern) => pattern,
            None => (1..=n).map(|i| recipe.no_rope_every.is_none_or(|e| i % e != 0)).collect(),
        };
        let mut ropes = Vec::new();
        if let Some(pairing) = recipe.rope {
            let rope = RopeFacts::read(facts, self.checkpoint, sizes.head_dim, context)?;
            let base = facts.positive("rope.freq_base")?.unwrap_or(10_000.0);
            ropes.push(rope.stretched(pairing, base));
            let own_base = match recipe.window.rope {
                SlidingRope::Shared => None,
                SlidingRope::Unstretched => Some(base),
                SlidingRope::Base(own) => Some(own),
            };
            if let (Some(default), Some(_)) = (own_base, window) {
                let base = facts.positive("rope.freq_base_swa")?.unwrap_or(default);
                ropes.push(rope.plain(pairing, base));
            }
        }
        let layer = |i: usize| Layer {
            window: window.filter(|_| slides[i]),
            rope: (turns[i] && !ropes.is_empty())
                .then(|| usize::from(slides[i] && ropes.len() > 1)),
            experts: self.has(&format!("blk.{i}.ffn_gate_inp.weight")),
        };
        let layers = (0..n).map(layer).collect();
        Ok((ropes, layers))
    }

    /// Which layers slide.
    fn sliding_layers(&self, n: usize) -> Result<Vec<bool>, ArchitectureError> {
        let key = "attention.sliding_window_pattern";
        if let Some(pattern) = self.facts.per_layer(key, n)? {
            return Ok(pattern);
        }
        let full_every = self.facts.optional_size(key)?.unwrap_or(self.recipe.window.full_every);
        Ok((1..=n).map(|i| full_every == 0 || i % full_every != 0).collect())
    }

    fn feed_forward(&self, n: usize, experts: bool) -> Result<FeedForward, ArchitectureError> {
        let (facts, recipe) = (&self.facts, self.recipe);
        let key = "hidden_activation";
        let activation = match facts.optional_str(key)? {
            None => recipe.activation,
            Some("silu" | "swish" | "swiglu") => Activation::Silu,
            Some("gelu") => Activation::GeluExact,
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Activation::GeluTanh,
            Some("relu") => Activation::Relu,
            Some("relu2") => Activation::ReluSquared,
            Some(other) => {
                let known = "silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2";
                return Err(facts.bad(key, other, known));
            }
        };
        let key = "feed_forward_length";
        // A model of experts alone need not say the width of a dense layer.
        let width =
            if experts && facts.value(key).is_none() { 0 } else { facts.uniform(key, n)? };
        Ok(FeedForward { width, activation, gated: recipe.gated })
    }

    fn experts(
        &self,
        sizes: &Sizes,
        layers: &[Layer],
    ) -> Result<Option<Experts>, ArchitectureError> {
        let facts = &self.facts;
        let key = "expert_count";
        let n = facts.optional_size(key)?.unwrap_or(0);
        let Some(first) = layers.iter().position(|layer| layer.experts) else {
            return match n {
                0 => Ok(None),
                _ => Err(TensorError::Missing { name: "blk.0.ffn_gate_inp.weight".into() }.into()),
            };
        };
        // The gate bounds the count by what the file backs.
        let gate = format!("blk.{first}.ffn_gate_inp.weight");
        self.checkpoint.tensor_of_shape(&gate, &[sizes.dim, n])?;
        let n_used = facts.count("expert_used_count")?;
        if n_used > n {
            return Err(facts.bad("expert_used_count", n_used, format!("at most {n}")));
        }
        if let Some(function @ 2..) = facts.optional_size("expert_gating_func")? {
            return Err(facts.bad("expert_gating_func", function, "1, softmax"));
        }
        let renormalised = facts.optional_bool("expert_weights_norm")?;
        let has_shared = ["ffn_up_shexp", "ffn_gate_inp_shexp"]
            .iter()
            .any(|part| self.has(&format!("blk.{first}.{part}.weight")));
        Ok(Some(Experts {
            n,
            n_used,
            width: self.expert_width(sizes.n_layers, n_used)?,
            renormalised: renormalised.unwrap_or(self.recipe.renormalised_experts),
            scale: facts.positive("expert_weights_scale")?.unwrap_or(1.0) as f32,
            shared_width: match facts.optional_size("expert_shared_feed_forward_length")? {
                _ if !has_shared => None,
                None | Some(0) => Some(facts.uniform("feed_forward_length", sizes.n_layers)?),
                given => given,
            },
        }))
    }

    /// The width of one expert. Mixtral says it as that of any layer; early files of Qwen say only
    /// that of all experts that a token uses.
    fn expert_width(&self, n_layers: usize, n_used: usize) -> Result<usize, ArchitectureError> {
        let key = "expert_feed_forward_length";
        if self.facts.value(key).is_some() {
            return self.facts.uniform(key, n_layers);
        }
        let width = self.facts.uniform("feed_forward_length", n_layers)?;
        if self.recipe.name == "llama" {
            return Ok(width);
        }
        match width / n_used {
            0 => Err(self.facts.bad("feed_forward_length", width, format!("at least {n_used}"))),
            width => Ok(width),
        }
    }

    fn pooling(&self) -> Result<Pooling, ArchitectureError> {
        let key = "pooling_type";
        Ok(match (self.facts.optional_size(key)?, self.recipe.kind) {
            (Some(0), _) => Pooling::None,
            (Some(1), _) | (None, Kind::Encoder) => Pooling::Mean,
            (Some(2), _) => Pooling::First,
            (Some(3), _) | (None, Kind::Decoder) => Pooling::Last,
            (Some(other), _) => {
                let known = "0 (none), 1 (mean), 2 (first) or 3 (last)";
                return Err(self.facts.bad(key, other, known));
            }
        })
    }
}

fn shape_error(name: &str, expected: &[usize], got: &[usize]) -> ArchitectureError {
    let (name, expected, got) = (name.to_owned(), expected.to_vec(), got.to_vec());
    TensorError::Shape { name, expected, got }.into()
}
