//! JSON: a record on each line, a list of records, or records by name.

use std::cell::RefCell;
use std::fmt;
use std::io::BufRead;
use std::path::Path;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Value;

use super::{Record, Settings, Sink, next_line, utf8};
use crate::Error;
use crate::licence;

/// Names under which records usually have their text, in this order.
const TEXT_FIELDS: [&str; 7] =
    ["text", "content", "body", "markdown", "paragraphs", "summary", "story"];

/// Reads a record from each line that is not empty.
pub(super) fn read_lines(
    path: &Path,
    from: &mut dyn BufRead,
    settings: &Settings<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let (mut line, mut number) = (Vec::new(), 0);
    while next_line(path, from, number + 1, &mut line)? {
        number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = format!("line {number}");
        let text = utf8(path, &place, std::mem::take(&mut line))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| Error::Format {
            path: path.to_owned(),
            place: place.clone(),
            problem: error.to_string(),
            hint: None,
        })?;
        sink(record_of(path, &place, &value, settings)?)?;
    }
    Ok(())
}

/// Reads a list of records, records by name, or a single one.
pub(super) fn read(
    path: &Path,
    from: &mut dyn BufRead,
    settings: &Settings<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let fault = RefCell::new(None);
    let take = RefCell::new(|value: &Value, place: &str| {
        record_of(path, place, value, settings).and_then(&mut *sink).map_err(|error| {
            *fault.borrow_mut() = Some(error);
        })
    });
    let mut reader = serde_json::Deserializer::from_reader(from);
    let read = reader.deserialize_any(Records(&take, settings.fields)).and_then(|()| reader.end());
    match (fault.into_inner(), read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(Error::Format {
            path: path.to_owned(),
            place: format!("line {}", error.line()),
            problem: error.to_string(),
            hint: Some("a file with a record on each line is called .jsonl".to_owned()),
        }),
        (None, Ok(())) => Ok(()),
    }
}

/// Hands the elements of a list on as they come.
struct Records<'t, F>(&'t RefCell<F>, &'t [String]);

impl<'de, F: FnMut(&Value, &str) -> Result<(), ()>> Visitor<'de> for Records<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records, or a record")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut take = self.0.borrow_mut();
        let mut number = 0;
        while let Some(value) = list.next_element::<Value>()? {
            number += 1;
            take(&value, &format!("record {number}")).map_err(|()| stop())?;
        }
        Ok(())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut record = serde_json::Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            record.insert(name, value);
        }
        let mut take = self.0.borrow_mut();
        // Records by name, and no record itself.
        let is_text =
            |name: &str| TEXT_FIELDS.contains(&name) || self.1.iter().any(|it| it == name);
        let is_named = !record.is_empty() && record.values().all(Value::is_object);
        if !is_named || record.keys().any(|name| is_text(name)) {
            return take(&Value::Object(record), "").map_err(|()| stop());
        }
        record.iter().try_for_each(|(name, value)| take(value, name)).map_err(|()| stop())
    }
}

/// An error that is told elsewhere.
fn stop<E: serde::de::Error>() -> E {
    E::custom("stopped")
}

/// The text of a record and what it says about itself.
pub(super) fn record_of(
    path: &Path,
    place: &str,
    value: &Value,
    settings: &Settings<'_>,
) -> Result<Record, Error> {
    if let Value::String(text) = value {
        return Ok(Record { text: text.clone(), ..Record::default() });
    }
    let problem = |problem: String, hint: Option<String>| Error::Format {
        path: path.to_owned(),
        place: place.to_owned(),
        problem,
        hint,
    };
    let Value::Object(fields) = value else {
        return Err(problem("a record is neither an object nor a text".to_owned(), None));
    };
    if settings.reads_all {
        let mut parts = Vec::new();
        all_texts(value, &mut parts);
        return Ok(Record { text: parts.join("\n"), ..Record::default() });
    }
    let names = || fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let text = if settings.fields.is_empty() {
        let found = TEXT_FIELDS.iter().find_map(|name| text_of(fields.get(*name)?));
        found.ok_or_else(|| {
            let hint = format!("--field NAME says which of its fields is the text: {}", names());
            problem(format!("a record has none of {}", TEXT_FIELDS.join(", ")), Some(hint))
        })?
    } else {
        let mut parts = Vec::new();
        for name in settings.fields {
            match fields.get(name) {
                Some(value) => parts.extend(text_of(value)),
                None => {
                    let hint = format!("its fields are {}", names());
                    return Err(problem(format!("a record has no field {name:?}"), Some(hint)));
                }
            }
        }
        parts.retain(|part| !part.trim().is_empty());
        parts.join("\n")
    };
    let string = |names: &[&str]| {
        names.iter().find_map(|name| fields.get(*name)?.as_str().map(str::to_owned))
    };
    let stated = string(&["license", "licence"]);
    Ok(Record {
        place: None,
        text,
        title: string(&["title"]),
        author: string(&["author"]),
        url: string(&["url"]),
        licence: stated.and_then(|name| licence::stated(&name)),
        opt_out: None,
    })
}

/// Every text in a value.
fn all_texts<'v>(value: &'v Value, parts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => parts.push(text),
        Value::Array(list) => list.iter().for_each(|value| all_texts(value, parts)),
        Value::Object(fields) => fields.values().for_each(|value| all_texts(value, parts)),
        _ => {}
    }
}

/// A value as a text: a string, or strings of a list with newlines between them.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) if !list.is_empty() => {
            let lines: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            Some(lines?.join("\n"))
        }
        _ => None,
    }
}
