//! Distribution functions and their inverses, from `statrs`, as plain functions.
//!
//! A parameter outside its range gives NaN rather than a panic.

use statrs::distribution::{
    Beta, Binomial, ChiSquared, ContinuousCDF, DiscreteCDF, FisherSnedecor, StudentsT,
};
use statrs::function::erf::{erfc, erfc_inv};

/// Chance that a standard normal deviate is at most `x`.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

/// The point below which a standard normal deviate falls with chance `p`.
pub fn normal_quantile(p: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

/// Chance that Student's t with `degrees` of freedom is further from zero than `t`.
pub fn student_two_sided(t: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::NAN, |d| (2.0 * d.cdf(-t.abs())).min(1.0))
}

/// The point below which Student's t with `degrees` of freedom falls with chance `p`.
pub fn student_quantile(p: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::NAN, |d| d.inverse_cdf(p))
}

/// Chance that chi-squared with `degrees` of freedom exceeds `x`.
pub fn chi_squared_above(x: f64, degrees: f64) -> f64 {
    ChiSquared::new(degrees).map_or(f64::NAN, |d| d.sf(x.max(0.0)))
}

/// Chance that F with `numerator` and `denominator` degrees of freedom exceeds `x`.
pub fn f_above(x: f64, numerator: f64, denominator: f64) -> f64 {
    FisherSnedecor::new(numerator, denominator).map_or(f64::NAN, |d| d.sf(x.max(0.0)))
}

/// The point below which Beta(`a`, `b`) falls with chance `p`.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    Beta::new(a, b).map_or(f64::NAN, |d| d.inverse_cdf(p))
}

/// Chance of at most `successes` in `trials` of chance `p` each.
pub fn binomial_at_most(successes: u64, trials: u64, p: f64) -> f64 {
    Binomial::new(p, trials).map_or(f64::NAN, |d| d.cdf(successes))
}
