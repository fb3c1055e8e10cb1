//! The buffers that sampling reuses from token to token.

/// One token that is still in play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Token id.
    pub(crate) id: u32,
    /// Logit after the penalties.
    pub(crate) logit: f32,
    /// Probability, not normalised.
    pub(crate) weight: f32,
    /// What the current step orders by, smallest first.
    pub(crate) key: f32,
}

/// Buffers for sampling, shared by all sequences that one thread samples.
///
/// They grow on first use, to at most 56 bytes per vocabulary entry, and are then
/// reused: in the steady state a token costs no allocation. Nothing in here
/// carries meaning from one call to the next.
#[derive(Debug, Default, Clone)]
pub struct Workspace {
    /// Largest logit of each block.
    pub(crate) maxima: Vec<f32>,
    /// A copy of `maxima` whose order may be disturbed.
    pub(crate) scratch: Vec<f32>,
    /// Sum of exponentials of each block.
    pub(crate) sums: Vec<f64>,
    /// Tokens still in play after the first truncating step.
    pub(crate) candidates: Vec<Candidate>,
    /// Candidates between which a share ends.
    pub(crate) open: Vec<Candidate>,
    /// The most likely tokens of the model's own distribution.
    pub(crate) likeliest: Vec<Candidate>,
    /// The model's logits as they came, where they are needed after the penalties.
    pub(crate) raw: Vec<f32>,
    /// One counter per token; all zero between calls.
    pub(crate) counts: Vec<u32>,
    /// Tokens whose counter is not zero, in order of appearance.
    pub(crate) touched: Vec<u32>,
    /// Lengths of repeated suffixes, for DRY.
    pub(crate) repeats: Vec<u32>,
}

impl Workspace {
    /// Makes an empty workspace; buffers are allocated when they are first needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for a counter per token.
    pub(crate) fn reserve_counts(&mut self, vocab_len: usize) {
        if self.counts.len() < vocab_len {
            self.counts.resize(vocab_len, 0);
        }
    }
}
