//! What templates may call beyond Jinja: Python's methods, and what transformers adds.

use std::fmt;

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::budget;

/// What a template says when it refuses a conversation.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// `raise_exception(message)`: refuses the conversation.
pub(super) fn raise_exception(message: &str) -> Result<Value, Error> {
    let error = Error::new(ErrorKind::InvalidOperation, message.to_owned());
    Err(error.with_source(Refusal(message.to_owned())))
}

/// Strings, lists and mappings, all of which Python can index.
pub(super) fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map)
}

/// What Python can loop over.
pub(super) fn is_iterable(value: &Value) -> bool {
    is_sequence(value) || value.kind() == ValueKind::Iterable
}

/// Methods of Python's strings and lists, where the library that knows most of them does not.
pub(super) fn call_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let (Some(text), "format") = (value.as_str(), method) {
        budget::pay_for_format(state, text)?;
    }
    if let Some(text) = value.as_str()
        && let Some(result) = string_method(text, method, arguments)
    {
        return result;
    }
    if value.kind() == ValueKind::Map {
        if method == "copy" {
            return Ok(value.clone());
        }
        // A mapping hashes what it is asked for.
        for argument in arguments {
            budget::weigh(state, argument, 0)?;
        }
    }
    pycompat::unknown_method_callback(state, value, method, arguments)
}

fn string_method(text: &str, method: &str, arguments: &[Value]) -> Option<Result<Value, Error>> {
    let one = || from_args::<(&str,)>(arguments).map(|(argument,)| argument);
    let three = |parts: Option<(&str, &str)>, separator: &str, at_end: bool| {
        let parts = match parts {
            Some((before, after)) => [before, separator, after],
            None if at_end => ["", "", text],
            None => [text, "", ""],
        };
        Value::from(parts.map(Value::from).to_vec())
    };
    Some(match method {
        "removeprefix" => one().map(|prefix| text.strip_prefix(prefix).unwrap_or(text).into()),
        "removesuffix" => one().map(|suffix| text.strip_suffix(suffix).unwrap_or(text).into()),
        "partition" => one().map(|by| three(text.split_once(by), by, false)),
        "rpartition" => one().map(|by| three(text.rsplit_once(by), by, true)),
        "rsplit" => split_from_right(text, arguments),
        "splitlines" if arguments.is_empty() => {
            let lines = text.split_inclusive(['\n', '\r']);
            // A carriage return and the newline after it end one line.
            let mut ends: Vec<&str> = Vec::new();
            let mut after_return = false;
            for line in lines {
                if !(after_return && line == "\n") {
                    ends.push(line.trim_end_matches(['\n', '\r']));
                }
                after_return = line.ends_with('\r');
            }
            Ok(ends.into_iter().map(Value::from).collect())
        }
        "index" => one().and_then(|part| match text.find(part) {
            Some(at) => Ok(Value::from(text[..at].chars().count())),
            None => Err(Error::new(ErrorKind::InvalidOperation, "substring not found")),
        }),
        "casefold" => Ok(Value::from(text.to_lowercase())),
        "isdecimal" => {
            Ok(Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())))
        }
        _ => return None,
    })
}

/// `str.rsplit`: the last `maxsplit` places where the separator stands.
fn split_from_right(text: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (separator, max): (Option<&str>, Option<i64>) = from_args(arguments)?;
    let n = max.and_then(|max| usize::try_from(max).ok()).map_or(usize::MAX, |max| max + 1);
    let mut parts: Vec<Value> = match separator {
        Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
        Some(separator) => text.rsplitn(n, separator).map(Value::from).collect(),
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end();
            while parts.len() + 1 < n
                && let Some(at) = rest.rfind(char::is_whitespace)
            {
                let (before, after) = rest.split_at(at);
                parts.push(Value::from(after.trim_start()));
                rest = before.trim_end();
            }
            if !rest.trim_start().is_empty() {
                parts.push(Value::from(if parts.len() + 1 < n { rest.trim_start() } else { rest }));
            }
            parts
        }
    };
    parts.reverse();
    Ok(Value::from(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::Environment;

    fn eval(expression: &str) -> String {
        let mut environment = Environment::new();
        environment.set_unknown_method_callback(call_method);
        environment.add_test("sequence", is_sequence);
        environment.add_test("iterable", is_iterable);
        let expression = environment.compile_expression(expression).unwrap();
        format!("{:?}", expression.eval(()).unwrap())
    }

    #[test]
    fn string_methods_are_those_of_python() {
        for (expression, expected) in [
            ("'abc'.removeprefix('ab')", "'c'"),
            ("'abc'.removesuffix('x')", "'abc'"),
            ("'a=b=c'.partition('=')", "['a', '=', 'b=c']"),
            ("'a=b=c'.rpartition('=')", "['a=b', '=', 'c']"),
            ("'a'.partition('=')", "['a', '', '']"),
            ("'a'.rpartition('=')", "['', '', 'a']"),
            ("'a-b-c'.rsplit('-', 1)", "['a-b', 'c']"),
            ("'a-b-c'.rsplit('-')", "['a', 'b', 'c']"),
            ("' a  b c '.rsplit(none, 1)", "[' a  b', 'c']"),
            ("' a  b '.rsplit()", "['a', 'b']"),
            ("'aéb'.index('b')", "2"),
            ("'a\\r\\nb\\n\\nc\\n'.splitlines()", "['a', 'b', '', 'c']"),
            ("{'a': 1}.copy()", "{'a': 1}"),
            ("'ab'.upper()", "'AB'"),
        ] {
            assert_eq!(eval(expression), expected, "{expression}");
        }
    }

    #[test]
    fn tests_take_strings_for_sequences_as_python_does() {
        assert_eq!(eval("'a' is sequence and {} is sequence and [] is iterable"), "True");
        assert_eq!(eval("1 is sequence or none is iterable"), "False");
    }
}
