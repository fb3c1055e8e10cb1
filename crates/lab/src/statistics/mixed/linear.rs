//! The linear mixed model, by restricted maximum likelihood.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::factor::{Gram, log_determinant};
use super::matrices::Matrices;
use super::{Coefficient, Column, Component, Error, Fit, Grouping};
use crate::statistics::distribution::student_two_sided;
use crate::statistics::minimise::{gradient, hessian, minimise};

/// Fits response = columns + groupings + noise.
///
/// `columns` should hold a column of ones. The variances maximise the restricted likelihood, found
/// by profiling (Bates et al. 2015, equation 41); the degrees of freedom of each effect are
/// Satterthwaite's (Kuznetsova, Brockhoff & Christensen 2017).
pub fn linear(response: &[f64], columns: &[Column], groupings: &[Grouping]) -> Result<Fit, Error> {
    let problem = Problem::new(Matrices::new(response, columns, groupings)?);
    let start = vec![1.0; groupings.len()];
    let profile = |theta: &[f64]| {
        problem.solve(theta).map_or(f64::INFINITY, |solved| problem.profiled_deviance(&solved))
    };
    if problem.solve(&start).is_none() {
        return Err(Error::Aliased);
    }
    let minimum = minimise(&start, profile);
    let solved = problem.solve(&minimum.point).ok_or(Error::Aliased)?;
    let degrees = problem.matrices.observations() - problem.matrices.columns();
    let sigma = (solved.squares / degrees as f64).sqrt();
    let freedom = problem.satterthwaite(&minimum.point, sigma);
    let covariance = solved.fixed_factor.inverse() * (sigma * sigma);
    let coefficient = |(index, column): (usize, &Column)| {
        let (estimate, error) = (solved.effects[index], covariance[(index, index)].sqrt());
        Coefficient {
            name: column.name.clone(),
            estimate,
            standard_error: error,
            degrees: freedom[index],
            p_value: student_two_sided(estimate / error, freedom[index]),
        }
    };
    let deviations = problem.matrices.by_grouping(&solved.deviations);
    let component = |((grouping, theta), deviations): ((&Grouping, &f64), Vec<f64>)| Component {
        name: grouping.name.clone(),
        standard_deviation: theta.abs() * sigma,
        deviations,
    };
    Ok(Fit {
        coefficients: columns.iter().enumerate().map(coefficient).collect(),
        components: groupings.iter().zip(&minimum.point).zip(deviations).map(component).collect(),
        residual: Some(sigma),
        deviance: minimum.value,
        converged: minimum.converged,
    })
}

/// The parts of the normal equations that do not depend on the variances.
struct Problem {
    matrices: Matrices,
    /// Zᵀ Z
    gram: Gram,
    /// Zᵀ X, `[levels, columns]`
    cross: DMatrix<f64>,
    /// Zᵀ y, `[levels, 1]`
    seen: DMatrix<f64>,
    /// Xᵀ X, `[columns, columns]`
    fixed_gram: DMatrix<f64>,
    /// Xᵀ y, `[columns]`
    fixed_seen: DVector<f64>,
}

/// The best effects and deviations for given variances.
struct Solved {
    effects: DVector<f64>,
    deviations: DVector<f64>,
    fixed_factor: Cholesky<f64, Dyn>,
    /// Residual squares, with those of the standardised deviations.
    squares: f64,
    log_determinants: f64,
}

impl Problem {
    fn new(matrices: Matrices) -> Self {
        let columns = matrices.columns();
        let mut cross = DMatrix::zeros(matrices.levels(), columns);
        for column in 0..columns {
            cross.set_column(column, &matrices.transposed(|row| matrices.fixed[(row, column)]));
        }
        Self {
            gram: matrices.gram(|_| 1.0),
            cross,
            seen: as_matrix(&matrices.transposed(|row| matrices.response[row])),
            fixed_gram: matrices.fixed.tr_mul(&matrices.fixed),
            fixed_seen: matrices.fixed.tr_mul(&matrices.response),
            matrices,
        }
    }

    /// Solves the penalised least squares for relative standard deviations `theta`.
    ///
    /// Absent if some column is a combination of others.
    fn solve(&self, theta: &[f64]) -> Option<Solved> {
        let scale = self.matrices.scale(theta);
        let factor = self.gram.factor(&scale)?;
        let (mut cross, mut seen) = (self.cross.clone(), self.seen.clone());
        for block in [&mut cross, &mut seen] {
            block.row_iter_mut().zip(scale.iter()).for_each(|(mut row, scale)| row *= *scale);
            factor.solve_lower(block);
        }
        let schur = &self.fixed_gram - cross.tr_mul(&cross);
        if (0..schur.ncols()).any(|i| schur[(i, i)] <= 1e-10 * self.fixed_gram[(i, i)]) {
            return None;
        }
        let fixed_factor = Cholesky::new(schur)?;
        let effects = fixed_factor.solve(&(&self.fixed_seen - cross.tr_mul(&seen).column(0)));
        let mut standard = as_matrix(&(seen.column(0) - &cross * &effects));
        factor.solve_upper(&mut standard);
        let deviations = standard.column(0).component_mul(&scale);
        let fitted = &self.matrices.fixed * &effects + self.matrices.spread(&deviations);
        let squares = (&self.matrices.response - fitted).norm_squared() + standard.norm_squared();
        let log_determinants = factor.log_determinant() + log_determinant(&fixed_factor);
        Some(Solved { effects, deviations, fixed_factor, squares, log_determinants })
    }

    fn degrees(&self) -> f64 {
        (self.matrices.observations() - self.matrices.columns()) as f64
    }

    /// The deviance at the best residual variance.
    fn profiled_deviance(&self, solved: &Solved) -> f64 {
        let sigma = (solved.squares / self.degrees()).sqrt();
        self.deviance(solved, sigma)
    }

    fn deviance(&self, solved: &Solved, sigma: f64) -> f64 {
        let spread = (2.0 * std::f64::consts::PI * sigma * sigma).ln();
        solved.log_determinants + self.degrees() * spread + solved.squares / (sigma * sigma)
    }

    /// Degrees of freedom of each effect: 2 v² / (gᵀ A g), v the variance of the effect, g its
    /// slope in the variance parameters (`theta`, σ), A the covariance of those parameters.
    ///
    /// Infinite where the curvature cannot be inverted.
    fn satterthwaite(&self, theta: &[f64], sigma: f64) -> Vec<f64> {
        // A variance of zero is a border: it is held there.
        let free: Vec<usize> = (0..theta.len()).filter(|&i| theta[i].abs() > 1e-4).collect();
        let place = |point: &[f64]| {
            let mut full = vec![0.0; theta.len()];
            free.iter().zip(point).for_each(|(&index, &value)| full[index] = value);
            full
        };
        let mut point: Vec<f64> = free.iter().map(|&index| theta[index]).collect();
        point.push(sigma);
        let last = point.len() - 1;
        let deviance = |point: &[f64]| {
            let solved = self.solve(&place(&point[..last]));
            solved.map_or(f64::NAN, |solved| self.deviance(&solved, point[last]))
        };
        let Some(covariance) = hessian(&point, deviance).cholesky().map(|h| h.inverse() * 2.0)
        else {
            return vec![f64::INFINITY; self.matrices.columns()];
        };
        let freedom = |column: usize| {
            let mut variance = |point: &[f64]| {
                self.solve(&place(&point[..last])).map_or(f64::NAN, |solved| {
                    solved.fixed_factor.inverse()[(column, column)] * point[last].powi(2)
                })
            };
            let slope = DVector::from_vec(gradient(&point, &mut variance));
            2.0 * variance(&point).powi(2) / slope.dot(&(&covariance * &slope))
        };
        (0..self.matrices.columns()).map(freedom).collect()
    }
}

fn as_matrix(vector: &DVector<f64>) -> DMatrix<f64> {
    DMatrix::from_column_slice(vector.len(), 1, vector.as_slice())
}
