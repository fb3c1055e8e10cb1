//! Problems with tests: HumanEval and MBPP.
//!
//! Sources: Chen et al. 2021, "Evaluating large language models trained on code" (HumanEval); Austin
//! et al. 2021, "Program synthesis with large language models" (MBPP).

use std::io::{self, Read as _};
use std::sync::Arc;

use mynah_respond::Prompt;
use serde::Deserialize;

/// A problem.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What it is called.
    pub name: String,
    /// What the model is told.
    pub prompt: Arc<Prompt>,
    /// What decides.
    pub tests: String,
    /// A program that solves it.
    pub canonical: String,
    /// What stands before every program: signature and description.
    head: String,
    /// The function that is asked for, if the head begins it.
    entry: Option<String>,
}

/// A file of problems that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemsError {
    /// A problem is not of the form.
    #[error("problem {place}: {reason}")]
    Form {
        /// Which, from 1: the line, or the place in the list.
        place: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There are none.
    #[error("there are no problems in it")]
    Empty,
}

#[derive(Deserialize)]
struct HumanEval {
    task_id: String,
    prompt: String,
    entry_point: String,
    canonical_solution: String,
    test: String,
}

#[derive(Deserialize)]
struct Mbpp {
    task_id: u64,
    /// In the sanitized file `prompt`, in the full one `text`.
    #[serde(alias = "text")]
    prompt: String,
    code: String,
    #[serde(default)]
    test_imports: Vec<String>,
    #[serde(default)]
    test_setup_code: String,
    test_list: Vec<String>,
}

impl Problem {
    /// The whole program that is run for what a model wrote. A model may repeat the signature or go
    /// on after it.
    pub fn program(&self, code: &str) -> String {
        match &self.entry {
            Some(entry) if code.contains(&format!("def {entry}")) => {
                format!("{}\n\n{code}", self.head)
            }
            Some(_) => format!("{}{code}", self.head),
            None => code.to_owned(),
        }
    }
}

/// The largest file of problems that is read.
const MOST_BYTES: u64 = 256 << 20;

/// The text of a file of problems, which may be compressed with gzip.
///
/// # Errors
/// If it is not text in UTF-8, or larger than any such file.
pub fn unpacked(bytes: Vec<u8>) -> io::Result<String> {
    let mut text = Vec::new();
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(&bytes[..]).take(MOST_BYTES + 1).read_to_end(&mut text)?;
        text
    } else {
        bytes
    };
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it is larger than any file of problems"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text in UTF-8"))
}

/// Reads HumanEval: JSON Lines with `task_id`, `prompt`, `entry_point`, `canonical_solution` and
/// `test`.
///
/// # Errors
/// If a line is not of this form, or there are none.
pub fn human_eval(text: &str) -> Result<Vec<Problem>, ProblemsError> {
    let problems: Vec<HumanEval> = lines(text)?;
    Ok(problems.into_iter().map(of_human_eval).collect())
}

fn of_human_eval(read: HumanEval) -> Problem {
    let asked = format!(
        "Complete this Python function. Answer with the whole function in one ```python block, \
         without examples of its use.\n\n```python\n{}\n```",
        read.prompt.trim_end()
    );
    Problem {
        name: read.task_id,
        prompt: Arc::new(Prompt::new(asked)),
        tests: format!("{}\ncheck({})\n", read.test, read.entry_point),
        canonical: format!("{}{}", read.prompt, read.canonical_solution),
        head: read.prompt,
        entry: Some(read.entry_point),
    }
}

/// Reads MBPP, sanitized or whole: a JSON list or JSON Lines with `task_id`, `prompt` (or `text`),
/// `code` and `test_list`.
///
/// # Errors
/// If a problem is not of this form, or there are none.
pub fn mbpp(text: &str) -> Result<Vec<Problem>, ProblemsError> {
    let problems: Vec<Mbpp> = if text.trim_start().starts_with('[') {
        let values: Vec<serde_json::Value> = serde_json::from_str(text)
            .map_err(|error| ProblemsError::Form { place: 1, reason: error.to_string() })?;
        let values = values.into_iter().enumerate();
        values.map(|(i, value)| form(i, serde_json::from_value(value))).collect::<Result<_, _>>()?
    } else {
        lines(text)?
    };
    if problems.is_empty() {
        return Err(ProblemsError::Empty);
    }
    Ok(problems.into_iter().map(of_mbpp).collect())
}

fn of_mbpp(read: Mbpp) -> Problem {
    let list = read.test_list.join("\n");
    let asked = format!(
        "{} Answer with one ```python block. The code must pass these tests, which are not part of \
         the answer:\n\n```python\n{list}\n```",
        read.prompt.trim()
    );
    let before = read.test_imports.iter().map(String::as_str).chain([&*read.test_setup_code]);
    let before: String =
        before.filter(|text| !text.is_empty()).map(|text| format!("{text}\n")).collect();
    Problem {
        name: format!("Mbpp/{}", read.task_id),
        prompt: Arc::new(Prompt::new(asked)),
        tests: format!("{before}{list}\n"),
        canonical: read.code,
        head: String::new(),
        entry: None,
    }
}

fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, ProblemsError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read: Vec<T> =
        lines.map(|(i, line)| form(i, serde_json::from_str(line))).collect::<Result<_, _>>()?;
    if read.is_empty() { Err(ProblemsError::Empty) } else { Ok(read) }
}

fn form<T>(i: usize, read: serde_json::Result<T>) -> Result<T, ProblemsError> {
    read.map_err(|error| ProblemsError::Form { place: i + 1, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"task_id": "HumanEval/x", "prompt": "from typing import List\n\ndef f(x: List) -> int:\n    \"\"\"One more.\"\"\"\n", "entry_point": "f", "canonical_solution": "    return len(x) + 1\n", "test": "def check(candidate):\n    assert candidate([1]) == 2\n"}"#;

    #[test]
    fn a_program_may_repeat_the_signature_or_not() {
        let problem = &human_eval(&format!("{LINE}\n\n")).unwrap()[0];
        assert!(problem.canonical.ends_with("\"\"\"One more.\"\"\"\n    return len(x) + 1\n"));
        assert!(problem.tests.ends_with("== 2\n\ncheck(f)\n"));
        let whole = problem.program("def f(x):\n    return 2\n");
        assert!(whole.starts_with("from typing import List\n"), "{whole}");
        assert!(whole.ends_with("\n\ndef f(x):\n    return 2\n"), "{whole}");
        assert_eq!(problem.program("    return len(x) + 1\n"), problem.canonical);
    }

    #[test]
    fn both_forms_of_mbpp_are_read() {
        let sanitized = r#"[{"source_file": "x", "task_id": 2, "prompt": "Write f.", "code": "def f(): return 1", "test_imports": ["import math"], "test_list": ["assert f() == 1"]}]"#;
        let problem = &mbpp(sanitized).unwrap()[0];
        assert_eq!((&*problem.name, &*problem.tests), ("Mbpp/2", "import math\nassert f() == 1\n"));
        assert!(problem.prompt.user.starts_with("Write f. Answer"), "{}", problem.prompt.user);
        let whole = r#"{"text": "Write f.", "code": "x", "task_id": 3, "test_setup_code": "", "test_list": ["assert 1"], "challenge_test_list": []}"#;
        assert_eq!(mbpp(whole).unwrap()[0].tests, "assert 1\n");
    }

    #[test]
    fn what_is_no_problem_is_named() {
        let error = human_eval(&format!("{LINE}\n{{}}")).unwrap_err().to_string();
        assert!(error.starts_with("problem 2: missing field `task_id`"), "{error}");
        assert_eq!(human_eval("\n").unwrap_err(), ProblemsError::Empty);
        assert_eq!(mbpp("[]").unwrap_err(), ProblemsError::Empty);
        assert!(mbpp("[{}]").unwrap_err().to_string().starts_with("problem 1"));
    }
}
