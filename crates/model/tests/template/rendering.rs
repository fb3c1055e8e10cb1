//! The same text as transformers, for the templates of well-known models.

use std::path::{Path, PathBuf};

use mynah_model::checkpoint::{Metadata, Value};
use mynah_model::template::{ChatInput, ChatTemplate, LocalTime, Message, TemplateError};
use mynah_model::tokenizer::Tokenizer;
use serde_json::Value as Json;

use crate::models;

/// A tokenizer with little more than the tokens that the conversations were rendered with.
pub(crate) fn tokenizer() -> Tokenizer {
    let tokens = ["<unk>", "<BOS>", "<EOS>", "a"];
    let metadata = Metadata::from([
        ("tokenizer.ggml.model", Value::String("llama".into())),
        ("tokenizer.ggml.tokens", Value::Strings(tokens.into_iter().collect())),
        ("tokenizer.ggml.token_type", Value::I32s(vec![2, 3, 3, 1])),
    ]);
    Tokenizer::from_metadata(&metadata).expect("a tokenizer")
}

/// 2025-07-26 12:34:56, the time at which the conversations were rendered.
const NOW: LocalTime = LocalTime { unix_seconds: 1_753_533_296, utc_offset_seconds: 0 };

fn render(template: &ChatTemplate, conversation: &Json) -> Result<String, TemplateError> {
    let messages: Vec<Message> =
        serde_json::from_value(conversation["messages"].clone()).expect("messages");
    let input = ChatInput {
        messages: &messages,
        tools: conversation["tools"].as_array().expect("a list"),
        add_generation_prompt: conversation["add_generation_prompt"] == true,
        extra: conversation["extra"].as_object().expect("an object").clone(),
        now: Some(NOW),
    };
    template.render(&input).map(|rendered| rendered.text().to_owned())
}

/// What is wrong with a template's renderings, and how many texts were equal.
fn compare(source: &str, conversations: &[Json], expected: &[Json]) -> (Vec<String>, usize) {
    let template = match ChatTemplate::new(source, &tokenizer()) {
        Ok(template) => template,
        Err(error) => return (vec![error.to_string()], 0),
    };
    let mut wrong = Vec::new();
    let mut equal = 0;
    for (conversation, expected) in conversations.iter().zip(expected) {
        let name = &conversation["name"];
        // A template that knows only text gets the parts joined, not Python's form of a list.
        if expected["text"].as_str().is_some_and(|text| text.contains("[{'type'")) {
            continue;
        }
        match (render(&template, conversation), &expected["text"], &expected["error"]) {
            (Ok(text), Json::String(expected), _) if text == *expected => equal += 1,
            (Ok(text), Json::String(expected), _) => {
                let same = text.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
                let from = text.floor_char_boundary(same.saturating_sub(30));
                let show = |text: &str| {
                    let end = text.floor_char_boundary((from + 150).min(text.len()));
                    format!("{:?}", text.get(from..end).unwrap_or_default())
                };
                wrong.push(format!(
                    "{name}\n  got      {}\n  expected {}",
                    show(&text),
                    show(expected)
                ));
            }
            (Err(error), Json::String(_), _) => wrong.push(format!("{name}: {error}")),
            // A refusal is a refusal; what fails in Python may work here.
            (Err(TemplateError::Refused { message, .. }), _, Json::String(expected))
                if expected.ends_with(&message) => {}
            (result, _, Json::String(expected)) if expected.starts_with("TemplateError") => {
                wrong.push(format!("{name}\n  got      {result:?}\n  expected {expected}"));
            }
            _ => {}
        }
    }
    (wrong, equal)
}

/// Compares the templates in a folder with what transformers made of them.
fn check(cases: &Json, folder: &Path) -> usize {
    let conversations = cases["conversations"].as_array().expect("a list");
    let mut failures = Vec::new();
    let mut total = 0;
    for (name, expected) in cases["rendered"].as_object().expect("an object") {
        let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/template/builtin");
        let path = [folder, &builtin].map(|folder| folder.join(format!("{name}.jinja")));
        let source = match path.iter().find_map(|path| std::fs::read_to_string(path).ok()) {
            Some(source) => source,
            None => {
                models::metadata(name).str("tokenizer.chat_template").expect("a template").into()
            }
        };
        let (wrong, equal) = compare(&source, conversations, expected.as_array().expect("a list"));
        total += equal;
        // It marks strings as safe, and Python escapes for HTML what is added to those.
        if name != "meetkai-functionary-medium-v3.1" {
            failures.extend(wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
        }
    }
    assert!(
        failures.is_empty(),
        "{} wrong, {total} right\n{}",
        failures.len(),
        failures.join("\n")
    );
    total
}

#[test]
fn well_known_templates_write_what_transformers_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/templates");
    let total = check(&models::fixture("templates/cases.json"), &folder);
    assert!(total > 200, "{total}");
}

#[test]
#[ignore = "needs a folder with templates, and `expected.json` by template_cases.py, in MYNAH_TEST_TEMPLATES"]
fn every_template_in_a_folder_writes_what_transformers_writes() {
    let folder = PathBuf::from(std::env::var_os("MYNAH_TEST_TEMPLATES").expect("the folder"));
    let cases = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
    check(&serde_json::from_str(&cases).expect("JSON"), &folder);
}
