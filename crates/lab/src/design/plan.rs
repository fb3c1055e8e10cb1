//! How large an experiment must be, and whether it is worth beginning.
//!
//! Source: Miller 2024, "Adding error bars to evals" (arXiv 2411.00640), section 5.

use serde::{Deserialize, Serialize};

use crate::outcome::{Observation, Question};
use crate::statistics::distribution::normal_quantile;
use crate::statistics::summary::{mean, variance};

/// Where the noise of a comparison comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variances {
    /// ω²: variance of the true difference between inputs.
    pub between: f64,
    /// σ² of the treatment: variance of its samples on one input.
    pub treatment: f64,
    /// σ² of the control.
    pub control: f64,
}

/// A number of inputs, and of seeds for each input and arm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Split {
    /// How many inputs both arms answer.
    pub inputs: u64,
    /// How many samples of each input each arm draws.
    pub seeds: u64,
    /// The smallest difference that is found with the wanted chance.
    pub detectable: f64,
}

/// What a budget can show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The best split of the budget.
    pub best: Split,
    /// Whether even the best split misses the smallest effect of interest more often than allowed.
    pub hopeless: bool,
    /// How many samples of both arms together would be enough, with the best number of seeds and
    /// no limit on inputs.
    pub samples_needed: u64,
}

impl Variances {
    /// Variance of one input's difference with `seeds` samples of each arm.
    fn of_difference(&self, seeds: u64) -> f64 {
        self.between + (self.treatment + self.control) / seeds as f64
    }
}

/// (z of 1 - α/2 + z of the power)².
fn reach(alpha: f64, power: f64) -> f64 {
    (normal_quantile(1.0 - alpha / 2.0) + normal_quantile(power)).powi(2)
}

/// How many inputs find a difference of `effect` with chance `power` at two-sided `alpha`, with
/// `seeds` samples of each arm on each input (Miller's equation 9).
pub fn inputs_needed(
    variances: &Variances,
    seeds: u64,
    effect: f64,
    alpha: f64,
    power: f64,
) -> u64 {
    (reach(alpha, power) * variances.of_difference(seeds.max(1)) / effect.powi(2)).ceil() as u64
}

/// The smallest difference found with chance `power` (Miller's equation 10).
pub fn detectable(variances: &Variances, inputs: u64, seeds: u64, alpha: f64, power: f64) -> f64 {
    (reach(alpha, power) * variances.of_difference(seeds.max(1)) / inputs as f64).sqrt()
}

/// The best use of `budget` samples of both arms together, with at most `inputs` inputs at hand,
/// for the question's margin. Absent if the budget is below two samples or there is no input.
pub fn plan(
    variances: &Variances,
    budget: u64,
    inputs: u64,
    question: &Question,
    power: f64,
) -> Option<Plan> {
    let alpha = question.alpha;
    let split = |seeds: u64| {
        let inputs = (budget / (2 * seeds)).min(inputs);
        let detectable = detectable(variances, inputs, seeds, alpha, power);
        Split { inputs, seeds, detectable }
    };
    if budget < 2 || inputs == 0 {
        return None;
    }
    // More seeds than leave every input affordable only cost inputs; fewer leave budget unused.
    let most = (budget / (2 * inputs)).max(1);
    let better = |best: Split, next: Split| {
        if next.inputs > 0 && next.detectable < best.detectable { next } else { best }
    };
    let best = [most, most + 1].into_iter().map(split).fold(split(1), better);
    let needed = |seeds: u64| {
        2 * seeds * inputs_needed(variances, seeds, question.margin, alpha, power).max(2)
    };
    // With unlimited inputs one seed each is best: every further one only averages σ².
    Some(Plan {
        best,
        hopeless: best.detectable > question.margin,
        samples_needed: if question.margin > 0.0 { needed(1) } else { u64::MAX },
    })
}

/// Estimates the variances from a pilot: several inputs, some with several samples in each arm.
///
/// Absent if fewer than two inputs were answered by both arms, or no input several times by each.
pub fn pilot(observations: &[Observation], question: &Question) -> Option<Variances> {
    let answers = crate::analysis::answers(observations, question);
    let pooled = |arm: usize| {
        let (mut squares, mut degrees) = (0.0, 0.0);
        for values in answers.iter().map(|pair| &pair[arm]).filter(|values| values.len() > 1) {
            squares += variance(values) * (values.len() - 1) as f64;
            degrees += (values.len() - 1) as f64;
        }
        (degrees > 0.0).then(|| squares / degrees)
    };
    let (treatment, control) = (pooled(0)?, pooled(1)?);
    if answers.len() < 2 {
        return None;
    }
    let differences: Vec<f64> = answers.iter().map(|[t, c]| mean(t) - mean(c)).collect();
    let noise = |[t, c]: &[Vec<f64>; 2]| treatment / t.len() as f64 + control / c.len() as f64;
    let noise = mean(&answers.iter().map(noise).collect::<Vec<_>>());
    Some(Variances { between: (variance(&differences) - noise).max(0.0), treatment, control })
}

/// How many pairs a paired t needs for a standardised difference `d` (Guenther 1981).
pub fn paired_size(d: f64, alpha: f64, power: f64) -> f64 {
    reach(alpha, power) / (d * d) + normal_quantile(1.0 - alpha / 2.0).powi(2) / 2.0
}

/// How many samples an arm the t of two independent samples needs for a standardised difference `d`.
pub fn arm_size(d: f64, alpha: f64, power: f64) -> f64 {
    2.0 * reach(alpha, power) / (d * d) + normal_quantile(1.0 - alpha / 2.0).powi(2) / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::distribution::student_quantile;
    use crate::statistics::random::Generator;

    const QUESTION: Question =
        Question { treatment: 1, control: 0, margin: 0.03, alpha: 0.05, lower_is_better: false };

    #[test]
    fn sizes_are_those_that_miller_published() {
        let sure = Variances { between: 1.0 / 9.0, treatment: 0.0, control: 0.0 };
        assert_eq!(inputs_needed(&sure, 1, 0.03, 0.05, 0.8), 969);
        let noisy = Variances { between: 1.0 / 9.0, treatment: 1.0 / 6.0, control: 1.0 / 6.0 };
        assert_eq!(inputs_needed(&noisy, 4, 0.03, 0.05, 0.8), 1_696);
        assert!((detectable(&noisy, 1_696, 4, 0.05, 0.8) - 0.03).abs() < 1e-5);
    }

    #[test]
    fn the_december_experiment_was_larger_than_it_had_to_be() {
        // Rob Lynch 2023 ("winter break"): 477 answers each, p < 2.28e-7.
        let t = student_quantile(1.0 - 2.28e-7 / 2.0, 952.0);
        let d = t * (2.0f64 / 477.0).sqrt();
        assert!((d - 0.34).abs() < 0.005, "{d}");
        assert!((arm_size(d, 0.05, 0.8) - 139.0).abs() < 1.5, "{}", arm_size(d, 0.05, 0.8));
    }

    #[test]
    fn the_best_split_uses_every_input_first() {
        let noisy = Variances { between: 0.05, treatment: 0.2, control: 0.2 };
        let plan_of = |budget, inputs| plan(&noisy, budget, inputs, &QUESTION, 0.8).unwrap();
        assert_eq!((plan_of(500, 10).best.inputs, plan_of(500, 10).best.seeds), (10, 25));
        assert_eq!((plan_of(500, 1_000).best.inputs, plan_of(500, 1_000).best.seeds), (250, 1));
        for (budget, inputs) in [(500, 10), (37, 5), (90, 40), (1_000, 300)] {
            let best = plan_of(budget, inputs).best;
            for seeds in 1..=budget / 2 {
                let inputs = (budget / (2 * seeds)).min(inputs);
                let other = detectable(&noisy, inputs, seeds, 0.05, 0.8);
                assert!(best.detectable <= other + 1e-12, "{budget} {inputs} {seeds}");
            }
            assert!(2 * best.inputs * best.seeds <= budget);
        }
    }

    #[test]
    fn a_hopeless_design_is_called_so() {
        let noisy = Variances { between: 0.05, treatment: 0.2, control: 0.2 };
        let small = plan(&noisy, 500, 10, &QUESTION, 0.8).unwrap();
        assert!(small.hopeless);
        let enough = plan(&noisy, small.samples_needed, 1_000_000, &QUESTION, 0.8).unwrap();
        assert!(!enough.hopeless, "{enough:?}");
        assert_eq!(plan(&noisy, 1, 10, &QUESTION, 0.8), None);
    }

    #[test]
    fn a_pilot_gives_back_the_variances() {
        let mut generator = Generator::new(21);
        let mut observations = Vec::new();
        for input in 0..2_000 {
            let effect = 0.3 * generator.normal();
            for (arm, repeat) in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)] {
                let value =
                    if arm == 1 { effect + generator.normal() } else { 0.5 * generator.normal() };
                let seen = Observation { arm, input, group: input, paraphrase: 0, repeat, value };
                observations.push(seen);
            }
        }
        let found = pilot(&observations, &QUESTION).unwrap();
        assert!((found.between - 0.09).abs() < 0.045, "{found:?}");
        assert!((found.treatment - 1.0).abs() < 0.08, "{found:?}");
        assert!((found.control - 0.25).abs() < 0.03, "{found:?}");
        assert_eq!(pilot(&observations[..5], &QUESTION), None);
    }
}
