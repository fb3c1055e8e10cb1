//! The tool `code_interpreter`, with a small random model that has to call it and a Python that only
//! says what it was given.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mynah_agent::{Cells, Ending, Interpreter, InterpreterError, Program, Run};
use mynah_server::{Code, Options};
use serde_json::{Value, json};

use support::{Called, options, post};

/// Says how many cells it ran, and leaves an image each time.
struct Pretended;

impl Interpreter for Pretended {
    fn identity(&self) -> String {
        "pretended".to_owned()
    }

    fn packages(&self) -> &[String] {
        &[]
    }

    fn run(&self, _: &Program<'_>, _: &AtomicBool) -> Result<Run, InterpreterError> {
        Err(InterpreterError("only cells are run".to_owned()))
    }

    fn cells(&self, folder: &Path) -> Result<Box<dyn Cells + '_>, InterpreterError> {
        Ok(Box::new(PretendedCells { folder: folder.to_owned(), n: 0 }))
    }
}

struct PretendedCells {
    folder: PathBuf,
    n: usize,
}

impl Cells for PretendedCells {
    fn run(&mut self, _: &str, _: &AtomicBool) -> Result<Run, InterpreterError> {
        self.n += 1;
        std::fs::write(self.folder.join("plot.png"), [0x89, b'P', self.n as u8]).unwrap();
        let stdout = format!("cell {}\n", self.n);
        Ok(Run { ending: Ending::Finished, stdout, stderr: String::new(), seconds: 0.0 })
    }
}

/// A server that runs programs, at most so many for a request.
fn called(calls: usize) -> (Called, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    let code = Code {
        interpreter: Arc::new(Pretended),
        scratch: scratch.path().to_owned(),
        at_once: 1,
        calls,
        image_bytes: 1000,
    };
    let options = Options { code: Some(code), cache_positions: 16_384, ..options() };
    (Called::new(options), scratch)
}

const IMAGE: &str = "data:image/png;base64,iVAB";

#[test]
fn a_program_is_run_and_the_answer_goes_on() {
    let (server, _scratch) = called(1);
    let mut asked = json!({"input": "hi", "seed": 5, "max_output_tokens": 3000,
        "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
        "tool_choice": {"type": "code_interpreter"}});
    let answer = server.ask("/v1/responses", &asked);
    let call = &answer["output"][0];
    assert_eq!(call["type"], "code_interpreter_call", "{answer}");
    assert_eq!(call["outputs"][0], json!({"type": "logs", "logs": "cell 1\n"}));
    assert_eq!(call["outputs"][1], json!({"type": "image", "url": IMAGE}));
    assert_eq!(answer["output"][1]["type"], "message");
    assert_eq!(answer["tools"][0]["type"], "code_interpreter");
    // Both prompts count. The second has no tool any more: its calls are used up.
    let input = |answer: &Value| answer["usage"]["input_tokens"].as_u64().unwrap();
    let mut short = asked.clone();
    short["max_output_tokens"] = 1.into();
    let once = input(&server.ask("/v1/responses", &short));
    assert!(input(&answer) > once + once / 4, "{} {once}", input(&answer));

    // What was run may be sent back, as everything else.
    let items = answer["output"].as_array().unwrap().clone();
    let again = json!({"input": items, "max_output_tokens": 1});
    assert_eq!(server.ask("/v1/responses", &again)["status"], "incomplete");

    asked["stream"] = true.into();
    let events = server.post("/v1/responses", &asked).events();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let at = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap();
    let done = at("response.code_interpreter_call.completed");
    assert!(at("response.code_interpreter_call_code.done") < done);
    let code = &events[at("response.code_interpreter_call_code.done")]["code"];
    assert_eq!(*code, call["code"], "the same seed, the same program");
    assert!(done < kinds.len() - 1);
}

#[test]
fn chat_tells_of_programs_too() {
    let (server, _scratch) = called(1);
    let mut asked = json!({"messages": [{"role": "user", "content": "hi"}], "seed": 5,
        "max_tokens": 3000, "tools": [{"type": "code_interpreter"}], "tool_choice": "required"});
    let answer = server.ask("/v1/chat/completions", &asked);
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["code_interpreter_calls"][0]["outputs"][1]["url"], IMAGE, "{answer}");
    assert!(message["tool_calls"].is_null(), "the client has nothing to run");
    asked["stream"] = true.into();
    let events = server.post("/v1/chat/completions", &asked).events();
    let calls: Vec<&Value> = events
        .iter()
        .map(|event| &event["choices"][0]["delta"]["code_interpreter_calls"])
        .filter(|calls| !calls.is_null())
        .collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0][0]["code"], message["code_interpreter_calls"][0]["code"]);
}

#[test]
fn a_server_without_it_says_so() {
    let server = Called::new(options());
    let asked = json!({"input": "hi", "tools": [{"type": "code_interpreter"}]});
    let response = server.send(post("/v1/responses", &asked));
    assert_eq!(response.status.as_u16(), 400);
    let error = &response.json()["error"];
    assert_eq!(error["param"], "tools[0].type");
    assert!(error["message"].as_str().unwrap().contains("--code-interpreter"), "{error}");

    let (server, _scratch) = called(1);
    let asked = json!({"messages": [{"role": "user", "content": "hi"}], "n": 2,
        "tools": [{"type": "code_interpreter"}]});
    assert_eq!(server.post("/v1/chat/completions", &asked).json()["error"]["param"], "n");
}
