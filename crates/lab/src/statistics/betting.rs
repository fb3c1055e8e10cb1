//! A confidence sequence for a bounded mean: an interval that holds at every look.
//!
//! For each value m that the mean might have, money is bet against it: K⁺ on a mean above m, K⁻ on a
//! mean below. If m is true, neither fortune can be expected to grow, and the chance that it ever
//! reaches 1 / α is at most α (Ville 1939). The values against which neither bet has won are the
//! sequence; the fortune won against "no difference" is the e-value.
//!
//! Source: Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables by betting",
//! hedged capital process with the maximum of both sides and predictable plug-in bets (section 4).

use super::Interval;

/// How many values of the mean are bet against; odd, so that the middle is one of them.
const POINTS: usize = 2001;

/// The largest share of the fortune that is bet.
const LARGEST_BET: f64 = 0.5;

/// The fortunes of all bets so far.
#[derive(Clone, Debug)]
pub struct Betting {
    low: f64,
    high: f64,
    alpha: f64,
    /// Logarithm of the fortune that bet on a mean above each point; falls along the points.
    above: Vec<f64>,
    /// Logarithm of the fortune that bet on a mean below each point; rises along the points.
    below: Vec<f64>,
    /// Points ever rejected from either end: both sides together missing with chance α.
    rejected: Ends,
    /// The same, each side missing with chance α by itself.
    rejected_one_sided: Ends,
    count: usize,
    sum: f64,
    squares: f64,
}

/// How many points are rejected at the lower end and at the upper end.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    lower: usize,
    upper: usize,
}

impl Betting {
    /// Starts betting on values between `low` and `high`; the sequence misses with chance `alpha`.
    pub fn new(low: f64, high: f64, alpha: f64) -> Self {
        Self::with_points(low, high, alpha, POINTS)
    }

    /// The same with fewer points, for simulations: the interval is wider by at most two steps.
    pub fn with_points(low: f64, high: f64, alpha: f64, points: usize) -> Self {
        Self {
            low,
            high,
            alpha,
            above: vec![0.0; points],
            below: vec![0.0; points],
            rejected: Ends::default(),
            rejected_one_sided: Ends::default(),
            count: 0,
            sum: 0.0,
            squares: 0.0,
        }
    }

    /// How many values were seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean of the values seen; the middle before the first.
    pub fn mean(&self) -> f64 {
        let share = if self.count == 0 { 0.5 } else { self.sum / self.count as f64 };
        self.low + share * (self.high - self.low)
    }

    /// Settles the bets on one value, which is brought within the bounds.
    pub fn observe(&mut self, value: f64) {
        let x = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let bet = self.bet();
        let last = (self.above.len() - 1) as f64;
        for (index, (above, below)) in self.above.iter_mut().zip(&mut self.below).enumerate() {
            let m = index as f64 / last;
            // A bet of at most half of what could be lost: the fortune never reaches zero.
            *above += (bet.min(LARGEST_BET / m) * (x - m)).ln_1p();
            *below += (bet.min(LARGEST_BET / (1.0 - m)) * (m - x)).ln_1p();
        }
        self.learn(x);
        reject(&mut self.rejected, &self.above, &self.below, (2.0 / self.alpha).ln());
        reject(&mut self.rejected_one_sided, &self.above, &self.below, (1.0 / self.alpha).ln());
    }

    /// The next bet, from what was seen before it: λ = √(2 ln(2/α) / (σ̂² t ln(1 + t))).
    fn bet(&self) -> f64 {
        let t = self.count as f64 + 1.0;
        let variance = (0.25 + self.squares) / t;
        (2.0 * (2.0 / self.alpha).ln() / (variance * t * t.ln_1p())).sqrt()
    }

    fn learn(&mut self, x: f64) {
        self.count += 1;
        self.sum += x;
        let centre = (0.5 + self.sum) / (self.count as f64 + 1.0);
        self.squares += (x - centre).powi(2);
    }

    /// The values not yet excluded, at every look so far together.
    pub fn interval(&self) -> Interval {
        self.within(self.rejected)
    }

    /// The values not excluded if each side alone may miss with chance α: for two one-sided tests.
    pub fn one_sided_interval(&self) -> Interval {
        self.within(self.rejected_one_sided)
    }

    /// The ends are the last points that were rejected, so the steps between points cost nothing.
    fn within(&self, ends: Ends) -> Interval {
        let last = self.above.len() - 1;
        let at = |index: usize| self.low + (self.high - self.low) * index as f64 / last as f64;
        Interval {
            low: at(ends.lower.saturating_sub(1)),
            high: at(last - ends.upper.saturating_sub(1)),
        }
    }

    /// Whether the middle of the bounds was ever excluded, and if so whether the mean is above it.
    pub fn excludes_middle(&self) -> Option<bool> {
        let middle = self.above.len() / 2;
        if self.rejected.lower > middle {
            Some(true)
        } else if self.rejected.upper > middle {
            Some(false)
        } else {
            None
        }
    }

    /// The fortune won against a mean in the middle of the bounds: the larger of two halves.
    ///
    /// Starts at one half. At least 1 / α exactly when the sequence excludes the middle.
    pub fn e_value(&self) -> f64 {
        let middle = self.above.len() / 2;
        0.5 * self.above[middle].max(self.below[middle]).exp()
    }
}

/// Counts the points whose fortune reached `threshold`; once rejected, always rejected.
fn reject(ends: &mut Ends, above: &[f64], below: &[f64], threshold: f64) {
    let points = above.len();
    // If everything were rejected the values have no mean (they drift): the last points stay.
    while ends.lower + ends.upper < points - 1 && above[ends.lower] >= threshold {
        ends.lower += 1;
    }
    while ends.lower + ends.upper < points - 1 && below[points - 1 - ends.upper] >= threshold {
        ends.upper += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Generator;

    #[test]
    fn the_interval_closes_on_the_mean() {
        let mut betting = Betting::new(-1.0, 1.0, 0.05);
        let mut generator = Generator::new(3);
        (0..5_000)
            .for_each(|_| betting.observe(if generator.uniform() < 0.65 { 1.0 } else { -1.0 }));
        let interval = betting.interval();
        // Three times the interval of one look, which is 0.053 wide.
        assert!(interval.contains(0.3) && interval.high - interval.low < 0.159, "{interval:?}");
        assert_eq!(betting.excludes_middle(), Some(true));
    }

    #[test]
    fn the_e_value_and_the_interval_agree() {
        let mut generator = Generator::new(4);
        for effect in [0.0, 0.2, -0.3] {
            let mut betting = Betting::with_points(-1.0, 1.0, 0.05, 201);
            let mut best = 0.0f64;
            for _ in 0..300 {
                betting.observe(effect + 0.6 * (generator.uniform() - 0.5));
                best = best.max(betting.e_value());
                assert_eq!(best >= 20.0, betting.excludes_middle().is_some());
            }
        }
    }

    #[test]
    fn one_interval_lies_in_the_other() {
        let mut betting = Betting::new(0.0, 1.0, 0.05);
        let mut generator = Generator::new(5);
        (0..200).for_each(|_| betting.observe(generator.uniform()));
        let (both, one) = (betting.interval(), betting.one_sided_interval());
        assert!(both.low <= one.low && one.high <= both.high, "{both:?} {one:?}");
    }
}
