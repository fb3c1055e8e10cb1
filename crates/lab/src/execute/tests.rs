//! Whole runs with scripted answers.

use std::cell::Cell as Count;
use std::collections::HashSet;

use mynah_store::Store;

use super::*;
use crate::check::NoTools;
use crate::experiment::Draft;
use crate::outcome::Verdict;
use crate::respond::{Request, Script};

/// An experiment of two prompts on `inputs` lines.
fn experiment(inputs: usize, repeats: usize) -> Experiment {
    draft(inputs, repeats).build().unwrap()
}

fn draft(inputs: usize, repeats: usize) -> Draft {
    crate::testing::draft(["plain", "loud"], &["contains=yes"], inputs, repeats)
}

/// "yes" with the chance of the prompt's side, by the request's own seed.
fn coin(rates: [f64; 2]) -> impl FnMut(&Request) -> Result<String, String> {
    move |request| {
        let rate = rates[usize::from(request.prompt.user.starts_with("loud"))];
        let seed = request.seed ^ (request.repeat as u64) << 40;
        let drawn = crate::statistics::random::Generator::new(seed).uniform();
        Ok(if drawn < rate { "yes" } else { "no" }.to_owned())
    }
}

fn run(
    experiment: &Experiment,
    answer: impl FnMut(&Request) -> Result<String, String>,
    journal: &mut dyn Journal,
) -> Result<ModelResults, ExecuteError> {
    let (tools, observer) = (&mut NoTools, &mut Unobserved);
    execute(experiment, &mut Script::new(7, answer), Company { journal, tools, observer })
}

#[test]
fn a_clear_difference_is_found_and_every_sample_is_analysed() {
    let results = run(&experiment(10, 20), coin([0.2, 0.8]), &mut Unkept).unwrap();
    assert_eq!(results.findings[0].verdict(), Verdict::Better);
    assert_eq!((results.samples.len(), results.analysed), (400, 400));
    assert_eq!(results.ended, Ended::Complete);
}

#[test]
fn many_inputs_allow_an_early_end() {
    let experiment = experiment(400, 1);
    assert!(experiment.early);
    let results = run(&experiment, coin([0.1, 0.9]), &mut Unkept).unwrap();
    assert_eq!(
        (results.findings[0].verdict(), &results.ended),
        (Verdict::Better, &Ended::Answered)
    );
    assert!(results.samples.len() < 300, "{}", results.samples.len());
    let comparison = results.findings[0].comparison.as_ref().unwrap();
    assert_eq!(comparison.method, "betting confidence sequence");
}

#[test]
fn a_prompt_against_itself_is_rarely_told_from_itself() {
    // Two-sided at 5 %: of 200 runs more than 20 would be four standard deviations too many.
    let mut found = 0;
    for seed in 0..200 {
        let mut draft = draft(30, 2);
        (draft.is_aa, draft.seed, draft.early) = (true, seed, Some(true));
        let results = run(&draft.build().unwrap(), coin([0.5, 0.5]), &mut Unkept).unwrap();
        found +=
            u32::from(matches!(results.findings[0].verdict(), Verdict::Better | Verdict::Worse));
    }
    assert!(found <= 20, "{found}");
}

/// Stops after so many answers.
struct Impatient(usize);

impl Observer for Impatient {
    fn tally(&mut self, tally: &Tally) {
        if tally.samples >= self.0 {
            self.0 = 0;
        }
    }

    fn is_interrupted(&mut self) -> bool {
        self.0 == 0
    }
}

#[test]
fn an_interrupted_run_goes_on_and_draws_nothing_twice() {
    let experiment = experiment(6, 5);
    let mut store = Store::in_memory(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let drawn = Count::new(0);
    let mut seen = HashSet::new();
    let mut script = |request: &Request| {
        drawn.set(drawn.get() + 1);
        assert!(seen.insert(request.id), "sample {} was drawn twice", request.id);
        coin([0.3, 0.7])(request)
    };
    let journal = &mut Kept::new(&mut store, false);
    let (tools, observer) = (&mut NoTools, &mut Impatient(23));
    let company = Company { journal, tools, observer };
    let first = execute(&experiment, &mut Script::new(4, &mut script), company).unwrap();
    assert_eq!((first.ended, first.samples.len()), (Ended::Interrupted, 23));
    let second = run(&experiment, &mut script, &mut Kept::new(&mut store, true)).unwrap();
    assert_eq!((second.resumed, second.samples.len(), drawn.get()), (23, 60, 60));
    // The same as if it had never been interrupted.
    let whole = run(&experiment, coin([0.3, 0.7]), &mut Unkept).unwrap();
    assert_eq!(second.samples, whole.samples);
    // Without --resume it begins anew.
    let again = run(&experiment, coin([0.3, 0.7]), &mut Kept::new(&mut store, false)).unwrap();
    assert_eq!(again.resumed, 0);
}

#[test]
fn an_interruption_does_not_favour_short_answers() {
    // Ten inputs in one block; stopped half way, the inputs that are complete count and no others.
    let (tools, observer) = (&mut NoTools, &mut Impatient(50));
    let company = Company { journal: &mut Unkept, tools, observer };
    let results =
        execute(&experiment(10, 5), &mut Script::new(3, coin([0.5, 0.5])), company).unwrap();
    assert_eq!(results.samples.len(), 50);
    assert!(results.analysed.is_multiple_of(10) && results.analysed < 50, "{}", results.analysed);
}

#[test]
fn the_budget_is_spent_on_whole_inputs() {
    let mut draft = draft(10, 5);
    draft.budget.samples = Some(47);
    let results = run(&draft.build().unwrap(), coin([0.5, 0.5]), &mut Unkept).unwrap();
    assert_eq!((results.samples.len(), results.analysed, results.ended), (40, 40, Ended::Budget));
}

#[test]
fn no_more_is_spent_than_the_cap() {
    let mut draft = draft(10, 5);
    draft.budget.cost = Some(0.455);
    let experiment = draft.build().unwrap();
    // The first three requests fail, and cost what the others do.
    let answer = |request: &Request| match request.id {
        0..3 => Err("the reply broke off".to_owned()),
        _ => Ok("yes".to_owned()),
    };
    let (tools, observer, journal) = (&mut NoTools, &mut Unobserved, &mut Unkept);
    let mut script = Script::new(7, answer).paid(0.01);
    let results = execute(&experiment, &mut script, Company { journal, tools, observer }).unwrap();
    assert_eq!((results.samples.len(), results.failures), (42, 3));
    assert!((results.cost - 0.45).abs() < 1e-9, "{}", results.cost);
    assert_eq!(results.ended, Ended::Budget);
}

#[test]
fn few_failures_are_left_out_and_many_end_the_run() {
    let failing = |every: usize| {
        move |request: &Request| {
            if request.id.is_multiple_of(every) {
                Err("busy".to_owned())
            } else {
                Ok("yes".to_owned())
            }
        }
    };
    let results = run(&experiment(40, 2), failing(50), &mut Unkept).unwrap();
    assert_eq!((results.failures, results.samples.len()), (4, 156));
    assert!(results.analysed < 156 && results.analysed >= 144);
    let error = run(&experiment(40, 2), failing(3), &mut Unkept).unwrap_err();
    assert!(error.to_string().contains("because busy"), "{error}");
}

/// A check that cannot look.
struct Broken;

impl crate::check::Check for Broken {
    fn scale(&self) -> crate::outcome::Scale {
        crate::outcome::Scale::Binary
    }

    fn check(&self, _: &crate::check::Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        Err("python3 is not here".to_owned())
    }
}

#[test]
fn a_check_that_cannot_be_made_ends_the_run_and_keeps_the_sample() {
    let mut experiment = experiment(3, 1);
    experiment.checks[0].check = std::sync::Arc::new(Broken);
    let mut store = Store::in_memory(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let error = run(&experiment, coin([0.5, 0.5]), &mut Kept::new(&mut store, false)).unwrap_err();
    assert!(error.to_string().contains("python3 is not here"), "{error}");
    let run = store.experiments(None).unwrap().remove(0);
    assert_eq!(store.samples_of(&run.id).unwrap().len(), 1);
}

#[test]
fn a_single_prompt_without_inputs_is_compared_by_its_repetitions() {
    let mut draft = draft(1, 60);
    draft.inputs = None;
    for variant in &mut draft.variants {
        variant.prompts[0].value = format!("{}!", variant.name.value);
    }
    let results = run(&draft.build().unwrap(), coin([0.2, 0.9]), &mut Unkept).unwrap();
    assert_eq!(results.findings[0].verdict(), Verdict::Better);
}

#[test]
fn a_pilot_says_what_the_whole_can_show() {
    let whole = experiment(10, 3);
    let pilot = run(&pilot_of(&whole), coin([0.5, 0.6]), &mut Unkept).unwrap();
    let seen = outlook(&whole, &pilot.samples).unwrap();
    // 2 x 0.25 / 3 over ten inputs, and what lies between inputs by chance.
    assert!(seen.hopeless && (0.2..0.6).contains(&seen.detectable), "{seen:?}");
    assert!(seen.plan.samples_needed > 400, "{seen:?}");
}
