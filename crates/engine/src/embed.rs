//! Texts to vectors: which are computed together, and what becomes of those that are too long.

use std::sync::Arc;

use mynah_kernels::Pool;
use mynah_model::architecture::Pooling;
use mynah_model::forward::{BatchError, Model, Scratch};
use mynah_model::tokenizer::{SpecialText, Tokenizer};

/// How many texts, and about how many tokens, are computed together.
const BATCH_TEXTS: usize = 32;
const BATCH_TOKENS: usize = 4096;

/// A model that makes vectors of texts.
pub struct Embedder {
    tokenizer: Arc<Tokenizer>,
    model: Arc<Model>,
    pool: Pool,
    scratch: Scratch,
    pooling: Pooling,
}

/// Why there is no vector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The model is made for something else.
    #[error("the model writes text and makes no vectors")]
    Writes,
    /// The text is longer than the model reads.
    #[error("the text has {n_tokens} tokens, and the model reads at most {most}")]
    TooLong {
        /// Tokens of the text.
        n_tokens: usize,
        /// What the model reads.
        most: usize,
    },
}

impl Embedder {
    /// Makes vectors with a model.
    ///
    /// # Errors
    /// If it is one that writes.
    pub fn new(
        model: Arc<Model>,
        tokenizer: Arc<Tokenizer>,
        pool: Pool,
    ) -> Result<Self, EmbedError> {
        let architecture = model.architecture();
        let pooling = match (architecture.pooling, architecture.is_decoder()) {
            (_, true) => return Err(EmbedError::Writes),
            // An encoder that does not say how: the mean is usual.
            (Pooling::None, false) => Pooling::Mean,
            (pooling, _) => pooling,
        };
        Ok(Self { tokenizer, model, pool, scratch: Scratch::new(), pooling })
    }

    /// How many numbers a vector has.
    pub fn dim(&self) -> usize {
        self.model.architecture().dim
    }

    /// The tokens of a text. If the model reads only fewer and `truncate`, its beginning.
    ///
    /// # Errors
    /// If there are more than the model reads.
    pub fn tokens(&self, text: &str, truncate: bool) -> Result<Vec<u32>, EmbedError> {
        let most = self.model.architecture().context_length;
        let all = self.tokenizer.encode_prompt(text, SpecialText::AsText);
        if all.len() <= most {
            return Ok(all);
        }
        if truncate {
            return Ok(truncated(&all, &self.tokenizer.encode(text, SpecialText::AsText), most));
        }
        Err(EmbedError::TooLong { n_tokens: all.len(), most })
    }

    /// Vectors of length 1 for texts, given as tokens. `go_on` is asked before each batch.
    ///
    /// # Errors
    /// If a text is empty or has tokens that the model has not.
    pub fn embed(
        &mut self,
        texts: &[Vec<u32>],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Vec<f32>>, BatchError> {
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() && go_on() {
            let (batch, after) = rest.split_at(n_together(rest));
            let batch: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
            let numbers =
                self.model.encode(&mut self.pool, &batch, self.pooling, &mut self.scratch)?;
            vectors.extend(numbers.chunks_exact(self.dim()).map(<[f32]>::to_vec));
            rest = after;
        }
        Ok(vectors)
    }
}

/// The first `most` tokens of a text, with what the model expects before and after them.
///
/// `all`: the text's tokens `inner` with that around them.
fn truncated(all: &[u32], inner: &[u32], most: usize) -> Vec<u32> {
    let n_around = all.len() - inner.len();
    let n_before = (0..=n_around).find(|&n| all[n..].starts_with(inner)).unwrap_or(0);
    let n_kept = most.saturating_sub(n_around);
    let mut kept = all[..n_before + n_kept].to_vec();
    kept.extend_from_slice(&all[n_before + inner.len()..]);
    kept
}

/// How many of these texts are computed together; at least one.
fn n_together(texts: &[Vec<u32>]) -> usize {
    let mut n_tokens = 0;
    let fits = |text: &&Vec<u32>| {
        n_tokens += text.len();
        n_tokens <= BATCH_TOKENS
    };
    texts.iter().take(BATCH_TEXTS).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_end_where_they_get_large() {
        let texts = |lengths: &[usize]| lengths.iter().map(|&n| vec![0; n]).collect::<Vec<_>>();
        assert_eq!(n_together(&texts(&[10, 20])), 2);
        assert_eq!(n_together(&texts(&[BATCH_TOKENS + 1, 1])), 1);
        assert_eq!(n_together(&texts(&[BATCH_TOKENS - 1, 1, 1])), 2);
        assert_eq!(n_together(&texts(&[1; BATCH_TEXTS + 1])), BATCH_TEXTS);
    }

    #[test]
    fn what_stands_around_a_text_stays() {
        assert_eq!(truncated(&[101, 1, 2, 3, 4, 102], &[1, 2, 3, 4], 4), [101, 1, 2, 102]);
        assert_eq!(truncated(&[101, 1, 2, 3], &[1, 2, 3], 2), [101, 1]);
        assert_eq!(truncated(&[1, 2, 3, 102], &[1, 2, 3], 2), [1, 102]);
    }
}
