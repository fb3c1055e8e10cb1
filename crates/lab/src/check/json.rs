//! Whether an answer is JSON, and follows a schema.

use std::fs;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools, fence};
use crate::outcome::Scale;
use crate::respond::Sampling;

/// Passes if the answer is valid JSON and follows the schema, if there is one.
pub(super) const KIND: Kind = Kind {
    name: "json",
    main_key: Some("schema"),
    about: "valid JSON; with a schema (a file, or a table), JSON that follows it",
    make,
};

struct Json {
    schema: Option<Validator>,
    fenced: bool,
    accepts_nothing: bool,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let schema = match options.take("schema") {
        None => None,
        Some(Value::String(path)) => Some(read(options, &path)?),
        Some(table @ (Value::Object(_) | Value::Bool(_))) => Some(table),
        Some(other) => {
            let message = format!("schema must be a file or a table, not {other}");
            return Err(OptionFault::new(Some("schema"), message));
        }
    };
    let fenced = options.flag("fenced")?.unwrap_or(false);
    let accepts_nothing = schema == Some(Value::Bool(false));
    let schema = schema.map(|schema| compile(&schema)).transpose()?;
    Ok(Arc::new(Json { schema, fenced, accepts_nothing }))
}

fn read(options: &Options, path: &str) -> Result<Value, OptionFault> {
    let wrong = |message: String| OptionFault::new(Some("schema"), message);
    let text = fs::read_to_string(options.folder.join(path))
        .map_err(|error| wrong(format!("{path} cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| wrong(format!("{path} is not JSON: {error}")))
}

/// Compiles a schema. What it refers to must be in it: nothing is fetched.
fn compile(schema: &Value) -> Result<Validator, OptionFault> {
    jsonschema::validator_for(schema).map_err(|error| {
        let message = format!("schema is not a JSON Schema: {error}");
        OptionFault::new(Some("schema"), message)
    })
}

impl Check for Json {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn impossible(&self, _: &Sampling) -> Option<String> {
        self.accepts_nothing.then(|| "the schema false accepts nothing".to_owned())
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        Ok(Outcome::of(self.fault(&answered.answer.text)))
    }
}

impl Json {
    fn fault(&self, text: &str) -> Option<String> {
        let block = if self.fenced { fence::only(text) } else { None };
        let value: Value = match serde_json::from_str(block.as_deref().unwrap_or(text)) {
            Ok(value) => value,
            Err(error) if fence::only(text).is_some() => {
                return Some(format!(
                    "not JSON: {error} (it is in a code block; fenced = true allows that)"
                ));
            }
            Err(error) => return Some(format!("not JSON: {error}")),
        };
        let error = self.schema.as_ref()?.validate(&value).err()?;
        let place = error.instance_path().to_string();
        let place = if place.is_empty() { "the whole".to_owned() } else { place };
        Some(super::shorten(&format!("{place}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{fault, object, outcome, passes};
    use super::super::{make, make_short};
    use super::*;

    #[test]
    fn json_is_told_from_text_around_it() {
        assert!(passes("json", json!({}), " {\"a\": [1, null]}\n"));
        for text in ["{\"a\": 1,}", "Sure! {}", "", "{} {}", "```json\n{}\n```", "\0", "[[[["] {
            assert!(!passes("json", json!({}), text), "{text}");
        }
        // Deeper than any parser may recurse.
        assert!(!passes("json", json!({}), &"[".repeat(100_000)));
    }

    #[test]
    fn a_single_fence_may_be_allowed() {
        assert!(passes("json", json!({"fenced": true}), "```json\n{\"a\": 1}\n```\n"));
        assert!(passes("json", json!({"fenced": true}), "{\"a\": 1}"));
        assert!(!passes("json", json!({"fenced": true}), "Here:\n```json\n{}\n```"));
        let strict = outcome("json", json!({}), Value::Null, "```json\n{}\n```");
        assert!(strict.reason.contains("fenced = true"), "{}", strict.reason);
    }

    #[test]
    fn a_schema_says_where_it_is_not_followed() {
        let schema = json!({"schema": {
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
        }});
        assert!(passes("json", schema.clone(), r#"{"name": "Ada", "age": 36}"#));
        for (text, place) in [
            (r#"{"name": "Ada", "age": -1}"#, "/age"),
            (r#"{"age": 3}"#, "the whole"),
            (r#"{"name": 3}"#, "/name"),
        ] {
            let reason = outcome("json", schema.clone(), Value::Null, text).reason;
            assert!(reason.starts_with(place), "{reason}");
        }
    }

    #[test]
    fn schemas_from_files_are_found_and_wrong_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("s.json"), r#"{"type": "array"}"#).unwrap();
        let checked = make_short("json=s.json", folder.path().to_owned()).unwrap();
        assert_eq!(checked.name, "json=s.json");
        let missing = make_short("json=t.json", folder.path().to_owned()).unwrap_err();
        assert!(missing.message.contains("t.json cannot be read"), "{missing}");
        assert!(fault("json", json!({"schema": {"type": "strin"}})).message.contains("schema"));
        // Nothing is fetched.
        fault("json", json!({"schema": {"$ref": "https://example.com/schema.json"}}));
        let never = make("json", object(json!({"schema": false})), "".into()).unwrap();
        assert!(never.check.impossible(&Sampling::default()).is_some());
    }
}
