//! Whole analyses: published cases, simulated comparisons of a prompt with itself, models in words.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod worlds;

use mynah_lab::analysis::judge::{self, Judgement};
use mynah_lab::analysis::{Monitor, Purpose, compare, compare_all, model, spread};
use mynah_lab::design::{Factor, columns, full};
use mynah_lab::outcome::{Observation, Question, Scale, Verdict};
use mynah_lab::statistics::multiplicity::holm;
use mynah_lab::statistics::random::Generator;
use worlds::{length, pass};

const QUESTION: Question =
    Question { treatment: 1, control: 0, margin: 0.1, alpha: 0.05, lower_is_better: false };

/// Every arm answers every input in every wording and with every seed.
fn observe(
    [arms, inputs, paraphrases, repeats]: [usize; 4],
    mut value: impl FnMut(&Observation) -> f64,
) -> Vec<Observation> {
    let mut all = Vec::new();
    for input in 0..inputs {
        for paraphrase in 0..paraphrases {
            for repeat in 0..repeats {
                for arm in 0..arms {
                    let mut seen =
                        Observation { arm, input, group: input, paraphrase, repeat, value: 0.0 };
                    seen.value = value(&seen);
                    all.push(seen);
                }
            }
        }
    }
    all
}

fn passed(generator: &mut Generator, rate: f64) -> f64 {
    f64::from(u8::from(pass(generator, rate)))
}

fn claims(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Better | Verdict::Worse)
}

#[test]
fn the_thousand_dollar_tip_vanishes_among_several_arms() {
    // Reported without adjustment: p = .036 (Kolmogorov-Smirnov) and .035 (Mann-Whitney). Beside
    // even one other arm the smallest p-value of a family is doubled.
    for p in [0.036, 0.035] {
        assert!(holm(&[p, 0.5])[0] > 0.05);
        assert!((holm(&[0.9, p, 0.3, 0.6, 0.2])[1] - 5.0 * p).abs() < 1e-12);
    }
}

#[test]
fn a_zero_average_hides_inputs_that_move_by_36_points() {
    // Wharton's reports on politeness and tips: no effect on average, single questions up to 36
    // points either way.
    let mut generator = Generator::new(1);
    let observations = observe([2, 40, 1, 25], |seen| {
        let effect = if seen.input % 2 == 0 { 0.18 } else { -0.18 };
        let rate = 0.5 + if seen.arm == 1 { effect } else { -effect };
        passed(&mut generator, rate)
    });
    let comparison = compare(&observations, Scale::Binary, &QUESTION, 0).unwrap();
    assert!(!claims(comparison.verdict), "{comparison:?}");
    assert!((comparison.effect_variance.unwrap().sqrt() - 0.36).abs() < 0.06);
    for effect in &comparison.per_input {
        let shrunken = effect.shrunken.unwrap();
        assert_eq!(shrunken > 0.0, effect.input % 2 == 0, "{effect:?}");
        let raw = (effect.raw - comparison.estimate).abs();
        assert!((shrunken - comparison.estimate).abs() <= raw + 0.01);
    }
}

#[test]
fn a_prompt_against_itself_has_no_effect() {
    let mut generator = Generator::new(2);
    let scales = [Scale::Binary, Scale::Continuous { low: None, high: None }, Scale::Ordinal];
    for scale in scales {
        let positives = (0..600).filter(|&seed| {
            let levels: Vec<f64> = (0..15).map(|_| generator.uniform()).collect();
            let observations = observe([2, 15, 1, 3], |seen| match scale {
                Scale::Binary => passed(&mut generator, levels[seen.input]),
                Scale::Continuous { .. } => 100.0 * levels[seen.input] * length(&mut generator),
                Scale::Ordinal => (generator.uniform() + 3.0 * levels[seen.input]).floor(),
            });
            let question = Question { margin: 0.01, ..QUESTION };
            claims(compare(&observations, scale, &question, seed).unwrap().verdict)
        });
        // Three standard deviations (0.9 %) above 5 % of 600.
        let positives = positives.count();
        assert!(positives <= 46, "{scale:?}: {positives} of 600");
    }
}

#[test]
fn a_difference_of_the_margin_is_seldom_called_equivalent() {
    let mut generator = Generator::new(3);
    let question = Question { margin: 0.2, ..QUESTION };
    let wrong = (0..2_000).filter(|&seed| {
        let observations =
            observe([2, 60, 1, 4], |seen| passed(&mut generator, 0.5 + 0.2 * seen.arm as f64));
        let verdict = compare(&observations, Scale::Binary, &question, seed).unwrap().verdict;
        verdict == Verdict::Equivalent
    });
    // Three standard deviations (0.49 %) above 5 % of 2,000.
    let wrong = wrong.count();
    assert!(wrong <= 129, "{wrong} of 2,000");
    assert!(wrong >= 40, "the test is exact enough to be wrong at times: {wrong}");
}

#[test]
fn a_run_that_is_watched_stops_early_and_is_seldom_wrong() {
    let mut generator = Generator::new(4);
    let (mut right, mut inputs) = (0, 0);
    for _ in 0..100 {
        let mut monitor = Monitor::new(Scale::Binary, &QUESTION).unwrap();
        while monitor.state().answered.is_none() && monitor.state().inputs < 400 {
            let mut rate =
                |rate: f64| (0..3).map(|_| passed(&mut generator, rate)).sum::<f64>() / 3.0;
            monitor.observe(rate(0.8) - rate(0.4));
        }
        right += usize::from(monitor.state().answered == Some(Verdict::Better));
        inputs += monitor.state().inputs;
    }
    assert!(right >= 98, "{right}");
    assert!(inputs < 100 * 60, "on average {} inputs", inputs / 100);
}

#[test]
fn several_arms_are_adjusted_together() {
    let mut generator = Generator::new(5);
    let rates = [0.4, 0.4, 0.9, 0.4];
    let observations = observe([4, 40, 1, 1], |seen| passed(&mut generator, rates[seen.arm]));
    let family =
        compare_all(&observations, Scale::Binary, &QUESTION, &[1, 2, 3], Purpose::Confirm, 0)
            .unwrap();
    assert_eq!(family.omnibus.as_ref().unwrap().name, "Cochran's Q");
    assert!(family.omnibus.unwrap().p_value.unwrap() < 0.001);
    assert_eq!(family.members[1].comparison.verdict, Verdict::Better);
    for member in &family.members {
        assert!(member.adjusted_p >= member.comparison.p_value);
        assert_eq!(claims(member.comparison.verdict), member.arm == 2, "{member:?}");
    }
    let lengths = observe([3, 20, 1, 2], |_| length(&mut generator));
    let any = Scale::Continuous { low: None, high: None };
    let family = compare_all(&lengths, any, &QUESTION, &[1, 2], Purpose::Explore, 0).unwrap();
    assert_eq!(family.omnibus.unwrap().name, "Friedman");
}

#[test]
fn the_effect_is_put_beside_the_noise_of_rephrasing() {
    let mut generator = Generator::new(6);
    let wording: Vec<f64> = (0..24).map(|_| 0.9 * generator.normal()).collect();
    let input: Vec<f64> = (0..10).map(|_| generator.normal()).collect();
    let observations = observe([2, 10, 12, 2], |seen| {
        let prompt = 0.3 * seen.arm as f64 + wording[seen.arm * 12 + seen.paraphrase];
        prompt + input[seen.input] + 0.5 * generator.normal()
    });
    let factor = Factor { name: "capitals".into(), levels: vec!["no".into(), "yes".into()] };
    let columns =
        columns(std::slice::from_ref(&factor), &full(std::slice::from_ref(&factor)), true);
    let any = Scale::Continuous { low: None, high: None };
    let model = model(&observations, any, &columns).unwrap();
    let rephrasing =
        model.fit.components.iter().find(|noise| noise.name == "rephrasing it").unwrap();
    assert!((rephrasing.standard_deviation - 0.9).abs() < 0.4, "{rephrasing:?}");
    // 24 wordings, of which the arm takes 2 degrees: the effect is not known better than that.
    assert!((model.fit.coefficients[1].degrees - 22.0).abs() < 1.0, "{:?}", model.fit.coefficients);
    let starts = "the effect of capitals = yes (";
    assert!(model.words.iter().any(|line| line.starts_with(starts) && line.contains("x the noise of rephrasing it (")), "{:?}", model.words);
}

#[test]
fn wordings_are_summarised_by_their_extremes() {
    let observations = observe([2, 4, 5, 3], |seen| (seen.arm * 10 + seen.paraphrase) as f64);
    let spread = spread(&observations, 1).unwrap();
    assert_eq!(
        (spread.wordings, spread.minimum, spread.median, spread.maximum),
        (5, 10.0, 12.0, 14.0)
    );
    assert_eq!(mynah_lab::analysis::spread(&observations, 2), None);
}

#[test]
fn a_judge_that_likes_the_first_answer_shows_no_effect() {
    let mut generator = Generator::new(7);
    let mut judgements = Vec::new();
    for input in 0..40 {
        for treatment_first in [true, false] {
            // Nine times of ten whatever stands first.
            let first = pass(&mut generator, 0.9);
            let preference = f64::from(u8::from(first == treatment_first));
            judgements.push(Judgement { input, repeat: 0, treatment_first, preference });
        }
    }
    let reliability = judge::reliability(&judgements);
    assert!(reliability.first_preferred.unwrap() > 0.8, "{reliability:?}");
    assert!(reliability.agreement.unwrap() < 0.0, "{reliability:?}");
    assert_eq!(reliability.agreement_repeated, None);
    let observations = judge::observations(&judgements, 1, 0);
    let any = Scale::Continuous { low: Some(0.0), high: Some(1.0) };
    let comparison = compare(&observations, any, &QUESTION, 0).unwrap();
    assert!(!claims(comparison.verdict), "{comparison:?}");
    // A pair judged in one place only is not used.
    assert!(judge::observations(&judgements[..1], 1, 0).is_empty());
}
