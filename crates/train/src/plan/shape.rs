//! A model's shape, and what it costs to compute.

/// What a transformer looks like from far away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Layers.
    pub n_layers: u64,
    /// Width of the residual stream.
    pub dim: u64,
    /// Parameters of a layer.
    pub layer: u64,
    /// Tokens in the vocabulary.
    pub n_vocab: u64,
    /// How the output matrix is kept.
    pub head: Head,
    /// Tokens that are read at once.
    pub context: u64,
}

/// How the output matrix is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It is the matrix of embeddings.
    Tied,
    /// It is a matrix of its own.
    Own,
}

impl Shape {
    /// A transformer with as many keys as queries, and a feed-forward part of four times its width:
    /// 12 `dim`² parameters in a layer.
    pub fn classic(n_layers: u64, dim: u64, n_vocab: u64, context: u64) -> Self {
        let layer = 12 * dim * dim;
        Self { n_layers, dim, layer, n_vocab, head: Head::Own, context }
    }

    /// A classic transformer of about so many parameters outside its embeddings, 64 wide for each
    /// layer; its width is a multiple of 64.
    ///
    /// Source of the proportion: nanochat, whose one number is the depth.
    pub fn of_size(parameters: f64, n_vocab: u64, context: u64) -> Self {
        let n_layers = (parameters / (12.0 * 64.0 * 64.0)).cbrt().round().max(1.0) as u64;
        let dim = (parameters / (12.0 * n_layers as f64)).sqrt() / 64.0;
        let dim = 64 * dim.round().max(1.0) as u64;
        Self::classic(n_layers, dim, n_vocab, context)
    }

    /// Parameters outside the embeddings: those of the layers and of the output matrix, which every
    /// token is multiplied with.
    pub fn multiplied(&self) -> u64 {
        self.n_layers * self.layer + self.n_vocab * self.dim
    }

    /// All parameters.
    pub fn parameters(&self) -> u64 {
        let embeddings = match self.head {
            Head::Tied => 0,
            Head::Own => self.n_vocab * self.dim,
        };
        self.multiplied() + embeddings
    }

    /// Floating-point operations for a token of training: 6 for each parameter it is multiplied
    /// with (2 forward, 4 backward), and 12 `n_layers` `dim` `context` for attention, whole and not
    /// only its lower half.
    ///
    /// Source: Chowdhery et al. 2022, "PaLM: Scaling Language Modeling with Pathways", appendix B;
    /// the 6: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", 2.1.
    pub fn training_operations(&self) -> f64 {
        let attention = 12 * self.n_layers * self.dim * self.context;
        6.0 * self.multiplied() as f64 + attention as f64
    }
}
