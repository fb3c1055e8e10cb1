//! Whole comparisons.

use super::*;
use crate::outcome::{Observation, Question, Scale, Verdict};
use crate::statistics::random::Generator;

const QUESTION: Question =
    Question { treatment: 1, control: 0, margin: 0.1, alpha: 0.05, lower_is_better: false };
const LENGTH: Scale = Scale::Continuous { low: None, high: None };

/// `inputs` x `repeats` passes and failures with the pass rates `rates` of control and treatment.
fn passes(inputs: usize, repeats: usize, rates: [f64; 2], seed: u64) -> Vec<Observation> {
    let mut generator = Generator::new(seed);
    observe(inputs, repeats, |arm, _| f64::from(u8::from(generator.uniform() < rates[arm])))
}

fn observe(
    inputs: usize,
    repeats: usize,
    mut value: impl FnMut(usize, usize) -> f64,
) -> Vec<Observation> {
    let mut observations = Vec::new();
    for input in 0..inputs {
        for repeat in 0..repeats {
            for arm in 0..2 {
                let value = value(arm, input);
                observations.push(Observation {
                    arm,
                    input,
                    group: input,
                    paraphrase: 0,
                    repeat,
                    value,
                });
            }
        }
    }
    observations
}

#[test]
fn a_clear_difference_is_found_either_way() {
    let better = compare(&passes(40, 5, [0.2, 0.8], 1), Scale::Binary, &QUESTION, 0).unwrap();
    assert_eq!(better.verdict, Verdict::Better);
    assert!(better.low < 0.6 && 0.6 < better.high, "{better:?}");
    assert_eq!((better.inputs, better.units, better.samples), (40, 40, 400));
    let worse = compare(&passes(40, 5, [0.8, 0.2], 1), Scale::Binary, &QUESTION, 0).unwrap();
    assert_eq!(worse.verdict, Verdict::Worse);
    let shorter = Question { lower_is_better: true, ..QUESTION };
    let better = compare(&passes(40, 5, [0.8, 0.2], 1), Scale::Binary, &shorter, 0).unwrap();
    assert_eq!(better.verdict, Verdict::Better);
}

#[test]
fn one_seed_is_compared_by_mcnemar_and_several_by_flips() {
    let one = compare(&passes(30, 1, [0.5, 0.5], 1), Scale::Binary, &QUESTION, 0).unwrap();
    assert_eq!(one.method, "exact McNemar test, Newcombe interval");
    let several = compare(&passes(30, 3, [0.5, 0.5], 1), Scale::Binary, &QUESTION, 0).unwrap();
    assert_eq!(several.method, "sign flips");
    assert!(several.per_input.iter().all(|effect| effect.shrunken.is_some()));
}

#[test]
fn the_order_of_observations_does_not_matter() {
    let mut observations = passes(20, 3, [0.4, 0.6], 5);
    let one = compare(&observations, Scale::Binary, &QUESTION, 9).unwrap();
    Generator::new(6).shuffle(&mut observations);
    assert_eq!(one, compare(&observations, Scale::Binary, &QUESTION, 9).unwrap());
}

#[test]
fn agreement_on_few_inputs_is_not_equivalence() {
    let few = compare(&passes(10, 3, [1.0, 1.0], 1), Scale::Binary, &QUESTION, 0).unwrap();
    assert!(matches!(few.verdict, Verdict::Inconclusive { more_inputs: Some(_) }), "{few:?}");
    let many = compare(&passes(60, 3, [1.0, 1.0], 1), Scale::Binary, &QUESTION, 0).unwrap();
    assert_eq!(many.verdict, Verdict::Equivalent);
}

#[test]
fn equal_arms_on_many_inputs_are_equivalent() {
    let result = compare(&passes(600, 10, [0.6, 0.6], 3), Scale::Binary, &QUESTION, 0).unwrap();
    assert_eq!(result.verdict, Verdict::Equivalent);
    assert!(result.effect_variance.unwrap() < 0.01);
}

#[test]
fn the_number_missing_is_about_what_the_variance_asks_for() {
    let mut generator = Generator::new(8);
    let observations = observe(30, 1, |_, _| generator.normal());
    let question = Question { margin: 0.25, ..QUESTION };
    let result = compare(&observations, LENGTH, &question, 0).unwrap();
    let Verdict::Inconclusive { more_inputs: Some(more) } = result.verdict else {
        panic!("{result:?}")
    };
    // (1.645 + 1.282)² x 2 / 0.25² = 274 with the true variance, 2; the sample's is within 50 %.
    assert!((107..=381).contains(&more), "{more}");
}

#[test]
fn a_single_input_is_compared_by_its_repetitions() {
    let mut generator = Generator::new(9);
    let observations = observe(1, 100, |arm, _| generator.normal() + arm as f64);
    let result = compare(&observations, LENGTH, &QUESTION, 0).unwrap();
    assert_eq!((result.unit, result.units, result.verdict), (Unit::Repeat, 100, Verdict::Better));
}

#[test]
fn inputs_of_one_group_are_not_independent() {
    let mut generator = Generator::new(10);
    let shift: Vec<f64> = (0..10).map(|_| generator.normal()).collect();
    let mut observations =
        observe(100, 1, |arm, input| 0.3 * generator.normal() + arm as f64 * shift[input / 10]);
    let alone = compare(&observations, LENGTH, &QUESTION, 0).unwrap();
    observations.iter_mut().for_each(|seen| seen.group = seen.input / 10);
    let grouped = compare(&observations, LENGTH, &QUESTION, 0).unwrap();
    assert_eq!((grouped.unit, grouped.units), (Unit::Group, 10));
    assert!(grouped.high - grouped.low > 2.0 * (alone.high - alone.low), "{grouped:?}");
}

#[test]
fn grades_are_compared_by_their_order_alone() {
    let mut generator = Generator::new(11);
    let grades = observe(30, 3, |arm, _| (generator.below(3) + arm) as f64);
    let stretched: Vec<Observation> =
        grades.iter().map(|seen| Observation { value: seen.value.exp(), ..*seen }).collect();
    let one = compare(&grades, Scale::Ordinal, &QUESTION, 0).unwrap();
    let other = compare(&stretched, Scale::Ordinal, &QUESTION, 0).unwrap();
    assert_eq!((one.estimate, one.low, one.p_value), (other.estimate, other.low, other.p_value));
    assert_eq!(one.verdict, Verdict::Better);
}

#[test]
fn what_cannot_be_analysed_is_refused() {
    let fail = |observations: &[Observation], scale, question: &Question| {
        compare(observations, scale, question, 0).unwrap_err()
    };
    let good = passes(4, 1, [0.5, 0.5], 1);
    let same = Question { control: 1, ..QUESTION };
    assert_eq!(fail(&good, Scale::Binary, &same), Error::SameArm(1));
    let alpha = Question { alpha: 0.0, ..QUESTION };
    assert_eq!(fail(&good, Scale::Binary, &alpha), Error::Alpha(0.0));
    assert_eq!(fail(&[], LENGTH, &QUESTION), Error::NoPairs { treatment: 1, control: 0 });
    let mut bad = good.clone();
    bad[0].value = 0.5;
    assert_eq!(fail(&bad, Scale::Binary, &QUESTION), Error::Value { input: 0, value: 0.5 });
    bad[0].value = f64::NAN;
    assert!(matches!(fail(&bad, LENGTH, &QUESTION), Error::Value { input: 0, .. }));
    assert_eq!(Monitor::new(LENGTH, &QUESTION).unwrap_err(), Error::Unbounded);
}

#[test]
fn the_monitor_stops_at_a_difference_and_at_equivalence() {
    let mut generator = Generator::new(12);
    for (effect, expected) in
        [(0.5, Verdict::Better), (-0.5, Verdict::Worse), (0.0, Verdict::Equivalent)]
    {
        let mut monitor = Monitor::new(Scale::Binary, &QUESTION).unwrap();
        let mut drawn = 0;
        while monitor.state().answered.is_none() && drawn < 3_000 {
            monitor.observe(effect + generator.uniform() - 0.5);
            drawn += 1;
        }
        assert_eq!(monitor.state().answered, Some(expected), "after {drawn}");
    }
}

#[test]
fn a_comparison_that_was_looked_at_reports_the_sequence() {
    let observations = passes(40, 5, [0.2, 0.8], 1);
    let mut comparison = compare(&observations, Scale::Binary, &QUESTION, 0).unwrap();
    let fixed = comparison.clone();
    let mut monitor = Monitor::new(Scale::Binary, &QUESTION).unwrap();
    comparison.per_input.iter().for_each(|effect| monitor.observe(effect.raw));
    monitor.conclude(&mut comparison);
    assert_eq!(comparison.verdict, Verdict::Better);
    assert!(comparison.low < fixed.low && fixed.high < comparison.high, "{comparison:?}");
    assert!(comparison.e_value.unwrap() > 20.0 && comparison.p_value < 0.05);
}
