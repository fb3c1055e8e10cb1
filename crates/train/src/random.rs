//! Random numbers as functions of a seed and of what they are for.
//!
//! Nothing keeps a generator: each use starts its own from the seed, its purpose and its number. So
//! the state of all randomness in a run is the seed and the step.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What random numbers are for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The weights of tensor `n` before the first step.
    Weights = 1,
    /// The order of documents in epoch `n`.
    Order = 2,
    /// Which numbers of branch `n` are dropped.
    Dropout = 3,
    /// The words of sample `n`.
    Sample = 4,
}

/// A seeded generator.
///
/// Source: Blackman & Vigna 2021, "Scrambled linear pseudorandom number generators" (xoshiro256++).
pub(crate) struct Generator(Xoshiro256PlusPlus);

impl Generator {
    /// Starts the numbers of one use.
    pub(crate) fn new(seed: u64, purpose: Purpose, n: u64) -> Self {
        let mixed = mix(mix(mix(seed) ^ purpose as u64) ^ n);
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// An integer below `end`, each equally likely; 0 if `end` is 0.
    ///
    /// Source: Lemire 2019, "Fast random integer generation in an interval".
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(end);
            if end == 0 || product as u64 >= end.wrapping_neg() % end {
                return (product >> 64) as usize;
            }
        }
    }

    /// A number in [0, 1) with 53 random bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal deviate, by the sum of twelve uniform ones: its tails end at six, and it
    /// has the same bits on every machine. For the weights of a network that is near enough.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Puts items into random order (Fisher & Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Spreads the bits of a number over all bits.
/// Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators".
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_numbers_of_its_own() {
        let first = |seed, purpose, n| Generator::new(seed, purpose, n).uniform();
        assert_eq!(first(1, Purpose::Order, 0), first(1, Purpose::Order, 0));
        let all = [
            first(1, Purpose::Order, 0),
            first(2, Purpose::Order, 0),
            first(1, Purpose::Weights, 0),
            first(1, Purpose::Order, 1),
        ];
        for (i, x) in all.iter().enumerate() {
            assert!(!all[..i].contains(x), "{all:?}");
        }
    }

    #[test]
    fn normal_deviates_have_mean_zero_and_variance_one() {
        let mut generator = Generator::new(3, Purpose::Weights, 0);
        let drawn: Vec<f64> = (0..100_000).map(|_| generator.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 1e5;
        let square = drawn.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.012 && (square - 1.0).abs() < 0.02, "{mean} {square}");
    }
}
