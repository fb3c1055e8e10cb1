//! Parquet: the columns that are needed, row by row.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;

use super::json::record_of;
use super::{Settings, Sink};
use crate::Error;
use crate::error::Doing as _;

pub(super) fn read(path: &Path, settings: &Settings<'_>, sink: &mut Sink<'_>) -> Result<(), Error> {
    let fault = |problem: String| Error::Format {
        path: path.to_owned(),
        place: String::new(),
        problem,
        hint: None,
    };
    let file = File::open(path).doing("read", path)?;
    let reader = SerializedFileReader::new(file).map_err(|error| fault(error.to_string()))?;
    let rows = reader.get_row_iter(None).map_err(|error| fault(error.to_string()))?;
    for (number, row) in rows.enumerate() {
        let row = row.map_err(|error| fault(error.to_string()))?;
        let value: Value = row.to_json_value();
        sink(record_of(path, &format!("row {}", number + 1), &value, settings)?)?;
    }
    Ok(())
}
