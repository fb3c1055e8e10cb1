//! Minimises a smooth function of a few numbers, of which only the value is known.

use nalgebra::DMatrix;

/// Where a search ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The place.
    pub point: Vec<f64>,
    /// The function's value there.
    pub value: f64,
    /// Whether the function is flat there, to rounding; false if the search was given up.
    pub converged: bool,
}

/// How many steps are tried.
const STEPS: usize = 200;

/// Goes downhill from `start` by the method of Broyden, Fletcher, Goldfarb and Shanno, with
/// gradients by central differences and halved steps.
///
/// Source: Nocedal & Wright 2006, *Numerical Optimization*, algorithm 6.1. A value that is not a
/// number counts as infinitely high.
pub fn minimise(start: &[f64], mut function: impl FnMut(&[f64]) -> f64) -> Minimum {
    let mut evaluate = |point: &[f64]| {
        let value = function(point);
        if value.is_nan() { f64::INFINITY } else { value }
    };
    let mut point = start.to_vec();
    let mut value = evaluate(&point);
    let mut slope = gradient(&point, &mut evaluate);
    let mut inverse = identity(point.len());
    let mut fresh = true;
    for _ in 0..STEPS {
        let mut direction = product(&inverse, &slope);
        direction.iter_mut().for_each(|d| *d = -*d);
        let descent = dot(&direction, &slope);
        let step = (descent < 0.0)
            .then(|| search(&point, value, &direction, descent, fresh, &mut evaluate))
            .flatten();
        let Some((next, next_value)) = step else {
            // A bent estimate of the curvature is forgotten once before giving up.
            if fresh {
                break;
            }
            (inverse, fresh) = (identity(point.len()), true);
            continue;
        };
        let next_slope = gradient(&next, &mut evaluate);
        let moved: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next_slope.iter().zip(&slope).map(|(a, b)| a - b).collect();
        update(&mut inverse, &moved, &turned, fresh);
        fresh = false;
        let gain = value - next_value;
        (point, value, slope) = (next, next_value, next_slope);
        if gain < 1e-9 * (1.0 + value.abs()) && is_flat(&slope, value) {
            break;
        }
    }
    let converged = is_flat(&slope, value);
    Minimum { point, value, converged }
}

fn is_flat(slope: &[f64], value: f64) -> bool {
    slope.iter().all(|s| s.abs() < 1e-5 * (1.0 + value.abs()).max(10.0))
}

/// Halves the step until the function falls enough (Armijo); absent if it never does.
fn search(
    point: &[f64],
    value: f64,
    direction: &[f64],
    descent: f64,
    fresh: bool,
    evaluate: &mut impl FnMut(&[f64]) -> f64,
) -> Option<(Vec<f64>, f64)> {
    // Without any idea of the curvature the first step is kept to a length of a half.
    let length = dot(direction, direction).sqrt();
    let mut step = if fresh { (0.5 / length).min(1.0) } else { 1.0 };
    for _ in 0..40 {
        let next: Vec<f64> = point.iter().zip(direction).map(|(p, d)| p + step * d).collect();
        let next_value = evaluate(&next);
        if next_value <= value + 1e-4 * step * descent && next_value < value {
            return Some((next, next_value));
        }
        step *= 0.5;
    }
    None
}

/// The slope in each direction, by central differences.
pub fn gradient(point: &[f64], evaluate: &mut impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let mut at = point.to_vec();
    (0..point.len())
        .map(|index| {
            let width = 1e-5 * point[index].abs().max(1.0);
            at[index] = point[index] + width;
            let above = evaluate(&at);
            at[index] = point[index] - width;
            let below = evaluate(&at);
            at[index] = point[index];
            (above - below) / (2.0 * width)
        })
        .collect()
}

/// Second derivatives of `function` at `point`, by central differences over a thousandth.
pub fn hessian(point: &[f64], mut function: impl FnMut(&[f64]) -> f64) -> DMatrix<f64> {
    let width: Vec<f64> = point.iter().map(|value| 1e-3 * value.abs().max(1e-3)).collect();
    let mut at = |i: usize, x: f64, j: usize, y: f64| {
        let mut moved = point.to_vec();
        moved[i] += x * width[i];
        moved[j] += y * width[j];
        function(&moved)
    };
    let mut hessian = DMatrix::zeros(point.len(), point.len());
    for i in 0..point.len() {
        for j in 0..=i {
            let sum = at(i, 1.0, j, 1.0) - at(i, 1.0, j, -1.0) - at(i, -1.0, j, 1.0)
                + at(i, -1.0, j, -1.0);
            hessian[(i, j)] = sum / (4.0 * width[i] * width[j]);
            hessian[(j, i)] = hessian[(i, j)];
        }
    }
    hessian
}

/// The inverse of the curvature, improved by one step: H ← (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ.
fn update(inverse: &mut [Vec<f64>], moved: &[f64], turned: &[f64], fresh: bool) {
    let curvature = dot(moved, turned);
    if curvature <= 1e-14 * dot(moved, moved).sqrt() * dot(turned, turned).sqrt() {
        return;
    }
    if fresh {
        let scale = curvature / dot(turned, turned);
        inverse.iter_mut().enumerate().for_each(|(i, row)| row[i] = scale);
    }
    let turned_back = product(inverse, turned);
    let factor = (1.0 + dot(turned, &turned_back) / curvature) / curvature;
    for (i, row) in inverse.iter_mut().enumerate() {
        for (j, cell) in row.iter_mut().enumerate() {
            let mixed = turned_back[i] * moved[j] + moved[i] * turned_back[j];
            *cell += factor * moved[i] * moved[j] - mixed / curvature;
        }
    }
}

fn identity(n: usize) -> Vec<Vec<f64>> {
    (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn product(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_a_bent_valley_is_found() {
        // Rosenbrock's function has its minimum, 0, at (1, 1).
        let valley = |p: &[f64]| 100.0 * (p[1] - p[0] * p[0]).powi(2) + (1.0 - p[0]).powi(2);
        let minimum = minimise(&[-1.2, 1.0], valley);
        assert!(minimum.converged, "{minimum:?}");
        assert!((minimum.point[0] - 1.0).abs() < 1e-3 && (minimum.point[1] - 1.0).abs() < 2e-3);
    }

    #[test]
    fn a_function_without_values_is_given_up() {
        assert!(!minimise(&[1.0], |_| f64::NAN).converged);
    }
}
