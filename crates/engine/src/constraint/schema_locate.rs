//! Finding the part of a JSON schema that is to blame.

use serde_json::Value;

use super::schema_keywords::{Keyword, keyword};
use super::schema_values::Path;

/// How many parts are tried before the search gives up where it is.
const MAX_TRIALS: usize = 200;

/// Finds the innermost part that fails by itself; returns its path and what is wrong.
///
/// `message`: what is wrong with the whole. `fails`: tries a schema and says what is
/// wrong with it, if anything.
pub(super) fn locate(
    root: &Value,
    message: &str,
    fails: &mut dyn FnMut(&Value) -> Option<String>,
) -> (String, String) {
    let mut search = Search { root, fails, trials: 0 };
    search.inside(root, &Path::Root).unwrap_or_else(|| ("$".into(), message.into()))
}

struct Search<'a> {
    root: &'a Value,
    fails: &'a mut dyn FnMut(&Value) -> Option<String>,
    trials: usize,
}

impl Search<'_> {
    /// Looks for a failing part below `schema`.
    fn inside(&mut self, schema: &Value, path: &Path<'_>) -> Option<(String, String)> {
        let fields = schema.as_object()?;
        // A definition before what refers to it.
        let is_section = |name: &str| matches!(name, "$defs" | "definitions");
        let sections = fields.iter().filter(|(name, _)| is_section(name));
        let others = fields.iter().filter(|(name, _)| !is_section(name));
        for (name, value) in sections.chain(others) {
            let Some(kind) = keyword(name) else { continue };
            let path = Path::Key(path, name);
            let found = match (kind, value) {
                (Keyword::Schema | Keyword::SchemaOrList, Value::Object(_)) => {
                    self.at(value, &path)
                }
                (Keyword::List | Keyword::SchemaOrList, Value::Array(schemas)) => schemas
                    .iter()
                    .enumerate()
                    .find_map(|(index, part)| self.at(part, &Path::Index(&path, index))),
                (Keyword::Map | Keyword::PatternMap, Value::Object(schemas)) => {
                    schemas.iter().find_map(|(name, part)| self.at(part, &Path::Key(&path, name)))
                }
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The place of the fault, if this part fails by itself.
    fn at(&mut self, part: &Value, path: &Path<'_>) -> Option<(String, String)> {
        self.trials += 1;
        if self.trials > MAX_TRIALS {
            return None;
        }
        let alone = self.alone(part)?;
        let message = (self.fails)(&alone)?;
        // A reference to a place that only the whole has.
        if message.starts_with("Reference segment") {
            return None;
        }
        Some(self.inside(part, path).unwrap_or_else(|| (path.to_string(), message)))
    }

    /// The part as a schema of its own, with the definitions of the whole.
    fn alone(&self, part: &Value) -> Option<Value> {
        let mut part = part.as_object()?.clone();
        for section in ["$defs", "definitions"] {
            if let Some(definitions) = self.root.get(section) {
                part.entry(section).or_insert_with(|| definitions.clone());
            }
        }
        Some(Value::Object(part))
    }
}
