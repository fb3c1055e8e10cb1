//! One model of all observations, and its variances in words.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::outcome::{Observation, Scale};
use crate::statistics::mixed::{self, Column, Error, Fit, Grouping, linear, logistic};

/// A fitted model and what it says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// The fit: effects, and the noise of inputs, wordings, seeds.
    pub fit: Fit,
    /// For each effect, how it compares with each source of noise.
    pub words: Vec<String>,
}

/// Fits the observations = columns + (1|input) + (1|wording) + (1|seed), linear, or logistic for
/// pass and fail.
///
/// `columns`: for each arm a value ([`crate::design::columns`] makes them). A wording belongs to its
/// arm: that some wordings of an arm do better by chance is part of the error of the arm's effect.
/// A grouping with a single level, or with as many levels as there are observations, is left out.
pub fn model(
    observations: &[Observation],
    scale: Scale,
    columns: &[Column],
) -> Result<Model, mixed::Error> {
    let response: Vec<f64> = observations.iter().map(|seen| seen.value).collect();
    let of_arm = |column: &Column| {
        let value = |seen: &Observation| column.values.get(seen.arm).copied().unwrap_or(f64::NAN);
        Column { name: column.name.clone(), values: observations.iter().map(value).collect() }
    };
    let columns: Vec<Column> = columns.iter().map(of_arm).collect();
    let groupings: Vec<Grouping> = [
        grouping("inputs", observations, |seen| (0, seen.input)),
        grouping("rephrasing it", observations, |seen| (seen.arm, seen.paraphrase)),
        grouping("seeds", observations, |seen| (0, seen.repeat)),
    ]
    .into_iter()
    .filter(|grouping| is_estimable(grouping, observations))
    .collect();
    let fit = match scale {
        Scale::Binary => logistic(&response, &columns, &groupings)?,
        Scale::Continuous { .. } | Scale::Ordinal => linear(&response, &columns, &groupings)?,
    };
    Ok(Model { words: words(&fit), fit })
}

fn grouping(
    name: &str,
    observations: &[Observation],
    level: impl Fn(&Observation) -> (usize, usize),
) -> Grouping {
    let mut numbers = BTreeMap::new();
    for seen in observations {
        let next = numbers.len();
        numbers.entry(level(seen)).or_insert(next);
    }
    let levels = observations.iter().map(|seen| numbers[&level(seen)]).collect();
    Grouping { name: name.to_owned(), levels, slope: None }
}

/// Whether the grouping can be told from the noise and from the arms.
fn is_estimable(grouping: &Grouping, observations: &[Observation]) -> bool {
    let levels = grouping.levels.iter().max().map_or(0, |last| last + 1);
    let mut arms: Vec<usize> = observations.iter().map(|seen| seen.arm).collect();
    arms.sort_unstable();
    arms.dedup();
    // One wording for each arm is the arm itself.
    let is_arm = grouping.name == "rephrasing it" && levels <= arms.len();
    levels > 1 && levels < observations.len() && !is_arm
}

/// "the effect of tip = $20 (0.12) is 0.3 x the noise of rephrasing it (0.40)", for each effect but
/// the mean and each noise that is not zero.
fn words(fit: &Fit) -> Vec<String> {
    let mut words = Vec::new();
    for effect in fit.coefficients.iter().skip(1) {
        for noise in fit.components.iter().filter(|noise| noise.standard_deviation > 1e-9) {
            let ratio = effect.estimate.abs() / noise.standard_deviation;
            words.push(format!(
                "the effect of {} ({:.3}) is {ratio:.1} x the noise of {} ({:.3})",
                effect.name, effect.estimate, noise.name, noise.standard_deviation
            ));
        }
    }
    words
}

/// Why a model could not be fitted.
pub type ModelError = Error;
