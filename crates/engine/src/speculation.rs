//! Guessing the tokens that follow, so that several are computed in one pass over the weights.
//!
//! A guess is only ever a hint: the token at each position is chosen from its own logits with the
//! random number of that position, and a guess is right if it names that very token. So the text
//! is the same, bit for bit, with any speculator or none.
//! Source of the idea: Leviathan, Kalman & Matias 2023, "Fast Inference from Transformers via
//! Speculative Decoding"; its acceptance rule is replaced by equality under shared randomness.

use std::collections::HashMap;
use std::sync::Arc;

use mynah_kernels::{CacheFormat, PAGE, Pool};
use mynah_model::forward::{self, Batch, KvCache, Model, Row, Scratch};

use crate::request::RequestId;

/// Names a continuation: its request and its number.
pub type SequenceName = (RequestId, usize);

/// Guesses what follows.
pub trait Speculator: Send {
    /// Up to `most` tokens that may follow `tokens`.
    fn guess(
        &mut self,
        name: SequenceName,
        tokens: &[u32],
        most: usize,
        pool: &mut Pool,
    ) -> Vec<u32>;

    /// The sequence has ended.
    fn forget(&mut self, name: SequenceName);
}

/// Guesses that what followed the last few tokens earlier in the text follows them again: good
/// for summaries, edits and code, and nearly free.
/// Source: Saxena 2023, "Prompt Lookup Decoding".
#[derive(Clone, Debug)]
pub struct PromptLookup {
    /// The most tokens to look for.
    pub longest: usize,
    /// The fewest tokens to look for.
    pub shortest: usize,
    /// How many tokens to guess.
    pub n_guesses: usize,
}

impl Default for PromptLookup {
    fn default() -> Self {
        Self { longest: 4, shortest: 2, n_guesses: 6 }
    }
}

impl Speculator for PromptLookup {
    fn guess(&mut self, _: SequenceName, tokens: &[u32], most: usize, _: &mut Pool) -> Vec<u32> {
        let most = most.min(self.n_guesses);
        for n in (self.shortest.max(1)..=self.longest).rev() {
            let Some(start) = tokens.len().checked_sub(n) else { continue };
            let (earlier, last) = (&tokens[..tokens.len() - 1], &tokens[start..]);
            if let Some(place) = earlier.windows(n).rposition(|window| window == last) {
                let follows = &tokens[place + n..];
                return follows[..most.min(follows.len())].to_vec();
            }
        }
        Vec::new()
    }

    fn forget(&mut self, _: SequenceName) {}
}

/// Guesses with a smaller model of the same vocabulary, which takes its most likely tokens.
pub struct DraftModel {
    model: Arc<Model>,
    cache: KvCache,
    scratch: Scratch,
    free: Vec<u32>,
    sequences: HashMap<SequenceName, Drafted>,
    n_guesses: usize,
}

/// What the draft model has read of a sequence.
#[derive(Default)]
struct Drafted {
    tokens: Vec<u32>,
    pages: Vec<u32>,
}

/// How many rows of a prompt the draft model reads in one pass.
const ROWS: usize = 512;

impl DraftModel {
    /// A speculator that guesses `n_guesses` tokens with `model`, whose cache holds
    /// `cache_positions`.
    pub fn new(model: Arc<Model>, cache_positions: usize, n_guesses: usize) -> Self {
        let n_pages = cache_positions.div_ceil(PAGE);
        Self {
            cache: KvCache::new(model.architecture(), CacheFormat::F16, n_pages),
            scratch: Scratch::new(),
            free: (0..n_pages as u32).rev().collect(),
            sequences: HashMap::new(),
            model,
            n_guesses,
        }
    }

    /// Reads the tokens it has not read yet, and says which is most likely to follow.
    fn read(&mut self, drafted: &mut Drafted, tokens: &[u32], pool: &mut Pool) -> Option<u32> {
        let known = drafted.tokens.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        drafted.tokens.truncate(known.min(tokens.len() - 1));
        while drafted.pages.len() * PAGE < tokens.len() {
            drafted.pages.push(self.free.pop()?);
        }
        loop {
            let first = drafted.tokens.len();
            let n = ROWS.min(tokens.len() - first);
            let rows: Vec<Row> = tokens[first..first + n]
                .iter()
                .enumerate()
                .map(|(i, &token)| Row {
                    token,
                    position: (first + i) as u32,
                    sequence: 0,
                    wants_logits: first + i + 1 == tokens.len(),
                })
                .collect();
            let sequences = [forward::Sequence { pages: &drafted.pages, adapter: None }];
            let batch = Batch { rows: &rows, sequences: &sequences };
            // A text that this model cannot read is one it has no guess for.
            let logits =
                self.model.forward(pool, batch, &mut self.cache, &mut self.scratch).ok()?;
            drafted.tokens.extend_from_slice(&tokens[first..first + n]);
            if drafted.tokens.len() == tokens.len() {
                let likeliest = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
                return Some(likeliest.0 as u32);
            }
        }
    }
}

impl Speculator for DraftModel {
    fn guess(
        &mut self,
        name: SequenceName,
        tokens: &[u32],
        most: usize,
        pool: &mut Pool,
    ) -> Vec<u32> {
        let mut drafted = self.sequences.remove(&name).unwrap_or_default();
        let mut text = tokens.to_vec();
        for _ in 0..most.min(self.n_guesses) {
            if text.len() >= self.model.architecture().context_length {
                break;
            }
            let Some(token) = self.read(&mut drafted, &text, pool) else { break };
            text.push(token);
        }
        self.sequences.insert(name, drafted);
        text.split_off(tokens.len())
    }

    fn forget(&mut self, name: SequenceName) {
        if let Some(drafted) = self.sequences.remove(&name) {
            self.free.extend(drafted.pages);
        }
    }
}
