//! Simulated answers, as unlike the normal distribution as real ones.

#![allow(dead_code, reason = "each test uses some of the worlds")]

use mynah_lab::statistics::random::Generator;
use mynah_lab::statistics::sign_flip::Unit;

/// The length of an answer: lognormal, skewed to the right.
pub(crate) fn length(generator: &mut Generator) -> f64 {
    (0.5 * generator.normal()).exp()
}

/// Whether an answer passes.
pub(crate) fn pass(generator: &mut Generator, rate: f64) -> bool {
    generator.uniform() < rate
}

/// The share of four seeds that pass.
pub(crate) fn rate(generator: &mut Generator, rate: f64) -> f64 {
    (0..4).filter(|_| pass(generator, rate)).count() as f64 / 4.0
}

/// Differences of lengths where the treatment makes answers longer by 20 % in the mean.
pub(crate) fn lengths(generator: &mut Generator, inputs: usize) -> (Vec<f64>, f64) {
    let mut difference = || {
        let topic = (0.3 * generator.normal()).exp();
        topic * (1.2 * length(generator) - length(generator))
    };
    let differences = (0..inputs).map(|_| difference()).collect();
    // Means of lognormals: e^(0.3² / 2) (1.2 - 1) e^(0.5² / 2).
    (differences, 0.2 * (0.045f64 + 0.125).exp())
}

/// Differences of pass rates of four seeds; inputs differ in how hard they are.
pub(crate) fn pass_rates(generator: &mut Generator, inputs: usize) -> (Vec<f64>, f64) {
    let mut difference = || {
        let hard = 0.2 + 0.5 * generator.uniform();
        rate(generator, hard + 0.15) - rate(generator, hard)
    };
    ((0..inputs).map(|_| difference()).collect(), 0.15)
}

/// Differences of scores of 1 to 5.
pub(crate) fn scores(generator: &mut Generator, inputs: usize) -> (Vec<f64>, f64) {
    let mut difference = || {
        let high = if pass(generator, 0.4) { 5 } else { 1 + generator.below(5) };
        high as f64 - (1 + generator.below(5)) as f64
    };
    // 0.4 x 5 + 0.6 x 3 = 3.8 against 3.
    ((0..inputs).map(|_| difference()).collect(), 0.8)
}

/// Groups of 2 to 5 inputs whose differences resemble each other; true mean 0.3.
pub(crate) fn grouped(generator: &mut Generator, groups: usize) -> Vec<Unit> {
    let mut group = || {
        let shared = 0.7 * generator.normal();
        let weight = 2 + generator.below(4);
        let sum = (0..weight).map(|_| 0.3 + shared + generator.normal()).sum();
        Unit { sum, weight: weight as f64 }
    };
    (0..groups).map(|_| group()).collect()
}
