//! The table: one row per family of models, with what its metadata leaves unsaid.

use super::{Activation, NormAfter, NormKind, Pairing};

/// What a family of models is, where its metadata does not say otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    /// `general.architecture`.
    pub(super) name: &'static str,
    pub(super) norm: NormKind,
    pub(super) norm_before: bool,
    pub(super) norm_after: NormAfter,
    pub(super) parallel: Parallel,
    /// How rotary embeddings pair dimensions; `None`: there are none.
    pub(super) rope: Option<Pairing>,
    pub(super) positions: Positions,
    /// The embedding is multiplied by the square root of its width.
    pub(super) scaled_embedding: bool,
    pub(super) activation: Activation,
    pub(super) gated: bool,
    pub(super) biases: Biases,
    pub(super) qk_norm: QkNormRule,
    /// The embedding is mixed into the residual stream before every block.
    pub(super) residual_mix: bool,
    pub(super) window: WindowRule,
    /// Experts' weights are divided by their sum.
    pub(super) renormalised_experts: bool,
    /// Every n-th layer has no rotary embedding.
    pub(super) no_rope_every: Option<usize>,
    /// A number of layers whose attention scale is `(dim / n_heads)^-0.5` instead of
    /// `head_dim^-0.5`: the 27B models of Gemma 2 and 3, whose files do not say it.
    pub(super) wide_scale_layers: Option<usize>,
    pub(super) kind: Kind,
}

/// Whether a model continues a text or describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Decoder,
    Encoder,
}

/// Whether both branches of a block read the same residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parallel {
    Never,
    Always,
    /// If the first block has no norm for its feed-forward branch. (StableLM 2 12B; the key
    /// `use_parallel_residual` is not reliable in published files.)
    WithoutFeedForwardNorm,
}

/// What tells positions apart beside rotary embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Positions {
    None,
    Learned,
}

/// Which of a block's matrices must have a bias. A bias that is there is always used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Biases {
    /// None must.
    Optional,
    /// All must.
    Required,
}

/// Whether queries and keys are normalised before they are turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNormRule {
    /// Never.
    Never,
    /// If the checkpoint has the weights.
    Optional,
    /// Always.
    Required,
}

/// Which layers slide, and over how much, where the metadata does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowRule {
    /// The window if there is no key for it.
    pub(super) default: Option<usize>,
    /// Every n-th layer sees everything; 0: none does.
    pub(super) full_every: usize,
    pub(super) rope: SlidingRope,
}

/// How sliding layers turn queries and keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlidingRope {
    /// As the others.
    Shared,
    /// As the others, but never stretched for a longer context.
    Unstretched,
    /// Never stretched, and with this base where the metadata does not say.
    Base(f64),
}

const EVERY_LAYER: WindowRule =
    WindowRule { default: None, full_every: 0, rope: SlidingRope::Shared };

/// The row that the others are told apart from.
const LLAMA: Recipe = Recipe {
    name: "llama",
    norm: NormKind::Rms,
    norm_before: true,
    norm_after: NormAfter::Nothing,
    parallel: Parallel::Never,
    rope: Some(Pairing::Interleaved),
    positions: Positions::None,
    scaled_embedding: false,
    activation: Activation::Silu,
    gated: true,
    biases: Biases::Optional,
    qk_norm: QkNormRule::Never,
    residual_mix: false,
    window: EVERY_LAYER,
    renormalised_experts: true,
    no_rope_every: None,
    wide_scale_layers: None,
    kind: Kind::Decoder,
};

const QWEN2: Recipe = Recipe { name: "qwen2", rope: Some(Pairing::HalfSplit), ..LLAMA };

const GEMMA: Recipe =
    Recipe { name: "gemma", scaled_embedding: true, activation: Activation::GeluTanh, ..QWEN2 };

const GEMMA2: Recipe = Recipe {
    name: "gemma2",
    norm_after: NormAfter::Branch,
    window: WindowRule { default: Some(4096), full_every: 2, rope: SlidingRope::Shared },
    wide_scale_layers: Some(46),
    ..GEMMA
};

const FALCON: Recipe = Recipe {
    name: "falcon",
    norm: NormKind::Layer,
    parallel: Parallel::Always,
    activation: Activation::GeluExact,
    gated: false,
    ..QWEN2
};

const BERT: Recipe = Recipe {
    name: "bert",
    norm: NormKind::Layer,
    norm_before: false,
    norm_after: NormAfter::Sum,
    rope: None,
    positions: Positions::Learned,
    activation: Activation::GeluExact,
    gated: false,
    kind: Kind::Encoder,
    ..LLAMA
};

/// Every family, Mistral and Mixtral and SmolLM 2 being `llama`.
const RECIPES: &[Recipe] = &[
    LLAMA,
    FALCON,
    Recipe { name: "phi2", activation: Activation::GeluTanh, biases: Biases::Required, ..FALCON },
    Recipe { name: "phi3", ..QWEN2 },
    QWEN2,
    Recipe { name: "qwen2moe", renormalised_experts: false, ..QWEN2 },
    Recipe { name: "qwen3", qk_norm: QkNormRule::Required, ..QWEN2 },
    Recipe { name: "qwen3moe", qk_norm: QkNormRule::Required, ..QWEN2 },
    // What mynah trains with the preset `nano`.
    Recipe {
        name: "mynah",
        activation: Activation::ReluSquared,
        gated: false,
        qk_norm: QkNormRule::Required,
        residual_mix: true,
        ..QWEN2
    },
    GEMMA,
    GEMMA2,
    Recipe {
        name: "gemma3",
        qk_norm: QkNormRule::Required,
        window: WindowRule { default: None, full_every: 6, rope: SlidingRope::Base(10_000.0) },
        wide_scale_layers: Some(62),
        ..GEMMA2
    },
    Recipe { name: "smollm3", no_rope_every: Some(4), ..LLAMA },
    Recipe {
        name: "gpt2",
        norm: NormKind::Layer,
        rope: None,
        positions: Positions::Learned,
        activation: Activation::GeluTanh,
        gated: false,
        biases: Biases::Required,
        ..LLAMA
    },
    Recipe {
        name: "stablelm",
        norm: NormKind::Layer,
        parallel: Parallel::WithoutFeedForwardNorm,
        qk_norm: QkNormRule::Optional,
        ..QWEN2
    },
    Recipe {
        name: "olmo2",
        norm_before: false,
        norm_after: NormAfter::Branch,
        qk_norm: QkNormRule::Required,
        window: WindowRule { default: None, full_every: 4, rope: SlidingRope::Unstretched },
        ..QWEN2
    },
    BERT,
    Recipe {
        name: "nomic-bert",
        rope: Some(Pairing::HalfSplit),
        positions: Positions::None,
        activation: Activation::Silu,
        gated: true,
        ..BERT
    },
];

/// The row of this architecture.
pub(super) fn recipe(name: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.name == name)
}

/// Every value of `general.architecture` that mynah runs.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|recipe| recipe.name)
}
