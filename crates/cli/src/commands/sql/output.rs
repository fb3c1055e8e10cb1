//! Results as a person or a program wants them.

use std::io::{self, Write};

use mynah_store::sql::{Shape, Table, Value};
use serde_json::{Map, Value as Json};

use super::chart;
use super::table;
use crate::failure::Misuse;
use crate::printer::for_output;
use crate::terminal::Terminal;

/// In which form results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Charts and tables.
    Drawn,
    /// Tables.
    Table,
    Json,
    /// Values with this between them.
    Separated(char),
}

impl Format {
    pub(super) fn of(args: &super::Args) -> Self {
        match args {
            super::Args { json: true, .. } => Self::Json,
            super::Args { csv: true, .. } => Self::Separated(','),
            super::Args { tsv: true, .. } => Self::Separated('\t'),
            super::Args { table: true, .. } => Self::Table,
            _ => Self::Drawn,
        }
    }
}

pub(super) fn print(tables: &[Table], format: Format, terminal: &Terminal) -> anyhow::Result<()> {
    let mut out = terminal.out();
    match (format, tables) {
        (Format::Json, [table]) => return terminal.json(&objects(table)),
        (Format::Json, tables) => {
            return terminal.json(&tables.iter().map(objects).collect::<Vec<_>>());
        }
        (Format::Separated(separator), [table]) => separated(table, separator, &mut out)?,
        (Format::Separated(_), tables) => {
            let n = tables.len();
            return Err(Misuse(format!("{n} results do not fit into one table of values")).into());
        }
        (Format::Drawn | Format::Table, tables) => {
            for (i, result) in tables.iter().enumerate() {
                // Numbers that stand alone may stand beside each other.
                let shape = if format == Format::Table { Shape::Table } else { result.shape() };
                if i > 0 {
                    writeln!(out)?;
                }
                match shape {
                    Shape::Table => table::draw(result, terminal, &mut out)?,
                    shape => chart::draw(&shape, terminal, &mut out)?,
                }
            }
        }
    }
    Ok(out.flush()?)
}

/// Rows as objects. Columns of the same name get numbers, so that none is lost.
fn objects(table: &Table) -> Vec<Json> {
    let mut names: Vec<String> = Vec::new();
    for column in &table.columns {
        let is_taken = |name: &String| names.contains(name);
        let mut name = column.clone();
        let mut n = 2;
        while is_taken(&name) {
            name = format!("{column}_{n}");
            n += 1;
        }
        names.push(name);
    }
    let object = |row: &Vec<Value>| {
        let pairs = names.iter().cloned().zip(row.iter().map(json));
        Json::Object(pairs.collect::<Map<_, _>>())
    };
    table.rows.iter().map(object).collect()
}

/// Bytes are written as SQL writes them; numbers that JSON does not have are nothing.
fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(n) => Json::from(*n),
        Value::Real(x) => Json::from(*x),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Blob(bytes) => Json::from(hexadecimal(bytes)),
    }
}

/// A value as text; nothing is an empty text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(n) => n.to_string(),
        Value::Real(x) => x.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => hexadecimal(bytes),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('?');
    let digits: String =
        bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    format!("x'{digits}'")
}

/// A line for the columns and one for each row, as RFC 4180 has them but for the line ends.
fn separated(table: &Table, separator: char, out: &mut dyn Write) -> io::Result<()> {
    let field = |text: &str| {
        if text.contains([separator, '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let mut line =
        |fields: Vec<String>| writeln!(out, "{}", for_output(&fields.join(&separator.to_string())));
    line(table.columns.iter().map(|name| field(name)).collect())?;
    table
        .rows
        .iter()
        .try_for_each(|row| line(row.iter().map(|value| field(&plain(value))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awkward() -> Table {
        Table {
            columns: vec!["a".into(), "a".into(), "b,c".into()],
            rows: vec![
                vec![Value::Integer(1), Value::Null, Value::Text("say \"hi\",\n北京\t!".into())],
                vec![Value::Real(0.5), Value::Blob(vec![0, 255]), Value::Text(String::new())],
            ],
            is_cut: false,
        }
    }

    #[test]
    fn values_are_quoted_where_they_must_be() {
        let text = |separator| {
            let mut out = Vec::new();
            separated(&awkward(), separator, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(','), "a,a,\"b,c\"\n1,,\"say \"\"hi\"\",\n北京\t!\"\n0.5,x'00ff',\n");
        assert_eq!(text('\t'), "a\ta\tb,c\n1\t\t\"say \"\"hi\"\",\n北京\t!\"\n0.5\tx'00ff'\t\n");
    }

    #[test]
    fn no_column_is_lost_in_json() {
        let text = serde_json::to_string(&objects(&awkward())).unwrap();
        let expected = "[{\"a\":1,\"a_2\":null,\"b,c\":\"say \\\"hi\\\",\\n北京\\t!\"},\
             {\"a\":0.5,\"a_2\":\"x'00ff'\",\"b,c\":\"\"}]";
        assert_eq!(text, expected);
    }
}
