//! JSON as Python's `json.dumps` writes it, which is how models have seen their tools.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// How deep lists and objects may lie in each other.
const MAX_DEPTH: usize = 128;

/// How JSON is written.
struct Style {
    ascii: bool,
    /// What one level is indented by.
    indent: Option<String>,
    between_items: String,
    after_key: String,
    sort_keys: bool,
}

/// The filter `tojson` with the arguments that transformers gives it.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes arguments by value")]
pub(super) fn to_json(state: &State, value: &Value, arguments: Kwargs) -> Result<Value, Error> {
    let indent = match arguments.get::<Option<Value>>("indent")? {
        None => None,
        Some(value) if value.is_none() => None,
        Some(value) => Some(match value.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(value)?.min(64)),
        }),
    };
    let separators = match arguments.get::<Option<Value>>("separators")? {
        Some(pair) if !pair.is_none() => {
            let part = |i| -> Result<String, Error> { Ok(pair.get_item_by_index(i)?.to_string()) };
            Some((part(0)?, part(1)?))
        }
        _ => None,
    };
    let usual = if indent.is_some() { "," } else { ", " };
    let (between_items, after_key) = separators.unwrap_or_else(|| (usual.into(), ": ".into()));
    let style = Style {
        ascii: arguments.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        indent,
        between_items,
        after_key,
        sort_keys: arguments.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    arguments.assert_all_used()?;
    let mut out = String::new();
    style.write(state, value, 0, &mut out)?;
    Ok(Value::from(out))
}

impl Style {
    fn write(
        &self,
        state: &State,
        value: &Value,
        depth: usize,
        out: &mut String,
    ) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::BadSerialization, "a value is too deep for JSON"));
        }
        state.consume_fuel(1)?;
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if value.is_integer() => push(out, value),
            ValueKind::Number => write_float(f64::try_from(value.clone())?, out),
            ValueKind::String => {
                let text = value.as_str().unwrap_or_default();
                state.consume_fuel(text.len() as u64 / 64)?;
                write_string(text, self.ascii, out);
            }
            ValueKind::Seq | ValueKind::Iterable => {
                self.write_all(('[', ']'), value.try_iter()?, depth, out, |item, out| {
                    self.write(state, &item, depth + 1, out)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort_by_key(ToString::to_string);
                }
                self.write_all(('{', '}'), keys.into_iter(), depth, out, |key, out| {
                    write_key(&key, self.ascii, out)?;
                    out.push_str(&self.after_key);
                    self.write(state, &value.get_item(&key)?, depth + 1, out)
                })?;
            }
            kind => {
                let problem = format!("{kind} has no form in JSON");
                return Err(Error::new(ErrorKind::BadSerialization, problem));
            }
        }
        Ok(())
    }

    /// Writes items between brackets.
    fn write_all(
        &self,
        brackets: (char, char),
        items: impl Iterator<Item = Value>,
        depth: usize,
        out: &mut String,
        write: impl Fn(Value, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let new_line = |depth: usize, out: &mut String| {
            if let Some(indent) = &self.indent {
                out.push('\n');
                for _ in 0..depth {
                    out.push_str(indent);
                }
            }
        };
        out.push(brackets.0);
        let mut is_empty = true;
        for item in items {
            if !is_empty {
                out.push_str(&self.between_items);
            }
            is_empty = false;
            new_line(depth + 1, out);
            write(item, out)?;
        }
        if !is_empty {
            new_line(depth, out);
        }
        out.push(brackets.1);
        Ok(())
    }
}

/// Writing to a string does not fail.
fn push(out: &mut String, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// Object keys are strings; Python writes other simple values as such.
fn write_key(key: &Value, ascii: bool, out: &mut String) -> Result<(), Error> {
    match key.kind() {
        ValueKind::String => write_string(key.as_str().unwrap_or_default(), ascii, out),
        ValueKind::None => out.push_str("\"null\""),
        ValueKind::Bool => out.push_str(if key.is_true() { "\"true\"" } else { "\"false\"" }),
        ValueKind::Number => push(out, format_args!("\"{key}\"")),
        kind => {
            let problem = format!("{kind} cannot be a key in JSON");
            return Err(Error::new(ErrorKind::BadSerialization, problem));
        }
    }
    Ok(())
}

fn write_string(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            // Characters of the last planes may stand for others, see `shadow`, and stay.
            c if c < ' ' || (ascii && c > '~' && !super::shadow::is_private(c)) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    push(out, format_args!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The shortest digits that read back as the number, as Python's `repr` sets them.
pub(super) fn write_float(value: f64, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return push(out, format_args!("{digits}e{sign}{exponent:0>2}"));
    }
    push(out, format_args!("{value:?}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::Environment;

    fn render(template: &str, value: &serde_json::Value) -> Result<String, Error> {
        let mut environment = Environment::new();
        environment.add_filter("tojson", to_json);
        let value = crate::template::message::plain_value(value);
        environment.render_str(template, Value::from_pairs([("x", value)]))
    }

    #[test]
    fn strings_and_numbers_are_those_of_python() {
        let value = serde_json::json!({"a": [1, 2.0, 1e16, 1.5e-7, -0.5, true, null, 12.345e4],
            "é\"\\": "\u{8}\u{c}\n\r\t\u{1}\u{7f}é😀</script>"});
        // json.dumps(x, ensure_ascii=False) and json.dumps(x)
        assert_eq!(
            render("{{ x|tojson }}", &value).unwrap(),
            "{\"a\": [1, 2.0, 1e+16, 1.5e-07, -0.5, true, null, 123450.0], \
             \"é\\\"\\\\\": \"\\b\\f\\n\\r\\t\\u0001\u{7f}é😀</script>\"}"
        );
        let stand_in = serde_json::json!("\u{f0000}");
        assert_eq!(
            render("{{ x|tojson(ensure_ascii=true) }}", &stand_in).unwrap(),
            "\"\u{f0000}\""
        );
        assert_eq!(
            render("{{ x|tojson(ensure_ascii=true) }}", &serde_json::json!("é😀\u{7f}")).unwrap(),
            "\"\\u00e9\\ud83d\\ude00\\u007f\""
        );
    }

    #[test]
    fn indents_separators_and_order_are_as_asked() {
        let value = serde_json::json!({"b": [1, {}], "a": []});
        assert_eq!(
            render("{{ x|tojson(indent=2) }}", &value).unwrap(),
            "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": []\n}"
        );
        assert_eq!(
            render("{{ x|tojson(separators=(',', ':'), sort_keys=true) }}", &value).unwrap(),
            "{\"a\":[],\"b\":[1,{}]}"
        );
        assert_eq!(
            render("{{ x|tojson(indent=none) }}", &value).unwrap(),
            "{\"b\": [1, {}], \"a\": []}"
        );
        assert!(render("{{ x|tojson(nonsense=1) }}", &value).is_err());
        assert!(render("{{ y|tojson }}", &value).is_err());
    }

    #[test]
    fn a_value_without_end_is_an_error() {
        let mut value = serde_json::json!([]);
        for _ in 0..1000 {
            value = serde_json::json!([value]);
        }
        assert!(render("{{ x|tojson }}", &value).is_err());
        // Dropping it must not take a stack frame for each level either.
        while let serde_json::Value::Array(mut items) = value {
            value = items.pop().unwrap_or_default();
        }
    }
}
