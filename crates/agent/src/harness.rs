//! Python around a program: what tests it, and what looks whether a text is a program at all.
//!
//! The harness runs in the sandbox with the program, so a program that sets out to deceive it can:
//! it could find and print the mark itself. It holds against what models do without meaning to: ending before the tests
//! run, or swallowing what they raise.

use sha2::{Digest as _, Sha256};

/// The exit code of the harness when the program was fine and a test failed.
pub const TESTS_FAILED: i32 = 4;

/// A program with tests after it.
#[derive(Clone, Debug)]
pub struct Tested {
    /// What is run.
    pub source: String,
    /// What it prints last, on a line of its own, if all tests passed.
    mark: String,
}

impl Tested {
    /// `program`, then `tests` in the same namespace; then every function there whose name begins
    /// with `test_`, and every `unittest.TestCase`.
    ///
    /// Lines of both are shown in tracebacks, as of `program.py` and `tests.py`.
    pub fn new(program: &str, tests: &str) -> Self {
        let hash = Sha256::new().chain_update(program).chain_update([0]).chain_update(tests);
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let mark = format!("tests passed {hex}");
        let source = HARNESS
            .replace("MARK + ", &format!("{} + ", literal(&mark)))
            .replace(
                "_do(\"tests.py\", TESTS, 4)",
                &format!("_do(\"tests.py\", {}, 4)", literal(tests)),
            )
            .replace(
                "_do(\"program.py\", PROGRAM, 1)",
                &format!("_do(\"program.py\", {}, 1)", literal(program)),
            );
        Self { source, mark }
    }

    /// Whether the tests passed by what was printed, and what was printed beside that.
    pub fn read(&self, stdout: &str) -> (bool, String) {
        match stdout.trim_end().strip_suffix(&self.mark) {
            Some(rest) => (true, rest.strip_suffix('\n').unwrap_or(rest).to_owned()),
            None => (false, stdout.to_owned()),
        }
    }
}

/// A program that exits with 0 if its standard input is one, rather than a sentence that happens to
/// be read as names.
pub const PARSES: &str = "\
import ast, sys
try:
    body = ast.parse(sys.stdin.read()).body
except (SyntaxError, ValueError, RecursionError, MemoryError):
    sys.exit(1)
does = lambda node: not isinstance(node, ast.Expr) or isinstance(node.value, (ast.Call, ast.Await))
sys.exit(0 if any(does(node) for node in body) else 1)
";

/// The text as a literal that Python reads back to it. JSON's strings are Python's, but for lone
/// surrogates, which Rust's strings do not have.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const HARNESS: &str = r#"import linecache as _l, sys as _s, traceback as _t
def _show(error):
    told = _t.TracebackException.from_exception(error)
    def clean(told, depth=0):
        own = [frame for frame in told.stack if frame.filename in ("program.py", "tests.py")]
        told.stack = _t.StackSummary.from_list(own)
        for inner in (told.__cause__, told.__context__):
            if inner is not None and depth < 20:
                clean(inner, depth + 1)
    clean(told)
    _s.stderr.write("".join(told.format()))
    _s.stderr.flush()
def _do(name, text, code):
    _l.cache[name] = (len(text), None, text.splitlines(True), name)
    try:
        exec(compile(text, name, "exec", dont_inherit=True), _s.modules["__main__"].__dict__)
    except SystemExit as error:
        if code != 1 or error.code not in (None, 0):
            _show(error)
            _s.exit(code)
    except BaseException as error:
        _show(error)
        _s.exit(code)
def _call():
    space = _s.modules["__main__"].__dict__
    try:
        for name, value in list(space.items()):
            if name.startswith("test_") and callable(value):
                value()
    except BaseException as error:
        _show(error)
        _s.exit(4)
    unittest = _s.modules.get("unittest")
    if unittest is not None:
        suite = unittest.TestSuite()
        for value in list(space.values()):
            if isinstance(value, type) and issubclass(value, unittest.TestCase) and value is not unittest.TestCase:
                suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(value))
        if suite.countTestCases() and not unittest.TextTestRunner(stream=_s.stderr).run(suite).wasSuccessful():
            _s.exit(4)
_do("program.py", PROGRAM, 1)
_do("tests.py", TESTS, 4)
_call()
_s.stdout.write("\n" + MARK + "\n")
_s.stdout.flush()
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::HostPython;
    use crate::{Ending, Interpreter as _, Program};

    fn run(program: &str, tests: &str) -> (bool, String, String, Ending) {
        let folder = tempfile::tempdir().unwrap();
        let tested = Tested::new(program, tests);
        let program = Program { source: &tested.source, stdin: b"", folder: folder.path() };
        let run = HostPython.run(&program, &false.into()).unwrap();
        let (passed, stdout) = tested.read(&run.stdout);
        (passed && run.ending == Ending::Finished, stdout, run.stderr, run.ending)
    }

    #[test]
    fn tests_see_the_program() {
        let program = "from __future__ import annotations\nprint('hi')\ndef f(x): return x + 1\n";
        let (passed, stdout, stderr, _) = run(program, "assert f(1) == 2\n");
        assert!(passed, "{stderr}");
        assert_eq!(stdout, "hi\n");
        let (passed, _, stderr, ending) = run(program, "assert f(1) == 3, 'no'\n");
        assert!(!passed);
        assert_eq!(ending, Ending::Failed { code: TESTS_FAILED });
        assert!(stderr.contains("tests.py\", line 1") && stderr.contains("assert f(1) == 3"));
        assert!(!stderr.contains("exec("), "{stderr}");
    }

    #[test]
    fn functions_and_cases_are_called() {
        let (passed, ..) = run("def f(): return 1", "def test_f():\n    assert f() == 2\n");
        assert!(!passed);
        let case = "import unittest\nclass T(unittest.TestCase):\n  def test(self):\n    self.assertEqual(f(), N)\n";
        assert!(run("def f(): return 1", &case.replace('N', "1")).0);
        assert!(!run("def f(): return 1", &case.replace('N', "2")).0);
    }

    #[test]
    fn ending_early_is_not_passing() {
        for program in ["import os; os._exit(0)", "raise ValueError('x')", "def f(:", "1/0"] {
            assert!(!run(program, "").0, "{program}");
        }
        assert!(!run("import sys; sys.exit(3)", "").0);
        // A main part that ends with success, as scripts do, is no failure.
        assert!(run("def f(): return 1\nimport sys\nsys.exit(0)", "assert f() == 1").0);
        assert!(!run("x = 1", "import sys; sys.exit(0)\n").0);
        let (.., stderr, ending) = run("x = 1\ndef g():\n    return x / 0\ng()\n", "");
        assert_eq!(ending, Ending::Failed { code: 1 });
        assert!(stderr.contains("program.py\", line 3") && stderr.contains("ZeroDivisionError"));
    }

    #[test]
    fn sentences_are_no_programs() {
        let folder = tempfile::tempdir().unwrap();
        let parses = |text: &str| {
            let folder = folder.path();
            let program = Program { source: PARSES, stdin: text.as_bytes(), folder };
            HostPython.run(&program, &false.into()).unwrap().ending == Ending::Finished
        };
        assert!(parses("print(1)") && parses("x = 1"));
        assert!(!parses("Hello") && !parses("I cannot do that.") && !parses("") && !parses("42"));
    }
}
