//! `mynah code` and `mynah bench humaneval`, with a model that says what is written down and the
//! real sandbox.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use program::{ended, mynah};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A home in which the sandbox's Python is, and stays compiled from one run of the tests to the
/// next. What is kept of tasks lies elsewhere.
fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let folder = std::env::var_os("MYNAH_TEST_MODELS").expect(
            "MYNAH_TEST_MODELS is not set: run `cargo xtask test`, which fetches the models",
        );
        let python = fs::canonicalize(Path::new(&folder).join("python-3.12.wasm")).unwrap();
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code");
        // As `mynah pull` would have left it.
        let kept = home.join("models/cpython-wasi");
        fs::create_dir_all(&kept).unwrap();
        if !kept.join("mynah.json").exists() {
            fs::copy(&python, kept.join("python.wasm")).unwrap();
            let manifest = json!({
                "name": "cpython-wasi", "source": "a test", "licence": null,
                "fetched_at": "2026-01-01T00:00:00Z", "main": "python.wasm",
                "files": [{"name": "python.wasm", "bytes": 26_267_204, "sha256":
                    "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763"}],
            });
            fs::write(kept.join("mynah.json"), manifest.to_string()).unwrap();
        }
        home
    })
}

/// A folder for one test.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.path().join(name), text).unwrap();
        self.path(name)
    }

    /// Status, standard output and standard error of a command; `programs` are what the model
    /// writes.
    fn run(&self, programs: &[&str], arguments: &[&str]) -> (i32, String, String) {
        let line = |program: &&str| {
            let answer = format!("Here it is:\n```python\n{program}\n```");
            json!({ "answer": answer }).to_string() + "\n"
        };
        let lines: String = programs.iter().map(line).collect();
        let transcript = self.write("transcript.jsonl", &lines);
        let database = self.path("mynah.db");
        let more = ["--transcript", &transcript];
        let arguments: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(more.into_iter().filter(|_| !programs.is_empty()))
            .collect();
        ended(mynah(home(), &arguments).env("MYNAH_DATABASE", database).output().unwrap())
    }
}

#[test]
fn a_program_is_repaired_until_it_works() {
    let desk = Desk::new();
    let sales = desk.write("sales.csv", "month,sum\nMay,3\nJune,4\n");
    let wrong =
        "import csv\nrows = csv.reader(open('sales.csv'))\nprint(max(row[2] for row in rows))";
    let right = "import csv\nrows = csv.DictReader(open('sales.csv'))\nbest = max(rows, key=lambda row: int(row['sum']))\nprint(best['month'])\nopen('best.txt', 'w').write(best['month'])";
    let saved = desk.path("result");
    let asked = ["code", "Which month was best?", "--file", &sales, "--save", &saved];
    let (status, out, err) = desk.run(&[wrong, right], &asked);
    assert_eq!((status, out.as_str()), (0, "June\n"), "{err}");
    assert!(err.contains("attempt 1: it failed: IndexError: list index out of range"), "{err}");
    assert!(err.contains("attempt 2: it works") && err.contains("-print(max(row[2]"), "{err}");
    let read = |name: &str| fs::read_to_string(Path::new(&saved).join(name)).unwrap();
    assert_eq!(read("program.py").trim_end(), right);
    assert_eq!((read("output.txt"), read("files/best.txt")), ("June\n".into(), "June".into()));
    // What was asked and answered is kept.
    let (_, logs, _) = desk.run(&[], &["logs", "list"]);
    assert!(logs.contains("Which month was best?"), "{logs}");
    // A folder with something in it is not written to.
    let (status, _, err) = desk.run(&[right], &asked);
    assert_eq!(status, 2, "{err}");
}

#[test]
fn what_never_works_is_no_result() {
    let desk = Desk::new();
    let programs = ["1 / 0", "while True: pass"];
    let asked = ["code", "--attempts", "2", "--run-seconds", "1", "Print one."];
    let (status, out, err) = desk.run(&programs, &asked);
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("ran longer than 1 s"), "{err}");
    assert!(err.contains("error: no program worked in 2 attempts"), "{err}");
    assert!(err.contains("hint: "), "{err}");
    let (status, out, _) = desk.run(&programs[..1], &["code", "--attempts", "1", "--json", "x"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &report["works"], &report["program"]), (1, &json!(false), &Value::Null));
    assert_eq!(report["attempts"][0]["ending"]["failed"]["code"], 1);
}

#[test]
fn tests_and_agreement_decide() {
    let desk = Desk::new();
    let tests = desk.write("tests.py", "def test_f():\n    assert f(3) == 9\n");
    let programs = ["def f(x): return 2 * x", "def f(x): return x * x"];
    let (status, out, err) = desk.run(&programs, &["code", "--test", &tests, "Square a number."]);
    assert_eq!((status, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("attempt 1: a test failed: AssertionError"), "{err}");

    let programs = ["print(6)", "print(7)", "print(3 + 4)", "1 / 0"];
    let (status, out, err) = desk.run(&programs, &["code", "--samples", "4", "A number."]);
    assert_eq!((status, out.as_str()), (0, "7\n"), "{err}");
    assert!(err.contains("2 of 4 candidates do the same (50 %, 95 % interval 7 to 93 %)"), "{err}");
}

#[test]
fn variables_live_on_in_a_session() {
    let desk = Desk::new();
    let data = desk.write("data.txt", "5");
    let first = ["code", "--session", "s", "--file", &data, "Read it into x."];
    let (status, out, err) = desk.run(&["x = int(open('data.txt').read())\nprint(x)"], &first);
    assert_eq!((status, out.as_str()), (0, "5\n"), "{err}");
    let second = ["code", "--session", "s", "Add one."];
    let (status, out, err) = desk.run(&["print(y)", "x += 1\nprint(x)"], &second);
    assert_eq!((status, out.as_str()), (0, "6\n"), "{err}");
    let (_, out, err) = desk.run(&["print(x)"], &["code", "--session", "s", "Print it."]);
    assert_eq!(out, "6\n", "{err}");
    let (_, out, _) = desk.run(&[], &["code", "--sessions"]);
    assert!(out.contains("3 turns  Print it."), "{out}");
    let (status, ..) = desk.run(&[], &["code", "--end", "s"]);
    assert_eq!(status, 0);
    let (status, _, err) = desk.run(&[], &["code", "--end", "s"]);
    assert!(status == 1 && err.contains("there is no session s"), "{err}");
}

#[test]
fn problems_are_counted() {
    let desk = Desk::new();
    let problem = |name: &str, body: &str| {
        json!({"task_id": name, "entry_point": name, "canonical_solution": format!("    return {body}\n"),
            "prompt": format!("def {name}(x):\n    \"\"\"{name} x.\"\"\"\n"),
            "test": format!("def check(f):\n    assert f(6) == {}\n", if name == "double" { 12 } else { 3 })})
        .to_string()
    };
    let file = desk.write(
        "problems.jsonl",
        &[problem("double", "2 * x"), problem("halve", "x / 2")].join("\n"),
    );
    let (status, out, err) =
        desk.run(&[], &["bench", "humaneval", "--problems", &file, "--canonical"]);
    assert_eq!((status, out.as_str()), (0, "2 of 2 canonical solutions pass\n"), "{err}");
    let programs = ["def double(x): return x", "    return x / 2", "def double(x): return x + x"];
    let asked = ["bench", "humaneval", "--problems", &file, "--repairs", "1", "--json"];
    let (status, out, err) = desk.run(&programs, &asked);
    assert_eq!(status, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["at_once"][0]["estimate"], 0.5);
    assert_eq!(report["after_repairs"][0]["estimate"], 1.0);
    assert_eq!((&report["repairs_tried"], &report["repairs_passed"]), (&json!(1), &json!(1)));
    let (status, _, err) = desk.run(&[], &["bench", "mbpp", "--canonical"]);
    assert!(status == 2 && err.contains("--problems sanitized-mbpp.json"), "{err}");
}
