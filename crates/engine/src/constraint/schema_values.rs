//! Checks of single values in a JSON schema, and how their places are named.

use serde_json::Value;

use super::error::ConstraintError;
use super::limits::Limits;
use super::regex::check_regex;
use super::schema_keywords::type_hint;

/// The types of values that a schema can ask for.
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// The formats of strings that can be followed.
const FORMATS: [&str; 10] =
    ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"];

/// Numbers up to here are exact in the library's arithmetic.
const MAX_NUMBER: f64 = 9_007_199_254_740_992.0;
const MAX_WHOLE: u64 = 9_007_199_254_740_992;
/// Smaller ones would be written with too many digits.
const MIN_NUMBER: f64 = 1e-12;
/// Work grows with the digits of `multipleOf`, not counting zeros at the end.
const MAX_MULTIPLE: f64 = 10_000.0;

/// A place in a schema, as a list from the leaf to the root.
pub(super) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("$"),
            Self::Key(parent, key) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
                if !key.is_empty() && key.chars().all(plain) {
                    write!(f, "{parent}.{key}")
                } else {
                    write!(f, "{parent}[{key:?}]")
                }
            }
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Makes the error for a place in a schema.
pub(super) fn fault(
    path: &Path<'_>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> ConstraintError {
    ConstraintError::Schema {
        path: path.to_string(),
        message: message.into(),
        remedy: remedy.into(),
    }
}

/// A value as it is shown in an error.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 {
        return text;
    }
    text.chars().take(40).chain(['…']).collect()
}

/// Checks a type or a list of types.
pub(super) fn check_type(value: &Value, path: &Path<'_>) -> Result<(), ConstraintError> {
    let names: Vec<&Value> = match value {
        Value::Array(names) if !names.is_empty() => names.iter().collect(),
        other => vec![other],
    };
    for name in names {
        let known = name.as_str().is_some_and(|name| TYPES.contains(&name));
        if !known {
            let remedy = match name.as_str().and_then(type_hint) {
                Some(right) => format!("write {right:?}"),
                None => format!("choose from {}", TYPES.join(", ")),
            };
            return Err(fault(path, format!("{} is not a type", short(name)), remedy));
        }
    }
    Ok(())
}

/// Checks a number of characters, items or properties.
pub(super) fn check_count(
    value: &Value,
    path: &Path<'_>,
    limit: u64,
) -> Result<(), ConstraintError> {
    match value.as_u64() {
        Some(count) if count <= limit => Ok(()),
        Some(count) => {
            let message = format!("{count} is more than can be counted while generating");
            Err(fault(path, message, format!("write at most {limit}, or leave it out")))
        }
        None => {
            let message = format!("{} is not a count", short(value));
            Err(fault(path, message, "write a whole number from 0"))
        }
    }
}

/// Checks a regular expression.
pub(super) fn check_pattern(
    pattern: &str,
    path: &Path<'_>,
    limits: &Limits,
) -> Result<(), ConstraintError> {
    check_regex(pattern, limits).map_err(|error| {
        fault(path, error.to_string(), "patterns have the syntax of the Rust crate `regex`")
    })
}

/// Checks the name of a format.
pub(super) fn check_format(value: &Value, path: &Path<'_>) -> Result<(), ConstraintError> {
    if value.as_str().is_some_and(|name| FORMATS.contains(&name)) {
        return Ok(());
    }
    let remedy = format!("choose from {}, or write a pattern", FORMATS.join(", "));
    Err(fault(path, format!("the format {} is not known", short(value)), remedy))
}

/// Checks a bound of a number.
pub(super) fn check_number(value: &Value, path: &Path<'_>) -> Result<(), ConstraintError> {
    let Some(number) = value.as_f64() else {
        return Err(fault(path, format!("{} is not a number", short(value)), "write a number"));
    };
    // Whole numbers are compared as such: as `f64` they may have been rounded already.
    let whole = value.as_i64().map(i64::unsigned_abs).or(value.as_u64());
    let exact = whole.is_none_or(|whole| whole <= MAX_WHOLE);
    if number == 0.0 || exact && (MIN_NUMBER..=MAX_NUMBER).contains(&number.abs()) {
        return Ok(());
    }
    let message = format!("{} cannot be compared with exactly", short(value));
    let remedy = "use numbers from 1e-12 to 9007199254740992, or leave it out";
    Err(fault(path, message, remedy))
}

/// Checks that the multiples of a number can be counted in few states.
pub(super) fn check_multiple(value: &Value, path: &Path<'_>) -> Result<(), ConstraintError> {
    check_number(value, path)?;
    let mut digits = value.as_f64().unwrap_or(0.0).abs();
    while digits.fract() != 0.0 && digits < MAX_MULTIPLE {
        digits *= 10.0;
        // Multiplying rounds: 0.07 * 10 * 10 is not quite 7.
        if (digits - digits.round()).abs() < 1e-6 {
            digits = digits.round();
        }
    }
    while digits != 0.0 && digits % 10.0 == 0.0 {
        digits /= 10.0;
    }
    if digits > 0.0 && digits <= MAX_MULTIPLE {
        return Ok(());
    }
    let message = format!("multiples of {} cannot be counted while generating", short(value));
    Err(fault(path, message, "use a number above 0 with at most four digits that matter"))
}

/// Refuses constants with numbers that the library would change, and very long texts.
pub(super) fn check_constant(
    value: &Value,
    path: &Path<'_>,
    limits: &Limits,
) -> Result<(), ConstraintError> {
    match value {
        Value::Number(_) => check_number(value, path),
        Value::String(text) if text.len() as u64 > limits.schema_length => {
            let message = format!("a text of {} bytes is too long to be forced", text.len());
            Err(fault(path, message, format!("write at most {}", limits.schema_length)))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| check_constant(item, &Path::Index(path, index), limits)),
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(name, value)| check_constant(value, &Path::Key(path, name), limits)),
        _ => Ok(()),
    }
}
