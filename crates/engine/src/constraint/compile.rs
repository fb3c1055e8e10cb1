//! From the text of a grammar to a matcher at its beginning.

use llguidance::Matcher;
use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

use super::error::{ConstraintError, offset_of, syntax_error};
use super::grammars::Grammars;
use super::regex::check_regex;
use super::schema::{check_schema, parse_schema, prepare};
use super::schema_locate::locate;

/// White space between the parts of JSON: none, a space, or one or two line breaks with
/// an indentation.
///
/// JSON allows any amount, but a small model that has once begun to write spaces often
/// does not stop.
const JSON_SPACE: &str = r"[ ]|\n{1,2}[ \t]{0,40}";

/// A matcher and what was noticed about its grammar.
pub(super) type Compiled = (Matcher, Vec<String>);

/// Compiles the text of a JSON schema.
pub(super) fn json_schema(grammars: &Grammars, text: &str) -> Result<Compiled, ConstraintError> {
    json_schema_value(grammars, &parse_schema(text, grammars.limits())?)
}

/// Compiles a JSON schema.
pub(super) fn json_schema_value(
    grammars: &Grammars,
    schema: &Value,
) -> Result<Compiled, ConstraintError> {
    let mut warnings = check_schema(schema, grammars.limits())?;
    let attempt = |schema: &Value| {
        grammars.compile(TopLevelGrammar::from_json_schema(with_options(prepare(schema.clone()))))
    };
    let message = match attempt(schema)? {
        Ok(mut matcher) => {
            warnings.extend(matcher.grammar_warnings());
            return Ok((matcher, warnings));
        }
        Err(message) => message,
    };
    if let Some(fault) = work_limit("json schema", &message) {
        return Err(fault);
    }
    let (path, message) =
        locate(schema, &message, &mut |part| attempt(part).ok().and_then(Result::err));
    let (message, remedy) = explain(&message);
    Err(ConstraintError::Schema { path, message, remedy: remedy.into() })
}

/// Adds the library's options; what a schema says of them itself is dropped.
fn with_options(schema: Value) -> Value {
    let mut schema = match schema {
        Value::Bool(true) => json!({}),
        other => other,
    };
    if let Value::Object(fields) = &mut schema {
        fields.insert("x-guidance".into(), json!({"whitespace_pattern": JSON_SPACE}));
    }
    schema
}

/// What the library says about a schema, in our words, and what to do.
fn explain(message: &str) -> (String, &'static str) {
    let first = message.lines().next().unwrap_or(message);
    if let Some(reason) = first.split("Unsatisfiable schema: ").nth(1) {
        return (format!("no value fits: {reason}"), "loosen one of the conditions, or remove one");
    }
    if first.contains("oneOf") {
        return (
            "the cases of oneOf overlap".into(),
            "use anyOf, or give each case a property with a different const",
        );
    }
    if first.contains("circular references") {
        return (
            "a reference to itself beside other keywords".into(),
            "put the other keywords into the definition",
        );
    }
    if first.contains("disjoint") {
        return (first.into(), "make patternProperties that cannot match the same name");
    }
    if first.contains("Unable to determine") {
        return (
            "pattern and lengths together take too much work".into(),
            "put the length into the pattern, or leave one of them out",
        );
    }
    (first.into(), "write this part in another way, or leave it out")
}

/// Compiles a regular expression that the whole answer has to match.
pub(super) fn regex(grammars: &Grammars, text: &str) -> Result<Compiled, ConstraintError> {
    const WHAT: &str = "regular expression";
    check_regex(text, grammars.limits())?;
    match grammars.compile(TopLevelGrammar::from_regex(text))? {
        Ok(matcher) => Ok((matcher, Vec::new())),
        Err(message) => Err(work_limit(WHAT, &message).unwrap_or_else(|| {
            // The library quotes the expression that it has rewritten: not to be shown.
            let message = message.lines().next_back().unwrap_or(&message).trim().to_owned();
            ConstraintError::Grammar { what: WHAT, message }
        })),
    }
}

/// Compiles a grammar in the notation of Lark, as the library understands it.
pub(super) fn lark(grammars: &Grammars, text: &str) -> Result<Compiled, ConstraintError> {
    const WHAT: &str = "grammar";
    let limit = grammars.limits().text_bytes;
    if text.len() > limit {
        return Err(ConstraintError::TooLong { what: WHAT, got: text.len(), limit });
    }
    match grammars.compile(TopLevelGrammar::from_lark(text.to_owned()))? {
        Ok(mut matcher) => {
            let warnings = matcher.grammar_warnings();
            Ok((matcher, warnings))
        }
        Err(message) => {
            Err(work_limit(WHAT, &message).unwrap_or_else(|| lark_fault(WHAT, text, &message)))
        }
    }
}

/// Finds the place that the library's message is about, by position or by name.
fn lark_fault(what: &'static str, text: &str, message: &str) -> ConstraintError {
    let first = message.lines().next().unwrap_or(message);
    if let Some((line, column, rest)) = position(first) {
        let at = offset_of(text, line, column);
        let rest = rest.rsplit_once(" (at ").map_or(rest, |(rest, _)| rest);
        // The place is that of the rule: look for the name in it.
        if let Some(name) = rest.strip_prefix("unknown name: ") {
            let name = name.trim_matches('"');
            if let Some(found) = find_word(&text[at..], name) {
                return syntax_error(what, text, at + found, at + found + name.len(), rest);
            }
        }
        return syntax_error(what, text, at, at + 1, rest);
    }
    if let Some(fault) = work_limit(what, message) {
        return fault;
    }
    if first.starts_with("at EOF: ") {
        let end = text.trim_end().len();
        let rest = first.replace("at EOF: ", "");
        return syntax_error(what, text, end, end, format!("the end is too early: {rest}"));
    }
    // A name in quotes that stands in the text as a word.
    if let Some(name) = first.split('"').nth(1).filter(|name| !name.is_empty())
        && let Some(at) = find_word(text, name)
    {
        return syntax_error(what, text, at, at + name.len(), first);
    }
    ConstraintError::Grammar { what, message: first.into() }
}

/// Splits `at 3(5): message` or `3(5): message`.
fn position(message: &str) -> Option<(usize, usize, &str)> {
    let message = message.strip_prefix("at ").unwrap_or(message);
    let (line, rest) = message.split_once('(')?;
    let (column, rest) = rest.split_once("): ")?;
    Some((line.parse().ok()?, column.parse().ok()?, rest))
}

fn find_word(text: &str, word: &str) -> Option<usize> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        !text[..at].ends_with(part_of_word) && !text[at + word.len()..].starts_with(part_of_word)
    })
}

/// Recognises that a limit was reached, or that the library itself failed.
pub(super) fn work_limit(what: &'static str, message: &str) -> Option<ConstraintError> {
    let first = message.lines().next().unwrap_or(message);
    let signs = ["too big", "too large", "fuel", "stack level", "too many", "TooComplex", "limit"];
    if first.starts_with("panic") {
        return Some(ConstraintError::Library { message: first.into() });
    }
    signs
        .iter()
        .any(|sign| first.contains(sign))
        .then(|| ConstraintError::TooComplex { what, detail: first.into() })
}
