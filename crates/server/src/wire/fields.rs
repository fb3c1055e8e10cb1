//! The fields of a request, each with the name by which a client knows it.

use serde_json::{Map, Value};

use crate::ApiError;

/// Reads a body.
pub(super) fn parse(body: &[u8]) -> Result<Value, ApiError> {
    // Nesting is bounded by the library: 128 levels.
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("the body is no JSON: {error}")))
}

/// The fields of an object. A field that is `null` is one that is absent.
#[derive(Clone)]
pub(crate) struct Fields<'v> {
    map: &'v Map<String, Value>,
    /// Where the object is, such as `messages[2]`; empty for the request itself.
    place: String,
}

impl<'v> Fields<'v> {
    /// Those of a value at a place.
    pub(crate) fn of(value: &'v Value, place: &str) -> Result<Self, ApiError> {
        match value {
            Value::Object(map) => Ok(Self { map, place: place.to_owned() }),
            other if place.is_empty() => Err(ApiError::malformed(format!(
                "the body must be a JSON object, not {}",
                kind_of(other)
            ))),
            other => Err(mistyped(place, "an object", other)),
        }
    }

    /// The full name of a field.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// The object itself.
    pub(crate) fn map(&self) -> &'v Map<String, Value> {
        self.map
    }

    /// A field as it is.
    pub(crate) fn get(&self, key: &str) -> Option<&'v Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A field that must be there.
    pub(crate) fn need(&self, key: &str) -> Result<&'v Value, ApiError> {
        self.get(key).ok_or_else(|| self.missing(key))
    }

    /// What is said of a field that is not there.
    pub(crate) fn missing(&self, key: &str) -> ApiError {
        let name = self.name(key);
        ApiError::invalid(&*name, format!("{name} is missing")).called("missing_required_parameter")
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'v str>, ApiError> {
        self.typed(key, "a string", Value::as_str)
    }

    /// Yes or no.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ApiError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f32>, ApiError> {
        self.typed(key, "a number", |value| value.as_f64().map(|x| x as f32))
    }

    /// A whole number from 0 on.
    pub(crate) fn whole(&self, key: &str) -> Result<Option<u64>, ApiError> {
        self.typed(key, "a whole number from 0 on", Value::as_u64)
    }

    /// A whole number within bounds.
    pub(crate) fn count(
        &self,
        key: &str,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>, ApiError> {
        let Some(n) = self.whole(key)? else { return Ok(None) };
        let fits = usize::try_from(n).ok().filter(|n| (least..=most).contains(n));
        fits.map(Some).ok_or_else(|| {
            let name = self.name(key);
            let range = if most == usize::MAX {
                format!("at least {least}")
            } else {
                format!("from {least} to {most}")
            };
            ApiError::invalid(&*name, format!("{name} is {n}, but must be {range}"))
        })
    }

    /// A list of at most `most`.
    pub(crate) fn list(&self, key: &str, most: usize) -> Result<Option<&'v [Value]>, ApiError> {
        let list = self.typed(key, "a list", |value| value.as_array().map(Vec::as_slice))?;
        if let Some(list) = list
            && list.len() > most
        {
            let name = self.name(key);
            let n = list.len();
            let message = format!("{name} has {n} entries, but at most {most} are taken");
            return Err(ApiError::invalid(&*name, message));
        }
        Ok(list)
    }

    /// An object within this one.
    pub(crate) fn object(&self, key: &str) -> Result<Option<Self>, ApiError> {
        self.get(key).map(|value| Fields::of(value, &self.name(key))).transpose()
    }

    /// Refuses a field that asks for something that cannot be had.
    pub(crate) fn refuse(&self, key: &str, why: &str) -> Result<(), ApiError> {
        let asks = match self.get(key) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Array(items)) => !items.is_empty(),
            Some(_) => true,
        };
        if asks { Err(self.unsupported(key, why)) } else { Ok(()) }
    }

    /// What is said of such a field.
    pub(crate) fn unsupported(&self, key: &str, why: &str) -> ApiError {
        let name = self.name(key);
        ApiError::invalid(&*name, format!("{name}: {why}")).called("unsupported_parameter")
    }

    /// What is said of a value that is none of those that are known.
    pub(crate) fn unknown(&self, key: &str, value: &str, known: &str) -> ApiError {
        let name = self.name(key);
        ApiError::invalid(&*name, format!("{name} is {value:?}, but must be {known}"))
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| mistyped(&self.name(key), expected, value))
    }
}

/// What is said of a value of another type.
pub(super) fn mistyped(name: &str, expected: &str, got: &Value) -> ApiError {
    let message = format!("{name} must be {expected}, not {}", kind_of(got));
    ApiError::invalid(name, message).called("invalid_type")
}

/// What a value is, without what it says.
fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_name_the_field() {
        let value = json!({"a": {"n": 3, "s": "x", "list": [1, 2]}, "none": null});
        let fields = Fields::of(&value, "").unwrap();
        let a = fields.object("a").unwrap().unwrap();
        assert_eq!(a.count("n", 1, 3), Ok(Some(3)));
        let error = a.count("n", 4, 5).unwrap_err();
        assert_eq!(error.param(), Some("a.n"));
        assert_eq!(error.to_string(), "a.n is 3, but must be from 4 to 5");
        assert_eq!(a.text("n").unwrap_err().to_string(), "a.n must be a string, not 3");
        assert_eq!(a.list("list", 1).unwrap_err().param(), Some("a.list"));
        assert_eq!(fields.text("none"), Ok(None));
        assert_eq!(fields.need("none").unwrap_err().to_string(), "none is missing");
        assert!(a.refuse("absent", "why").is_ok());
        assert_eq!(a.refuse("s", "why").unwrap_err().to_string(), "a.s: why");
    }
}
