//! Embedding texts: one vector for each, or one for each token.

use mynah_kernels::{Cache, CacheFormat, PAGE, Pool};

use super::batch::{Batch, BatchError, Row, Sequence, check_token};
use super::machine::Machine;
use super::pass::{Caches, Pass};
use super::{Model, Scratch};
use crate::architecture::Pooling;

impl Model {
    /// Embeds whole texts, given as tokens, together.
    ///
    /// With [`Pooling::None`] the result is `[tokens of all texts, dim]`, what the last layer makes
    /// of each token; otherwise `[texts, dim]`, one vector of length 1 for each. A text's numbers
    /// are the same bits whatever other texts there are. Of an encoder each token sees all of its
    /// text, of a decoder those before it.
    ///
    /// # Errors
    /// If a text is empty or the model does not have a token or position; then nothing is computed.
    pub fn encode(
        &self,
        pool: &mut Pool,
        texts: &[&[u32]],
        pooling: Pooling,
        scratch: &mut Scratch,
    ) -> Result<Vec<f32>, BatchError> {
        let a = self.architecture();
        let mut rows = Vec::new();
        let mut lengths = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            if text.is_empty() {
                return Err(BatchError::Empty { text: i });
            }
            lengths.push(text.len() as u32);
            for (position, &token) in (0u32..).zip(*text) {
                check_token(a, token, position)?;
                rows.push(Row { token, position, sequence: i as u32, wants_logits: true });
            }
        }
        // Each text has the next so many pages.
        let n_pages = texts.iter().map(|text| text.len().div_ceil(PAGE)).sum();
        let pages: Vec<u32> = (0..n_pages as u32).collect();
        let mut rest = &pages[..];
        let mut sequences = Vec::new();
        for text in texts {
            let (pages, after) = rest.split_at(text.len().div_ceil(PAGE));
            sequences.push(Sequence { pages, adapter: None });
            rest = after;
        }
        let cache = match scratch.texts.take() {
            Some(cache)
                if cache.n_pages() >= n_pages
                    && scratch.texts_shape == (a.n_kv_heads, a.head_dim) =>
            {
                cache
            }
            _ => Cache::new(CacheFormat::F32, 1, n_pages, a.n_kv_heads, a.head_dim),
        };
        scratch.texts_shape = (a.n_kv_heads, a.head_dim);
        let cache = scratch.texts.insert(cache);
        let mut pass = Pass {
            model: self,
            machine: Machine {
                pool,
                isa: self.isa,
                scratch: &mut scratch.products,
                adapters: Vec::new(),
            },
            batch: Batch { rows: &rows, sequences: &sequences },
            caches: Caches { cache, one_for_all: true },
            s: &mut scratch.rows,
            attention: &mut scratch.attention,
            experts: &mut scratch.experts,
            lengths: (!a.attention.causal).then_some(&lengths),
            alive: (0..rows.len() as u32).collect(),
            contexts: Vec::with_capacity(rows.len()),
        };
        pass.run();
        let hidden = &scratch.rows.read[..rows.len() * a.dim];
        if pooling == Pooling::None {
            return Ok(hidden.to_vec());
        }
        let mut out = Vec::with_capacity(texts.len() * a.dim);
        let mut rest = hidden;
        for text in texts {
            let (of_text, after) = rest.split_at(text.len() * a.dim);
            out.extend(pool_text(of_text, a.dim, pooling));
            rest = after;
        }
        Ok(out)
    }
}

/// One vector of length 1 from those of a text's tokens, `[n, dim]`.
fn pool_text(hidden: &[f32], dim: usize, pooling: Pooling) -> Vec<f32> {
    let n = hidden.len() / dim;
    let mut pooled = match pooling {
        Pooling::First => hidden[..dim].to_vec(),
        Pooling::Last => hidden[(n - 1) * dim..].to_vec(),
        Pooling::Mean | Pooling::None => {
            let mut sum = vec![0.0; dim];
            for row in hidden.chunks_exact(dim) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            sum.iter().map(|sum| sum / n as f32).collect()
        }
    };
    let length = pooled.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() as f32;
    if length > 0.0 {
        pooled.iter_mut().for_each(|x| *x /= length);
    }
    pooled
}
