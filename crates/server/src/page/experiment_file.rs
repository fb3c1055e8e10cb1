//! A comparison as an experiment's file for `mynah try`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;

use super::body;
use crate::ApiError;

/// What was compared, and what is to decide.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Comparison {
    name: String,
    columns: Vec<Column>,
    #[serde(default)]
    sampling: Sampling,
    seed: Option<u64>,
    check: Check,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    model: String,
    system: Option<String>,
    prompt: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sampling {
    temperature: Option<f64>,
    top_p: Option<f64>,
    min_p: Option<f64>,
    top_k: Option<u32>,
    max_tokens: Option<u32>,
    stop: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    r#type: String,
    #[serde(default)]
    argument: String,
}

/// The checks that a comparison may end on, and the key that each is told by.
const CHECKS: [(&str, Option<&str>); 7] = [
    ("words", None),
    ("contains", Some("text")),
    ("regex", Some("pattern")),
    ("number", Some("expected")),
    ("json", None),
    ("markdown", None),
    ("no_refusal", None),
];

pub(super) async fn write(
    comparison: Result<Json<Comparison>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let text = body(comparison)?.toml()?;
    Ok(([(header::CONTENT_TYPE, "application/toml; charset=utf-8")], text))
}

impl Comparison {
    fn toml(&self) -> Result<String, ApiError> {
        let (models, variants) = (self.models(), self.variants());
        if variants.iter().any(|(prompt, _)| prompt.trim().is_empty()) {
            return Err(ApiError::invalid("columns", "a column asks nothing"));
        }
        if models.is_empty() || models.iter().any(|model| model.is_empty()) {
            return Err(ApiError::invalid("columns", "a column names no model"));
        }
        let mut text =
            "# From a comparison of single answers. `mynah try FILE --plan` says what this \
             can show,\n# `mynah try FILE` runs it; each model gets a verdict of its own. One prompt says \
             little of others:\n# with `inputs = \"notes.jsonl\"` and {{text}} in the prompts it says \
             more.\n\n"
                .to_owned();
        text += &format!("name = {}\n", quoted(&self.name));
        let names: Vec<String> = models.iter().map(|model| quoted(model)).collect();
        text += &format!("models = [{}]\n", names.join(", "));
        if let Some(seed) = self.seed {
            text += &format!("seed = {seed}\n");
        }
        for (i, (prompt, system)) in variants.iter().enumerate() {
            text += &variant(&name_of(i), prompt, *system);
        }
        if let [(prompt, _)] = variants[..] {
            text += "\n# All columns were asked the same. An experiment compares ways to ask: this \
                 second one is a\n# suggestion, to be changed.";
            text += &variant("briefly", prompt, Some("Answer as briefly as you can."));
        }
        text += &self.sampling.toml();
        text += &self.check.toml()?;
        Ok(text)
    }

    /// The models, each once.
    fn models(&self) -> Vec<&str> {
        unique(self.columns.iter().map(|column| column.model.trim()))
    }

    /// The ways to ask, each once: prompt and system prompt.
    fn variants(&self) -> Vec<(&str, Option<&str>)> {
        unique(self.columns.iter().map(|column| {
            let system = column.system.as_deref().map(str::trim).filter(|text| !text.is_empty());
            (column.prompt.as_str(), system)
        }))
    }
}

fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// A, B, C, …
fn name_of(place: usize) -> String {
    match u8::try_from(place) {
        Ok(place) if place < 26 => char::from(b'A' + place).to_string(),
        _ => format!("variant {}", place + 1),
    }
}

fn variant(name: &str, prompt: &str, system: Option<&str>) -> String {
    // In an experiment two braces begin the name of a field; here nobody meant that.
    let text = |text: &str| quoted(&text.replace("{{", "\\{{"));
    let system = system.map_or(String::new(), |system| format!("system = {}\n", text(system)));
    format!("\n[[variant]]\nname = {}\n{system}prompt = {}\n", quoted(name), text(prompt))
}

impl Sampling {
    fn toml(&self) -> String {
        let mut lines = Vec::new();
        for (name, value) in
            [("temperature", self.temperature), ("top_p", self.top_p), ("min_p", self.min_p)]
        {
            lines.extend(value.map(|value| format!("{name} = {value:?}")));
        }
        for (name, value) in [("top_k", self.top_k), ("max_tokens", self.max_tokens)] {
            lines.extend(value.map(|value| format!("{name} = {value}")));
        }
        if let Some(stop) = &self.stop {
            let stop: Vec<String> = stop.iter().map(|text| quoted(text)).collect();
            lines.push(format!("stop = [{}]", stop.join(", ")));
        }
        if lines.is_empty() {
            return String::new();
        }
        format!("\n[sampling]\n{}\n", lines.join("\n"))
    }
}

impl Check {
    fn toml(&self) -> Result<String, ApiError> {
        let Some((name, key)) = CHECKS.iter().find(|(name, _)| *name == self.r#type) else {
            let known = CHECKS.map(|(name, _)| name).join(", ");
            let message = format!("there is no check {:?} here; there are {known}", self.r#type);
            return Err(ApiError::invalid("check.type", message));
        };
        let argument = match key {
            Some(_) if self.argument.is_empty() => {
                return Err(ApiError::invalid("check.argument", format!("{name} wants one")));
            }
            Some(key) => format!("{key} = {}\n", quoted(&self.argument)),
            None => String::new(),
        };
        Ok(format!("\n[[check]]\ntype = {}\n{argument}", quoted(name)))
    }
}

/// A text as TOML writes it, on one line.
///
/// Source: TOML 1.0, "String": basic strings have the escapes of JSON, and U+007F needs one too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
