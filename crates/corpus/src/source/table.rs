//! Comma- or tab-separated values with names in the first line.

use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value};

use super::json::record_of;
use super::{Settings, Sink};
use crate::Error;

pub(super) fn read(
    path: &Path,
    from: &mut dyn BufRead,
    separator: u8,
    settings: &Settings<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let fault = |error: csv::Error| Error::Format {
        path: path.to_owned(),
        place: error.position().map_or(String::new(), |at| format!("line {}", at.line())),
        problem: error.to_string(),
        hint: None,
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(from);
    let names: Vec<String> = reader.headers().map_err(fault)?.iter().map(str::to_owned).collect();
    for row in reader.records() {
        let row = row.map_err(fault)?;
        let line = row.position().map_or(0, csv::Position::line);
        let values = names.iter().cloned().zip(row.iter().map(Value::from));
        let value = Value::Object(values.collect::<Map<_, _>>());
        sink(record_of(path, &format!("line {line}"), &value, settings)?)?;
    }
    Ok(())
}
