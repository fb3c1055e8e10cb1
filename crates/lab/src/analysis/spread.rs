//! How much rewording the prompt moves its result.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::outcome::Observation;
use crate::statistics::summary::{mean, quantile, sorted};

/// The results of one arm over its wordings, each input counted once.
///
/// Source: Sclar et al. 2023, "Quantifying language models' sensitivity to spurious features in
/// prompt design" (FormatSpread, arXiv 2310.11324).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many wordings there are.
    pub wordings: usize,
    /// The result of the worst wording, if lower is worse.
    pub minimum: f64,
    /// The middle result.
    pub median: f64,
    /// The result of the highest wording.
    pub maximum: f64,
    /// The result of each wording, in order of the wordings.
    pub results: Vec<(usize, f64)>,
}

/// Summarises the wordings of `arm`; absent if it has no observations.
///
/// The extremes of noisy results lie further apart than the wordings do: compare with the variance
/// component of rewording ([`super::model()`]).
pub fn spread(observations: &[Observation], arm: usize) -> Option<Spread> {
    let mut values: BTreeMap<usize, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    for seen in observations.iter().filter(|seen| seen.arm == arm) {
        let inputs = values.entry(seen.paraphrase).or_default();
        inputs.entry(seen.input).or_default().push(seen.value);
    }
    let result = |inputs: &BTreeMap<usize, Vec<f64>>| {
        mean(&inputs.values().map(|values| mean(values)).collect::<Vec<_>>())
    };
    let results: Vec<(usize, f64)> =
        values.iter().map(|(&wording, inputs)| (wording, result(inputs))).collect();
    let ordered = sorted(&results.iter().map(|(_, result)| *result).collect::<Vec<_>>());
    Some(Spread {
        wordings: results.len(),
        minimum: *ordered.first()?,
        median: quantile(&ordered, 0.5),
        maximum: *ordered.last()?,
        results,
    })
}
