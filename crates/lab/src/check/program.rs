//! A program of the user's own that says whether an answer will do.
//!
//! It is started anew for each answer, without a shell, and reads one JSON object on its standard
//! input: `{"answer": …, "prompt": {"system": …, "user": …}, "input": {…}}`. Exit code 0 means that
//! the answer passes; any other that it fails, and the last line that the program said is the
//! reason. It is killed, with what it started, when it takes too long or says too much.
//!
//! Not a sandbox: the program is trusted. It is the answer, on its input, that is not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::process::{self, Program};
use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::outcome::Scale;

/// Passes if a program says so.
pub(super) const KIND: Kind = Kind {
    name: "program",
    main_key: Some("command"),
    about: "a program reads it as JSON on standard input and exits with 0",
    make,
};

struct External {
    program: Program,
    folder: PathBuf,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let program = Program::take(options)?;
    Ok(Arc::new(External { program, folder: options.folder.clone() }))
}

impl Check for External {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let Answered { prompt, input, answer } = answered;
        let told = json!({"answer": answer.text, "prompt": prompt, "input": input});
        let command = self.program.start(&self.folder, &self.folder);
        let end = process::run(command, told.to_string().into_bytes(), self.program.limit)?;
        Ok(Outcome::of(process::fault(&end, self.program.limit)))
    }
}

/// What is said of a folder that is not named.
pub(super) fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{fault, look, object, outcome, passes};
    use super::super::{NoTools, make};

    fn python(script: &str) -> Value {
        json!({"command": ["python3", "-c", script]})
    }

    #[test]
    fn the_exit_code_decides_and_the_last_line_says_why() {
        let script = "import json, sys\n\
            told = json.load(sys.stdin)\n\
            assert told['prompt']['user'] == 'Say it.'\n\
            sys.exit(0 if told['answer'] == told['input']['wanted'] else 'not ' + told['input']['wanted'])";
        let seen = outcome("program", python(script), json!({"wanted": "x\0"}), "x\0");
        assert_eq!(seen.value, 1.0, "{seen:?}");
        let seen = outcome("program", python(script), json!({"wanted": "y"}), "x");
        assert_eq!((seen.value, seen.reason.as_str()), (0.0, "exit code 1: not y"));
    }

    #[test]
    fn nothing_goes_through_a_shell() {
        assert!(passes("program", json!({"command": "test a;b != c"}), ""));
        assert!(!passes("program", json!({"command": ["test", "$(echo a)", "=", "a"]}), ""));
    }

    #[test]
    fn slow_and_loud_programs_are_ended_with_what_they_started() {
        let slow = json!({"command": ["sh", "-c", "sleep 600 & sleep 600"], "seconds": 0.2});
        let seen = outcome("program", slow, Value::Null, "x");
        assert_eq!(seen.reason, "it took longer than 0.2 s");
        let seen = outcome("program", json!({"command": "yes"}), Value::Null, "x");
        assert_eq!(seen.reason, "it said more than 64 KiB");
        // It reads nothing, and an answer is more than a pipe holds.
        assert!(passes("program", json!({"command": "true"}), &"x".repeat(1 << 20)));
    }

    #[test]
    fn a_missing_program_is_no_failure_of_the_answer() {
        let check = make("program", object(json!({"command": "./nowhere"})), "".into()).unwrap();
        let error = look(&*check.check, Value::Null, "x", &mut NoTools).unwrap_err();
        assert!(error.contains("cannot be run"), "{error}");
        assert!(fault("program", json!({})).message.contains("command is missing"));
        fault("program", json!({"command": []}));
        fault("program", json!({"command": "true", "seconds": 0}));
    }
}
