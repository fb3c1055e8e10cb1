//! A result as a table that fits the terminal.

use std::io::{self, Write};

use mynah_store::sql::{Table, Value};

use super::output::plain;
use crate::terminal::Terminal;
use crate::text;

/// Between two columns.
const GAP: &str = "  ";
/// What a column is not made narrower than, if the terminal allows it.
const NARROWEST: usize = 4;

/// Draws a table. Where there is no terminal it is as wide as it is.
pub(super) fn draw(table: &Table, terminal: &Terminal, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> = table.columns.iter().map(|name| text::line(name)).collect();
    let cells: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| text::width(name)).collect();
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(text::width(cell));
        }
    }
    if let Some(columns) = text::columns() {
        narrow(&mut widths, columns);
    }
    let is_number = |column: usize| {
        let mut values = table.rows.iter().map(|row| &row[column]).filter(|it| **it != Value::Null);
        let is_number = |value: &Value| matches!(value, Value::Integer(_) | Value::Real(_));
        table.rows.iter().any(|row| row[column] != Value::Null) && values.all(is_number)
    };
    let numbers: Vec<bool> = (0..names.len()).map(is_number).collect();
    let line = |cells: &[String]| {
        let cell = |(i, cell): (usize, &String)| {
            let cell = text::shortened(cell, widths[i]);
            if numbers[i] { text::right(&cell, widths[i]) } else { text::left(&cell, widths[i]) }
        };
        let cells: Vec<String> = cells.iter().enumerate().map(cell).collect();
        cells.join(GAP).trim_end().to_owned()
    };
    writeln!(out, "{}", terminal.bold(&line(&names)))?;
    let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
    writeln!(out, "{}", terminal.dim(&rule.join(GAP)))?;
    cells.iter().try_for_each(|row| writeln!(out, "{}", line(row)))
}

/// A value on one line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "·".to_owned(),
        Value::Real(x) if x.fract() == 0.0 && x.abs() < 1e15 => format!("{x:.1}"),
        value => text::line(plain(value).trim_end()),
    }
}

/// Takes columns away where there are most, until everything fits or nothing can be taken.
fn narrow(widths: &mut [usize], columns: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(columns);
    while excess > 0 {
        let widest = widths.iter().copied().max().unwrap_or(0);
        if widest <= NARROWEST {
            break;
        }
        let n_widest = widths.iter().filter(|&&width| width == widest).count();
        let next = widths.iter().copied().filter(|&width| width < widest).max().unwrap_or(0);
        // All of the widest are brought to the next, or less far if that is enough.
        let by = (widest - next.max(NARROWEST)).min(excess.div_ceil(n_widest)).max(1);
        for width in widths.iter_mut().filter(|width| **width == widest) {
            let less = by.min(excess);
            *width -= less;
            excess -= less;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_give_way() {
        let check = |widths: &[usize], columns, expected: &[usize]| {
            let mut widths = widths.to_vec();
            narrow(&mut widths, columns);
            assert_eq!(widths, expected);
        };
        check(&[5, 100, 8], 80, &[5, 63, 8]);
        check(&[100, 100], 80, &[39, 39]);
        check(&[100, 50], 41, &[19, 20]);
        check(&[5, 5], 80, &[5, 5]);
        check(&[10, 10, 10], 10, &[4, 4, 4]);
        check(&[], 10, &[]);
    }

    #[test]
    fn a_cell_is_one_line() {
        assert_eq!(cell(&Value::Text("a\nb\u{1b}".into())), "a b\u{fffd}");
        assert_eq!((cell(&Value::Null), cell(&Value::Real(2.0))), ("·".into(), "2.0".into()));
    }
}
