//! Whether the code in an answer passes its tests.
//!
//! **This is not a sandbox.** The code that a model wrote runs on this machine, as the person who
//! runs mynah: it can read their files, delete them, and use the network. What is done: it runs in a
//! temporary folder that is removed afterwards, without a shell, without the environment (so without
//! keys that stand in it; `PATH` holds the usual folders), with a limit on its time and output. For
//! models or prompts that are not trusted, name a command that is a sandbox itself (`bwrap`,
//! `podman run --network none`, a virtual machine).

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::process::{self, Program};
use super::program::or_here;
use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools, fence};
use crate::outcome::Scale;

/// Passes if the code in the answer passes its tests.
pub(super) const KIND: Kind = Kind {
    name: "code",
    main_key: Some("command"),
    about: "its first code block, saved as `file`, passes when `command` runs (NOT a sandbox)",
    make,
};

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin";

struct Code {
    program: Program,
    folder: PathBuf,
    file: String,
    language: Option<String>,
    /// A file of tests that is put beside the code: its name and what it says.
    tests: Option<(String, Vec<u8>)>,
    /// The field of the input whose text is put behind the code.
    field: Option<String>,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let program = Program::take(options)?;
    let file = options.text("file")?.unwrap_or_else(|| "answer.py".to_owned());
    if !is_plain(&file) {
        let message = format!("file must be the name of a file and not a path: {file:?}");
        return Err(OptionFault::new(Some("file"), message));
    }
    let language = options.text("language")?.map(|language| language.to_lowercase());
    let tests = match options.text("tests")? {
        None => None,
        Some(path) => Some(read(&options.folder, &path, &file)?),
    };
    let (field, folder) = (options.text("field")?, options.folder.clone());
    Ok(Arc::new(Code { program, folder, file, language, tests, field }))
}

fn read(folder: &Path, path: &str, file: &str) -> Result<(String, Vec<u8>), OptionFault> {
    let wrong = |message: String| OptionFault::new(Some("tests"), message);
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(name) = name.filter(|name| name != file) else {
        return Err(wrong(format!("tests must be a file, and not called {file}")));
    };
    let text = fs::read(folder.join(path));
    text.map(|text| (name, text)).map_err(|error| wrong(format!("{path} cannot be read: {error}")))
}

fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

impl Check for Code {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn fields(&self) -> Vec<String> {
        self.field.iter().cloned().collect()
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let blocks = fence::blocks(&answered.answer.text);
        let fits = |block: &&fence::Block| {
            self.language.as_ref().is_none_or(|language| block.language == *language)
        };
        let Some(block) = blocks.iter().find(fits) else {
            return Ok(Outcome::failed(match &self.language {
                Some(language) => format!("no code block that says {language}"),
                None => "no code block".to_owned(),
            }));
        };
        let mut code = block.code.clone();
        if let Some(field) = &self.field {
            let tests = answered.input.get(field).and_then(|tests| tests.as_str());
            let tests = tests.ok_or_else(|| format!("the input's {field:?} is not a text"))?;
            code.push('\n');
            code.push_str(tests);
        }
        self.run(&code).map_err(|error| format!("the code cannot be saved: {error}"))?
    }
}

impl Code {
    fn run(&self, code: &str) -> std::io::Result<Result<Outcome, String>> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join(&self.file), code)?;
        if let Some((name, text)) = &self.tests {
            fs::write(folder.path().join(name), text)?;
        }
        let mut command = self.program.start(folder.path(), or_here(&self.folder));
        #[cfg(unix)]
        command.env_clear().env("PATH", PATH).env("HOME", folder.path());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let end = process::run(command, Vec::new(), self.program.limit);
        Ok(end.map(|end| Outcome::of(process::fault(&end, self.program.limit))))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{fault, look, object, outcome};
    use super::super::{NoTools, make};
    use super::*;

    const DOUBLE: &str = "Here you are:\n```python\ndef double(x):\n    return 2 * x\n```\nBye.";

    #[test]
    fn code_is_run_with_the_tests_of_the_input() {
        let keys = json!({"command": "python3 answer.py", "field": "tests"});
        let of = |tests: &str, answer: &str| {
            outcome("code", keys.clone(), json!({"tests": tests}), answer)
        };
        assert_eq!(of("assert double(4) == 8", DOUBLE).value, 1.0);
        let wrong = of("assert double(4) == 9, 'four'", DOUBLE).reason;
        assert_eq!(wrong, "exit code 1: AssertionError: four");
        assert_eq!(of("", "def double(x): return 2 * x").reason, "no code block");
        let slow = json!({"command": ["python3", "answer.py"], "seconds": 0.5});
        let endless = "```\nwhile True: pass\n```";
        assert_eq!(outcome("code", slow, Value::Null, endless).reason, "it took longer than 0.5 s");
    }

    #[test]
    fn a_file_of_tests_is_put_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("t.py"), "import answer\nassert answer.double(1) == 2")
            .unwrap();
        let keys = json!({"command": "python3 t.py", "tests": "t.py", "language": "python"});
        let check = make("code", object(keys), folder.path().to_owned()).unwrap().check;
        let seen = look(&*check, Value::Null, DOUBLE, &mut NoTools).unwrap();
        assert_eq!(seen.value, 1.0, "{seen:?}");
        let other = look(&*check, Value::Null, "```rust\n```", &mut NoTools).unwrap();
        assert_eq!(other.reason, "no code block that says python");
    }

    #[test]
    fn the_environment_is_not_handed_on() {
        let keys = json!({"command": "python3 answer.py"});
        let answer = "```python\nimport os\nassert set(os.environ) <= {'PATH', 'HOME', 'PYTHONDONTWRITEBYTECODE', 'LC_CTYPE'}, os.environ\n```";
        let seen = outcome("code", keys, Value::Null, answer);
        assert_eq!(seen.value, 1.0, "{}", seen.reason);
    }

    #[test]
    fn paths_out_of_the_folder_are_refused() {
        for file in ["../x.py", "/tmp/x.py", "a/b.py", "", ".."] {
            assert_eq!(
                fault("code", json!({"command": "x", "file": file})).key.as_deref(),
                Some("file")
            );
        }
        fault("code", json!({"command": "x", "tests": "missing.py"}));
    }
}
