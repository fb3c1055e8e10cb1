//! The tool `code_interpreter`: Python that the server runs when a model asks for it.
//!
//! Within one request variables live on from call to call. Nothing lives on between requests: a
//! client that goes on sends the calls with what they brought, as it does for tools of its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mynah_agent::ground::{Cell, Ground, GroundError, Standing, Trial};
use mynah_agent::trim::{SHOWN_BYTES, trimmed};
use mynah_agent::{Ending, Interpreter};
use mynah_model::template::{Content, FunctionCall, Message, ToolCall};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::ApiError;
use crate::tools::Tool;

/// What the tool is called, in requests and by the model.
pub(crate) const NAME: &str = "code_interpreter";

/// How the server runs programs, if it does.
#[derive(Clone)]
pub struct Code {
    /// What runs them.
    pub interpreter: Arc<dyn Interpreter + Send + Sync>,
    /// The folder that theirs are made in.
    pub scratch: PathBuf,
    /// How many run at once; further ones wait.
    pub at_once: usize,
    /// How many programs a request may have run.
    pub calls: usize,
    /// How many bytes of images a program may return.
    pub image_bytes: u64,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code")
            .field("interpreter", &self.interpreter.identity())
            .field("at_once", &self.at_once)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

/// The tool as the model is told of it.
pub(crate) fn tool(code: &Code) -> Tool {
    let mut text =
        "Runs a Python program in a sandbox without network and returns what it prints. \
        Variables of earlier calls are still there."
            .to_owned();
    let packages = code.interpreter.packages();
    if !packages.is_empty() {
        text.push_str(&format!(" These packages are there: {}.", packages.join(", ")));
    }
    Tool {
        name: NAME.to_owned(),
        description: Some(text),
        parameters: json!({
            "type": "object",
            "properties": {"code": {"type": "string", "description": "the program"}},
            "required": ["code"],
        }),
    }
}

/// The program in the arguments of a call. Models also write it where the arguments should stand.
pub(crate) fn program(arguments: &str) -> String {
    match serde_json::from_str(arguments) {
        Ok(Value::Object(fields)) => match fields.get("code") {
            Some(Value::String(code)) => code.clone(),
            _ => arguments.to_owned(),
        },
        Ok(Value::String(code)) => code,
        _ => arguments.to_owned(),
    }
}

/// A program and what it brought, as messages of the conversation.
pub(crate) fn messages(id: &str, source: &str, outcome: &Outcome) -> [Message; 2] {
    let call = ToolCall {
        id: Some(id.to_owned()),
        kind: "function".to_owned(),
        function: FunctionCall {
            name: NAME.to_owned(),
            arguments: json!({"code": source}).to_string().as_str().into(),
        },
    };
    let asked =
        Message { role: "assistant".to_owned(), tool_calls: vec![call], ..Message::default() };
    let told = Message {
        role: "tool".to_owned(),
        content: Some(Content::Text(outcome.told())),
        tool_call_id: Some(id.to_owned()),
        name: Some(NAME.to_owned()),
        ..Message::default()
    };
    [asked, told]
}

/// What a program brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// What it printed, and the error if it failed.
    pub(crate) logs: String,
    /// Images that it made, as URLs that hold them.
    pub(crate) images: Vec<String>,
    /// Whether it ran to its end.
    pub(crate) is_done: bool,
}

impl Outcome {
    /// What the model is told.
    pub(crate) fn told(&self) -> String {
        let mut text = trimmed(&self.logs, SHOWN_BYTES);
        match self.images.len() {
            0 => {}
            1 => text.push_str("\n(1 image is shown to the person.)"),
            n => text.push_str(&format!("\n({n} images are shown to the person.)")),
        }
        if text.trim().is_empty() { "(nothing was printed)".to_owned() } else { text }
    }

    /// As OpenAI's API lists it.
    pub(crate) fn outputs(&self) -> Value {
        let logs = (!self.logs.is_empty()).then(|| json!({"type": "logs", "logs": self.logs}));
        let images = self.images.iter().map(|url| json!({"type": "image", "url": url}));
        logs.into_iter().chain(images).collect()
    }
}

/// The programs of one request.
pub(crate) struct Kernel {
    code: Code,
    turns: Arc<Semaphore>,
    wait: Duration,
    cells: Vec<Cell>,
    n_calls: usize,
    /// Ends a program whose request is gone.
    stop: Arc<AtomicBool>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Kernel {
    /// A Python for a request; `turns` bounds how many programs of all requests run at once.
    pub(crate) fn new(code: &Code, turns: Arc<Semaphore>, wait: Duration) -> Self {
        let (code, cells) = (code.clone(), Vec::new());
        Self { code, turns, wait, cells, n_calls: 0, stop: Arc::default() }
    }

    /// Whether the request may have another program run.
    pub(crate) fn has_calls_left(&self) -> bool {
        self.n_calls < self.code.calls
    }

    /// Runs a program after those before it. What is wrong with the program is part of the outcome.
    ///
    /// # Errors
    /// If the sandbox fails, or too many others wait for it.
    pub(crate) async fn run(&mut self, source: &str) -> Result<Outcome, ApiError> {
        self.n_calls += 1;
        let turn = tokio::time::timeout(self.wait, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            let message = "too many programs are waiting to be run";
            return Err(ApiError::unavailable(message, "code_busy"));
        };
        let (code, cells, stop) = (self.code.clone(), self.cells.clone(), Arc::clone(&self.stop));
        let text = source.to_owned();
        let run = move || {
            let _turn = turn;
            let ground = Ground {
                interpreter: &*code.interpreter,
                scratch: &code.scratch,
                given: &[],
                cells: &cells,
                in_session: true,
                tests: None,
                functions: &[],
            };
            ground.try_out(&text, &stop).map(|trial| (outcome(&trial, &code), trial))
        };
        let ran = tokio::task::spawn_blocking(run).await;
        let ran = ran.map_err(|_| ApiError::internal("the program could not be run"))?;
        match ran {
            Ok((outcome, trial)) => {
                if matches!(trial.standing, Standing::Works | Standing::Silent) {
                    let cell = Cell { source: source.to_owned(), stdout: trial.run.stdout };
                    self.cells.push(cell);
                }
                Ok(outcome)
            }
            // Only in a sandbox whose clock goes on.
            Err(GroundError::Drifted { .. }) => {
                self.cells.clear();
                let logs = "The variables of earlier programs are lost.".to_owned();
                Ok(Outcome { logs, ..Outcome::default() })
            }
            Err(error) => Err(ApiError::internal(error.to_string())),
        }
    }
}

fn outcome(trial: &Trial, code: &Code) -> Outcome {
    let run = &trial.run;
    let mut logs = run.stdout.clone();
    if !run.stderr.trim().is_empty() {
        if !logs.is_empty() && !logs.ends_with('\n') {
            logs.push('\n');
        }
        logs.push_str(&run.stderr);
    }
    if let Ending::Limit(sentence) = &run.ending {
        logs.push_str(sentence);
    }
    let mut left = code.image_bytes;
    let mut images = Vec::new();
    for made in &trial.made {
        let Some(kind) = image_kind(&made.name) else { continue };
        if made.bytes > left {
            logs.push_str(&format!("\n{} is too large to be shown", made.name));
            continue;
        }
        // The program has ended: nothing changes the file any more.
        if let Ok(bytes) = read(&trial.folder.path().join(&made.name), left) {
            left -= made.bytes;
            images.push(format!("data:{kind};base64,{}", BASE64.encode(bytes)));
        }
    }
    Outcome { logs, images, is_done: run.ending == Ending::Finished }
}

fn read(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The media type of an image by its name.
fn image_kind(name: &str) -> Option<&'static str> {
    let ending = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    Some(match ending.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_what_models_write() {
        assert_eq!(program(r#"{"code": "print(1)"}"#), "print(1)");
        assert_eq!(program("\"print(1)\""), "print(1)");
        assert_eq!(program("print(1)"), "print(1)");
        assert_eq!(program("{\"x\": 1}"), "{\"x\": 1}");
    }

    #[test]
    fn the_model_hears_of_images() {
        let images = vec!["data:image/png;base64,AA==".to_owned()];
        let outcome = Outcome { logs: "3\n".to_owned(), images, is_done: true };
        assert_eq!(outcome.told(), "3\n(1 image is shown to the person.)");
        assert_eq!(outcome.outputs()[1]["type"], "image");
        assert_eq!(Outcome::default().told(), "(nothing was printed)");
    }
}
