//! Checks of JSON schemas, and what is added to them before they are followed.
//!
//! The library that follows a schema says what is wrong with it, but not where. So
//! everything that it would refuse for its form is refused here first, with the path
//! and a remedy; what only shows when the parts meet (a minimum above a maximum, an
//! `allOf` that contradicts itself) is found afterwards by `schema_locate.rs`.

use serde_json::{Map, Value};

use super::error::{ConstraintError, syntax_error};
use super::limits::Limits;
use super::schema_keywords::{Keyword, keyword};
use super::schema_values::{
    Path, check_constant, check_count, check_format, check_multiple, check_number, check_pattern,
    check_type, fault, short,
};

/// What the text is called in errors.
const WHAT: &str = "json schema";

/// Reads the text of a schema.
pub(super) fn parse_schema(text: &str, limits: &Limits) -> Result<Value, ConstraintError> {
    if text.len() > limits.text_bytes {
        let (got, limit) = (text.len(), limits.text_bytes);
        return Err(ConstraintError::TooLong { what: WHAT, got, limit });
    }
    serde_json::from_str(text).map_err(|fault| {
        let at = super::error::offset_of(text, fault.line(), fault.column());
        // The place is said once already.
        let message = fault.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        syntax_error(WHAT, text, at, at + 1, message)
    })
}

/// Checks a whole schema and returns what was noticed but does not matter.
pub(super) fn check_schema(root: &Value, limits: &Limits) -> Result<Vec<String>, ConstraintError> {
    let mut check = Check { root, limits, nodes: 0, warnings: Vec::new() };
    check.schema(root, &Path::Root, 0)?;
    Ok(check.warnings)
}

struct Check<'a> {
    root: &'a Value,
    limits: &'a Limits,
    nodes: usize,
    warnings: Vec<String>,
}

impl Check<'_> {
    fn schema(
        &mut self,
        schema: &Value,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), ConstraintError> {
        self.nodes += 1;
        if self.nodes > self.limits.schema_nodes {
            let message = format!("more than {} schemas", self.limits.schema_nodes);
            return Err(fault(path, message, "split the task, or describe less of the answer"));
        }
        if depth > self.limits.schema_depth {
            let message = format!("schemas nest deeper than {}", self.limits.schema_depth);
            return Err(fault(path, message, "move inner ones to $defs and use $ref"));
        }
        let fields = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(fields) => fields,
            other => {
                let message = format!("{} is not a schema", short(other));
                return Err(fault(path, message, "write an object, true or false"));
            }
        };
        for (name, value) in fields {
            let path = Path::Key(path, name);
            match keyword(name) {
                Some(kind) => self.keyword(kind, value, &path, depth)?,
                None => self.warnings.push(format!("{path} is not a keyword and is ignored")),
            }
        }
        Ok(())
    }

    fn keyword(
        &mut self,
        kind: Keyword,
        value: &Value,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), ConstraintError> {
        match kind {
            Keyword::Annotation => Ok(()),
            Keyword::Const => check_constant(value, path, self.limits),
            Keyword::Schema => self.schema(value, path, depth + 1),
            Keyword::SchemaOrList if value.is_object() || value.is_boolean() => {
                self.schema(value, path, depth + 1)
            }
            Keyword::SchemaOrList => self.list(value, path, depth),
            Keyword::List => {
                if value.as_array().is_some_and(Vec::is_empty) {
                    return Err(fault(path, "the list is empty", "write at least one schema"));
                }
                self.list(value, path, depth)
            }
            Keyword::Map => self.map(value, path, depth, false),
            Keyword::PatternMap => self.map(value, path, depth, true),
            Keyword::Type => check_type(value, path),
            Keyword::Enum => match value.as_array() {
                Some(values) if !values.is_empty() => {
                    values.iter().enumerate().try_for_each(|(i, value)| {
                        check_constant(value, &Path::Index(path, i), self.limits)
                    })
                }
                _ => Err(fault(path, "not a list of values", "list the values that are allowed")),
            },
            Keyword::Names => match value.as_array() {
                Some(names) if names.iter().all(Value::is_string) => Ok(()),
                _ => Err(fault(path, "not a list of names", "list the names of properties")),
            },
            Keyword::Length => check_count(value, path, self.limits.schema_length),
            Keyword::Count => check_count(value, path, self.limits.schema_items),
            Keyword::Limit if value.is_boolean() => Ok(()),
            Keyword::Number | Keyword::Limit => check_number(value, path),
            Keyword::Multiple => check_multiple(value, path),
            Keyword::Pattern => match value.as_str() {
                Some(pattern) => check_pattern(pattern, path, self.limits),
                None => Err(fault(path, "not a string", "write a regular expression")),
            },
            Keyword::Format => check_format(value, path),
            Keyword::Reference => self.reference(value, path),
            Keyword::Unsupported { harmless, remedy } => {
                if harmless.is_some_and(|harmless| *value == harmless) {
                    return Ok(());
                }
                Err(fault(path, "this keyword cannot be followed while generating", remedy))
            }
        }
    }

    fn list(
        &mut self,
        value: &Value,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), ConstraintError> {
        let Some(schemas) = value.as_array() else {
            return Err(fault(path, "not a list of schemas", "put the schemas into [ ]"));
        };
        for (index, schema) in schemas.iter().enumerate() {
            self.schema(schema, &Path::Index(path, index), depth + 1)?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        value: &Value,
        path: &Path<'_>,
        depth: usize,
        names_are_patterns: bool,
    ) -> Result<(), ConstraintError> {
        let Some(schemas) = value.as_object() else {
            let remedy = "write an object that gives each name its schema";
            return Err(fault(path, "not an object", remedy));
        };
        if schemas.len() as u64 > self.limits.schema_items {
            let message = format!("{} are more than can be followed", schemas.len());
            let remedy = format!("list at most {}", self.limits.schema_items);
            return Err(fault(path, message, remedy));
        }
        for (name, schema) in schemas {
            let path = Path::Key(path, name);
            if names_are_patterns {
                check_pattern(name, &path, self.limits)?;
            }
            self.schema(schema, &path, depth + 1)?;
        }
        Ok(())
    }

    /// Follows a reference until it arrives at a schema that says something itself.
    fn reference(&self, value: &Value, path: &Path<'_>) -> Result<(), ConstraintError> {
        let mut value = value;
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let Some(reference) = value.as_str() else {
                let message = format!("{} is not a reference", short(value));
                return Err(fault(path, message, "write a string such as \"#/$defs/name\""));
            };
            if seen.contains(&reference) {
                let message = format!("{reference:?} refers to itself and to nothing else");
                return Err(fault(path, message, "refer to a schema with a type"));
            }
            seen.push(reference);
            let target = resolve(self.root, reference)
                .map_err(|(message, remedy)| fault(path, message, remedy))?;
            match target
                .as_object()
                .and_then(|fields| fields.get("$ref").filter(|_| fields.len() == 1))
            {
                Some(next) => value = next,
                None => return Ok(()),
            }
        }
    }
}

/// Finds what `#/a/b` names; says why not and what to do where it cannot.
fn resolve<'a>(root: &'a Value, reference: &str) -> Result<&'a Value, (String, String)> {
    if reference == "#" {
        return Ok(root);
    }
    let Some(pointer) = reference.strip_prefix("#/") else {
        return Err((
            format!("{reference:?} is outside this schema, and nothing is fetched"),
            "copy the definition into $defs and refer to \"#/$defs/name\"".into(),
        ));
    };
    if pointer.contains(['~', '%']) {
        return Err((
            format!("{reference:?} has an escaped name"),
            "give the definition a name without / ~ % and refer to that".into(),
        ));
    }
    root.pointer(&reference[1..]).ok_or_else(|| {
        let known = definitions(root);
        let remedy = if known.is_empty() {
            "define it in $defs".into()
        } else {
            format!("define it, or refer to one of {}", known.join(", "))
        };
        (format!("{reference:?} does not exist"), remedy)
    })
}

/// References to the definitions that there are, at most eight.
fn definitions(root: &Value) -> Vec<String> {
    ["$defs", "definitions"]
        .iter()
        .filter_map(|section| Some((section, root.get(section)?.as_object()?)))
        .flat_map(|(section, names)| names.keys().map(move |name| format!("#/{section}/{name}")))
        .take(8)
        .collect()
}

/// Prepares a checked schema for the library.
///
/// Keywords whose value makes them say nothing are removed. An object that lists its
/// properties gets no others unless the schema says so: the answer still fits the
/// schema, and a model that may invent properties does so without end. Objects that
/// are combined with others (`allOf`, or `$ref` beside other keywords) are left as they
/// are, because what closes one would shut out the properties of the other.
pub(super) fn prepare(mut schema: Value) -> Value {
    let closable = !is_combined(&schema);
    simplify(&mut schema, closable);
    schema
}

/// Whether schemas for one and the same value meet anywhere.
fn is_combined(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let joins = ["$ref", "anyOf", "oneOf"];
            let asks = |name: &&String| {
                !matches!(keyword(name), Some(Keyword::Annotation) | None)
                    && !matches!(name.as_str(), "$defs" | "definitions")
            };
            let joined = fields.contains_key("allOf")
                || joins.iter().any(|name| fields.contains_key(*name))
                    && fields.keys().filter(asks).count() > 1;
            joined || fields.values().any(is_combined)
        }
        Value::Array(values) => values.iter().any(is_combined),
        _ => false,
    }
}

fn simplify(schema: &mut Value, closable: bool) {
    let Value::Object(fields) = schema else { return };
    fields.retain(|name, value| match keyword(name) {
        Some(Keyword::Unsupported { harmless, .. }) => {
            !harmless.is_some_and(|harmless| *value == harmless)
        }
        _ => true,
    });
    if closable && is_closable(fields) {
        fields.insert("additionalProperties".into(), Value::Bool(false));
    }
    for (name, value) in fields.iter_mut() {
        match (keyword(name), value) {
            (Some(Keyword::Schema | Keyword::SchemaOrList), value @ Value::Object(_)) => {
                simplify(value, closable);
            }
            (Some(Keyword::List | Keyword::SchemaOrList), Value::Array(list)) => {
                for schema in list {
                    simplify(schema, closable);
                }
            }
            (Some(Keyword::Map | Keyword::PatternMap), Value::Object(map)) => {
                for schema in map.values_mut() {
                    simplify(schema, closable);
                }
            }
            _ => {}
        }
    }
}

/// Whether an object lists all properties that it needs and says nothing of others.
fn is_closable(fields: &Map<String, Value>) -> bool {
    let Some(properties) = fields.get("properties").and_then(Value::as_object) else {
        return false;
    };
    let listed = |name: &Value| name.as_str().is_some_and(|name| properties.contains_key(name));
    let required = fields.get("required").and_then(Value::as_array);
    let least = fields.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
    !properties.is_empty()
        && !fields.contains_key("additionalProperties")
        && !fields.contains_key("patternProperties")
        && required.is_none_or(|names| names.iter().all(listed))
        && least <= properties.len() as u64
}
