//! Steps that drop tokens, on a list of candidates.

use super::math::exp;
use super::select::{Share, gather, keep_share};
use super::workspace::Candidate;

/// `1 / temperature`, kept finite so that its product with a difference of 0 is 0.
pub(super) fn inverse(temperature: f32) -> f32 {
    temperature.recip().min(1e30)
}

/// The largest logit of a list; negative infinity where it is empty.
pub(super) fn max_logit(candidates: &[Candidate]) -> f32 {
    candidates.iter().fold(f32::NEG_INFINITY, |m, c| if c.logit > m { c.logit } else { m })
}

/// Sets the weights to `e^((logit - largest) * scale)` and returns their sum.
pub(super) fn weigh(candidates: &mut [Candidate], scale: f32) -> f64 {
    weigh_from(candidates, max_logit(candidates), scale)
}

/// Sets the weights to `e^((logit - max) * scale)` and returns their sum.
fn weigh_from(candidates: &mut [Candidate], max: f32, scale: f32) -> f64 {
    /// Candidates are copied side by side so that the compiler can use vectors.
    const SIDE_BY_SIDE: usize = 16;
    let mut total = 0.0;
    for group in candidates.chunks_mut(SIDE_BY_SIDE) {
        let mut weights = [f32::NEG_INFINITY; SIDE_BY_SIDE];
        for (weight, candidate) in weights.iter_mut().zip(group.iter()) {
            *weight = (candidate.logit - max) * scale;
        }
        for weight in &mut weights {
            *weight = exp(*weight);
        }
        for (weight, candidate) in weights.iter().zip(group) {
            candidate.weight = *weight;
            total += f64::from(*weight);
        }
    }
    total
}

/// Collects every token that can be in the nucleus, with its weight.
///
/// Tokens with a probability below `(1 - p) / n` have less than `1 - p` together,
/// so those above reach `p` without them. That bound is loose, so a higher one is
/// tried first, which most distributions of language models need not go below.
pub(super) fn gather_for_top_p(
    logits: &[f32],
    maxima: &[f32],
    max: f32,
    total: f64,
    p: f32,
    candidates: &mut Vec<Candidate>,
) {
    const FIRST_DEPTH: f32 = 10.0;
    let least = (1.0 - f64::from(p)) * total / logits.len() as f64;
    // A little lower than the bound, because the exponentials are rounded.
    let bound = (libm::log(least) - 1e-3) as f32;
    for depth in [-FIRST_DEPTH, bound] {
        gather(logits, maxima, max + depth.max(bound), candidates);
        let weight = weigh_from(candidates, max, 1.0);
        if weight > f64::from(p) * total * (1.0 + 1e-6) {
            break;
        }
    }
}

/// Keeps the most likely candidates until their probabilities reach `p`.
///
/// `total`: the sum of the weights of all tokens, where the list is only a part of
/// them and has its weights; else the list is everything.
pub(super) fn keep_top_p(
    candidates: &mut Vec<Candidate>,
    open: &mut Vec<Candidate>,
    p: f32,
    total: Option<f64>,
) {
    let total = total.unwrap_or_else(|| weigh(candidates, 1.0));
    for candidate in candidates.iter_mut() {
        candidate.key = -candidate.logit;
    }
    keep_share(candidates, open, f64::from(p) * total, Share::Met);
}

/// Keeps the candidates whose surprise is nearest to the entropy, until their
/// probabilities exceed `p`.
pub(super) fn keep_typical(candidates: &mut Vec<Candidate>, open: &mut Vec<Candidate>, p: f32) {
    let max = max_logit(candidates);
    let total = weigh(candidates, 1.0);
    // The surprise of a token is ln Z - (x - max), and the entropy is the mean of that:
    // in the difference ln Z cancels. A weight of zero adds nothing to the mean.
    let mut sum = 0.0;
    for candidate in candidates.iter().filter(|c| c.weight > 0.0) {
        sum += f64::from(candidate.weight) * f64::from(candidate.logit - max);
    }
    let mean = (sum / total) as f32;
    for candidate in candidates.iter_mut() {
        candidate.key = (mean - (candidate.logit - max)).abs();
    }
    keep_share(candidates, open, f64::from(p) * total, Share::Exceeded);
}
