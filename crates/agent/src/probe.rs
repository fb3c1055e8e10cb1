//! What functions do on generated inputs: how candidates without output or tests are compared.
//!
//! Every candidate gets the same inputs, so equal reports mean equal behaviour there and nothing
//! beyond. Functions are those that the task names with a parenthesis: `slug(title)`.

/// The names of functions in a task.
pub fn functions(task: &str) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names: Vec<String> = Vec::new();
    for (at, _) in task.match_indices('(') {
        let before = &task[..at];
        let name = before.rsplit(|c| !is_word(c)).next().unwrap_or_default();
        let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if begins && names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// A program that runs `program`, calls these functions and prints a line for each call: the
/// arguments, and what came back or was raised.
pub(crate) fn source(program: &str, functions: &[String]) -> String {
    let literal = |text: &str| serde_json::Value::from(text).to_string();
    let names = serde_json::Value::from(functions.to_vec()).to_string();
    let mark = literal(MARK);
    PROBE
        .replace("print(MARK)", &format!("print({mark})"))
        .replace("for name in NAMES:", &format!("for name in {names}:"))
        .replace("compile(PROGRAM,", &format!("compile({},", literal(program)))
}

/// What is printed before the report, which a program's own output comes before.
pub(crate) const MARK: &str = "--- what the functions do ---";

/// The report in what was printed; none if no call of any function came back.
pub(crate) fn report(stdout: &str) -> Option<String> {
    let (_, report) = stdout.rsplit_once(MARK)?;
    report.contains(" = ").then(|| report.to_owned())
}

const PROBE: &str = r#"import copy, inspect, io, random, sys
out, sys.stdout = sys.stdout, io.StringIO()
space = {"__name__": "program"}
exec(compile(PROGRAM, "program.py", "exec", dont_inherit=True), space)
values = [0, 1, 2, 3, 7, 10, -1, 100, 0.5, -2.5, "", "a", "abcba", "Hello World", "the quick brown fox",
    "12 34", [], [1], [3, 1, 2], [5, 5, -1, 0], [1, 2, 3, 4, 5, 6], ["a", "b"], ["pear", "fig", "apple"],
    [[1, 2], [3]], True, None, {"a": 1, "b": 2}, (1, 2)]
def limited():
    left = [20000]
    def trace(frame, event, arg):
        left[0] -= 1
        if left[0] < 0:
            raise TimeoutError
        return trace
    return trace
def show(value):
    if inspect.isgenerator(value):
        value = [item for item, _ in zip(value, range(50))]
    return repr(value)[:500]
lines = []
for name in NAMES:
    function = space.get(name)
    if not inspect.isfunction(function):
        continue
    n = sum(1 for p in inspect.signature(function).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    draw = random.Random(n)
    inputs = [()] if n == 0 else [(value,) for value in values] if n == 1 else [
        tuple(draw.choice(values) for _ in range(n)) for _ in range(60)]
    for arguments in inputs:
        text = name + repr(arguments)
        sys.settrace(limited())
        try:
            text += " = " + show(function(*copy.deepcopy(arguments)))
        except BaseException as error:
            text += " raises " + type(error).__name__
        finally:
            sys.settrace(None)
        lines.append(text)
sys.stdout = out
print(MARK)
print("\n".join(lines))
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::HostPython;
    use crate::{Ending, Interpreter as _, Program};

    fn probed(program: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let source = source(program, &["f".to_owned()]);
        let program = Program { source: &source, stdin: b"", folder: folder.path() };
        let run = HostPython.run(&program, &false.into()).unwrap();
        assert_eq!(run.ending, Ending::Finished, "{}", run.stderr);
        report(&run.stdout)
    }

    #[test]
    fn functions_are_named_with_a_parenthesis() {
        assert_eq!(functions("Write slug(title) and f2(x); slug(\"A\") is 'a'."), ["slug", "f2"]);
        assert!(functions("Add numbers (all of them), 2(3)").is_empty());
    }

    #[test]
    fn equal_functions_report_the_same() {
        let sum = probed("def f(x):\n    return sum(x)").unwrap();
        let looped = "print('hi')\ndef f(x):\n    s = 0\n    for i in x: s += i\n    return s";
        assert_eq!(sum, probed(looped).unwrap());
        assert!(sum.contains("f([3, 1, 2],) = 6"), "{sum}");
        assert!(sum.contains("f('a',) raises TypeError"), "{sum}");
        assert_ne!(sum, probed("def f(x):\n    return sum(x) + 1").unwrap());
        // An endless loop on some input is one behaviour among others.
        let endless = probed("def f(x):\n    while x == 0: pass\n    return x").unwrap();
        assert!(endless.contains("raises TimeoutError") && endless.contains("= 7"), "{endless}");
        assert_eq!(probed("def g(x): return x"), None);
    }
}
