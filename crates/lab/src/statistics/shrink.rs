//! Effects of single inputs, drawn towards their mean as far as they are noise.

use super::summary::mean;

/// Effects after shrinkage, and how much the true effects vary.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunken {
    /// The weighted mean of the effects.
    pub centre: f64,
    /// Variance of the true effects between inputs, apart from noise.
    pub between: f64,
    /// Each effect's best guess: its own value and the centre, weighted by their precision.
    pub effects: Vec<f64>,
}

/// Shrinks `effects`, whose noise has the variances `noise`.
///
/// The variance between inputs solves Σ (effect - centre)² / (between + noise) = n - 1.
/// Sources: Paule & Mandel 1982 (the variance); Efron & Morris 1975 (the shrinkage).
pub fn shrink(effects: &[f64], noise: &[f64]) -> Shrunken {
    let between = between_variance(effects, noise);
    let centre = weighted_mean(effects, noise, between);
    let one = |(&effect, &noise): (&f64, &f64)| {
        let total = between + noise;
        if total > 0.0 { (between * effect + noise * centre) / total } else { effect }
    };
    Shrunken { centre, between, effects: effects.iter().zip(noise).map(one).collect() }
}

fn weighted_mean(effects: &[f64], noise: &[f64], between: f64) -> f64 {
    if noise.iter().any(|noise| between + noise <= 0.0) {
        return mean(effects);
    }
    let weight: f64 = noise.iter().map(|noise| 1.0 / (between + noise)).sum();
    effects.iter().zip(noise).map(|(e, noise)| e / (between + noise)).sum::<f64>() / weight
}

fn between_variance(effects: &[f64], noise: &[f64]) -> f64 {
    let excess = |between: f64| {
        let centre = weighted_mean(effects, noise, between);
        let terms = effects.iter().zip(noise).map(|(effect, noise)| {
            let square = (effect - centre).powi(2);
            if square == 0.0 { 0.0 } else { square / (between + noise) }
        });
        terms.sum::<f64>() - (effects.len() as f64 - 1.0)
    };
    if effects.len() < 2 || excess(0.0) <= 0.0 {
        return 0.0;
    }
    // The excess falls as the variance grows, and is negative at the sum of squares.
    let centre = mean(effects);
    let (mut low, mut high) =
        (0.0, effects.iter().map(|effect| (effect - centre).powi(2)).sum::<f64>());
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if excess(middle) > 0.0 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Generator;

    #[test]
    fn without_noise_nothing_is_shrunk() {
        let shrunken = shrink(&[1.0, 2.0, 6.0], &[0.0; 3]);
        let raw = [1.0, 2.0, 6.0];
        assert!(shrunken.effects.iter().zip(raw).all(|(one, raw)| (one - raw).abs() < 1e-12));
        assert!((shrunken.between - 7.0).abs() < 1e-12);
    }

    #[test]
    fn noise_alone_is_shrunk_away() {
        let shrunken = shrink(&[-0.1, 0.0, 0.1], &[1.0; 3]);
        assert_eq!(shrunken.between, 0.0);
        assert!(shrunken.effects.iter().all(|effect| effect.abs() < 1e-12));
    }

    #[test]
    fn shrunken_effects_lie_closer_to_the_truth() {
        let mut generator = Generator::new(5);
        let (mut raw_error, mut shrunken_error) = (0.0, 0.0);
        for _ in 0..200 {
            let truth: Vec<f64> = (0..40).map(|_| 0.5 * generator.normal()).collect();
            let raw: Vec<f64> = truth.iter().map(|t| t + generator.normal()).collect();
            let shrunken = shrink(&raw, &[1.0; 40]).effects;
            let error = |seen: &[f64]| -> f64 {
                seen.iter().zip(&truth).map(|(seen, truth)| (seen - truth).powi(2)).sum()
            };
            raw_error += error(&raw);
            shrunken_error += error(&shrunken);
        }
        // The best possible is 0.25 / 1.25 = 0.2 of the raw error.
        assert!(shrunken_error < 0.3 * raw_error, "{shrunken_error} {raw_error}");
    }
}
