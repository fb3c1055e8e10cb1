//! Mixed models against lme4 and lmerTest.
//!
//! The values are in `fixtures/statistics/lme4.json`, made by `dev/reference/make_mixed.R`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use mynah_lab::statistics::mixed::{Column, Error, Fit, Grouping, linear, logistic};
use mynah_lab::statistics::random::Generator;
use serde_json::Value;

fn fixture(case: &str) -> Value {
    let text = include_str!("../../../fixtures/statistics/lme4.json");
    serde_json::from_str::<Value>(text).unwrap()[case].take()
}

fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().unwrap();
    value.as_array().unwrap().iter().map(number).collect()
}

fn column(name: &str, values: Vec<f64>) -> Column {
    Column { name: name.to_owned(), values }
}

fn grouping(case: &Value, name: &str) -> Grouping {
    let levels = numbers(&case["data"][name]).iter().map(|&level| level as usize).collect();
    Grouping { name: name.to_owned(), levels, slope: None }
}

type Model = fn(&[f64], &[Column], &[Grouping]) -> Result<Fit, Error>;

fn fit(case: &Value, model: Model, groupings: &[Grouping]) -> Fit {
    let response = numbers(&case["data"]["y"]);
    let ones = column("intercept", vec![1.0; response.len()]);
    let arm = column("arm", numbers(&case["data"]["arm"]));
    let fit = model(&response, &[ones, arm], groupings).unwrap();
    assert!(fit.converged, "{fit:?}");
    fit
}

#[track_caller]
fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got - expected).abs() <= tolerance, "{what}: {got}, expected {expected}");
}

/// Compares with lme4, whose own optimiser stops within about 1e-4 of the best variances.
fn check(case: &Value, fit: &Fit, components: &[&str]) {
    close(fit.deviance, case["deviance"].as_f64().unwrap(), 1e-4, "deviance");
    let (estimates, errors) = (numbers(&case["coefficients"]), numbers(&case["errors"]));
    for (index, got) in fit.coefficients.iter().enumerate() {
        close(got.estimate, estimates[index], 1e-3 * errors[index], &got.name);
        // For a logistic model both are second derivatives by differences.
        let tolerance = if fit.residual.is_some() { 1e-4 } else { 2e-3 };
        close(got.standard_error, errors[index], tolerance * errors[index], &got.name);
    }
    for (component, name) in fit.components.iter().zip(components) {
        close(component.standard_deviation, case["components"][name].as_f64().unwrap(), 2e-3, name);
    }
    for (got, expected) in fit.components[0].deviations.iter().zip(numbers(&case["modes"])) {
        close(*got, expected, 3e-3, "mode");
    }
}

fn check_freedom(case: &Value, fit: &Fit) {
    let (degrees, p) = (numbers(&case["degrees"]), numbers(&case["p"]));
    for (index, got) in fit.coefficients.iter().enumerate() {
        close(got.degrees, degrees[index], 0.01 * degrees[index], &got.name);
        close(got.p_value, p[index], 0.01 * p[index], &got.name);
    }
}

const CROSSED: [&str; 3] = ["input (Intercept)", "paraphrase (Intercept)", "round (Intercept)"];

fn crossed(case: &Value) -> Vec<Grouping> {
    ["input", "paraphrase", "round"].map(|name| grouping(case, name)).to_vec()
}

#[test]
fn linear_with_crossed_groupings() {
    let case = fixture("linear_crossed");
    let fit = fit(&case, linear, &crossed(&case));
    check(&case, &fit, &CROSSED);
    close(
        fit.residual.unwrap(),
        case["components"]["Residual NA"].as_f64().unwrap(),
        1e-3,
        "residual",
    );
    check_freedom(&case, &fit);
}

#[test]
fn linear_with_slopes_that_vary_by_input() {
    let case = fixture("linear_slopes");
    let mut slope = grouping(&case, "input");
    slope.slope = Some(numbers(&case["data"]["arm"]));
    let groupings = [grouping(&case, "input"), slope, grouping(&case, "paraphrase")];
    let fit = fit(&case, linear, &groupings);
    check(&case, &fit, &["input (Intercept)", "input.1 arm", "paraphrase (Intercept)"]);
    check_freedom(&case, &fit);
}

#[test]
fn linear_with_variances_of_zero() {
    let case = fixture("linear_zero");
    let fit = fit(&case, linear, &crossed(&case));
    check(&case, &fit, &CROSSED);
}

#[test]
fn logistic_with_crossed_groupings() {
    let case = fixture("logistic_crossed");
    check(&case, &fit(&case, logistic, &crossed(&case)), &CROSSED);
}

#[test]
fn logistic_with_inputs() {
    let case = fixture("logistic_input");
    check(&case, &fit(&case, logistic, &[grouping(&case, "input")]), &CROSSED);
}

/// A design of the largest size that is promised: 5,000 observations, 300 levels.
fn large() -> (Vec<Column>, Vec<Grouping>, Vec<f64>) {
    let mut generator = Generator::new(1);
    let n = 5_000;
    let input: Vec<usize> = (0..n).map(|i| i % 250).collect();
    let wording: Vec<usize> = (0..n).map(|i| i / 250 % 20).collect();
    let seed: Vec<usize> = (0..n).map(|_| generator.below(30)).collect();
    let groupings: Vec<Grouping> = [(250, input), (20, wording), (30, seed)]
        .into_iter()
        .map(|(count, levels)| Grouping { name: format!("of {count}"), levels, slope: None })
        .collect();
    let arm: Vec<f64> = (0..n).map(|_| f64::from(u8::from(generator.below(2) == 1))).collect();
    let mut log_odds: Vec<f64> = arm.iter().map(|arm| 0.5 * arm).collect();
    for grouping in &groupings {
        let deviations: Vec<f64> = (0..250).map(|_| 0.7 * generator.normal()).collect();
        log_odds.iter_mut().zip(&grouping.levels).for_each(|(odds, &l)| *odds += deviations[l]);
    }
    (vec![column("intercept", vec![1.0; n]), column("arm", arm)], groupings, log_odds)
}

#[test]
fn large_designs_give_back_what_was_put_in() {
    let (columns, groupings, log_odds) = large();
    let mut generator = Generator::new(2);
    let noisy: Vec<f64> = log_odds.iter().map(|x| x + generator.normal()).collect();
    let passed: Vec<f64> = log_odds
        .iter()
        .map(|x| f64::from(u8::from(generator.uniform() < 1.0 / (1.0 + (-x).exp()))))
        .collect();
    for fit in [linear(&noisy, &columns, &groupings), logistic(&passed, &columns, &groupings)] {
        let fit = fit.unwrap();
        let arm = &fit.coefficients[1];
        close(arm.estimate, 0.5, 4.0 * arm.standard_error, "arm");
        for component in &fit.components {
            // A standard deviation of 20 levels is known to about 16 %.
            close(component.standard_deviation, 0.7, 0.35, &component.name);
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let response = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
    let ones = column("one", vec![1.0; 6]);
    let same = column("same", vec![2.0; 6]);
    let levels = Grouping { name: "input".to_owned(), levels: vec![0, 0, 1, 1, 2, 2], slope: None };
    let groupings = [levels];
    for model in [linear as Model, logistic] {
        let aliased = model(&response, &[ones.clone(), same.clone()], &groupings);
        assert_eq!(aliased.unwrap_err(), Error::Aliased);
        let short = model(&response, &[column("short", vec![1.0; 5])], &groupings);
        assert!(matches!(short.unwrap_err(), Error::Length { got: 5, expected: 6, .. }));
        let few = model(&response[..1], &[column("one", vec![1.0])], &[]);
        assert!(matches!(few.unwrap_err(), Error::TooFew { .. }));
    }
    let separates = column("separates", response.to_vec());
    let separated = logistic(&response, &[ones, separates], &groupings);
    assert_eq!(separated.unwrap_err(), Error::Separated);
}
