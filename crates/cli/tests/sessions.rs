//! `run` and `chat` on a real model: what goes where, what is the same each time, how they end.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::io::{BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use program::{ended, model};

/// The program in an empty home with nothing in its environment.
fn mynah(home: &Path, arguments: &[&str]) -> Command {
    let mut command = program::mynah(home, arguments);
    command.args(["--offline", "--threads", "1", "--context", "512", "-m"]).arg(model());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    ended(mynah(home.path(), arguments).output().unwrap())
}

/// What a command that reads `input` says.
fn with_input(mut command: Command, input: &str) -> (i32, String, String) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    ended(child.wait_with_output().unwrap())
}

/// Reads until `expected` appears, and returns what was read. The output's end is a failure.
fn read_until(from: &mut impl Read, expected: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(expected) {
        let n = from.read(&mut byte).unwrap();
        assert_eq!(n, 1, "{expected:?} never appears in {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn an_answer_goes_to_stdout_and_is_the_same_for_the_same_seed() {
    let arguments = ["run", "-n", "12", "--seed", "3", "Name a colour."];
    let (status, text, error) = run(&arguments);
    assert_eq!((status, error.as_str()), (0, ""));
    assert!(text.trim().len() > 10 && text.ends_with('\n'), "{text:?}");
    assert_eq!(run(&arguments), (0, text.clone(), String::new()));
    let (_, other, _) = run(&["run", "-n", "12", "--seed", "4", "Name a colour."]);
    assert_ne!(other, text, "another seed, another answer");
    let guessing = ["--prompt-lookup", "run", "-n", "12", "--seed", "3", "Name a colour."];
    let guessing = [&guessing[1..], &guessing[..1]].concat();
    assert_eq!(run(&guessing), (0, text.clone(), String::new()));
    let model = model();
    let draft = [&arguments[..], &["--draft", model.to_str().unwrap()]].concat();
    assert_eq!(run(&draft), (0, text, String::new()), "guesses change nothing");
}

#[test]
fn json_tells_every_sample_and_samples_are_those_of_one_alone() {
    let (status, out, error) =
        run(&["run", "--json", "--samples", "2", "-n", "8", "--seed", "1", "Name a colour."]);
    assert_eq!((status, error.as_str()), (0, ""));
    let answers: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 2);
    for (i, answer) in answers.as_array().unwrap().iter().enumerate() {
        assert_eq!(answer["sample"], i);
        assert_eq!(answer["tokens"].as_array().unwrap().len(), 8);
        assert_eq!(answer["finish_reason"], "length");
    }
    let (_, alone, _) = run(&["run", "--json", "-n", "8", "--seed", "1", "Name a colour."]);
    let alone: serde_json::Value = serde_json::from_str(&alone).unwrap();
    assert_eq!(alone["tokens"], answers[0]["tokens"]);
    assert_ne!(answers[0]["tokens"], answers[1]["tokens"]);
}

#[test]
fn words_and_standard_input_make_one_prompt() {
    let home = tempfile::tempdir().unwrap();
    let settings = ["-n", "8", "--temperature", "0"];
    let arguments = |prompt: &[&'static str]| [&["run"], &settings[..], prompt].concat();
    let (status, both, _) = with_input(mynah(home.path(), &arguments(&["Say:"])), "hello");
    assert_eq!(status, 0);
    assert_ne!(both, run(&arguments(&["Say:"])).1);
    let (_, piped, _) = with_input(mynah(home.path(), &arguments(&[])), "Name a colour.");
    assert_eq!(piped, run(&arguments(&["Name a colour."])).1);
}

#[test]
fn an_answer_ends_where_it_is_told_to() {
    let (status, out, _) = run(&["run", "--raw", "--temperature", "0", "--stop", "e", "Once upon"]);
    assert_eq!(status, 0);
    assert!(!out.contains('e') && !out.trim().is_empty(), "{out:?}");
}

#[test]
fn an_answer_has_the_form_that_was_asked_for() {
    let (status, out, _) = run(&["run", "--regex", "[a-c]{5}", "--seed", "1", "Letters"]);
    let is_letters = |text: &str| text.len() == 5 && text.chars().all(|c| ('a'..='c').contains(&c));
    assert!(status == 0 && is_letters(out.trim_end()), "{out:?}");

    let home = tempfile::tempdir().unwrap();
    let grammar = home.path().join("answer.lark");
    std::fs::write(&grammar, "start: \"yes\" | \"no\"").unwrap();
    let (status, out, _) = run(&["run", "--grammar", grammar.to_str().unwrap(), "Is it?"]);
    assert!(status == 0 && ["yes\n", "no\n"].contains(&out.as_str()), "{out:?}");

    let schema = r#"{"type": "object", "properties": {"red": {"type": "boolean"}},
        "required": ["red"], "additionalProperties": false}"#;
    let (status, out, error) = run(&["run", "--seed", "1", "--schema", schema, "Is blood red?"]);
    assert_eq!(status, 0, "{error}");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(answer["red"].is_boolean(), "{out}");
}

#[test]
fn what_is_wrong_with_a_command_ends_with_2_and_what_goes_wrong_with_1() {
    for (arguments, status, said) in [
        (&["run"][..], 2, "the prompt is empty"),
        (&["run", "--temperature", "x", "hi"], 2, "--temperature"),
        (&["run", "--regex", "[", "hi"], 2, "unclosed character class"),
        (&["run", "--grammar", "/nowhere", "hi"], 2, "/nowhere"),
        (&["run", "--adapter", "/dev/null", "hi"], 1, "/dev/null"),
        (&["run", "--draft", "/nowhere.gguf", "hi"], 1, "/nowhere.gguf"),
    ] {
        let (code, out, error) = run(arguments);
        assert_eq!((code, out.as_str()), (status, ""), "{arguments:?}: {error}");
        assert!(error.starts_with("error: ") && error.contains(said), "{error}");
        assert!(!error.contains('\x1b'), "no colours where nobody looks: {error:?}");
    }
}

#[test]
fn a_reader_that_leaves_ends_the_answer_quietly() {
    let home = tempfile::tempdir().unwrap();
    let mut child = mynah(home.path(), &["run", "--raw", "-n", "300", "Once"]).spawn().unwrap();
    let mut byte = [0];
    child.stdout.take().unwrap().read_exact(&mut byte).unwrap();
    let (status, _, error) = ended(child.wait_with_output().unwrap());
    assert_eq!((status, error.as_str()), (0, ""));
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_an_answer_with_130() {
    let home = tempfile::tempdir().unwrap();
    let mut child = mynah(home.path(), &["run", "--raw", "Once upon a time"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_conversation_over_a_pipe_is_answers_on_stdout_and_the_rest_on_stderr() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("talk.json");
    let input = format!(
        "/set temperature 0\n/set max-tokens 6\n/system Be short.\nName a colour.\n/save {0}\n\
         /clear\n/load {0}\n/regenerate\n/nonsense\n\"\"\"\nAnd\nanother?\n\"\"\"\n/exit\nnever read\n",
        file.display()
    );
    let (status, out, error) = with_input(mynah(home.path(), &["chat"]), &input);
    assert_eq!(status, 0, "{error}");
    let answers: Vec<&str> = out.lines().filter(|line| !line.is_empty()).collect();
    assert!(answers.len() >= 3, "{out}");
    assert_eq!(answers[0], answers[1], "the same again, at temperature 0");
    assert!(
        error.contains("saved 2 messages") && error.contains("no command /nonsense"),
        "{error}"
    );
    let saved: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(saved["system"], "Be short.");
    assert_eq!(saved["settings"]["sampling"]["temperature"], 0.0);
}

/// `chat` on a pseudo-terminal, which the program `script` makes.
#[cfg(target_os = "linux")]
fn at_a_terminal(home: &Path, environment: &[(&str, &str)]) -> Child {
    let command = format!(
        "'{}' chat --offline --threads 1 --context 512 -m '{}'",
        env!("CARGO_BIN_EXE_mynah"),
        model().display()
    );
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env_clear();
    // What is kept goes to the home too.
    script.env("MYNAH_HOME", home).env("HOME", home).env("TERM", "xterm");
    script.env("PATH", std::env::var_os("PATH").unwrap()).envs(environment.iter().copied());
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "beside other tests a key is sometimes pressed before the terminal listens, and it waits for ever"]
fn at_a_terminal_lines_are_edited_and_an_interrupt_stops_the_answer_only() {
    let home = tempfile::tempdir().unwrap();
    let mut child = at_a_terminal(home.path(), &[]);
    let (mut keys, mut screen) =
        (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut press = |text: &str| {
        keys.write_all(text.as_bytes()).unwrap();
        keys.flush().unwrap();
    };
    read_until(&mut screen, "/help shows");
    read_until(&mut screen, "> ");
    // Left, left, and the letter between them away: `/heXlp` becomes `/help`.
    press("/heXlp\x1b[D\x1b[D\x7f\r");
    read_until(&mut screen, "Ctrl-C stops an answer");
    read_until(&mut screen, "> ");
    press("Count from one to a thousand in words.\r");
    read_until(&mut screen, "words.");
    read_until(&mut screen, "\r\n");
    // Something of the answer.
    while read_until(&mut screen, "e").trim().is_empty() {}
    press("\x03");
    read_until(&mut screen, "(stopped)");
    read_until(&mut screen, "> ");
    press("/stats\r");
    read_until(&mut screen, "tokens/s");
    read_until(&mut screen, "> ");
    press("/exit\r");
    child.wait().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn no_color_means_no_colours_at_a_terminal() {
    for (environment, has_colours) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let home = tempfile::tempdir().unwrap();
        let mut child = at_a_terminal(home.path(), environment);
        let (mut keys, mut screen) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        read_until(&mut screen, "> ");
        keys.write_all(b"/nonsense\r").unwrap();
        let said = read_until(&mut screen, "shows the commands");
        assert_eq!(
            said.contains("\x1b[1;31m") || said.contains("\x1b[31m"),
            has_colours,
            "{said:?}"
        );
        keys.write_all(b"/exit\r").unwrap();
        child.wait().unwrap();
    }
}
