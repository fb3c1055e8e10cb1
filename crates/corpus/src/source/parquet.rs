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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn rows_become_records() {
        let folder = tempfile::tempdir().unwrap();
        let schema = "message m { required binary text (UTF8); required binary license (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        for compression in [Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())] {
            let path = folder.path().join("x.parquet");
            let file = File::create(&path).unwrap();
            let properties = WriterProperties::builder().set_compression(compression).build();
            let mut writer =
                SerializedFileWriter::new(file, schema.clone(), Arc::new(properties)).unwrap();
            let mut group = writer.next_row_group().unwrap();
            for values in [["one text", "第二"], ["mit", "unheard of"]] {
                let values = values.map(ByteArray::from);
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
                column.close().unwrap();
            }
            group.close().unwrap();
            writer.close().unwrap();
            let mut records = Vec::new();
            read(&path, &Settings::default(), &mut |record| {
                records.push((record.text, record.licence));
                Ok(())
            })
            .unwrap();
            let expected =
                [("one text".to_owned(), Some("MIT".to_owned())), ("第二".to_owned(), None)];
            assert_eq!(records, expected);
        }
        std::fs::write(folder.path().join("bad"), b"PAR1 and nothing else").unwrap();
        assert!(read(&folder.path().join("bad"), &Settings::default(), &mut |_| Ok(())).is_err());
    }
}
