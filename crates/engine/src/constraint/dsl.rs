//! The short form of a schema: `name, age int, bio: one sentence`.

use serde_json::{Map, Value, json};

use super::error::{ConstraintError, syntax_error};

/// What the text is called in errors.
const WHAT: &str = "short schema";

/// Writes out a short schema as a JSON schema.
///
/// Fields are separated by newlines if there is one, else by commas. A field is a
/// name, optionally a type (`str`, which is the default, `int`, `float` or `bool`),
/// and optionally a description after a colon. Every field is required, in the order
/// in which they are given. The form and its meaning are those of the `llm` command
/// line (its `docs/schemas.md`), but for text between the type and the colon: `llm`
/// drops it, here it is an error.
///
/// # Errors
/// If a field has no name, an unknown type, stray text or the name of an earlier one.
pub fn schema_dsl(text: &str) -> Result<Value, ConstraintError> {
    let separator = if text.contains('\n') { '\n' } else { ',' };
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut start = 0;
    for field in text.split(separator) {
        if !field.trim().is_empty() {
            let (name, property) = read_field(text, start, field)?;
            if properties.contains_key(name) {
                let at = start + field.find(name).unwrap_or(0);
                let message = format!("there are two fields named {name:?}");
                return Err(syntax_error(WHAT, text, at, at + name.len(), message));
            }
            properties.insert(name.to_owned(), property);
            required.push(name);
        }
        start += field.len() + separator.len_utf8();
    }
    Ok(json!({"type": "object", "properties": properties, "required": required}))
}

/// Writes out a short schema as the JSON schema of a list of such objects.
///
/// The list is the one field `items` of an object, as `llm --schema-multi` has it.
///
/// # Errors
/// As [`schema_dsl`].
pub fn schema_dsl_multi(text: &str) -> Result<Value, ConstraintError> {
    Ok(multi_schema(&schema_dsl(text)?))
}

/// Wraps a schema into that of an object with a list of such things, `items`.
pub fn multi_schema(schema: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {"items": {"type": "array", "items": schema}},
        "required": ["items"],
    })
}

/// Reads one field, which begins at byte `start` of `text`: its name and schema.
fn read_field<'a>(
    text: &str,
    start: usize,
    field: &'a str,
) -> Result<(&'a str, Value), ConstraintError> {
    let (head, description) = match field.split_once(':') {
        Some((head, description)) => (head, description.trim()),
        None => (field, ""),
    };
    // Where a part of `head` stands in `text`.
    let place = |part: &str| start + (part.as_ptr() as usize - field.as_ptr() as usize);
    let fault = |part: &str, message: String| {
        let at = place(part);
        Err(syntax_error(WHAT, text, at, at + part.len(), message))
    };
    let mut words = head.split_whitespace();
    let Some(name) = words.next() else {
        let at = start + head.len();
        let message = "a field needs a name before the colon";
        return Err(syntax_error(WHAT, text, at, at + 1, message));
    };
    let kind = match words.next() {
        None | Some("str") => "string",
        Some("int") => "integer",
        Some("float") => "number",
        Some("bool") => "boolean",
        Some(other) => {
            let message = format!(
                "{other:?} is not a type: choose str, int, float or bool, \
                 or write a colon before a description"
            );
            return fault(other, message);
        }
    };
    if let Some(stray) = words.next() {
        return fault(stray, "a description needs a colon before it".into());
    }
    let mut property = json!({"type": kind});
    if !description.is_empty() {
        property["description"] = description.into();
    }
    Ok((name, property))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_types_and_descriptions() {
        let want = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer", "description": "in years"},
                "weight": {"type": "number"},
                "alive": {"type": "boolean"},
                "bio": {"type": "string", "description": "one sentence: short"},
            },
            "required": ["name", "age", "weight", "alive", "bio"],
        });
        let commas = "name, age   int : in years,weight float, alive bool,bio:one sentence: short,";
        assert_eq!(schema_dsl(commas).unwrap(), want);
        let lines = "\n name str\n\n age int: in years\r\nweight float\nalive bool\n\
                     bio: one sentence: short\n";
        assert_eq!(schema_dsl(lines).unwrap(), want);
        // The order of the fields is the order in the text.
        let keys: Vec<_> = want["properties"].as_object().unwrap().keys().collect();
        let got = schema_dsl(commas).unwrap();
        assert_eq!(got["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    }

    #[test]
    fn with_lines_a_description_may_have_commas() {
        let got = schema_dsl("bio: short, no more than a line\n").unwrap();
        assert_eq!(got["properties"]["bio"]["description"], "short, no more than a line");
    }

    #[test]
    fn nothing_gives_an_empty_object() {
        for text in ["", " , ,", "\n\n"] {
            let want = json!({"type": "object", "properties": {}, "required": []});
            assert_eq!(schema_dsl(text).unwrap(), want);
        }
    }

    #[test]
    fn multi_wraps_into_a_list() {
        let got = schema_dsl_multi("name").unwrap();
        let item = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        });
        let want = json!({
            "type": "object",
            "properties": {"items": {"type": "array", "items": item}},
            "required": ["items"],
        });
        assert_eq!(got, want);
    }

    #[test]
    fn faults_are_shown_where_they_are() {
        let fault = |text: &str| schema_dsl(text).unwrap_err().to_string();
        assert_eq!(
            fault("name, age integer"),
            "short schema, line 1, column 11: \"integer\" is not a type: choose str, int, float \
             or bool, or write a colon before a description\n  name, age integer\n            \
             ^^^^^^^"
        );
        assert_eq!(
            fault("name\n : a description"),
            "short schema, line 2, column 2: a field needs a name before the colon\n   : a \
             description\n   ^"
        );
        assert_eq!(
            fault("name, age int, name"),
            "short schema, line 1, column 16: there are two fields named \"name\"\n  name, age \
             int, name\n                 ^^^^"
        );
        assert!(fault("age int years").contains("column 9: a description needs a colon"));
    }
}
