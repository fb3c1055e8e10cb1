//! Every procedure against SciPy and statsmodels.
//!
//! The values are in `fixtures/statistics/scipy.json`, made by `dev/reference/make_statistics.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use mynah_lab::design::{arm_size, paired_size};
use mynah_lab::statistics::bootstrap::bca;
use mynah_lab::statistics::correction::{Count, rogan_gladen};
use mynah_lab::statistics::kolmogorov::kolmogorov_smirnov;
use mynah_lab::statistics::mann_whitney::{cliffs_delta, mann_whitney};
use mynah_lab::statistics::many::{cochran, friedman};
use mynah_lab::statistics::multiplicity::{benjamini_hochberg, holm};
use mynah_lab::statistics::paired_binary::{Pairs, mcnemar};
use mynah_lab::statistics::proportion::{clopper_pearson, jeffreys, wilson};
use mynah_lab::statistics::sign_flip::{SignFlip, Unit};
use mynah_lab::statistics::student::{Mean, clustered, paired, welch};
use mynah_lab::statistics::summary::mean;
use mynah_lab::statistics::wilcoxon::{hodges_lehmann, wilcoxon};
use mynah_lab::statistics::{Interval, distribution};
use serde_json::Value;

fn fixture(part: &str) -> Value {
    let text = include_str!("../../../fixtures/statistics/scipy.json");
    serde_json::from_str::<Value>(text).unwrap()[part].take()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

/// Asserts agreement to `tolerance` of the expected value's size.
#[track_caller]
fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (got - expected).abs();
    assert!(error <= tolerance * expected.abs().max(1e-12), "{what}: {got}, expected {expected}");
}

#[track_caller]
fn ends(got: Interval, expected: &[f64], tolerance: f64, what: &str) {
    // Relative to the larger end: an end near zero is known no better than the other.
    let size = expected.iter().fold(0.0f64, |size, end| size.max(end.abs()));
    for (got, expected) in [(got.low, expected[0]), (got.high, expected[1])] {
        assert!((got - expected).abs() <= tolerance * size, "{what}: {got}, expected {expected}");
    }
}

#[test]
fn distributions() {
    let all = fixture("distributions");
    let check = |name: &str, function: &dyn Fn(&[f64]) -> f64| {
        for row in all[name].as_array().unwrap() {
            let row = numbers(row);
            let (expected, parameters) = row.split_last().unwrap();
            close(function(parameters), *expected, 1e-9, &format!("{name} {parameters:?}"));
        }
    };
    check("normal_cdf", &|p| distribution::normal_cdf(p[0]));
    check("normal_quantile", &|p| distribution::normal_quantile(p[0]));
    check("student_two_sided", &|p| distribution::student_two_sided(p[0], p[1]));
    check("student_quantile", &|p| distribution::student_quantile(p[0], p[1]));
    check("chi_squared_above", &|p| distribution::chi_squared_above(p[0], p[1]));
    check("f_above", &|p| distribution::f_above(p[0], p[1], p[2]));
    check("beta_quantile", &|p| distribution::beta_quantile(p[0], p[1], p[2]));
    check("binomial_at_most", &|p| distribution::binomial_at_most(p[0] as u64, p[1] as u64, p[2]));
}

#[test]
fn proportions() {
    for case in fixture("proportions").as_array().unwrap() {
        let (k, n) = (case["successes"].as_u64().unwrap(), case["trials"].as_u64().unwrap());
        ends(wilson(k as f64, n as f64, 0.05), &numbers(&case["wilson"]), 1e-10, "Wilson");
        let exact = numbers(&case["clopper_pearson"]);
        ends(clopper_pearson(k, n, 0.05), &exact, 1e-9, "Clopper-Pearson");
        ends(jeffreys(k, n, 0.05), &numbers(&case["jeffreys"]), 1e-9, "Jeffreys");
    }
}

#[test]
fn exact_mcnemar() {
    for case in fixture("paired_binary").as_array().unwrap() {
        let n = numbers(&case["counts"]);
        let [both, treatment_only, control_only, neither] = [0, 1, 2, 3].map(|i| n[i] as u64);
        let pairs = Pairs { both, treatment_only, control_only, neither };
        close(mcnemar(&pairs).p_value, case["p"].as_f64().unwrap(), 1e-10, &format!("{pairs:?}"));
    }
}

#[track_caller]
fn check_mean(mean: Mean, expected: &[f64], name: &str) {
    close(mean.test(0.0).statistic, expected[0], 1e-10, name);
    close(mean.test(0.0).p_value, expected[1], 1e-8, name);
    ends(mean.interval(0.05), &expected[2..], 1e-9, name);
}

#[test]
fn paired_differences() {
    for (name, case) in entries(&fixture("one_sample")) {
        let values = numbers(&case["values"]);
        check_mean(paired(&values), &numbers(&case["t"]), name);
        close(wilcoxon(&values).p_value, case["wilcoxon_p"].as_f64().unwrap(), 1e-9, name);
        if let Some(expected) = case.get("hodges_lehmann") {
            let expected = numbers(expected);
            let (estimate, interval) = hodges_lehmann(&values, 0.05).unwrap();
            assert!((estimate - expected[0]).abs() < 1e-12, "{name}");
            ends(interval, &expected[1..], 1e-12, name);
        }
        if let Some(expected) = case.get("sign_flip_p") {
            let units: Vec<Unit> = values.iter().map(|&value| Unit::single(value)).collect();
            let p = SignFlip::new(&units, 0, 0).test(0.0).p_value;
            close(p, expected.as_f64().unwrap(), 1e-12, name);
        }
        // Both are random: with 20,000 resamples an end is known to about 2 % of the width.
        let expected = numbers(&case["bca"]);
        let interval = bca(&values, mean, 0.05, 20_000, 1);
        let width = expected[1] - expected[0];
        assert!((interval.low - expected[0]).abs() < 0.02 * width, "{name} {interval:?}");
        assert!((interval.high - expected[1]).abs() < 0.02 * width, "{name} {interval:?}");
    }
}

#[test]
fn independent_samples() {
    for (name, case) in entries(&fixture("two_samples")) {
        let (first, second) = (numbers(&case["first"]), numbers(&case["second"]));
        let u = mann_whitney(&first, &second);
        let expected = numbers(&case["mann_whitney"]);
        close(u.statistic, expected[0], 1e-12, name);
        close(u.p_value, expected[1], 1e-9, name);
        let gap = kolmogorov_smirnov(&first, &second);
        let expected = numbers(&case["kolmogorov_smirnov"]);
        close(gap.statistic, expected[0], 1e-12, name);
        close(gap.p_value, expected[1], 1e-9, name);
        let expected = numbers(&case["cliff"]);
        let (delta, interval) = cliffs_delta(&first, &second, 0.05);
        close(delta, expected[0], 1e-12, name);
        ends(interval, &expected[1..], 1e-10, name);
        check_mean(welch(&first, &second), &numbers(&case["welch"]), name);
    }
}

#[test]
fn several_arms() {
    let all = fixture("many_arms");
    let table: Vec<Vec<f64>> = all["grades"].as_array().unwrap().iter().map(numbers).collect();
    let passed: Vec<Vec<bool>> = serde_json::from_value(all["passed"].clone()).unwrap();
    let lengths: Vec<Vec<f64>> = serde_json::from_value(all["lengths"].clone()).unwrap();
    for (test, name) in [
        (cochran(&passed), "cochran"),
        (friedman(&table), "friedman_grades"),
        (friedman(&lengths), "friedman_lengths"),
    ] {
        let expected = numbers(&all[name]);
        close(test.statistic, expected[0], 1e-10, name);
        close(test.p_value, expected[1], 1e-9, name);
    }
}

#[test]
fn adjusted_p_values() {
    let all = fixture("multiplicity");
    let p = numbers(&all["p"]);
    for (got, name) in [(holm(&p), "holm"), (benjamini_hochberg(&p), "benjamini_hochberg")] {
        for (got, expected) in got.iter().zip(numbers(&all[name])) {
            close(*got, expected, 1e-12, name);
        }
    }
}

#[test]
fn groups_of_inputs() {
    let all = fixture("clusters");
    let mut groups = vec![Unit { sum: 0.0, weight: 0.0 }; 7];
    for (value, group) in numbers(&all["values"]).iter().zip(numbers(&all["group"])) {
        groups[group as usize].sum += value;
        groups[group as usize].weight += 1.0;
    }
    check_mean(clustered(&groups), &numbers(&all["t"]), "clusters");
}

#[test]
fn a_judge_corrected_by_its_error_rates() {
    for case in fixture("corrections").as_array().unwrap() {
        let counts: Vec<Vec<f64>> =
            case["counts"].as_array().unwrap().iter().map(numbers).collect();
        let count =
            |i: usize| Count { successes: counts[i][0] as u64, trials: counts[i][1] as u64 };
        let corrected = rogan_gladen(count(0), count(1), count(2), 0.05).unwrap();
        let expected = numbers(&case["rogan_gladen"]);
        close(corrected.estimate, expected[0], 1e-12, "estimate");
        ends(corrected.interval, &expected[1..], 1e-9, "interval");
    }
}

#[test]
fn sizes_of_experiments() {
    let all = fixture("power");
    let check = |name: &str, size: fn(f64, f64, f64) -> f64| {
        for row in all[name].as_array().unwrap() {
            let row = numbers(row);
            // Guenther's approximation is within a sample of the noncentral t.
            assert!((size(row[0], 0.05, 0.8) - row[1]).abs() < 0.3, "{name} {row:?}");
        }
    };
    check("independent_n", arm_size);
    check("paired_n", paired_size);
}
