//! What an answer must look like, as a person says it on the command line.

use std::path::{Path, PathBuf};
use std::{fs, io};

use mynah_engine::constraint::{Constraint, ConstraintError, Grammars, schema_dsl};

use crate::failure::{Hint as _, Misuse};

/// Flags that say what an answer must look like.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Form of the answer")]
#[group(multiple = false)]
pub(crate) struct ConstraintArgs {
    /// Answer in JSON of this form: a JSON Schema or a file with one, or short: `name, age int`
    #[arg(long, value_name = "SCHEMA")]
    pub(crate) schema: Option<String>,
    /// Answer with a text that this regular expression matches as a whole
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    pub(crate) regex: Option<String>,
    /// Answer with a text that this grammar derives from `start`; a file in Lark's notation
    #[arg(long, value_name = "FILE")]
    pub(crate) grammar: Option<PathBuf>,
}

/// The text of a constraint, read but not yet understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConstraintText {
    /// A JSON Schema.
    Schema {
        /// The schema.
        text: String,
        /// The file that it was read from.
        file: Option<PathBuf>,
    },
    /// A regular expression.
    Regex(String),
    /// A grammar in Lark's notation.
    Grammar {
        /// The grammar.
        text: String,
        /// The file that it was read from.
        file: PathBuf,
    },
}

impl ConstraintArgs {
    /// Reads what was asked for, before a model is fetched or loaded.
    ///
    /// # Errors
    /// If a file cannot be read, or a short schema has a fault.
    pub(crate) fn read(&self) -> anyhow::Result<Option<ConstraintText>> {
        if let Some(schema) = &self.schema {
            return read_schema(schema).map(Some);
        }
        if let Some(regex) = &self.regex {
            return Ok(Some(ConstraintText::Regex(regex.clone())));
        }
        let Some(file) = &self.grammar else { return Ok(None) };
        let text = read_file(file).hint("--grammar takes the name of a file")?;
        Ok(Some(ConstraintText::Grammar { text, file: file.clone() }))
    }
}

impl ConstraintText {
    /// Makes the constraint.
    ///
    /// # Errors
    /// If the text has a fault; the error says where.
    pub(crate) fn compile(&self, grammars: &Grammars) -> anyhow::Result<Constraint> {
        match self {
            Self::Schema { text, file } => {
                explain(Constraint::json_schema(grammars, text), file.as_deref())
            }
            Self::Regex(text) => explain(Constraint::regex(grammars, text), None),
            Self::Grammar { text, file } => explain(Constraint::lark(grammars, text), Some(file)),
        }
    }
}

/// A schema is written out if it begins as JSON does; otherwise it is a file if there is one of
/// this name, and else the short form.
fn read_schema(schema: &str) -> anyhow::Result<ConstraintText> {
    let begins_as_json = schema.trim_start().starts_with(['{', '[']);
    if begins_as_json || matches!(schema.trim(), "true" | "false") {
        return Ok(ConstraintText::Schema { text: schema.to_owned(), file: None });
    }
    let path = Path::new(schema);
    if path.is_file() || path.extension().is_some_and(|extension| extension == "json") {
        let text = read_file(path).hint(
            "--schema takes JSON, the name of a file with JSON, or the short form `name, age int`",
        )?;
        return Ok(ConstraintText::Schema { text, file: Some(path.to_owned()) });
    }
    let value = explain(schema_dsl(schema), None)?;
    Ok(ConstraintText::Schema { text: value.to_string(), file: None })
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    let read = fs::read(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text in UTF-8"))
    });
    read.map_err(|error| Misuse(format!("cannot read {}: {error}", path.display())).into())
}

/// Faults of what the person wrote are misuse; the file that has them is named.
fn explain<T>(result: Result<T, ConstraintError>, file: Option<&Path>) -> anyhow::Result<T> {
    result.map_err(|error| {
        let text = match file {
            Some(file) => format!("{}: {error}", file.display()),
            None => error.to_string(),
        };
        match error {
            ConstraintError::Library { .. } | ConstraintError::VocabularyTooLarge { .. } => {
                anyhow::anyhow!(text)
            }
            _ => Misuse(text).into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schema: &str) -> anyhow::Result<ConstraintText> {
        ConstraintArgs { schema: Some(schema.to_owned()), ..ConstraintArgs::default() }
            .read()
            .map(Option::unwrap)
    }

    #[test]
    fn a_schema_comes_in_three_forms() {
        let json = r#"{"type": "integer"}"#;
        let expected = ConstraintText::Schema { text: json.to_owned(), file: None };
        assert_eq!(read(json).unwrap(), expected);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schema");
        fs::write(&file, json).unwrap();
        let expected = ConstraintText::Schema { text: json.to_owned(), file: Some(file.clone()) };
        assert_eq!(read(file.to_str().unwrap()).unwrap(), expected);

        let ConstraintText::Schema { text, file: None } = read("name, age int").unwrap() else {
            panic!("the short form is no file")
        };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["properties"]["age"]["type"], "integer");
        assert_eq!(value["required"], serde_json::json!(["name", "age"]));
    }

    #[test]
    fn faults_are_misuse_and_say_where() {
        let error = read("name, age integer").unwrap_err();
        assert!(error.is::<Misuse>());
        assert!(error.to_string().contains("column"), "{error}");
        let error = read("absent.json").unwrap_err();
        assert!(error.to_string().starts_with("cannot read absent.json"), "{error}");
    }
}
