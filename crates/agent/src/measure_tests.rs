//! Counting, with a scripted model and real Python.

use std::sync::atomic::AtomicBool;

use mynah_respond::{Request, Sampling, Script};

use crate::ground::Standing;
use crate::measure::{Measured, Plan, Sample, canonical, measure};
use crate::problems::{Problem, human_eval};
use crate::testing::HostPython;

/// Two problems: double a number, and halve it.
fn problems() -> Vec<Problem> {
    let problem = |name: &str, body: &str, test: &str| {
        serde_json::json!({
            "task_id": name,
            "prompt": format!("def {name}(x):\n    \"\"\"The task {name}.\"\"\"\n"),
            "entry_point": name,
            "canonical_solution": format!("    {body}\n"),
            "test": format!("def check(candidate):\n    assert {test}\n"),
        })
    };
    let lines = [
        problem("double", "return 2 * x", "candidate(4) == 8"),
        problem("halve", "return x / 2", "candidate(4) == 2"),
    ];
    human_eval(&lines.map(|line| line.to_string()).join("\n")).unwrap()
}

fn run(repairs: usize, answer: impl FnMut(&Request) -> Result<String, String>) -> Measured {
    let (scratch, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let problems = problems();
    let plan = Plan {
        problems: &problems,
        samples: 3,
        repairs,
        runs: true,
        sampling: Sampling { max_tokens: 100, ..Sampling::default() },
        seed: 1,
        parallel: 2,
        stop: &stop,
    };
    let mut model = Script::new(4, answer);
    measure(&plan, &mut model, &HostPython, scratch.path(), &mut |_, _| {}).unwrap()
}

fn fenced(code: &str) -> String {
    format!("```python\n{code}\n```")
}

#[test]
fn samples_are_counted_at_once_and_after_repairs() {
    let measured = run(2, |request| {
        let is_double = request.prompt.texts().any(|text| text.contains("def double"));
        let is_first = request.prompt.earlier.is_empty();
        match (is_double, is_first, request.repeat) {
            // One right at once; the others when they hear what is wrong.
            (true, true, 0) => Ok(fenced("def double(x):\n    return 2 * x")),
            (true, true, _) => Ok(fenced("def double(x):\n    return x")),
            (true, false, _) => Ok(fenced("def double(x):\n    return x + x")),
            // Never right; the second try only drops an assertion.
            (false, true, _) => Ok(fenced("def halve(x):\n    assert x > 9\n    return x")),
            (false, false, _) => Ok(fenced("def halve(x):\n    return x")),
        }
    });
    let at_once: Vec<bool> = measured.samples.iter().map(Sample::passes_at_once).collect();
    let in_the_end: Vec<bool> = measured.samples.iter().map(Sample::passes).collect();
    assert_eq!(at_once, [true, false, false, false, false, false]);
    assert_eq!(in_the_end, [true, true, true, false, false, false]);
    let lengths: Vec<usize> = measured.samples.iter().map(|sample| sample.tried.len()).collect();
    assert_eq!(lengths, [1, 2, 2, 3, 3, 3]);
    let halves = &measured.samples[3].tried;
    assert_eq!(halves[0].error.as_deref(), Some("AssertionError"));
    assert_eq!(halves[0].standing, Standing::TestsFailed);
    let deletes: Vec<bool> = halves.iter().map(|tried| tried.only_deletes_assertions).collect();
    assert_eq!(deletes, [false, true, false]);
}

#[test]
fn what_cannot_be_answered_does_not_pass() {
    let measured = run(1, |request| match request.repeat {
        0 => Err("too long".to_owned()),
        1 => Ok("I do not know.".to_owned()),
        _ => Ok(fenced("    return 2 * x")),
    });
    assert_eq!((measured.unanswered, measured.reason.as_deref()), (2, Some("too long")));
    let passing: Vec<usize> =
        measured.samples.iter().filter(|sample| sample.passes()).map(|s| s.problem).collect();
    // A body without its signature goes on after the prompt.
    assert_eq!(passing, [0]);
    assert_eq!(measured.samples[1].tried[0].standing, Standing::NoProgram);
}

#[test]
fn canonical_solutions_pass() {
    let (scratch, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let trials = canonical(&problems(), &HostPython, scratch.path(), 2, &stop).unwrap();
    assert!(trials.iter().all(|trial| trial.standing == Standing::Works));
    assert_eq!(trials.len(), 2);
}
