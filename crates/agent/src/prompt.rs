//! What the model is told.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use mynah_respond::{Exchange, Prompt};

use crate::Ending;
use crate::ground::{Given, Standing, Trial};
use crate::trim::{SHOWN_BYTES, trimmed};

/// How many lines of a text file are shown, and how many bytes of them at most.
const FILE_LINES: usize = 4;
const FILE_BYTES: usize = 400;

/// How the model is to behave.
pub fn system(packages: &[String], in_session: bool) -> String {
    let mut text =
        "You write Python programs that are run at once. Answer with one ```python block \
        that holds the whole program, and print what was asked for. There is no network and nobody \
        to type input; files are read from the current folder and written there."
            .to_owned();
    match packages {
        [] => text.push_str(" Only the standard library is there."),
        packages => {
            let _ =
                write!(text, " Beside the standard library there are: {}.", packages.join(", "));
        }
    }
    if in_session {
        text.push_str(" Variables and imports of earlier programs are still there: use them.");
    }
    text
}

/// The task as the model reads it: what is asked, what files there are and how they begin, and the
/// tests.
pub fn task(text: &str, given: &[Given], tests: Option<&str>) -> String {
    let mut said = text.trim().to_owned();
    for file in given {
        let _ = write!(said, "\n\nThe file {} is in the current folder.", file.name);
        if let Some(begins) = beginning(file) {
            let _ = write!(said, " It begins:\n```\n{begins}\n```");
        }
    }
    if let Some(tests) = tests {
        let tests = trimmed(tests, 2 * SHOWN_BYTES);
        let _ = write!(said, "\n\nThe program must pass these tests:\n```python\n{tests}\n```");
    }
    said
}

/// The first lines of a file, if it is text.
fn beginning(file: &Given) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(&file.path).ok()?.take(FILE_BYTES as u64).read_to_end(&mut bytes).ok()?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        // The end may lie within a character.
        Err(error) if error.valid_up_to() + 4 > bytes.len() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.trim().is_empty() || text.contains('\0') {
        return None;
    }
    Some(text.lines().take(FILE_LINES).collect::<Vec<_>>().join("\n"))
}

/// What the model is told of a program that does not do: what went wrong, shortened.
pub fn complaint(trial: Option<&Trial>) -> String {
    let Some(trial) = trial else {
        return "There is no program in your answer. Answer with one ```python block that holds the \
            whole program."
            .to_owned();
    };
    let (run, mut said) = (&trial.run, String::new());
    match (&run.ending, trial.standing) {
        (_, Standing::Silent) => said.push_str("The program printed nothing."),
        (_, Standing::TestsFailed) => said.push_str("A test failed."),
        (Ending::Limit(sentence), _) => {
            said.push_str(sentence);
        }
        _ => said.push_str("The program failed."),
    }
    let mut show = |what: &str, text: &str, most: usize| {
        if !text.trim().is_empty() {
            let _ = write!(said, "\n\n{what}:\n```\n{}\n```", trimmed(text, most));
        }
    };
    show("The error", &run.stderr, SHOWN_BYTES);
    show("What it printed", &run.stdout, SHOWN_BYTES / 2);
    said.push_str("\n\nAnswer with the whole corrected program in one ```python block.");
    said
}

/// The prompt that asks for another program after one that did not do. Only the last is shown:
/// several wrong programs lead a model astray and fill its context.
pub fn again(first: &Prompt, answer: &str, complaint: String) -> Prompt {
    let mut prompt = first.clone();
    prompt.earlier.push(Exchange { user: prompt.user, answer: answer.trim().to_owned() });
    prompt.user = complaint;
    prompt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shown_as_they_begin() {
        let folder = tempfile::tempdir().unwrap();
        let given = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Given { name: name.to_owned(), path, before: 0 }
        };
        let files = [
            given("a.csv", b"month,sum\nMay,3\nJune,4\nJuly,5\nAugust,6\n"),
            given("b.png", &[0x89, b'P', 0, 0xff]),
            given("c.txt", "ä".repeat(300).as_bytes()),
        ];
        let said = task(" Sum it up. ", &files, Some("assert f() == 1"));
        assert!(
            said.starts_with("Sum it up.\n\nThe file a.csv is in the current folder. It begins:")
        );
        assert!(said.contains("July,5\n```") && !said.contains("August"));
        assert!(said.contains("b.png is in the current folder.\n\nThe file c.txt"), "{said}");
        assert!(said.contains(&"ä".repeat(200)));
        assert!(said.ends_with("```python\nassert f() == 1\n```"));
    }

    #[test]
    fn another_try_shows_the_last_program_only() {
        let first = Prompt { system: Some("s".to_owned()), ..Prompt::new("task") };
        let second = again(&first, "answer 1\n", "It failed.".to_owned());
        assert_eq!(second.earlier.len(), 1);
        assert_eq!((&*second.earlier[0].user, &*second.user), ("task", "It failed."));
        assert_eq!(second.system, first.system);
    }
}
