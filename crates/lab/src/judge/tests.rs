use std::fs;

use serde_json::json;

use super::*;
use crate::check::make;
use crate::testing::{check, experiment, object, samples};

/// Judges by a function of the question; notes how many were asked.
struct Scripted<F>(F, usize);

impl<F: Fn(&str, u64) -> &'static str> Tools for Scripted<F> {
    fn ask(
        &mut self,
        model: &str,
        prompts: &[Prompt],
        _: &Sampling,
        seed: u64,
    ) -> Result<Vec<Answer>, String> {
        assert_eq!(model, "m");
        self.1 += prompts.len();
        let one = |prompt: &Prompt| Answer {
            text: (self.0)(&prompt.user, seed).to_owned(),
            finish: crate::respond::Finish::Stop,
            prompt_tokens: None,
            tokens: None,
            cost: None,
            fingerprint: None,
        };
        Ok(prompts.iter().map(one).collect())
    }
}

/// Whether the answer that stands first contains "good".
fn first_is_good(question: &str) -> bool {
    question.split("ANSWER B").next().unwrap_or_default().contains("\ngood\n")
}

#[test]
fn a_fair_judge_of_pairs_finds_the_better_arm() {
    let checks =
        vec![check("preference", &json!({"criterion": "good", "model": "m", "repeats": 2}))];
    let experiment = experiment(6, 1, checks);
    let mut samples =
        samples(
            &experiment,
            |cell| {
                if cell.arm == 1 { "good".to_owned() } else { "poor".to_owned() }
            },
        );
    let mut tools =
        Scripted(|question: &str, _: u64| if first_is_good(question) { "A" } else { "B" }, 0);
    let judged = judge(&experiment, &mut samples, &mut tools).unwrap();
    assert_eq!((judged[0].asked, tools.1, judged[0].unclear), (24, 24, 0));
    assert_eq!(judged[0].reliability.first_preferred, Some(0.5));
    for sample in &samples {
        let expected = if sample.cell.arm == 1 { 1.0 } else { 0.5 };
        assert_eq!(sample.outcomes[0].value, expected);
    }
}

#[test]
fn a_judge_that_favours_a_place_is_found_out_and_does_no_harm() {
    let checks = vec![check("preference", &json!({"criterion": "good", "model": "m"}))];
    let experiment = experiment(5, 2, checks);
    let mut samples = samples(&experiment, |cell| format!("answer of {}", cell.arm));
    let mut tools = Scripted(|_: &str, _: u64| "A", 0);
    let judged = judge(&experiment, &mut samples, &mut tools).unwrap();
    assert_eq!(judged[0].reliability.first_preferred, Some(1.0));
    // Less agreement than chance would give.
    assert!(judged[0].reliability.agreement.unwrap() < 0.0);
    assert!(samples.iter().all(|sample| sample.outcomes[0].value == 0.5));
}

#[test]
fn single_answers_pass_by_the_majority_of_verdicts() {
    let keys = json!({"criterion": "good", "model": "m", "repeats": 3});
    let experiment = experiment(2, 1, vec![check("judge", &keys)]);
    let mut samples =
        samples(
            &experiment,
            |cell| {
                if cell.arm == 1 { "good".to_owned() } else { "poor".to_owned() }
            },
        );
    let mut tools = Scripted(
        |question: &str, seed: u64| match (question.contains("\ngood\n"), seed % 3) {
            (true, 0) => "hm",
            (true, _) => "YES",
            (false, 0) => "yes",
            (false, _) => "NO",
        },
        0,
    );
    let judged = judge(&experiment, &mut samples, &mut tools).unwrap();
    assert_eq!((judged[0].asked, judged[0].unclear), (12, 2));
    for sample in &samples {
        assert_eq!(sample.outcomes[0].value, sample.cell.arm as f64);
    }
    assert_eq!(samples[0].outcomes[0].reason, "passed by 1 of 3 verdicts");
    assert!(judged[0].reliability.agreement.unwrap() < 1.0);
}

/// A judge that passes every good answer and a quarter of the poor ones.
#[test]
fn labels_take_out_the_errors_of_a_judge_of_single_answers() {
    let folder = tempfile::tempdir().unwrap();
    // Good are the even inputs of arm 1; people labelled the first 40 inputs of both arms.
    let mut labels = String::new();
    for input in 0..40 {
        for (arm, name) in [(0, "plain"), (1, "loud")] {
            let pass = arm == 1 && input % 2 == 0;
            labels +=
                &format!("{}\n", json!({"input": format!("n{input}"), "arm": name, "pass": pass}));
        }
    }
    fs::write(folder.path().join("labels.jsonl"), labels).unwrap();
    let keys = json!({"criterion": "x", "model": "m", "repeats": 1, "labels": "labels.jsonl"});
    let checked = make("judge", object(&keys), folder.path().to_owned()).unwrap();
    let experiment = experiment(200, 1, vec![checked]);
    let mut samples = samples(&experiment, |cell| match (cell.arm, cell.input % 4) {
        (1, 0 | 2) => "good".to_owned(),
        (_, 1) => "poor but charming".to_owned(),
        _ => "poor".to_owned(),
    });
    let charmed = |question: &str, _: u64| {
        if question.contains("\ngood\n") || question.contains("charming") { "YES" } else { "NO" }
    };
    let judged = judge(&experiment, &mut samples, &mut Scripted(charmed, 0)).unwrap();
    let [plain, loud] = &judged[0].calibrated[..] else { panic!("{judged:?}") };
    assert_eq!((plain.judged, loud.judged), (0.25, 0.75));
    assert_eq!((plain.labelled, plain.method), (80, Method::RoganGladen));
    let ((plain, ..), (loud, low, high)) = (plain.corrected.unwrap(), loud.corrected.unwrap());
    // The truth is 0 and 1/2; the judge errs on a third of the poor answers.
    assert!(plain < 0.01, "{plain}");
    assert!((0.5..0.65).contains(&loud) && low < 0.6 && high > 0.6, "{loud} {low} {high}");
}

#[test]
fn labels_of_pairs_correct_a_preference() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = String::new();
    for input in 0..30 {
        // People are divided; some saw the control on the left.
        let label = match input % 3 {
            0 => {
                json!({"input": format!("n{input}"), "left": "loud", "right": "plain", "choice": "left"})
            }
            1 => {
                json!({"input": format!("n{input}"), "left": "plain", "right": "loud", "choice": "left"})
            }
            _ => {
                json!({"input": format!("n{input}"), "left": "plain", "right": "loud", "choice": "tie"})
            }
        };
        labels += &format!("{label}\n");
    }
    fs::write(folder.path().join("l.jsonl"), labels).unwrap();
    let keys = json!({"criterion": "x", "model": "m", "labels": "l.jsonl"});
    let checked = make("preference", object(&keys), folder.path().to_owned()).unwrap();
    let experiment = experiment(100, 1, vec![checked]);
    let mut samples = samples(&experiment, |cell| format!("{}", cell.arm));
    let loud = |question: &str, _: u64| {
        if question.split("ANSWER B").next().unwrap_or_default().contains("\n1\n") {
            "A"
        } else {
            "B"
        }
    };
    let judged = judge(&experiment, &mut samples, &mut Scripted(loud, 0)).unwrap();
    let [loud] = &judged[0].calibrated[..] else { panic!("{judged:?}") };
    assert_eq!((loud.judged, loud.labelled, loud.agreement), (1.0, 30, 0.5));
    let (estimate, low, high) = loud.corrected.unwrap();
    assert!((estimate - 0.5).abs() < 1e-9 && low < 0.5 && 0.5 < high);
}

#[test]
fn a_judge_that_is_not_there_is_an_error() {
    let checks = vec![check("judge", &json!({"criterion": "good", "model": "m"}))];
    let experiment = experiment(1, 1, checks);
    let mut samples = samples(&experiment, |_| String::new());
    let error = judge(&experiment, &mut samples, &mut crate::check::NoTools).unwrap_err();
    assert!(error.contains("no judge"), "{error}");
}
