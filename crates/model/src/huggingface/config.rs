//! `config.json` and its kin: fields by name, with messages that say which field is wrong.

use serde_json::{Map, Value as Json};

use super::HuggingFaceError;

/// The fields of an object in a file; those that are `null` count as absent.
pub(super) struct Config {
    file: &'static str,
    /// What stands before a field's name in messages, such as `rope_scaling.`.
    prefix: String,
    fields: Map<String, Json>,
}

impl Config {
    /// Reads a file that is one object, such as `config.json`.
    pub(super) fn parse(file: &'static str, bytes: &[u8]) -> Result<Self, HuggingFaceError> {
        let fields = serde_json::from_slice(bytes)
            .map_err(|error| HuggingFaceError::Json { file, problem: error.to_string() })?;
        Ok(Self { file, prefix: String::new(), fields }.without_null())
    }

    fn without_null(mut self) -> Self {
        self.fields.retain(|_, value| !value.is_null());
        self
    }

    /// Moves up the fields of `text_config`, which models of several media have.
    pub(super) fn with_text(mut self) -> Self {
        if let Some(Json::Object(text)) = self.fields.remove("text_config") {
            for (key, value) in text {
                // The outer `architectures` says how the whole is put together.
                if key != "architectures" || !self.has(&key) {
                    self.fields.insert(key, value);
                }
            }
        }
        self.without_null()
    }

    /// Adds fields that are absent.
    pub(super) fn add_defaults(&mut self, defaults: Json) {
        if let Json::Object(defaults) = defaults {
            for (key, value) in defaults {
                self.fields.entry(key).or_insert(value);
            }
        }
    }

    /// Whether the field is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// The first of these fields that is there, with its name.
    fn find<'k>(&self, keys: &[&'k str]) -> Option<(&'k str, &Json)> {
        keys.iter().find_map(|&key| Some((key, self.fields.get(key)?)))
    }

    /// The object in a field.
    pub(super) fn object(&self, key: &str) -> Result<Option<Config>, HuggingFaceError> {
        match self.fields.get(key) {
            None => Ok(None),
            Some(Json::Object(fields)) => {
                let prefix = format!("{}{key}.", self.prefix);
                Ok(Some(Self { file: self.file, prefix, fields: fields.clone() }.without_null()))
            }
            Some(other) => Err(self.wrong(key, "an object", other)),
        }
    }

    /// A size: a whole number that fits 32 bits.
    pub(super) fn optional_size(&self, keys: &[&str]) -> Result<Option<u32>, HuggingFaceError> {
        let Some((key, value)) = self.find(keys) else { return Ok(None) };
        // Some files write sizes as 4096.0, and every 32-bit number is exact in a float.
        let range = 0.0..=f64::from(u32::MAX);
        let number = value.as_f64().filter(|v| v.fract() == 0.0 && range.contains(v));
        let number = number.map(|v| v as u32);
        number.map(Some).ok_or_else(|| self.wrong(key, "a whole number that fits 32 bits", value))
    }

    /// A size that must be there.
    pub(super) fn size(&self, keys: &[&str]) -> Result<u32, HuggingFaceError> {
        self.optional_size(keys)?.ok_or_else(|| self.missing(keys))
    }

    /// A finite number.
    pub(super) fn optional_number(&self, keys: &[&str]) -> Result<Option<f64>, HuggingFaceError> {
        let Some((key, value)) = self.find(keys) else { return Ok(None) };
        let number = value.as_f64().filter(|v| v.is_finite());
        number.map(Some).ok_or_else(|| self.wrong(key, "a number", value))
    }

    /// A finite number that must be there.
    pub(super) fn number(&self, keys: &[&str]) -> Result<f64, HuggingFaceError> {
        self.optional_number(keys)?.ok_or_else(|| self.missing(keys))
    }

    /// A truth value; false if absent.
    pub(super) fn flag(&self, key: &str) -> Result<bool, HuggingFaceError> {
        match self.fields.get(key) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(key, "true or false", value)),
        }
    }

    /// A string.
    pub(super) fn optional_str(&self, keys: &[&str]) -> Result<Option<&str>, HuggingFaceError> {
        let Some((key, value)) = self.find(keys) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a string", value))
    }

    /// A list of strings.
    pub(super) fn optional_strs(&self, key: &str) -> Result<Option<Vec<&str>>, HuggingFaceError> {
        self.optional_list(key, "a list of strings", Json::as_str)
    }

    /// A list of finite numbers.
    pub(super) fn optional_numbers(&self, key: &str) -> Result<Option<Vec<f64>>, HuggingFaceError> {
        self.optional_list(key, "a list of numbers", Json::as_f64)
    }

    fn optional_list<'c, T>(
        &'c self,
        key: &str,
        expected: &'static str,
        entry: impl Fn(&'c Json) -> Option<T>,
    ) -> Result<Option<Vec<T>>, HuggingFaceError> {
        let Some(value) = self.fields.get(key) else { return Ok(None) };
        let list = value.as_array().and_then(|list| list.iter().map(entry).collect());
        list.map(Some).ok_or_else(|| self.wrong(key, expected, value))
    }

    /// A token, or several of them; the first one counts most.
    pub(super) fn tokens(&self, key: &str) -> Result<Vec<u32>, HuggingFaceError> {
        let token = |value: &Json| value.as_u64().and_then(|v| u32::try_from(v).ok());
        let Some(value) = self.fields.get(key) else { return Ok(Vec::new()) };
        let tokens = match value {
            Json::Array(list) => list.iter().map(token).collect(),
            single => token(single).map(|token| vec![token]),
        };
        tokens.ok_or_else(|| self.wrong(key, "a token or a list of tokens", value))
    }

    /// An error about fields of which none is there.
    pub(super) fn missing(&self, keys: &[&str]) -> HuggingFaceError {
        let field = format!("{}{}", self.prefix, keys.first().copied().unwrap_or_default());
        HuggingFaceError::Missing { file: self.file, field }
    }

    /// An error about a field that is not of the kind that it must be.
    fn wrong(&self, key: &str, expected: &'static str, value: &Json) -> HuggingFaceError {
        let mut got = value.to_string();
        if let Some((cut, _)) = got.char_indices().nth(60) {
            got.truncate(cut);
            got.push('…');
        }
        let field = format!("{}{key}", self.prefix);
        HuggingFaceError::Wrong { file: self.file, field, expected, got }
    }

    /// An error about a field that asks for something that is not done here.
    pub(super) fn unsupported(
        &self,
        key: &str,
        got: impl std::fmt::Display,
        remedy: impl Into<String>,
    ) -> HuggingFaceError {
        let field = format!("{}{key}", self.prefix);
        let (got, remedy) = (format!("{got}"), remedy.into());
        HuggingFaceError::Unsupported { file: self.file, field, got, remedy }
    }
}
