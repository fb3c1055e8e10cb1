//! What a forward pass computes: rows of any number of sequences.

use mynah_kernels::PAGE;

use super::adapter::Adapter;
use super::cache::KvCache;
use crate::architecture::Architecture;

/// One token of one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The token, below [`Architecture::n_vocab`].
    pub token: u32,
    /// Where it stands in its sequence. The keys and values of every earlier position that it can
    /// see are in the cache, or are computed by this batch.
    pub position: u32,
    /// Which of [`Batch::sequences`] it belongs to.
    pub sequence: u32,
    /// Whether the caller wants to know what comes next.
    pub wants_logits: bool,
}

/// What the rows of one sequence have in common.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// The pages of the cache that hold its positions, sixteen each, in order. The page of a row's
    /// position is written, so that no other sequence may be using it.
    pub pages: &'a [u32],
    /// What was learned on top of the model, if anything.
    pub adapter: Option<&'a Adapter>,
}

/// Rows that are computed together. A row's numbers do not depend on the others, but for those
/// positions of its own sequence that it can see.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The rows, in any order; those of one sequence next to each other are fastest.
    pub rows: &'a [Row],
    /// The sequences that rows refer to.
    pub sequences: &'a [Sequence<'a>],
}

/// Why a batch cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The model has no such token.
    #[error("token {token} is not one of the model's {n_vocab}")]
    Token {
        /// The token.
        token: u32,
        /// How many there are.
        n_vocab: usize,
    },
    /// The batch has no such sequence.
    #[error("row {row} belongs to sequence {sequence} of {n_sequences}")]
    Sequence {
        /// The row.
        row: usize,
        /// What it says.
        sequence: u32,
        /// How many there are.
        n_sequences: usize,
    },
    /// The sequence has too few pages for the position.
    #[error("position {position} is beyond the {n_pages} pages of its sequence")]
    Pages {
        /// The position.
        position: u32,
        /// How many pages the sequence has.
        n_pages: usize,
    },
    /// The cache has no such page.
    #[error("page {page} is not one of the cache's {n_pages}")]
    Page {
        /// The page.
        page: u32,
        /// How many there are.
        n_pages: usize,
    },
    /// The model has learned a row for each position, and none for this one.
    #[error("position {position} is beyond the {context_length} that the model was made for")]
    Position {
        /// The position.
        position: u32,
        /// How many there are.
        context_length: usize,
    },
    /// The cache was made for a model of another shape.
    #[error("the cache was made for a model of another shape")]
    Cache,
    /// The adapter was made for a model of another shape.
    #[error("the adapter of sequence {sequence} was made for a model of another shape")]
    Adapter {
        /// The sequence.
        sequence: usize,
    },
    /// The model describes texts and does not continue them.
    #[error("the model makes embeddings and does not continue a text")]
    NotADecoder,
    /// An embedding of no tokens was asked for.
    #[error("text {text} has no tokens")]
    Empty {
        /// Which text.
        text: usize,
    },
}

impl Batch<'_> {
    /// Checks everything that a pass relies on.
    pub(super) fn check(&self, a: &Architecture, cache: &KvCache) -> Result<(), BatchError> {
        if !a.is_decoder() || !a.attention.causal {
            return Err(BatchError::NotADecoder);
        }
        if !cache.fits(a) {
            return Err(BatchError::Cache);
        }
        let n_sequences = self.sequences.len();
        for (i, row) in self.rows.iter().enumerate() {
            let Row { sequence, position, .. } = *row;
            check_token(a, row.token, position)?;
            let Some(of_row) = self.sequences.get(sequence as usize) else {
                return Err(BatchError::Sequence { row: i, sequence, n_sequences });
            };
            if position as usize / PAGE >= of_row.pages.len() {
                return Err(BatchError::Pages { position, n_pages: of_row.pages.len() });
            }
        }
        let n_pages = cache.n_pages();
        for (i, sequence) in self.sequences.iter().enumerate() {
            if sequence.adapter.is_some_and(|adapter| !adapter.fits(a)) {
                return Err(BatchError::Adapter { sequence: i });
            }
            if let Some(&page) = sequence.pages.iter().find(|&&page| page as usize >= n_pages) {
                return Err(BatchError::Page { page, n_pages });
            }
        }
        Ok(())
    }
}

/// Checks that the model has a token and, if it learned them one by one, a position.
pub(super) fn check_token(a: &Architecture, token: u32, position: u32) -> Result<(), BatchError> {
    if token as usize >= a.n_vocab {
        return Err(BatchError::Token { token, n_vocab: a.n_vocab });
    }
    if a.embedding.learned_positions && position as usize >= a.context_length {
        return Err(BatchError::Position { position, context_length: a.context_length });
    }
    Ok(())
}
