//! What the tests of all checks share.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Answered, Check, NoTools, OptionFault, Outcome, Tools, make};
use crate::respond::{Answer, Finish, Prompt};

/// An answer that ended by itself.
pub(super) fn answer(text: &str) -> Answer {
    let tokens = Some(text.split_whitespace().count() as u64);
    Answer {
        text: text.to_owned(),
        finish: Finish::Stop,
        prompt_tokens: None,
        tokens,
        cost: None,
        fingerprint: None,
    }
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Looks at one answer.
pub(super) fn look(
    check: &dyn Check,
    input: Value,
    text: &str,
    tools: &mut dyn Tools,
) -> Result<Outcome, String> {
    let prompt = Prompt::new("Say it.");
    let (input, answer) = (object(input), answer(text));
    check.check(&Answered { prompt: &prompt, input: &input, answer: &answer }, tools)
}

/// Makes a check and looks at one answer, without tools.
pub(super) fn outcome(kind: &str, keys: Value, input: Value, text: &str) -> Outcome {
    let checked = make(kind, object(keys), PathBuf::new()).unwrap();
    look(&*checked.check, input, text, &mut NoTools).unwrap()
}

/// Whether an answer passes.
pub(super) fn passes(kind: &str, keys: Value, text: &str) -> bool {
    let outcome = outcome(kind, keys, Value::Null, text);
    assert_eq!(outcome.value == 0.0, !outcome.reason.is_empty(), "{outcome:?}");
    outcome.value == 1.0
}

/// Why a check cannot be made.
pub(super) fn fault(kind: &str, keys: Value) -> OptionFault {
    make(kind, object(keys), PathBuf::new()).unwrap_err()
}
