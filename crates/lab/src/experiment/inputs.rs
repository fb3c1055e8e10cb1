//! What the variants are applied to, from JSON, JSON Lines, CSV or plain lines.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Fault, Input, Source, suggest};

/// More inputs than this are a mistake: a data set rather than an experiment.
const MOST_INPUTS: usize = 100_000;

/// An input with the place that it was read from.
pub(super) struct Row {
    pub(super) fields: Map<String, Value>,
    /// The line, from 1.
    pub(super) line: usize,
}

/// Reads inputs by the ending of the file's name: `.jsonl`, `.json`, `.csv`, `.tsv`; anything else
/// is lines of text, each the field `text`.
///
/// # Errors
/// If the text is not what its name says, or holds no input.
pub(super) fn read(source: &Source) -> Result<Vec<Row>, Fault> {
    let ending = Path::new(&source.name).extension().unwrap_or_default().to_string_lossy();
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let rows = match ending.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" => json_lines(source, text)?,
        "json" => json_array(source, text)?,
        "csv" => table(source, text, b',')?,
        "tsv" => table(source, text, b'\t')?,
        _ => lines(text),
    };
    if rows.is_empty() {
        let hint =
            "each line is an input: {\"text\": \"…\"} in .jsonl, a row in .csv, a text in .txt";
        return Err(source.fault_of_all("there is no input in it").with_hint(Some(hint.into())));
    }
    if rows.len() > MOST_INPUTS {
        let message = format!("{} inputs are more than {MOST_INPUTS}", rows.len());
        return Err(source.fault_of_all(message));
    }
    Ok(rows)
}

fn lines(text: &str) -> Vec<Row> {
    let row = |(place, line): (usize, &str)| Row { fields: of_text(line.trim()), line: place + 1 };
    let is_text = |(_, line): &(usize, &str)| !line.trim().is_empty();
    text.lines().enumerate().filter(is_text).map(row).collect()
}

fn of_text(text: &str) -> Map<String, Value> {
    Map::from_iter([("text".to_owned(), Value::String(text.to_owned()))])
}

fn json_lines(source: &Source, text: &str) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    let mut start = source.text.len() - text.len();
    for (place, line) in text.split('\n').enumerate() {
        if !line.trim().is_empty() {
            let value = serde_json::from_str(line)
                .map_err(|error| json_fault(source, start, line, &error))?;
            let fields = fields_of(value).ok_or_else(|| {
                let message = "an input must be an object of fields, or a text";
                source.fault(start..start + line.len(), message)
            })?;
            rows.push(Row { fields, line: place + 1 });
        }
        start += line.len() + 1;
    }
    Ok(rows)
}

/// `start`: where `text` begins in the source.
fn json_fault(source: &Source, start: usize, text: &str, error: &serde_json::Error) -> Fault {
    let before: usize =
        text.split('\n').take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
    let at = start + before + error.column().saturating_sub(1);
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    source.fault(at..at + 1, format!("this is not JSON: {said}"))
}

fn fields_of(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        Value::String(text) => Some(of_text(&text)),
        _ => None,
    }
}

fn json_array(source: &Source, text: &str) -> Result<Vec<Row>, Fault> {
    let start = source.text.len() - text.len();
    let value: Value =
        serde_json::from_str(text).map_err(|error| json_fault(source, start, text, &error))?;
    let Value::Array(items) = value else {
        return Err(source.fault_of_all("it must hold an array of objects or texts"));
    };
    let row = |(place, item): (usize, Value)| {
        let message = || format!("element {place} must be an object of fields, or a text");
        let fields = fields_of(item).ok_or_else(|| source.fault_of_all(message()))?;
        // Elements have no lines: their number says as much.
        Ok(Row { fields, line: place + 1 })
    };
    items.into_iter().enumerate().map(row).collect()
}

fn table(source: &Source, text: &str, delimiter: u8) -> Result<Vec<Row>, Fault> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let at_line = |line: u64, message: String| {
        let start: usize =
            source.text.split('\n').take(line as usize - 1).map(|line| line.len() + 1).sum();
        let length =
            source.text.get(start..).and_then(|rest| rest.lines().next()).map_or(1, str::len);
        source.fault(start..start + length, message)
    };
    let fault = |error: &csv::Error| {
        let line = error.position().map_or(1, |position| position.line().max(1));
        match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                at_line(line, format!("this row has {len} fields and the first has {expected_len}"))
            }
            _ => at_line(line, format!("this is not a row: {error}")),
        }
    };
    let names: Vec<String> = reader
        .headers()
        .map_err(|error| fault(&error))?
        .iter()
        .map(|name| name.trim().to_owned())
        .collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| fault(&error))?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let values = record.iter().map(|value| Value::String(value.to_owned()));
        rows.push(Row { fields: names.iter().cloned().zip(values).collect(), line });
    }
    Ok(rows)
}

/// Names inputs and numbers their groups.
///
/// # Errors
/// If an input lacks the field that groups are named by, or two have the same name.
pub(super) fn name(
    source: &Source,
    rows: Vec<Row>,
    group_by: Option<&str>,
) -> Result<Vec<Input>, Fault> {
    let mut groups: HashMap<String, usize> = HashMap::new();
    let mut named: HashMap<String, usize> = HashMap::new();
    let mut inputs = Vec::with_capacity(rows.len());
    for (place, Row { fields, line }) in rows.into_iter().enumerate() {
        let group = match group_by {
            None => place,
            Some(field) => {
                let value = fields.get(field).ok_or_else(|| lacks(source, field, &fields, line))?;
                let next = groups.len();
                *groups.entry(value.to_string()).or_insert(next)
            }
        };
        let own = ["id", "name"].iter().find_map(|key| fields.get(*key)).map(|name| match name {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let name = own.unwrap_or_else(|| (place + 1).to_string());
        if let Some(first) = named.insert(name.clone(), line) {
            let message = format!("the inputs of lines {first} and {line} are both named {name:?}");
            return Err(source.fault_of_all(message));
        }
        inputs.push(Input { name, group, fields });
    }
    Ok(inputs)
}

/// An input without a field that it needs.
fn lacks(source: &Source, field: &str, fields: &Map<String, Value>, line: usize) -> Fault {
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    let hint = match suggest(field, &names) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it has {}", names.join(", ")),
    };
    let message = format!("the input of line {line} has no field {field:?}");
    source.fault_of_all(message).with_hint(Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    fn texts(name: &str, text: &str) -> Vec<String> {
        let rows = read(&source(name, text)).unwrap();
        rows.iter().map(|row| row.fields["text"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn inputs_come_in_four_forms() {
        assert_eq!(texts("a.jsonl", "{\"text\": \"x\"}\n\n\"y\"\r\n"), ["x", "y"]);
        assert_eq!(texts("a.json", "[{\"text\": \"x\"}, \"y\"]"), ["x", "y"]);
        assert_eq!(texts("a.csv", "\u{feff}id,text\n1,\"x\n,\"\n2,y\n"), ["x\n,", "y"]);
        assert_eq!(texts("a.txt", "x\n\n y \n"), ["x", "y"]);
    }

    #[test]
    fn mistakes_have_a_place() {
        let fault = |name: &str, text: &str| read(&source(name, text)).err().unwrap().to_string();
        assert!(
            fault("a.jsonl", "\"x\"\n{\"text\": }\n").starts_with("a.jsonl:2:10: this is not JSON")
        );
        assert!(fault("a.jsonl", "\"x\"\n  3").starts_with("a.jsonl:2:1: an input must be"));
        assert!(fault("a.json", "[1,\n2,,]").starts_with("a.json:2:3: this is not JSON"));
        assert!(fault("a.json", "[\"a\", 2]").contains("element 1"));
        assert!(fault("a.csv", "a,b\n1,2\n3\n").starts_with("a.csv:3:1: this row has 1 fields"));
        assert!(fault("a.txt", " \n\n").contains("there is no input in it"));
    }

    #[test]
    fn inputs_are_named_and_grouped() {
        let source = source("a.csv", "id,by\nx,ann\ny,bob\nz,ann\n");
        let inputs = name(&source, read(&source).unwrap(), Some("by")).unwrap();
        let groups: Vec<usize> = inputs.iter().map(|input| input.group).collect();
        assert_eq!((inputs[2].name.as_str(), groups), ("z", vec![0, 1, 0]));
        let fault = name(&source, read(&source).unwrap(), Some("bi")).unwrap_err();
        assert_eq!(fault.hint.as_deref(), Some("did you mean by?"));
    }
}
