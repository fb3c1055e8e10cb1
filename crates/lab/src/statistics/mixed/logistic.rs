//! The logistic mixed model, by Laplace's approximation.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::factor::Factor;
use super::matrices::Matrices;
use super::{Coefficient, Column, Component, Error, Fit, Grouping};
use crate::statistics::distribution::normal_cdf;
use crate::statistics::minimise::{hessian, minimise};

/// Beyond this an effect in log odds is a runaway: odds of e²⁰ are half a billion.
const LARGEST_EFFECT: f64 = 20.0;

/// A gain in likelihood below which a search for modes has ended.
const NEGLIGIBLE: f64 = 1e-20;

/// Fits the log odds of passing = columns + groupings.
///
/// `response`: 0 or 1. `columns` should hold a column of ones. Effects and variances maximise
/// Laplace's approximation of the likelihood, as `lme4::glmer` does by default (`nAGQ = 1`); tests
/// are Wald's. Source: Bates et al. 2015; Breslow & Clayton 1993.
pub fn logistic(
    response: &[f64],
    columns: &[Column],
    groupings: &[Grouping],
) -> Result<Fit, Error> {
    if response.iter().any(|&value| value != 0.0 && value != 1.0) {
        return Err(Error::Value { name: "the response".to_owned() });
    }
    let matrices = Matrices::new(response, columns, groupings)?;
    let gram = matrices.fixed.tr_mul(&matrices.fixed);
    if gram.clone().cholesky().is_none_or(|factor| is_singular(&factor, &gram)) {
        return Err(Error::Aliased);
    }
    let problem = Problem { matrices };
    // The best variances with effects and deviations found together are a good start.
    let mut at = problem.start();
    let rough =
        minimise(&vec![1.0; groupings.len()], |theta| problem.profiled_deviance(theta, &mut at));
    problem.joint_modes(&rough.point, &mut at).ok_or(Error::Separated)?;
    let mut start = rough.point.clone();
    start.extend(at.effects.iter());
    let split = groupings.len();
    let minimum = minimise(&start, |point| {
        at.effects = DVector::from_column_slice(&point[split..]);
        problem.deviance(&point[..split], &mut at)
    });
    let (theta, effects) = minimum.point.split_at(split);
    if !minimum.value.is_finite() || effects.iter().any(|effect| effect.abs() > LARGEST_EFFECT) {
        return Err(Error::Separated);
    }
    // Brings the modes to those of the final point.
    at.effects = DVector::from_column_slice(effects);
    problem.deviance(theta, &mut at);
    let covariance = problem.covariance(theta, effects, at.clone()).ok_or(Error::Separated)?;
    Ok(Fit {
        coefficients: coefficients(columns, effects, &covariance),
        components: problem.components(groupings, theta, &at),
        residual: None,
        deviance: minimum.value,
        converged: minimum.converged,
    })
}

/// Effects, and standardised deviations of all levels.
#[derive(Clone)]
struct Joint {
    effects: DVector<f64>,
    modes: DVector<f64>,
}

/// The information matrix: the factor for the modes, their block with the effects, and the factor
/// for the effects with the modes taken out.
struct Information {
    modes: Factor,
    cross: DMatrix<f64>,
    effects: Cholesky<f64, Dyn>,
}

fn is_singular(factor: &Cholesky<f64, Dyn>, gram: &DMatrix<f64>) -> bool {
    let diagonal = factor.l_dirty().diagonal();
    diagonal.iter().enumerate().any(|(i, entry)| entry * entry <= 1e-10 * gram[(i, i)])
}

struct Problem {
    matrices: Matrices,
}

impl Problem {
    /// Chance of passing for each observation.
    fn chances(
        &self,
        scale: &DVector<f64>,
        effects: &DVector<f64>,
        modes: &DVector<f64>,
    ) -> DVector<f64> {
        let log_odds =
            &self.matrices.fixed * effects + self.matrices.spread(&modes.component_mul(scale));
        log_odds.map(|x| 1.0 / (1.0 + (-x).exp()))
    }

    /// Minus twice the log likelihood of the responses, plus the squares of the modes.
    fn penalised(&self, chances: &DVector<f64>, modes: &DVector<f64>) -> f64 {
        let one = |(&seen, &chance): (&f64, &f64)| {
            -2.0 * (if seen == 1.0 { chance } else { 1.0 - chance }).max(1e-300).ln()
        };
        let seen: f64 = self.matrices.response.iter().zip(chances.iter()).map(one).sum();
        seen + modes.norm_squared()
    }

    /// Factors Λ Zᵀ W Z Λ + I with the weights of the chances.
    fn factor(&self, scale: &DVector<f64>, chances: &DVector<f64>) -> Option<Factor> {
        self.matrices.gram(|row| chances[row] * (1.0 - chances[row])).factor(scale)
    }

    fn residual(&self, chances: &DVector<f64>) -> DVector<f64> {
        &self.matrices.response - chances
    }

    /// Laplace's deviance at given variances and effects; starts at and moves the modes.
    fn deviance(&self, theta: &[f64], at: &mut Joint) -> f64 {
        let scale = self.matrices.scale(theta);
        let mut chances = self.chances(&scale, &at.effects, &at.modes);
        let mut value = self.penalised(&chances, &at.modes);
        for _ in 0..100 {
            let Some(factor) = self.factor(&scale, &chances) else { return f64::NAN };
            let residual = self.residual(&chances);
            let slope =
                self.matrices.transposed(|row| residual[row]).component_mul(&scale) - &at.modes;
            let step = factor.solve(&slope);
            // Newton's step reduces the value by about this much, and the determinant by its root.
            if slope.dot(&step) < NEGLIGIBLE {
                return value + factor.log_determinant();
            }
            let mut share = 1.0;
            loop {
                let next = &at.modes + &step * share;
                let next_chances = self.chances(&scale, &at.effects, &next);
                let next_value = self.penalised(&next_chances, &next);
                if next_value <= value * (1.0 + 1e-12) || share < 1e-6 {
                    (at.modes, chances, value) = (next, next_chances, next_value);
                    break;
                }
                share *= 0.5;
            }
        }
        f64::NAN
    }

    /// Moves effects and modes to where they together maximise the penalised likelihood
    /// (`nAGQ = 0`). Absent if they run away.
    fn joint_modes(&self, theta: &[f64], at: &mut Joint) -> Option<()> {
        let scale = self.matrices.scale(theta);
        let mut value = self.joint_value(&scale, at);
        for _ in 0..100 {
            let (step, gain) = self.joint_step(&scale, at)?;
            let mut share = 1.0;
            loop {
                let next = Joint {
                    effects: &at.effects + &step.effects * share,
                    modes: &at.modes + &step.modes * share,
                };
                let next_value = self.joint_value(&scale, &next);
                if next_value <= value * (1.0 + 1e-12) || share < 1e-6 {
                    (*at, value) = (next, next_value);
                    break;
                }
                share *= 0.5;
            }
            if gain < NEGLIGIBLE {
                let finite = at.effects.iter().all(|effect| effect.abs() <= LARGEST_EFFECT);
                return finite.then_some(());
            }
        }
        None
    }

    fn joint_value(&self, scale: &DVector<f64>, at: &Joint) -> f64 {
        self.penalised(&self.chances(scale, &at.effects, &at.modes), &at.modes)
    }

    /// Newton's step, and by how much it should raise the likelihood.
    fn joint_step(&self, scale: &DVector<f64>, at: &Joint) -> Option<(Joint, f64)> {
        let chances = self.chances(scale, &at.effects, &at.modes);
        let information = self.information(scale, &chances)?;
        let residual = self.residual(&chances);
        let slope = self.matrices.transposed(|row| residual[row]).component_mul(scale) - &at.modes;
        let fixed_slope = self.matrices.fixed.tr_mul(&residual);
        let cross = &information.cross;
        let rest = &fixed_slope - cross.tr_mul(&information.modes.solve(&slope));
        let effects = information.effects.solve(&rest);
        let modes = information.modes.solve(&(&slope - cross * &effects));
        let gain = fixed_slope.dot(&effects) + slope.dot(&modes);
        Some((Joint { effects, modes }, gain))
    }

    /// Laplace's deviance with the effects that the modes ask for; starts at and moves `at`.
    fn profiled_deviance(&self, theta: &[f64], at: &mut Joint) -> f64 {
        if self.joint_modes(theta, at).is_none() {
            *at = self.start();
            return f64::NAN;
        }
        let scale = self.matrices.scale(theta);
        let chances = self.chances(&scale, &at.effects, &at.modes);
        let factor = self.factor(&scale, &chances);
        factor.map_or(f64::NAN, |factor| {
            self.penalised(&chances, &at.modes) + factor.log_determinant()
        })
    }

    fn start(&self) -> Joint {
        let effects = DVector::zeros(self.matrices.columns());
        Joint { effects, modes: DVector::zeros(self.matrices.levels()) }
    }

    /// What the chances tell of modes and effects. Absent if they tell nothing of some effect.
    fn information(&self, scale: &DVector<f64>, chances: &DVector<f64>) -> Option<Information> {
        let weight = chances.map(|chance| chance * (1.0 - chance));
        let x = &self.matrices.fixed;
        let mut cross = DMatrix::zeros(self.matrices.levels(), x.ncols());
        for column in 0..x.ncols() {
            let one = self.matrices.transposed(|row| weight[row] * x[(row, column)]);
            cross.set_column(column, &one.component_mul(scale));
        }
        let mut weighted = x.clone();
        weighted.row_iter_mut().zip(weight.iter()).for_each(|(mut row, weight)| row *= *weight);
        let modes = self.factor(scale, chances)?;
        let mut half = cross.clone();
        modes.solve_lower(&mut half);
        let effects = Cholesky::new(x.tr_mul(&weighted) - half.tr_mul(&half))?;
        Some(Information { modes, cross, effects })
    }

    /// The covariance of the effects: from the curvature of the deviance in variances and effects
    /// together, or, where that is not curved upwards, from the information at the modes.
    fn covariance(&self, theta: &[f64], effects: &[f64], mut at: Joint) -> Option<DMatrix<f64>> {
        // A variance of zero is a border: it is held there.
        let free: Vec<usize> = (0..theta.len()).filter(|&i| theta[i].abs() > 1e-4).collect();
        let mut point: Vec<f64> = free.iter().map(|&index| theta[index]).collect();
        point.extend(effects);
        let curvature = hessian(&point, |point| {
            let mut full = vec![0.0; theta.len()];
            free.iter().zip(point).for_each(|(&index, &value)| full[index] = value);
            at.effects = DVector::from_column_slice(&point[free.len()..]);
            self.deviance(&full, &mut at)
        });
        if let Some(factor) = curvature.cholesky() {
            let (start, count) = (free.len(), effects.len());
            return Some(factor.inverse().view((start, start), (count, count)) * 2.0);
        }
        at.effects = DVector::from_column_slice(effects);
        self.deviance(theta, &mut at);
        let scale = self.matrices.scale(theta);
        let chances = self.chances(&scale, &at.effects, &at.modes);
        Some(self.information(&scale, &chances)?.effects.inverse())
    }

    fn components(&self, groupings: &[Grouping], theta: &[f64], at: &Joint) -> Vec<Component> {
        let scale = self.matrices.scale(theta);
        let deviations = self.matrices.by_grouping(&at.modes.component_mul(&scale));
        let component = |((grouping, theta), deviations): ((&Grouping, &f64), Vec<f64>)| {
            Component { name: grouping.name.clone(), standard_deviation: theta.abs(), deviations }
        };
        groupings.iter().zip(theta).zip(deviations).map(component).collect()
    }
}

fn coefficients(
    columns: &[Column],
    effects: &[f64],
    covariance: &DMatrix<f64>,
) -> Vec<Coefficient> {
    let coefficient = |(index, column): (usize, &Column)| {
        let (estimate, error) = (effects[index], covariance[(index, index)].sqrt());
        let p_value = 2.0 * normal_cdf(-(estimate / error).abs());
        let name = column.name.clone();
        Coefficient { name, estimate, standard_error: error, degrees: f64::INFINITY, p_value }
    };
    columns.iter().enumerate().map(coefficient).collect()
}
