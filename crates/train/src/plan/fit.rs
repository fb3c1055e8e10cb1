//! How loss falls with size and data on somebody's own text: a law fitted on short runs.

use nalgebra::{DMatrix, DVector, Matrix3, Vector3};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::CHINCHILLA;

/// How likely a new run lies within [`Prediction::low`] and [`Prediction::high`].
pub const CONFIDENCE: f64 = 0.95;

/// Columns whose matrix of cosines has an eigenvalue below this are the same but for rounding.
const LEAST_EIGENVALUE: f64 = 1e-10;

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Weights that a token is multiplied with.
    pub weights: f64,
    /// Tokens that it learnt from.
    pub tokens: f64,
    /// Its loss on held-out text, in any unit.
    pub loss: f64,
}

/// A loss that is expected, and between which values a new run's would lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// In the unit of the points.
    pub loss: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A fitted law, L(N, D) = E + A / N^α + B / D^β.
///
/// The exponents are those of [`CHINCHILLA`]: short runs of small models are too few and too much
/// alike to tell them. With them the law is linear in E, A and B, which are found by least squares;
/// none is below zero, for a larger model or more text does not make the loss worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// E, A and B; those that are zero were left out.
    pub coefficients: [f64; 3],
    /// The standard deviation of runs around the law.
    pub deviation: f64,
    /// Runs beyond the number of coefficients.
    pub freedom: usize,
    /// The inverse of X'X over the coefficients that are in, zero elsewhere.
    inverse: Matrix3<f64>,
}

fn features(weights: f64, tokens: f64) -> [f64; 3] {
    [1.0, weights.powf(-CHINCHILLA.alpha), tokens.powf(-CHINCHILLA.beta)]
}

impl Fit {
    /// Fits runs; nothing if there are too few different ones.
    pub fn new(points: &[Point]) -> Option<Self> {
        // All three; without one of them; the mean alone.
        let choices: [&[usize]; 4] = [&[0, 1, 2], &[0, 1], &[0, 2], &[0]];
        let fits = choices.iter().filter_map(|columns| Self::with(points, columns));
        let possible = fits.filter(|fit| fit.coefficients.iter().all(|&c| c >= 0.0));
        // A fit with more coefficients is never further off, so the nearest has as many as may be.
        possible.min_by(|a, b| a.squares().total_cmp(&b.squares()))
    }

    fn squares(&self) -> f64 {
        self.deviation * self.deviation * self.freedom as f64
    }

    fn with(points: &[Point], columns: &[usize]) -> Option<Self> {
        let freedom = points.len().checked_sub(columns.len()).filter(|&left| left > 0)?;
        let x = DMatrix::from_fn(points.len(), columns.len(), |row, column| {
            features(points[row].weights, points[row].tokens)[columns[column]]
        });
        let y = DVector::from_iterator(points.len(), points.iter().map(|point| point.loss));
        let products = x.transpose() * &x;
        let lengths = products.diagonal().map(f64::sqrt);
        let alike = products.component_div(&(&lengths * lengths.transpose()));
        if alike.symmetric_eigenvalues().min() < LEAST_EIGENVALUE {
            return None;
        }
        let inverse_small = products.try_inverse()?;
        let found = &inverse_small * x.transpose() * &y;
        let squares = (&x * &found - &y).norm_squared();
        let (mut coefficients, mut inverse) = ([0.0; 3], Matrix3::zeros());
        for (i, &column) in columns.iter().enumerate() {
            coefficients[column] = found[i];
            for (j, &other) in columns.iter().enumerate() {
                inverse[(column, other)] = inverse_small[(i, j)];
            }
        }
        let is_finite = coefficients.iter().chain(inverse.iter()).all(|x| x.is_finite());
        let deviation = (squares / freedom as f64).sqrt();
        is_finite.then_some(Self { coefficients, deviation, freedom, inverse })
    }

    /// What a new run of this size on so many tokens would come to, with the interval of least
    /// squares for a new observation. That the exponents may be others on this text is not in it.
    pub fn predict(&self, weights: f64, tokens: f64) -> Prediction {
        let x = Vector3::from(features(weights, tokens));
        let loss = x.dot(&Vector3::from(self.coefficients));
        let spread = self.deviation * (1.0 + x.dot(&(self.inverse * x))).max(1.0).sqrt();
        let t = StudentsT::new(0.0, 1.0, self.freedom as f64);
        let t = t.map_or(f64::INFINITY, |t| t.inverse_cdf(f64::midpoint(1.0, CONFIDENCE)));
        Prediction { loss, low: loss - t * spread, high: loss + t * spread }
    }
}

/// Sizes and numbers of tokens to fit on: three sizes for each of three budgets, a quarter, a half
/// and all of what one run may take. `sizes` are the weights of models to choose from, ascending;
/// the result has their places.
///
/// Around the size that [`CHINCHILLA`] prefers, so that the runs differ in both directions.
/// Source: Hoffmann et al. 2022, approach 2 ("IsoFLOP profiles").
pub fn grid(sizes: &[f64], operations: f64) -> Vec<(usize, f64)> {
    // 3 · (1/4 + 1/2 + 1) of the largest budget.
    let largest = operations / 5.25;
    let mut runs = Vec::new();
    for budget in [largest / 4.0, largest / 2.0, largest] {
        let best = CHINCHILLA.optimum(budget).parameters;
        let distance = |i: &usize| (sizes[*i] / best).ln().abs();
        let mut near: Vec<usize> = (0..sizes.len()).collect();
        near.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        near.truncate(3);
        near.sort_unstable();
        runs.extend(near.into_iter().map(|i| (i, budget / (6.0 * sizes[i]))));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law(weights: f64, tokens: f64) -> f64 {
        0.9 + 30.0 / weights.powf(CHINCHILLA.alpha) + 90.0 / tokens.powf(CHINCHILLA.beta)
    }

    /// Runs around the law, up and down in turn.
    fn points(noise: f64) -> Vec<Point> {
        let sizes = [2e5, 6e5, 1.5e6];
        let each = sizes.iter().flat_map(|&n| [1e6, 3e6, 9e6].map(|d| (n, d)));
        each.enumerate()
            .map(|(i, (weights, tokens))| {
                let off = [noise, -noise, noise / 2.0, -noise / 2.0][i % 4];
                Point { weights, tokens, loss: law(weights, tokens) + off }
            })
            .collect()
    }

    #[test]
    fn a_law_is_found_again() {
        let fit = Fit::new(&points(0.0)).unwrap();
        for (got, expected) in fit.coefficients.iter().zip([0.9, 30.0, 90.0]) {
            assert!((got / expected - 1.0).abs() < 1e-6, "{:?}", fit.coefficients);
        }
        let far = fit.predict(1e7, 1e9);
        assert!((far.loss - law(1e7, 1e9)).abs() < 1e-6 && far.high - far.low < 1e-6);
    }

    #[test]
    fn intervals_grow_with_noise_and_with_distance() {
        let fit = Fit::new(&points(0.02)).unwrap();
        let width = |n, d| {
            let Prediction { loss, low, high } = fit.predict(n, d);
            assert!(low < loss && loss < high);
            high - low
        };
        assert!(width(1e8, 1e9) > 1.2 * width(6e5, 3e6));
        let noisier = Fit::new(&points(0.04)).unwrap();
        let Prediction { low, high, .. } = noisier.predict(6e5, 3e6);
        assert!((high - low) / width(6e5, 3e6) > 1.8);
        assert!((fit.predict(6e5, 3e6).loss - law(6e5, 3e6)).abs() < 0.02);
    }

    #[test]
    fn a_line_has_the_interval_of_the_textbook() {
        // One predictor alone: with equal sizes the second column is constant and left out.
        let losses = [3.1, 2.6, 2.35, 2.2];
        let tokens = [1e6, 2e6, 4e6, 8e6];
        let points: Vec<Point> = losses
            .iter()
            .zip(tokens)
            .map(|(&loss, tokens)| Point { weights: 1e6, tokens, loss })
            .collect();
        let fit = Fit::new(&points).unwrap();
        assert_eq!(fit.coefficients[1], 0.0);
        assert_eq!(fit.freedom, 2);
        // y = a + b x by the formulas of simple regression.
        let x: Vec<f64> = tokens.iter().map(|d| d.powf(-CHINCHILLA.beta)).collect();
        let n = x.len() as f64;
        let (mx, my) = (x.iter().sum::<f64>() / n, losses.iter().sum::<f64>() / n);
        let sxx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
        let b = x.iter().zip(losses).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / sxx;
        let a = my - b * mx;
        let squares: f64 = x.iter().zip(losses).map(|(x, y)| (y - a - b * x).powi(2)).sum();
        let s = (squares / (n - 2.0)).sqrt();
        let at = 1.6e7f64.powf(-CHINCHILLA.beta);
        // The 97.5th percentile of t with 2 degrees of freedom.
        let half = 4.302_652_73 * s * (1.0 + 1.0 / n + (at - mx).powi(2) / sxx).sqrt();
        let got = fit.predict(1e6, 1.6e7);
        assert!((got.loss - (a + b * at)).abs() < 1e-6);
        assert!(((got.high - got.low) / (2.0 * half) - 1.0).abs() < 1e-4, "{got:?} {half}");
    }

    #[test]
    fn too_few_runs_say_nothing() {
        assert_eq!(Fit::new(&[]), None);
        assert_eq!(Fit::new(&points(0.0)[..1]), None);
    }

    #[test]
    fn nine_runs_take_what_they_may() {
        let sizes: Vec<f64> = (1..=12).map(|depth| 5e5 * f64::from(depth * depth)).collect();
        let runs = grid(&sizes, 1e14);
        assert_eq!(runs.len(), 9);
        let all: f64 = runs.iter().map(|&(i, tokens)| 6.0 * sizes[i] * tokens).sum();
        assert!((all / 1e14 - 1.0).abs() < 1e-9);
        assert!(runs.iter().any(|run| run.0 != runs[0].0));
        // With one size to choose from, only the amounts differ.
        assert_eq!(grid(&[1e6], 1e12).len(), 3);
    }
}
