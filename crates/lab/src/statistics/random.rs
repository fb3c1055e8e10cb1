//! Random numbers that are the same on every machine.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A seeded generator: integers, coin flips, shuffles, and for simulations normal deviates.
///
/// Source: Blackman & Vigna 2021, "Scrambled linear pseudorandom number generators" (xoshiro256++).
#[derive(Clone, Debug)]
pub struct Generator(Xoshiro256PlusPlus);

impl Generator {
    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Draws 64 independent fair bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws an integer below `end`, each equally likely; 0 if `end` is 0.
    ///
    /// Source: Lemire 2019, "Fast random integer generation in an interval".
    pub fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        loop {
            let product = u128::from(self.bits()) * u128::from(end);
            // The low half decides whether this draw would favour some integers.
            if end == 0 || product as u64 >= end.wrapping_neg() % end {
                return (product >> 64) as usize;
            }
        }
    }

    /// Draws a number in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Draws a standard normal deviate by the polar method (Marsaglia & Bray 1964).
    pub fn normal(&mut self) -> f64 {
        loop {
            let x = 2.0 * self.uniform() - 1.0;
            let y = 2.0 * self.uniform() - 1.0;
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// Puts `items` in random order, each order equally likely (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence_on_every_machine() {
        let mut generator = Generator::new(1);
        let drawn: Vec<usize> = (0..8).map(|_| generator.below(1000)).collect();
        let mut again = Generator::new(1);
        assert_eq!(drawn, (0..8).map(|_| again.below(1000)).collect::<Vec<_>>());
        assert!(drawn.iter().all(|&value| value < 1000));
    }

    #[test]
    fn integers_are_equally_likely() {
        let mut generator = Generator::new(2);
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[generator.below(7)] += 1);
        let chi_squared: f64 = counts.iter().map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4).sum();
        // The 99.9 % point of chi-squared with 6 degrees of freedom.
        assert!(chi_squared < 22.5, "{counts:?}");
    }

    #[test]
    fn normal_deviates_have_mean_zero_and_variance_one() {
        let mut generator = Generator::new(3);
        let drawn: Vec<f64> = (0..100_000).map(|_| generator.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 1e5;
        let square = drawn.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.012 && (square - 1.0).abs() < 0.02, "{mean} {square}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..50).collect();
        Generator::new(4).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
