//! Losses that jump: the step is not taken.

use serde::{Deserialize, Serialize};

/// How many losses the mean is over, about.
const MEMORY: f64 = 20.0;
/// How many losses have to be known.
const KNOWN: u64 = 50;
/// How many standard deviations above the mean a loss must be, and at least how much.
const DEVIATIONS: f64 = 6.0;
const AT_LEAST: f64 = 0.5;
/// After so many in a row it is no spike any more.
const MOST_IN_A_ROW: u32 = 5;

/// What is known of recent losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spikes {
    mean: f64,
    last: f64,
    /// Half the mean square of the change from one loss to the next: the variance of the noise,
    /// without the loss's own fall.
    variance: f64,
    seen: u64,
    in_a_row: u32,
}

impl Spikes {
    /// Whether the step with this loss is to be skipped. The loss is remembered if not.
    pub(crate) fn is_spike(&mut self, loss: f64) -> bool {
        let above = loss - self.mean;
        let limit = (DEVIATIONS * self.variance.sqrt()).max(AT_LEAST);
        if self.seen >= KNOWN && above > limit && self.in_a_row < MOST_IN_A_ROW {
            self.in_a_row += 1;
            return true;
        }
        self.in_a_row = 0;
        let share = (1.0 / (self.seen + 1) as f64).max(1.0 / MEMORY);
        if self.seen > 0 {
            self.variance += share * ((loss - self.last).powi(2) / 2.0 - self.variance);
        }
        self.seen += 1;
        self.mean += share * above;
        self.last = loss;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_skipped_and_a_new_level_is_not() {
        let mut spikes = Spikes::default();
        let falling = |i: u32| 5.0 - 0.02 * f64::from(i) + 0.05 * f64::from(i % 3);
        assert!((0..100).all(|i| !spikes.is_spike(falling(i))));
        assert!(spikes.is_spike(4.5));
        assert!(!spikes.is_spike(falling(101)));
        let skipped = (0..20).filter(|_| spikes.is_spike(6.0)).count();
        assert_eq!(skipped, MOST_IN_A_ROW as usize);
    }
}
