//! The chain of steps from logits to a token.

use super::math::{BLOCK, block_maxima, exp, exp_sum, exp_sums, max_of};
use super::penalties::{apply_mask, apply_penalties};
use super::random::uniform;
use super::select::{gather, top_k, truncate_to_top};
use super::truncation::{gather_for_top_p, inverse, keep_top_p, keep_typical, max_logit, weigh};
use super::workspace::Candidate;
use super::{Breakers, SamplingError, SamplingParams, Workspace};
use crate::constraint::Vocabulary;

/// Chooses the tokens of one sequence.
///
/// It has no state that changes: a draw is a function of the parameters, the
/// logits, the history, the mask, the seed, the number of the sample and the
/// position. See the module for what follows from that.
#[derive(Debug, Clone)]
pub struct Sampler {
    params: SamplingParams,
    breakers: Breakers,
    vocab_len: usize,
    sample: u64,
}

/// What one token is chosen from.
#[derive(Debug)]
pub struct Draw<'a> {
    /// One logit per token, `[vocab_len]`; changed in place.
    pub logits: &'a mut [f32],
    /// Place in the sequence of the token that is to be chosen.
    pub position: u64,
    /// The tokens before it, prompt included, or the last of them: at least as many
    /// as [`Sampler::history_len`] says.
    pub history: &'a [u32],
    /// Tokens that a constraint allows: bit `i % 32` of word `i / 32` for token `i`.
    pub mask: Option<&'a [u32]>,
}

/// A chosen token.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// Its id.
    pub token: u32,
    /// The logarithm of its probability in the model's own distribution, where
    /// [`SamplingParams::logprobs`] asks for it.
    pub logprob: Option<f32>,
    /// The most likely tokens of the model's own distribution with the logarithms of
    /// their probabilities, most likely first.
    pub top: Vec<(u32, f32)>,
}

/// Tokens still in play after the truncating steps.
enum Kept {
    /// Every token whose logit is not negative infinity.
    All,
    /// Those in the workspace's list.
    Listed,
}

impl Sampler {
    /// Makes a sampler for a model with `vocab_len` logits.
    ///
    /// # Errors
    /// If a parameter is out of range, names a token that the model does not have, or
    /// if DRY is on with breakers given as text (see [`with_vocabulary`](Self::with_vocabulary)).
    pub fn new(params: &SamplingParams, vocab_len: usize) -> Result<Self, SamplingError> {
        params.validate()?;
        let breakers = if params.has_dry() {
            Breakers::from_tokens(&params.dry_sequence_breakers)?
        } else {
            Breakers::default()
        };
        Self::with_breakers(params, vocab_len, breakers)
    }

    /// Makes a sampler whose sequence breakers may be text.
    ///
    /// Searches the vocabulary if DRY is on; to do that once for many sequences, keep
    /// [`Breakers::resolve`]'s result and use [`with_breakers`](Self::with_breakers).
    ///
    /// # Errors
    /// If a parameter is out of range or names a token that the model does not have.
    pub fn with_vocabulary(
        params: &SamplingParams,
        vocab_len: usize,
        vocabulary: &dyn Vocabulary,
    ) -> Result<Self, SamplingError> {
        params.validate()?;
        let breakers = if params.has_dry() {
            Breakers::resolve(&params.dry_sequence_breakers, vocabulary)
        } else {
            Breakers::default()
        };
        Self::with_breakers(params, vocab_len, breakers)
    }

    /// Makes a sampler with sequence breakers that were resolved before.
    ///
    /// # Errors
    /// If a parameter is out of range or names a token that the model does not have.
    pub fn with_breakers(
        params: &SamplingParams,
        vocab_len: usize,
        breakers: Breakers,
    ) -> Result<Self, SamplingError> {
        params.validate()?;
        let vocabulary = u32::try_from(vocab_len).ok().filter(|&len| len > 0);
        if vocabulary.is_none() {
            return Err(SamplingError::OutOfRange {
                field: "vocab_len",
                value: vocab_len.to_string(),
                range: "from 1 to 4294967295",
            });
        }
        if let Some((&token, _)) = params.logit_bias.range(vocab_len as u32..).next() {
            return Err(SamplingError::TokenOutOfVocabulary {
                field: "logit_bias",
                token,
                vocab_len,
            });
        }
        Ok(Self { params: params.clone(), breakers, vocab_len, sample: 0 })
    }

    /// The same sampler for another answer to the same prompt: `sample` counts from 0.
    #[must_use]
    pub fn for_sample(&self, sample: u64) -> Self {
        Self { sample, ..self.clone() }
    }

    /// The parameters it was made with.
    pub fn params(&self) -> &SamplingParams {
        &self.params
    }

    /// How many of the last tokens it looks at; `None` is all of them.
    pub fn history_len(&self) -> Option<usize> {
        let penalties =
            if self.params.has_penalties() { self.params.penalty_last_n } else { Some(0) };
        let dry = if self.params.has_dry() { self.params.dry_penalty_last_n } else { Some(0) };
        Some(penalties?.max(dry?))
    }

    /// Chooses a token.
    ///
    /// Time is linear in the vocabulary with a small factor; nothing is allocated once
    /// the workspace has grown, but for [`Sampled::top`].
    ///
    /// # Errors
    /// If a logit is NaN or positive infinity, a length is wrong, the history holds a
    /// token that does not exist, or no token is left to choose.
    pub fn sample(
        &self,
        workspace: &mut Workspace,
        draw: Draw<'_>,
    ) -> Result<Sampled, SamplingError> {
        let Draw { logits, position, history, mask } = draw;
        self.check_lengths(logits, mask)?;
        let likelihood = self.model_likelihood(workspace, logits, position)?;
        self.change_logits(workspace, logits, history, mask)?;
        let token = if self.params.temperature == 0.0 && self.params.typical_p >= 1.0 {
            // No other truncating step can drop the most likely token.
            most_likely(workspace, logits, position)?
        } else {
            let kept = self.truncate(workspace, logits, position)?;
            self.choose(workspace, logits, position, &kept)
        };
        debug_assert!(logits[token as usize] > f32::NEG_INFINITY);
        Ok(report(workspace, token, likelihood))
    }

    /// Calculates the distribution that [`sample`](Self::sample) would draw from.
    ///
    /// Token ids and probabilities, most likely first; tokens that cannot be drawn are
    /// left out. For tests and for looking at what the parameters do.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn distribution(
        &self,
        workspace: &mut Workspace,
        draw: Draw<'_>,
    ) -> Result<Vec<(u32, f64)>, SamplingError> {
        let Draw { logits, position, history, mask } = draw;
        self.check_lengths(logits, mask)?;
        self.change_logits(workspace, logits, history, mask)?;
        if let Kept::All = self.truncate(workspace, logits, position)? {
            gather(logits, &workspace.maxima, f32::NEG_INFINITY, &mut workspace.candidates);
        }
        let candidates = &mut workspace.candidates;
        truncate_to_top(candidates, usize::MAX);
        if self.params.temperature == 0.0 {
            return Ok(candidates.first().map(|c| (c.id, 1.0)).into_iter().collect());
        }
        let total = weigh(candidates, inverse(self.params.temperature));
        Ok(candidates
            .iter()
            .filter(|c| c.weight > 0.0)
            .map(|c| (c.id, f64::from(c.weight) / total))
            .collect())
    }

    fn check_lengths(&self, logits: &[f32], mask: Option<&[u32]>) -> Result<(), SamplingError> {
        if logits.len() != self.vocab_len {
            return Err(SamplingError::LogitsLength {
                expected: self.vocab_len,
                got: logits.len(),
            });
        }
        match mask {
            Some([]) => Err(SamplingError::EmptyMask),
            _ => Ok(()),
        }
    }

    /// Mask, bias and penalties, in this order.
    fn change_logits(
        &self,
        workspace: &mut Workspace,
        logits: &mut [f32],
        history: &[u32],
        mask: Option<&[u32]>,
    ) -> Result<(), SamplingError> {
        if let Some(mask) = mask {
            apply_mask(logits, mask);
        }
        for (&token, &bias) in &self.params.logit_bias {
            logits[token as usize] += bias;
        }
        if self.params.has_penalties() {
            apply_penalties(&self.params, logits, history, workspace)?;
        }
        if self.params.has_dry() {
            super::dry::apply_dry(&self.params, &self.breakers, logits, history, workspace)?;
        }
        Ok(())
    }

    /// Top-k, typical, top-p and min-p, in this order.
    fn truncate(
        &self,
        workspace: &mut Workspace,
        logits: &[f32],
        position: u64,
    ) -> Result<Kept, SamplingError> {
        let params = &self.params;
        let max = find_maximum(workspace, logits, position)?;
        let Workspace { maxima, scratch, candidates, open, sums, .. } = workspace;
        let mut kept = Kept::All;
        if params.top_k > 0 && params.top_k < logits.len() {
            top_k(logits, maxima, params.top_k, scratch, candidates);
            kept = Kept::Listed;
        }
        if params.typical_p < 1.0 {
            if let Kept::All = kept {
                gather(logits, maxima, f32::NEG_INFINITY, candidates);
                kept = Kept::Listed;
            }
            keep_typical(candidates, open, params.typical_p);
        }
        if params.top_p < 1.0 {
            let total = if let Kept::All = kept {
                let total = exp_sums(logits, max, 1.0, sums);
                gather_for_top_p(logits, maxima, max, total, params.top_p, candidates);
                kept = Kept::Listed;
                Some(total)
            } else {
                None
            };
            keep_top_p(candidates, open, params.top_p, total);
        }
        if params.min_p > 0.0 {
            let below_max = libm::log(f64::from(params.min_p)) as f32;
            if let Kept::All = kept {
                gather(logits, maxima, max + below_max, candidates);
                kept = Kept::Listed;
            } else {
                let floor = max_logit(candidates) + below_max;
                candidates.retain(|c| c.logit >= floor);
            }
        }
        Ok(kept)
    }

    /// Draws from what is left, at the temperature.
    fn choose(&self, workspace: &mut Workspace, logits: &[f32], position: u64, kept: &Kept) -> u32 {
        let temperature = self.params.temperature;
        if temperature == 0.0 {
            // Only after the typical step, which may have dropped the most likely token.
            truncate_to_top(&mut workspace.candidates, 1);
            return workspace.candidates[0].id;
        }
        let chance = uniform(self.params.seed, self.sample, position);
        let scale = inverse(temperature);
        match kept {
            Kept::Listed => {
                let total = weigh(&mut workspace.candidates, scale);
                draw_candidate(&workspace.candidates, chance * total)
            }
            Kept::All => {
                let max = max_of(&workspace.maxima);
                let total = exp_sums(logits, max, scale, &mut workspace.sums);
                draw_token(logits, max, scale, &workspace.sums, chance * total)
            }
        }
    }

    /// Keeps what the log-probabilities need before the logits are changed.
    ///
    /// Returns the logarithm of the sum of the exponentials, if it is asked for.
    fn model_likelihood(
        &self,
        workspace: &mut Workspace,
        logits: &[f32],
        position: u64,
    ) -> Result<Option<f64>, SamplingError> {
        let Some(count) = self.params.logprobs else { return Ok(None) };
        let max = find_maximum(workspace, logits, position)?;
        let total = exp_sum(logits, max);
        let Workspace { maxima, scratch, likeliest, raw, .. } = workspace;
        top_k(logits, maxima, count, scratch, likeliest);
        raw.clear();
        raw.extend_from_slice(logits);
        Ok(Some(f64::from(max) + libm::log(total)))
    }
}

/// Puts the token and the log-probabilities together; `log_total` is the logarithm of
/// the sum of the exponentials of the model's logits.
fn report(workspace: &Workspace, token: u32, log_total: Option<f64>) -> Sampled {
    let Some(log_total) = log_total else {
        return Sampled { token, logprob: None, top: Vec::new() };
    };
    let logprob = |logit: f32| (f64::from(logit) - log_total) as f32;
    Sampled {
        token,
        logprob: Some(logprob(workspace.raw[token as usize])),
        top: workspace.likeliest.iter().map(|c| (c.id, logprob(c.logit))).collect(),
    }
}

/// Fills in the block maxima and returns the largest logit.
fn find_maximum(
    workspace: &mut Workspace,
    logits: &[f32],
    position: u64,
) -> Result<f32, SamplingError> {
    block_maxima(logits, &mut workspace.maxima).map_err(|token| SamplingError::BadLogit {
        value: logits[token],
        token: token as u32,
        position,
    })?;
    let max = max_of(&workspace.maxima);
    if max == f32::NEG_INFINITY {
        return Err(SamplingError::NothingToChoose { position });
    }
    Ok(max)
}

/// The lowest id among the largest logits.
fn most_likely(
    workspace: &mut Workspace,
    logits: &[f32],
    position: u64,
) -> Result<u32, SamplingError> {
    let max = find_maximum(workspace, logits, position)?;
    let block = workspace.maxima.iter().position(|&m| m == max).unwrap_or(0);
    let start = block * BLOCK;
    let offset = logits[start..].iter().position(|&x| x == max).unwrap_or(0);
    Ok((start + offset) as u32)
}

/// The candidate in whose share of the total weight `target` lies.
fn draw_candidate(candidates: &[Candidate], target: f64) -> u32 {
    let mut sum = 0.0;
    let mut last = 0;
    for candidate in candidates.iter().filter(|c| c.weight > 0.0) {
        sum += f64::from(candidate.weight);
        last = candidate.id;
        if sum > target {
            break;
        }
    }
    last
}

/// The token in whose share of the total weight `target` lies.
///
/// `sums`: the weight of each block. The block is found by its sum and the token by
/// its own weight; where rounding lets the target lie beyond the last token of the
/// block, that token is taken.
fn draw_token(logits: &[f32], max: f32, scale: f32, sums: &[f64], target: f64) -> u32 {
    let mut before = 0.0;
    let mut chosen = 0;
    for (block, &sum) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0.0) {
        chosen = block;
        if before + sum > target {
            break;
        }
        before += sum;
    }
    let start = chosen * BLOCK;
    let end = logits.len().min(start + BLOCK);
    let mut sum = before;
    let mut last = start;
    for (token, &logit) in logits.iter().enumerate().take(end).skip(start) {
        let weight = exp((logit - max) * scale);
        if weight == 0.0 {
            continue;
        }
        sum += f64::from(weight);
        last = token;
        if sum > target {
            break;
        }
    }
    last as u32
}
