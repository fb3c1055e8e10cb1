//! What an experiment costs at an endpoint.

use std::collections::HashMap;

use crate::experiment::Experiment;
use crate::respond::endpoint::Price;

/// What an experiment is likely to cost at most, in US dollars.
pub fn estimate(experiment: &Experiment, price: Price) -> f64 {
    let mut cost = 0.0;
    let mut costs: HashMap<(usize, usize, usize), f64> = HashMap::new();
    for cell in crate::design::schedule(&experiment.layout(), experiment.seed) {
        let prompt = (cell.arm, cell.paraphrase, cell.input);
        cost += *costs
            .entry(prompt)
            .or_insert_with(|| price.at_most(&experiment.prompt(&cell), &experiment.sampling));
    }
    match experiment.budget.samples {
        Some(most) => {
            let all =
                experiment.inputs.len() * experiment.arms.len() * experiment.samples_per_input();
            cost * (most as f64 / all as f64).min(1.0)
        }
        None => cost,
    }
}
