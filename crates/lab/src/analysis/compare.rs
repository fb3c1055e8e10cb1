//! The comparison that was decided on before the first sample.

use std::collections::BTreeMap;

use super::Error;
use super::paired::{Answers, Paired, check, largest_difference, pair};
use super::result::{Comparison, InputEffect, Procedure, Unit};
use super::secondary::{Data, secondary};
use super::verdict::{Evidence, decide, more_units};
use crate::outcome::{Observation, Question, Scale, Verdict};
use crate::statistics::paired_binary::{Pairs, mcnemar, newcombe};
use crate::statistics::proportion::clopper_pearson;
use crate::statistics::shrink::shrink;
use crate::statistics::sign_flip::{self, SignFlip};
use crate::statistics::student::clustered;
use crate::statistics::summary::{mean, variance};
use crate::statistics::{Interval, Test};

/// How many random flips are drawn where there are too many to try all.
const RESAMPLES: usize = 9_999;

/// Compares the question's two arms.
///
/// What is independent: inputs; groups of inputs if some group holds several; repetitions if there
/// is one input only. The primary procedure is
///
/// - **one pass or fail of each arm per unit:** the exact McNemar test decides on a difference, and
///   Newcombe's interval is reported. The test is exact and the interval is not, so that the
///   interval may exclude zero where the test does not reject; then the verdict is inconclusive.
/// - **everything else:** sign flips of the units' differences, and the interval of the values that
///   this test does not reject; the two cannot disagree. For pass or fail with several seeds the
///   differences are those of pass rates, for grades those of chances to be the higher.
///
/// Equivalence is two one-sided tests by the same procedure. `seed` decides the random flips. If
/// the samples were looked at on the way, use [`super::Monitor::conclude`] on the result.
pub fn compare(
    observations: &[Observation],
    scale: Scale,
    question: &Question,
    seed: u64,
) -> Result<Comparison, Error> {
    check(scale, question)?;
    let paired = pair(observations, scale, question)?;
    let sample = Sample::new(&paired, scale);
    let primary = sample.primary(question.alpha, seed);
    let evidence = Evidence {
        sign: (primary.test.p_value <= question.alpha + 1e-12).then_some(sample.estimate > 0.0),
        equivalence: primary.equivalence,
    };
    let verdict = decide(question, &evidence)
        .unwrap_or_else(|| Verdict::Inconclusive { more_inputs: sample.more_inputs(question) });
    let (effect_variance, per_input) = per_input(&paired.answers, scale);
    let of_arm = |arm: fn(&Answers) -> &[f64]| {
        mean(&paired.answers.iter().map(|answers| mean(arm(answers))).collect::<Vec<_>>())
    };
    Ok(Comparison {
        verdict,
        estimate: sample.estimate,
        low: primary.interval.low,
        high: primary.interval.high,
        equivalence_low: primary.equivalence.low,
        equivalence_high: primary.equivalence.high,
        p_value: primary.test.p_value,
        method: primary.method,
        unit: sample.unit,
        control_mean: of_arm(|answers| &answers.control),
        treatment_mean: of_arm(|answers| &answers.treatment),
        inputs: paired.answers.len(),
        inputs_left_out: paired.left_out,
        units: sample.units.len(),
        samples: paired.answers.iter().map(Answers::samples).sum(),
        e_value: None,
        secondary: sample.secondary(scale, question.alpha, seed),
        effect_variance,
        per_input,
    })
}

/// The differences that are analysed.
struct Sample {
    unit: Unit,
    units: Vec<sign_flip::Unit>,
    /// The inputs, or the repetitions of the only input.
    answers: Vec<Answers>,
    /// One difference for each input, or for each repetition of the only input.
    differences: Vec<f64>,
    /// Outcomes by pair, if each unit has one pass or fail of each arm.
    pairs: Option<Pairs>,
    estimate: f64,
    /// The largest difference possible, or where the scale has no bounds, the range that was seen.
    largest: f64,
}

struct Primary {
    method: &'static str,
    test: Test,
    interval: Interval,
    equivalence: Interval,
}

impl Sample {
    fn new(paired: &Paired, scale: Scale) -> Self {
        let answers = match &paired.answers[..] {
            [only] if only.treatment.len().min(only.control.len()) > 1 => repeats(only),
            several => several.to_vec(),
        };
        let differences: Vec<f64> = answers.iter().map(|one| one.difference(scale)).collect();
        let mut groups: BTreeMap<usize, sign_flip::Unit> = BTreeMap::new();
        for (answers, &difference) in answers.iter().zip(&differences) {
            let group =
                groups.entry(answers.group).or_insert(sign_flip::Unit { sum: 0.0, weight: 0.0 });
            group.sum += difference;
            group.weight += 1.0;
        }
        // A single group cannot be compared with others: its inputs are the units.
        let grouped = groups.len() > 1 && groups.len() < answers.len();
        let unit = match paired.answers.len() {
            1 => Unit::Repeat,
            _ if grouped => Unit::Group,
            _ => Unit::Input,
        };
        let single = |&difference: &f64| sign_flip::Unit::single(difference);
        let units = if unit == Unit::Group {
            groups.into_values().collect()
        } else {
            differences.iter().map(single).collect()
        };
        let pairs = (scale == Scale::Binary && unit != Unit::Group)
            .then(|| count_pairs(&answers))
            .flatten();
        let estimate = mean(&differences);
        let largest = largest_difference(scale).unwrap_or_else(|| range(&answers));
        Self { unit, units, answers, differences, pairs, estimate, largest }
    }

    fn primary(&self, alpha: f64, seed: u64) -> Primary {
        if let Some(pairs) = &self.pairs {
            return Primary {
                method: "exact McNemar test, Newcombe interval",
                test: mcnemar(pairs),
                interval: newcombe(pairs, alpha),
                equivalence: newcombe(pairs, 2.0 * alpha),
            };
        }
        let flips = SignFlip::new(&self.units, RESAMPLES, seed);
        Primary {
            method: match self.unit {
                Unit::Group => "sign flips of whole groups",
                Unit::Input | Unit::Repeat => "sign flips",
            },
            test: flips.test(0.0),
            interval: self.widen(flips.interval(alpha), alpha, alpha),
            // As wide where units are few: or five of ten that differ by little would be too few to
            // say anything of a difference, and enough to say that there is none.
            equivalence: self.widen(flips.interval(2.0 * alpha), 2.0 * alpha, alpha),
        }
    }

    /// Widens an interval that rests on very few units that differ at all.
    ///
    /// If the arms agreed on ten inputs, flips say that they agree on all. But an input on which
    /// they disagree may only not have come up: with fewer such than any test could use, the
    /// interval takes in what Clopper & Pearson allow for their share, times the largest
    /// difference.
    /// `strict`: the alpha that decides how few are too few.
    fn widen(&self, interval: Interval, alpha: f64, strict: f64) -> Interval {
        let positive = self.units.iter().filter(|unit| unit.sum > 0.0).count() as u64;
        let negative = self.units.iter().filter(|unit| unit.sum < 0.0).count() as u64;
        let (count, largest) = (self.units.len() as u64, self.largest);
        let mut wide = interval;
        if ((positive + negative) as usize) < sign_flip::fewest_units(strict) {
            let share = |units: u64| largest * clopper_pearson(units, count, alpha).high;
            wide.low = wide.low.min(-share(negative));
            wide.high = wide.high.max(share(positive));
        }
        Interval { low: wide.low.max(-largest), high: wide.high.min(largest) }
    }

    fn more_inputs(&self, question: &Question) -> Option<u64> {
        let count = self.units.len() as f64;
        let spread = clustered(&self.units).standard_error.powi(2) * count;
        // Where hardly any unit differs the spread seen is too small: one more that does is added.
        let unseen = self.largest.powi(2) / (count + 1.0);
        let few = self.units.iter().filter(|unit| unit.sum != 0.0).count()
            < sign_flip::fewest_units(question.alpha);
        let spread = if few { spread.max(unseen) } else { spread };
        let fewest = sign_flip::fewest_units(question.alpha);
        let more = more_units(question, self.units.len(), self.estimate, spread, fewest)?;
        Some(match self.unit {
            Unit::Group => more * self.differences.len().div_ceil(self.units.len()) as u64,
            Unit::Input | Unit::Repeat => more,
        })
    }

    fn secondary(&self, scale: Scale, alpha: f64, seed: u64) -> Vec<Procedure> {
        let data = Data {
            scale,
            unit: self.unit,
            answers: &self.answers,
            differences: &self.differences,
            units: &self.units,
        };
        secondary(&data, alpha, seed)
    }
}

/// Takes the repetitions of one input apart; those that only one arm has are left out.
fn repeats(only: &Answers) -> Vec<Answers> {
    let one = |(place, (&treatment, &control)): (usize, (&f64, &f64))| Answers {
        input: only.input,
        group: place,
        treatment: vec![treatment],
        control: vec![control],
    };
    only.treatment.iter().zip(&only.control).enumerate().map(one).collect()
}

fn count_pairs(answers: &[Answers]) -> Option<Pairs> {
    let mut pairs = Pairs::default();
    for answers in answers {
        let ([treatment], [control]) = (&answers.treatment[..], &answers.control[..]) else {
            return None;
        };
        *match (*treatment == 1.0, *control == 1.0) {
            (true, true) => &mut pairs.both,
            (true, false) => &mut pairs.treatment_only,
            (false, true) => &mut pairs.control_only,
            (false, false) => &mut pairs.neither,
        } += 1;
    }
    Some(pairs)
}

fn range(answers: &[Answers]) -> f64 {
    let values = || answers.iter().flat_map(|one| one.treatment.iter().chain(&one.control));
    let low = values().copied().fold(f64::INFINITY, f64::min);
    values().copied().fold(f64::NEG_INFINITY, f64::max) - low
}

/// The effect on each input, shrunken where repetitions tell how large the noise is.
fn per_input(answers: &[Answers], scale: Scale) -> (Option<f64>, Vec<InputEffect>) {
    let raw: Vec<f64> = answers.iter().map(|one| one.difference(scale)).collect();
    let treatment = pooled(answers.iter().map(|one| &one.treatment[..]));
    let control = pooled(answers.iter().map(|one| &one.control[..]));
    let shrunken = match (treatment, control) {
        (Some(treatment), Some(control)) if scale != Scale::Ordinal && raw.len() > 1 => {
            let noise = |one: &Answers| {
                treatment / one.treatment.len() as f64 + control / one.control.len() as f64
            };
            Some(shrink(&raw, &answers.iter().map(noise).collect::<Vec<_>>()))
        }
        _ => None,
    };
    let effect = |(place, (answers, &raw)): (usize, (&Answers, &f64))| InputEffect {
        input: answers.input,
        raw,
        shrunken: shrunken.as_ref().map(|shrunken| shrunken.effects[place]),
    };
    let effects = answers.iter().zip(&raw).enumerate().map(effect).collect();
    (shrunken.as_ref().map(|shrunken| shrunken.between), effects)
}

/// Variance within inputs, over all inputs with several samples.
fn pooled<'a>(samples: impl Iterator<Item = &'a [f64]>) -> Option<f64> {
    let (mut squares, mut degrees) = (0.0, 0.0);
    for values in samples.filter(|values| values.len() > 1) {
        let within = (values.len() - 1) as f64;
        squares += variance(values) * within;
        degrees += within;
    }
    (degrees > 0.0).then(|| squares / degrees)
}
