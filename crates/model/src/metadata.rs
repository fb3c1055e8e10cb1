//! A model's facts: GGUF's typed values by key, and getters that say which key is at fault.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use crate::strings::Strings;

/// One fact about a model, typed as in GGUF.
///
/// An array of one type is that type's vector; [`Value::Array`] is left for arrays of arrays.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are GGUF's value types")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Vec<Value>),
    Strings(Strings),
    U8s(Vec<u8>),
    I8s(Vec<i8>),
    U16s(Vec<u16>),
    I16s(Vec<i16>),
    U32s(Vec<u32>),
    I32s(Vec<i32>),
    U64s(Vec<u64>),
    I64s(Vec<i64>),
    F32s(Vec<f32>),
    F64s(Vec<f64>),
    Bools(Vec<bool>),
}

/// A fact that is absent or not of the kind that is asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetadataError {
    /// No fact has this key.
    #[error("the model does not say `{key}`")]
    Missing {
        /// The key that was looked for.
        key: String,
    },
    /// The fact is of another type.
    #[error("`{key}` is {got}, expected {expected}")]
    WrongType {
        /// The fact's key.
        key: String,
        /// What was asked for.
        expected: &'static str,
        /// What it is.
        got: &'static str,
    },
    /// The number does not fit what is asked for.
    #[error("`{key}` is {got}, which is not {expected}")]
    OutOfRange {
        /// The fact's key.
        key: String,
        /// What was asked for.
        expected: &'static str,
        /// The number.
        got: String,
    },
    /// The array has another length.
    #[error("`{key}` has {got} entries, expected {expected}")]
    WrongLength {
        /// The fact's key.
        key: String,
        /// How many entries were asked for.
        expected: usize,
        /// How many there are.
        got: usize,
    },
}

impl Value {
    /// What this value is, for a message.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) => "a u8",
            Self::I8(_) => "an i8",
            Self::U16(_) => "a u16",
            Self::I16(_) => "an i16",
            Self::U32(_) => "a u32",
            Self::I32(_) => "an i32",
            Self::U64(_) => "a u64",
            Self::I64(_) => "an i64",
            Self::F32(_) => "an f32",
            Self::F64(_) => "an f64",
            Self::Bool(_) => "a bool",
            Self::String(_) => "a string",
            Self::Array(_) => "an array of arrays",
            Self::Strings(_) => "an array of strings",
            Self::U8s(_) => "an array of u8",
            Self::I8s(_) => "an array of i8",
            Self::U16s(_) => "an array of u16",
            Self::I16s(_) => "an array of i16",
            Self::U32s(_) => "an array of u32",
            Self::I32s(_) => "an array of i32",
            Self::U64s(_) => "an array of u64",
            Self::I64s(_) => "an array of i64",
            Self::F32s(_) => "an array of f32",
            Self::F64s(_) => "an array of f64",
            Self::Bools(_) => "an array of bool",
        }
    }

    /// The whole number, if it is one of any width.
    pub fn as_integer(&self) -> Option<i128> {
        Some(match *self {
            Self::U8(v) => v.into(),
            Self::I8(v) => v.into(),
            Self::U16(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U64(v) => v.into(),
            Self::I64(v) => v.into(),
            _ => return None,
        })
    }

    /// The number rounded to single precision, if it is one with a point.
    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::F32(v) => Some(v),
            Self::F64(v) => Some(v as f32),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(v) => Some(v),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(v) => Some(*v),
            _ => None,
        }
    }

    /// The strings, if it is an array of strings.
    pub fn as_strings(&self) -> Option<&Strings> {
        match self {
            Self::Strings(v) => Some(v),
            _ => None,
        }
    }

    /// Every entry as a whole number, if it is an array of whole numbers of any width.
    pub fn as_integers(&self) -> Option<Vec<i128>> {
        fn widen<T: Copy + Into<i128>>(numbers: &[T]) -> Vec<i128> {
            numbers.iter().map(|&n| n.into()).collect()
        }
        Some(match self {
            Self::U8s(v) => widen(v),
            Self::I8s(v) => widen(v),
            Self::U16s(v) => widen(v),
            Self::I16s(v) => widen(v),
            Self::U32s(v) => widen(v),
            Self::I32s(v) => widen(v),
            Self::U64s(v) => widen(v),
            Self::I64s(v) => widen(v),
            _ => return None,
        })
    }
}

/// A model's facts by their GGUF key, such as `llama.embedding_length`.
///
/// It is a [`BTreeMap`] with getters. A getter fails if the key is absent; its `optional_` twin
/// returns `None` then, and fails if the value is of another kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// No facts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of this key.
    pub fn value(&self, key: &str) -> Result<&Value, MetadataError> {
        self.0.get(key).ok_or_else(|| MetadataError::Missing { key: key.to_owned() })
    }

    /// A whole number of any width that fits 32 bits.
    pub fn u32(&self, key: &str) -> Result<u32, MetadataError> {
        to_u32(key, self.value(key)?)
    }

    /// Like [`Metadata::u32`]; `None` if absent.
    pub fn optional_u32(&self, key: &str) -> Result<Option<u32>, MetadataError> {
        self.0.get(key).map(|value| to_u32(key, value)).transpose()
    }

    /// A size: a whole number that fits 32 bits, so that products of two cannot overflow.
    pub fn size(&self, key: &str) -> Result<usize, MetadataError> {
        self.u32(key).map(|v| v as usize)
    }

    /// Like [`Metadata::size`]; `None` if absent.
    pub fn optional_size(&self, key: &str) -> Result<Option<usize>, MetadataError> {
        Ok(self.optional_u32(key)?.map(|v| v as usize))
    }

    /// One size for each of `n` layers: an array of that length, or one number for all.
    ///
    /// # Errors
    /// If absent, of another type or length, negative or beyond 32 bits.
    pub fn size_per_layer(&self, key: &str, n: usize) -> Result<Vec<usize>, MetadataError> {
        let value = self.value(key)?;
        let Some(numbers) = value.as_integers() else {
            return to_u32(key, value).map(|v| vec![v as usize; n]);
        };
        if numbers.len() != n {
            let got = numbers.len();
            return Err(MetadataError::WrongLength { key: key.to_owned(), expected: n, got });
        }
        numbers.into_iter().map(|v| fit_u32(key, v).map(|v| v as usize)).collect()
    }

    /// A finite number with a point.
    pub fn f32(&self, key: &str) -> Result<f32, MetadataError> {
        to_f32(key, self.value(key)?)
    }

    /// Like [`Metadata::f32`]; `None` if absent.
    pub fn optional_f32(&self, key: &str) -> Result<Option<f32>, MetadataError> {
        self.0.get(key).map(|value| to_f32(key, value)).transpose()
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<bool, MetadataError> {
        expect(key, "a bool", self.value(key)?, Value::as_bool)
    }

    /// Like [`Metadata::bool`]; `None` if absent.
    pub fn optional_bool(&self, key: &str) -> Result<Option<bool>, MetadataError> {
        self.0.get(key).map(|value| expect(key, "a bool", value, Value::as_bool)).transpose()
    }

    /// A string.
    pub fn str(&self, key: &str) -> Result<&str, MetadataError> {
        expect(key, "a string", self.value(key)?, Value::as_str)
    }

    /// Like [`Metadata::str`]; `None` if absent.
    pub fn optional_str(&self, key: &str) -> Result<Option<&str>, MetadataError> {
        self.0.get(key).map(|value| expect(key, "a string", value, Value::as_str)).transpose()
    }

    /// An array of strings.
    pub fn strings(&self, key: &str) -> Result<&Strings, MetadataError> {
        expect(key, "an array of strings", self.value(key)?, Value::as_strings)
    }

    /// Like [`Metadata::strings`]; `None` if absent.
    pub fn optional_strings(&self, key: &str) -> Result<Option<&Strings>, MetadataError> {
        let get = |value| expect(key, "an array of strings", value, Value::as_strings);
        self.0.get(key).map(get).transpose()
    }

    /// An array of numbers in single precision.
    pub fn f32s(&self, key: &str) -> Result<&[f32], MetadataError> {
        expect(key, "an array of f32", self.value(key)?, |value| match value {
            Value::F32s(v) => Some(&v[..]),
            _ => None,
        })
    }

    /// Like [`Metadata::f32s`]; `None` if absent.
    pub fn optional_f32s(&self, key: &str) -> Result<Option<&[f32]>, MetadataError> {
        if self.0.contains_key(key) { self.f32s(key).map(Some) } else { Ok(None) }
    }

    /// An array of whole numbers of any width that fit 32 bits with a sign.
    pub fn i32s(&self, key: &str) -> Result<Vec<i32>, MetadataError> {
        let value = self.value(key)?;
        if let Value::I32s(numbers) = value {
            return Ok(numbers.clone());
        }
        let numbers = expect(key, "an array of whole numbers", value, Value::as_integers)?;
        let fit = |v: i128| i32::try_from(v).map_err(|_| out_of_range(key, "an i32", v));
        numbers.into_iter().map(fit).collect()
    }

    /// Like [`Metadata::i32s`]; `None` if absent.
    pub fn optional_i32s(&self, key: &str) -> Result<Option<Vec<i32>>, MetadataError> {
        if self.0.contains_key(key) { self.i32s(key).map(Some) } else { Ok(None) }
    }
}

fn expect<'m, T>(
    key: &str,
    expected: &'static str,
    value: &'m Value,
    get: impl Fn(&'m Value) -> Option<T>,
) -> Result<T, MetadataError> {
    let wrong = || MetadataError::WrongType { key: key.to_owned(), expected, got: value.kind() };
    get(value).ok_or_else(wrong)
}

fn to_u32(key: &str, value: &Value) -> Result<u32, MetadataError> {
    fit_u32(key, expect(key, "a whole number", value, Value::as_integer)?)
}

fn to_f32(key: &str, value: &Value) -> Result<f32, MetadataError> {
    let number = expect(key, "a floating-point number", value, Value::as_f32)?;
    if !number.is_finite() {
        let (key, got) = (key.to_owned(), number.to_string());
        return Err(MetadataError::OutOfRange { key, expected: "a finite number", got });
    }
    Ok(number)
}

fn fit_u32(key: &str, number: i128) -> Result<u32, MetadataError> {
    u32::try_from(number).map_err(|_| out_of_range(key, "a u32", number))
}

fn out_of_range(key: &str, expected: &'static str, number: i128) -> MetadataError {
    MetadataError::OutOfRange { key: key.to_owned(), expected, got: number.to_string() }
}

impl Deref for Metadata {
    type Target = BTreeMap<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Metadata {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl IntoIterator for Metadata {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'m> IntoIterator for &'m Metadata {
    type Item = (&'m String, &'m Value);
    type IntoIter = std::collections::btree_map::Iter<'m, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K: Into<String>> FromIterator<(K, Value)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(facts: I) -> Self {
        Self(facts.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

impl<K: Into<String>, const N: usize> From<[(K, Value); N]> for Metadata {
    fn from(facts: [(K, Value); N]) -> Self {
        facts.into_iter().collect()
    }
}

impl Extend<(String, Value)> for Metadata {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, facts: I) {
        self.0.extend(facts);
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_getter_names_the_key_and_what_it_is() {
        let facts = Metadata::from([
            ("wide", Value::U64(1 << 40)),
            ("small", Value::I8(-1)),
            ("name", Value::from("x")),
            ("layers", Value::I32s(vec![1, 2])),
            ("nan", Value::F32(f32::NAN)),
        ]);
        let said = |result: Result<_, MetadataError>| result.map(|_: u32| ()).unwrap_err();
        assert_eq!(said(facts.u32("no")).to_string(), "the model does not say `no`");
        assert_eq!(
            said(facts.u32("wide")).to_string(),
            "`wide` is 1099511627776, which is not a u32"
        );
        assert_eq!(said(facts.u32("small")).to_string(), "`small` is -1, which is not a u32");
        assert_eq!(
            said(facts.u32("name")).to_string(),
            "`name` is a string, expected a whole number"
        );
        assert_eq!(
            facts.f32("nan").unwrap_err().to_string(),
            "`nan` is NaN, which is not a finite number"
        );
        assert_eq!(facts.size_per_layer("layers", 2), Ok(vec![1, 2]));
        assert_eq!(
            facts.size_per_layer("layers", 3).unwrap_err().to_string(),
            "`layers` has 2 entries, expected 3"
        );
        assert_eq!(facts.optional_u32("no"), Ok(None));
        assert!(facts.optional_u32("name").is_err(), "optional is about absence only");
    }

    #[test]
    fn one_number_serves_every_layer() {
        let facts = Metadata::from([("heads", Value::U32(8))]);
        assert_eq!(facts.size_per_layer("heads", 3), Ok(vec![8, 8, 8]));
    }
}
