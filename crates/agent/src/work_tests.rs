//! The loop with a model that says what is written down, and real Python.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mynah_respond::{RespondError, Sampling};

use crate::ground::{Cell, Given, Ground, GroundError, Standing};
use crate::round::RoundError;
use crate::testing::HostPython;
use crate::transcript::Transcript;
use crate::work::{Attempt, Budget, End, Manner, Outcome, Task, Watch, work};

/// Remembers what it sees.
#[derive(Default)]
struct Seen(Vec<String>);

impl Watch for Seen {
    fn begun(&mut self, number: usize) {
        self.0.push(format!("begun {number}"));
    }

    fn tried(&mut self, attempt: &Attempt) {
        self.0.push(format!("{:?}", attempt.standing()));
    }
}

struct Setup<'a> {
    tests: Option<&'a str>,
    samples: usize,
    attempts: usize,
    tokens: u64,
    cells: Vec<Cell>,
    in_session: bool,
    functions: Vec<String>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        let (attempts, tokens, cells) = (3, 1000, Vec::new());
        Self {
            tests: None,
            samples: 1,
            attempts,
            tokens,
            cells,
            in_session: false,
            functions: Vec::new(),
        }
    }
}

impl Setup<'_> {
    fn run(&self, transcript: &str) -> Result<Outcome, RoundError> {
        self.watched(transcript, &mut Seen::default())
    }

    fn watched(&self, transcript: &str, watch: &mut Seen) -> Result<Outcome, RoundError> {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("sales.csv");
        fs::write(&path, "month,sum\nMay,3\nJune,4\n").unwrap();
        let given = [Given { name: "sales.csv".to_owned(), path, before: self.cells.len() }];
        let ground = Ground {
            interpreter: &HostPython,
            scratch: scratch.path(),
            given: &given,
            cells: &self.cells,
            in_session: self.in_session,
            tests: self.tests,
            functions: &self.functions,
        };
        let stop = AtomicBool::new(false);
        let budget =
            Budget { attempts: self.attempts, tokens: self.tokens, time: Duration::from_hours(1) };
        let sampling = Sampling { max_tokens: 500, ..Sampling::default() };
        let manner =
            Manner { sampling, seed: 1, samples: self.samples, parallel: 2, budget, stop: &stop };
        let task = Task { text: "Which month was best?", earlier: &[] };
        let mut model = Transcript::read("test.jsonl", transcript).unwrap();
        work(&task, &manner, &mut model, &ground, watch)
    }
}

fn line(source: &str, asked: &[&str]) -> String {
    let answer = format!("So:\n```python\n{source}\n```\n");
    format!("{}\n", serde_json::json!({"answer": answer, "asked": asked}))
}

#[test]
fn the_error_goes_back_until_the_program_works() {
    let model = line("import csv\nprint(rows)", &["Which month", "sales.csv is in", "month,sum"])
        + &line(
            "import csv\nprint(max(csv.DictReader(open('sales.csv')), key=lambda r: int(r['sum']))['month'])",
            &["The program failed", "NameError: name 'rows' is not defined", "print(rows)"],
        );
    let mut seen = Seen::default();
    let outcome = Setup::default().watched(&model, &mut seen).unwrap();
    assert_eq!(seen.0, ["begun 1", "Failed", "begun 2", "Works"]);
    let working = outcome.working().unwrap();
    assert_eq!(working.trial.as_ref().unwrap().run.stdout, "June\n");
    let changes = working.changes.as_deref().unwrap();
    assert!(changes.contains("-print(rows)"), "{changes}");
}

#[test]
fn what_did_not_work_is_no_result() {
    let model = line("1/0", &[])
        + &line("x = 1", &["ZeroDivisionError"])
        + &line("deff", &["printed nothing"]);
    let outcome = Setup::default().run(&model).unwrap();
    assert_eq!(outcome.end, End::AttemptsSpent);
    assert!(outcome.working().is_none());
    // Running to the end without output is closer than an error.
    assert_eq!(outcome.closest().unwrap().number, 2);
    assert_eq!(outcome.closest().unwrap().standing(), Standing::Silent);
}

#[test]
fn answers_without_a_program_are_asked_about() {
    let sentence = "{\"answer\": \"I cannot read files.\"}\n";
    let bare = "{\"answer\": \"print(1)\", \"asked\": [\"There is no program in your answer\"]}\n";
    let outcome = Setup::default().run(&format!("{sentence}{bare}")).unwrap();
    assert_eq!(outcome.attempts[0].standing(), Standing::NoProgram);
    assert_eq!(outcome.working().unwrap().source.as_deref(), Some("print(1)"));
}

#[test]
fn tests_decide_what_is_done() {
    let setup = Setup { tests: Some("assert f(2) == 4\n"), ..Setup::default() };
    let model = line("def f(x): return x", &["must pass these tests", "assert f(2) == 4"])
        + &line("def f(x): return 2 * x", &["A test failed", "assert f(2) == 4"]);
    let outcome = setup.run(&model).unwrap();
    assert_eq!(outcome.attempts[0].standing(), Standing::TestsFailed);
    assert!(outcome.working().is_some());
}

#[test]
fn the_budget_is_kept() {
    let model = line("1/0", &[]).repeat(5);
    let outcome = Setup { tokens: 8, ..Setup::default() }.run(&model).unwrap();
    assert_eq!((outcome.end, outcome.attempts.len()), (End::TokensSpent, 3 - 1));
    let outcome = Setup { attempts: 1, ..Setup::default() }.run(&model).unwrap();
    assert_eq!((outcome.end, outcome.attempts.len()), (End::AttemptsSpent, 1));
}

#[test]
fn the_largest_group_of_several_is_kept() {
    let model = line("print(1)", &[])
        + &line("print(1 + 1)", &[])
        + &line("1/0", &[])
        + &line("print(2)", &[]);
    let outcome = Setup { samples: 4, ..Setup::default() }.run(&model).unwrap();
    let attempt = outcome.working().unwrap();
    assert_eq!(attempt.source.as_deref(), Some("print(1 + 1)\n"));
    let agreement = attempt.agreement.as_ref().unwrap();
    assert_eq!((agreement.largest(), agreement.of, agreement.groups.len()), (2, 4, 2));
}

#[test]
fn functions_are_compared_by_what_they_do() {
    let model = line("def f(x): return x * 2", &[])
        + &line("def f(x): return x * x", &[])
        + &line("def f(n):\n    y = n\n    return y * y", &[]);
    let functions = vec!["f".to_owned()];
    let outcome = Setup { samples: 3, functions, ..Setup::default() }.run(&model).unwrap();
    let attempt = outcome.working().unwrap();
    assert_eq!(attempt.source.as_deref(), Some("def f(x): return x * x\n"));
    assert_eq!(attempt.agreement.as_ref().unwrap().largest(), 2);
}

#[test]
fn variables_live_on_in_a_session() {
    let cell =
        |source: &str, stdout: &str| Cell { source: source.to_owned(), stdout: stdout.to_owned() };
    let cells = vec![cell("x = 20", ""), cell("print(x)\ny = x + 1", "20\n")];
    let setup = Setup { cells, in_session: true, ..Setup::default() };
    let outcome = setup.run(&line("print(x + y)", &["still there"])).unwrap();
    assert_eq!(outcome.working().unwrap().trial.as_ref().unwrap().run.stdout, "41\n");
    let drifted =
        Setup { cells: vec![cell("print(1)", "2\n")], in_session: true, ..Setup::default() };
    let error = drifted.run(&line("print(1)", &[])).unwrap_err();
    assert!(matches!(error, RoundError::Ground(GroundError::Drifted { cell: 1, .. })), "{error}");
}

#[test]
fn a_transcript_that_does_not_fit_is_an_error() {
    let error = Setup::default().run(&line("1/0", &["no such text"])).unwrap_err();
    assert!(error.to_string().contains("\"no such text\""), "{error}");
    let error = Setup::default().run(&line("1/0", &[])).unwrap_err();
    assert!(matches!(&error, RoundError::Respond(RespondError::Responder(_))), "{error}");
    assert!(error.to_string().contains("has 1 answers, and more are asked"), "{error}");
    assert!(Transcript::read("t", "{}").unwrap_err().to_string().starts_with("line 1: "));
}
