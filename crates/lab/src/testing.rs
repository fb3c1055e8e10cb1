//! A small experiment with made-up answers, for the tests of what looks at results.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::check::{Checked, make, make_short};
use crate::design::Cell;
use crate::execute::Sample;
use crate::experiment::{
    Arm, Budget, Compared, Draft, Experiment, Input, InputsDraft, Source, Spot, Template,
    VariantDraft, Wording,
};
use crate::outcome::Question;
use crate::respond::{Answer, Finish, Sampling};

pub(crate) fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub(crate) fn check(kind: &str, keys: &Value) -> Checked {
    make(kind, object(keys), PathBuf::new()).unwrap()
}

/// Two arms, `plain` and `loud`, with the plain one as control.
pub(crate) fn experiment(inputs: usize, repeats: usize, checks: Vec<Checked>) -> Experiment {
    let arm = |name: &str, prompt: &str| Arm {
        name: name.to_owned(),
        levels: Vec::new(),
        wordings: vec![Wording { system: None, prompt: Template::new(prompt).unwrap() }],
    };
    let input = |place: usize| Input {
        name: format!("n{place}"),
        group: place,
        fields: object(&json!({"text": format!("note {place}")})),
    };
    Experiment {
        name: "capitals".to_owned(),
        models: vec!["script".to_owned()],
        arms: vec![arm("plain", "Sum up: {{text}}"), arm("loud", "SUM UP: {{text}}")],
        factors: Vec::new(),
        fraction: None,
        inputs: (0..inputs).map(input).collect(),
        sampling: Sampling { max_tokens: 60, ..Sampling::default() },
        repeats,
        seed: 7,
        checks,
        question: Question {
            treatment: 1,
            control: 0,
            margin: 0.1,
            alpha: 0.05,
            lower_is_better: false,
        },
        compared: Compared { factor: None },
        early: false,
        budget: Budget::default(),
        requirement: None,
        is_aa: false,
    }
}

/// Every sample of an experiment, in plain order, answered by a function of its place.
pub(crate) fn samples(experiment: &Experiment, answer: impl Fn(&Cell) -> String) -> Vec<Sample> {
    let mut samples = Vec::new();
    for input in 0..experiment.inputs.len() {
        for arm in 0..experiment.arms.len() {
            for repeat in 0..experiment.repeats {
                let cell = Cell { block: 0, input, arm, paraphrase: 0, repeat };
                let answer = Answer {
                    text: answer(&cell),
                    finish: Finish::Stop,
                    prompt_tokens: None,
                    tokens: Some(5),
                    cost: None,
                    fingerprint: None,
                };
                let seed = experiment.seed_of(&cell);
                samples.push(Sample { cell, seed, answer, outcomes: Vec::new() });
            }
        }
    }
    samples
}

/// Two variants of these names, with these checks as on the command line.
pub(crate) fn draft(names: [&str; 2], checks: &[&str], inputs: usize, repeats: usize) -> Draft {
    let mut draft = Draft::new(Source { name: "test".into(), text: String::new() }, "test");
    for name in names {
        draft.variants.push(VariantDraft {
            name: Spot::nowhere(name.to_owned()),
            system: None,
            prompts: vec![Spot::nowhere(format!("{name}: {{{{text}}}}"))],
        });
    }
    let text: String = (0..inputs).map(|n| format!("note {n}\n")).collect();
    draft.inputs = Some(InputsDraft::read(Source { name: "n.txt".into(), text }).unwrap());
    draft.repeats = Some(repeats);
    draft.checks =
        checks.iter().map(|text| (make_short(text, ".".into()).unwrap(), None)).collect();
    draft
}
