//! What a person reads, for answers that a script made up.

use crate::check::NoTools;
use crate::execute::{Company, Unkept, Unobserved, execute, outlook, pilot_of};
use crate::experiment::{Draft, Experiment};
use crate::respond::{Request, Script};
use crate::results::Results;
use crate::statistics::random::Generator;

use super::*;

fn draft(inputs: usize, repeats: usize) -> Draft {
    crate::testing::draft(["plain", "capitals"], &["contains=yes", "words"], inputs, repeats)
}

fn run(experiment: Experiment, rates: [f64; 2]) -> Results {
    let answer = move |request: &Request| {
        let rate = rates[usize::from(request.prompt.user.starts_with("capitals"))];
        let drawn = Generator::new(request.seed ^ (request.repeat as u64) << 40).uniform();
        Ok(if drawn < rate { "yes indeed" } else { "no" }.to_owned())
    };
    let (journal, tools, observer) = (&mut Unkept, &mut NoTools, &mut Unobserved);
    let model =
        execute(&experiment, &mut Script::new(5, answer), Company { journal, tools, observer });
    let design = experiment.hash().unwrap();
    Results { experiment, design, models: vec![model.unwrap()] }
}

fn text(draft: Draft, rates: [f64; 2]) -> String {
    results_text(&run(draft.build().unwrap(), rates), 80)
}

#[test]
fn better() {
    insta::assert_snapshot!(text(draft(10, 20), [0.3, 0.7]));
}

#[test]
fn not_enough_samples() {
    insta::assert_snapshot!(text(draft(6, 3), [0.5, 0.6]));
}

#[test]
fn no_meaningful_difference() {
    insta::assert_snapshot!(text(draft(80, 20), [0.5, 0.5]));
}

#[test]
fn a_prompt_against_itself() {
    let mut one = draft(10, 10);
    one.is_aa = true;
    insta::assert_snapshot!(text(one, [0.5, 0.5]));
}

#[test]
fn names_do_not_command_the_terminal() {
    let mut one = draft(3, 2);
    one.variants[0].name.value = "a\x1b[2Jb\nc".to_owned();
    let text = text(one, [0.5, 0.5]);
    assert!(!text.contains('\x1b') && text.contains("a [2Jb c"), "{text}");
}

#[test]
fn a_plan() {
    let whole = draft(10, 5).build().unwrap();
    let pilot = run(pilot_of(&whole), [0.4, 0.6]);
    let seen = outlook(&whole, &pilot.models[0].samples);
    insta::assert_snapshot!(outlook_text(&whole, seen.as_ref()));
}
