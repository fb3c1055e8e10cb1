//! The loss of predicted tokens and its gradient, in one pass over the logits.

use super::logarithm::ln;
use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::math;
use crate::pool::Pool;
use crate::rows::{load_chunk, store_chunk};
use crate::shared::SharedMut;

/// What the loss is made of beside the cross-entropy.
#[derive(Clone, Copy, Debug)]
pub struct LossOptions {
    /// What the gradient of each row is multiplied by, such as one over the number of rows.
    pub scale: f32,
    /// How much of the square of the logarithm of the sum of exponentials is added.
    /// Source: Chowdhery et al. 2022, "PaLM".
    pub z_loss: f32,
}

/// Computes `ln(sum(exp(logits))) - logits[target]` of each row, and replaces the logits with the
/// gradient of `scale (loss + z_loss ln(sum)²)` by them.
///
/// `logits`: `[rows, n_vocab]`; `targets`, `losses`: `[rows]`. The z-loss is not in `losses`.
///
/// # Panics
/// If a length differs or a target is none of the tokens.
#[expect(unsafe_code, reason = "threads write different rows")]
pub fn cross_entropy(
    pool: &mut Pool,
    isa: Isa,
    logits: &mut [f32],
    targets: &[u32],
    options: LossOptions,
    losses: &mut [f32],
) {
    const ROWS: usize = 8;
    assert_eq!(losses.len(), targets.len(), "length of the losses");
    if targets.is_empty() {
        return;
    }
    let n_vocab = logits.len() / targets.len();
    assert_eq!(logits.len(), targets.len() * n_vocab, "length of the logits");
    assert!(targets.iter().all(|&target| (target as usize) < n_vocab), "a target is a token");
    let (logits, losses) = (SharedMut::new(logits), SharedMut::new(losses));
    pool.run(targets.len().div_ceil(ROWS), &|piece, _| {
        let first = piece * ROWS;
        let targets = &targets[first..targets.len().min(first + ROWS)];
        // SAFETY: each piece has rows of its own.
        let logits = unsafe { logits.slice(first * n_vocab, targets.len() * n_vocab) };
        // SAFETY: each piece has rows of its own.
        let losses = unsafe { losses.slice(first, targets.len()) };
        for ((row, &target), loss) in logits.chunks_exact_mut(n_vocab).zip(targets).zip(losses) {
            *loss = row_loss(isa, row, target as usize, options);
        }
    });
}

entry! {
    fn row_loss(isa; logits: &mut [f32], target: usize, options: LossOptions) -> f32 = row_loss_on;
}

#[inline(always)]
fn row_loss_on<S: Simd>(s: S, logits: &mut [f32], target: usize, options: LossOptions) -> f32 {
    let mut greatest = s.splat(f32::NEG_INFINITY);
    for at in (0..logits.len()).step_by(LANES) {
        greatest = s.max(greatest, load_chunk(s, logits, at, f32::NEG_INFINITY));
    }
    let most = s.greatest(greatest);
    let right = logits[target];
    let base = s.splat(most);
    let mut sum = s.splat(0.0);
    for at in (0..logits.len()).step_by(LANES) {
        let x = math::exp(s, s.sub(load_chunk(s, logits, at, 0.0), base));
        let x = s.first((logits.len() - at).min(LANES), x, s.splat(0.0));
        sum = s.add(sum, x);
        store_chunk(s, x, logits, at);
    }
    let sum = s.sum(sum);
    let log_sum = f64::from(most) + ln(f64::from(sum));
    let pull = 1.0 + 2.0 * f64::from(options.z_loss) * log_sum;
    let factor = s.splat((pull * f64::from(options.scale) / f64::from(sum)) as f32);
    for at in (0..logits.len()).step_by(LANES) {
        store_chunk(s, s.mul(load_chunk(s, logits, at, 0.0), factor), logits, at);
    }
    logits[target] -= options.scale;
    // Of NaN and infinity comes what is no number, which the caller looks for.
    (log_sum - f64::from(right)) as f32
}
