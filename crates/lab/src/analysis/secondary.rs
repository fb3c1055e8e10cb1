//! Further procedures beside the primary one, for the reader.

use super::paired::Answers;
use super::result::{Procedure, Unit};
use crate::outcome::Scale;
use crate::statistics::bootstrap::{bca, expanded};
use crate::statistics::kolmogorov::swapped_kolmogorov_smirnov;
use crate::statistics::mann_whitney::{cliffs_delta, mann_whitney};
use crate::statistics::student::clustered;
use crate::statistics::summary::mean;
use crate::statistics::wilcoxon::{hodges_lehmann, wilcoxon};
use crate::statistics::{Interval, Test, sign_flip};

/// How many resamples the bootstrap and the swaps draw.
const RESAMPLES: usize = 1_999;

/// What the procedures look at.
pub(super) struct Data<'a> {
    pub(super) scale: Scale,
    pub(super) unit: Unit,
    /// One entry for each input, or for each repetition of the only input.
    pub(super) answers: &'a [Answers],
    pub(super) differences: &'a [f64],
    pub(super) units: &'a [sign_flip::Unit],
}

/// Runs what fits the scale. Groups of inputs leave only what allows for groups.
pub(super) fn secondary(data: &Data, alpha: f64, seed: u64) -> Vec<Procedure> {
    let mut all = Vec::new();
    let t = clustered(data.units);
    if t.standard_error > 0.0 {
        let name = if data.unit == Unit::Group { "cluster-robust t" } else { "paired t" };
        all.push(procedure(name, t.test(0.0), Some(t.interval(alpha))));
    }
    if data.unit == Unit::Group {
        return all;
    }
    match data.scale {
        Scale::Binary => {}
        Scale::Continuous { .. } => continuous(data, alpha, seed, &mut all),
        Scale::Ordinal => ordinal(data, alpha, &mut all),
    }
    all
}

fn continuous(data: &Data, alpha: f64, seed: u64, all: &mut Vec<Procedure>) {
    all.push(procedure("Wilcoxon signed rank", wilcoxon(data.differences), None));
    if let Some((statistic, interval)) = hodges_lehmann(data.differences, alpha) {
        all.push(estimate("Hodges-Lehmann", statistic, interval));
    }
    let asked = expanded(alpha, data.differences.len());
    let interval = bca(data.differences, mean, asked, RESAMPLES, seed);
    all.push(estimate("BCa bootstrap of the mean", mean(data.differences), interval));
    let pair = |one: &Answers| (one.treatment.clone(), one.control.clone());
    let pairs: Vec<_> = data.answers.iter().map(pair).collect();
    let gap = swapped_kolmogorov_smirnov(&pairs, RESAMPLES, seed);
    all.push(procedure("Kolmogorov-Smirnov, arms swapped within inputs", gap, None));
}

/// Mean grades are compared as if the arms had answered different inputs, which costs power.
fn ordinal(data: &Data, alpha: f64, all: &mut Vec<Procedure>) {
    let of_arm = |arm: fn(&Answers) -> &[f64]| -> Vec<f64> {
        data.answers.iter().map(|one| mean(arm(one))).collect()
    };
    let (treatment, control) = (of_arm(|one| &one.treatment), of_arm(|one| &one.control));
    all.push(procedure("Mann-Whitney", mann_whitney(&treatment, &control), None));
    let (delta, interval) = cliffs_delta(&treatment, &control, alpha);
    all.push(estimate("Cliff's delta", delta, interval));
}

fn procedure(name: &'static str, test: Test, interval: Option<Interval>) -> Procedure {
    Procedure {
        name,
        statistic: test.statistic,
        p_value: Some(test.p_value),
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    }
}

fn estimate(name: &'static str, statistic: f64, interval: Interval) -> Procedure {
    let (low, high) = (Some(interval.low), Some(interval.high));
    Procedure { name, statistic, p_value: None, low, high }
}
