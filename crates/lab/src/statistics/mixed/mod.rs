//! Mixed models: fixed effects, and groupings whose levels are a random choice of many.
//!
//! Groupings may cross each other (every input answered in every wording). Each has one variance;
//! a slope that varies from level to level is a grouping of its own, not correlated with the
//! intercept. Written after Bates, Mächler, Bolker & Walker 2015, "Fitting linear mixed-effects
//! models using lme4", with dense matrices: good for some thousand observations and some hundred
//! levels.

mod factor;
mod linear;
mod logistic;
mod matrices;

pub use linear::linear;
pub use logistic::logistic;

use serde::Serialize;

/// One column of numbers whose effect is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, for the report.
    pub name: String,
    /// Its value for each observation.
    pub values: Vec<f64>,
}

/// A grouping of the observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// Its name, for the report.
    pub name: String,
    /// The level of each observation, from 0.
    pub levels: Vec<usize>,
    /// What the level's deviation is multiplied with for each observation; 1 if absent.
    pub slope: Option<Vec<f64>>,
}

/// The estimate of one fixed effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coefficient {
    /// The column's name.
    pub name: String,
    /// The effect of one unit of the column; in log odds for a logistic model.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of the test; infinite for a logistic model.
    pub degrees: f64,
    /// Chance of such an estimate if the effect is zero.
    pub p_value: f64,
}

/// The variance of one grouping.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Component {
    /// The grouping's name.
    pub name: String,
    /// Standard deviation between levels, in the unit of the response or in log odds.
    pub standard_deviation: f64,
    /// The deviation of each level, shrunken towards zero.
    pub deviations: Vec<f64>,
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The fixed effects, in order of the columns.
    pub coefficients: Vec<Coefficient>,
    /// The groupings, in order.
    pub components: Vec<Component>,
    /// Standard deviation of what is left; absent for a logistic model.
    pub residual: Option<f64>,
    /// Minus twice the logarithm of the (restricted, or Laplace's) likelihood.
    pub deviance: f64,
    /// Whether the search for the best variances ended at a minimum.
    pub converged: bool,
}

/// Why a model cannot be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A column or grouping has another length than the response.
    #[error("{name} has {got} values for {expected} observations")]
    Length {
        /// The column or grouping.
        name: String,
        /// The length of the response.
        expected: usize,
        /// Its own length.
        got: usize,
    },
    /// There are no more observations than columns.
    #[error("{observations} observations are too few for {columns} effects")]
    TooFew {
        /// How many observations there are.
        observations: usize,
        /// How many columns.
        columns: usize,
    },
    /// Some column is a combination of others.
    #[error("the effects cannot be told apart: a column is a combination of others")]
    Aliased,
    /// A value is not finite, or the response of a logistic model is not 0 or 1.
    #[error("a value of {name} is not allowed")]
    Value {
        /// The column, grouping or response.
        name: String,
    },
    /// The groupings have more levels than fit into memory in reasonable time.
    #[error("{levels} levels are more than {limit}")]
    TooMany {
        /// How many levels there are.
        levels: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The fixed effects run off to infinity: some column separates passes from failures.
    #[error("the effects have no finite estimate: a column separates the outcomes")]
    Separated,
}
