//! Results whose columns say how they are drawn.

use std::io::{self, Write};

use mynah_store::sql::{Bar, Shape, Value};

use super::output::plain;
use crate::printer::harmless;
use crate::terminal::Terminal;
use crate::text;

/// How wide a drawing is where no terminal says.
const WIDTH: usize = 80;
/// The longest label of a bar.
const LABEL: usize = 32;
/// The digits that stand above the line, for counts.
const SUPERSCRIPT: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
/// Parts of a block, in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

pub(super) fn draw(shape: &Shape<'_>, terminal: &Terminal, out: &mut dyn Write) -> io::Result<()> {
    let width = text::columns().unwrap_or(WIDTH);
    match shape {
        Shape::Bars(rows) => bars(rows, width, terminal, out),
        Shape::WordCloud(words) => cloud(words, width, terminal, out),
        Shape::BigNumbers(rows) => big_numbers(rows, terminal, out),
        Shape::Progress(rows) => rows.iter().try_for_each(|&row| progress(row, width, out)),
        Shape::Markdown(texts) => texts.iter().try_for_each(|text| markdown(text, terminal, out)),
        Shape::Html(texts) => {
            texts.iter().try_for_each(|text| writeln!(out, "{}", harmless(&plain(text))))
        }
        Shape::Table => Ok(()),
    }
}

fn bars(
    rows: &[Bar<'_>],
    width: usize,
    terminal: &Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let labels: Vec<String> = rows.iter().map(|row| one_line(row.label, LABEL)).collect();
    let numbers: Vec<String> = rows.iter().map(|row| number(row.quantity)).collect();
    let widest = |texts: &[String]| texts.iter().map(|text| text::width(text)).max().unwrap_or(0);
    let (label_width, number_width) = (widest(&labels), widest(&numbers));
    let largest = rows.iter().map(|row| row.quantity.abs()).fold(0.0, f64::max);
    let room = width.saturating_sub(label_width + number_width + 4).max(8);
    for ((row, label), number) in rows.iter().zip(&labels).zip(&numbers) {
        let label = terminal.bold(&text::left(label, label_width));
        let number = text::right(number, number_width);
        let bar = bar(row.quantity, largest, room);
        writeln!(out, "{}", format!("{label}  {number}  {bar}").trim_end())?;
    }
    Ok(())
}

/// A bar of at most `room` columns. What is below zero is drawn lighter.
fn bar(quantity: f64, largest: f64, room: usize) -> String {
    if largest <= 0.0 {
        return String::new();
    }
    let eighths = (quantity.abs() / largest * room as f64 * 8.0).round() as usize;
    let block = if quantity < 0.0 { "░" } else { "█" };
    let end = if quantity < 0.0 { "" } else { EIGHTHS[eighths % 8] };
    format!("{}{end}", block.repeat(eighths / 8))
}

/// Words one after the other, in the order of the alphabet; how often stands above, and what is
/// said often stands out.
fn cloud(
    words: &[Bar<'_>],
    width: usize,
    terminal: &Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let largest = words.iter().map(|word| word.quantity).fold(0.0, f64::max);
    let mut words: Vec<(String, f64)> =
        words.iter().map(|word| (one_line(word.label, LABEL), word.quantity)).collect();
    words.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut used = 0;
    for (word, count) in &words {
        let shown = format!("{word}{}", above(*count));
        let columns = text::width(&shown);
        if used > 0 && used + 2 + columns > width {
            writeln!(out)?;
            used = 0;
        }
        if used > 0 {
            write!(out, "  ")?;
            used += 2;
        }
        // A third of the range each, by the logarithm: counts of words fall steeply.
        let share = if largest > 1.0 { count.max(1.0).ln() / largest.ln() } else { 0.5 };
        let shown = match share {
            share if share > 2.0 / 3.0 => terminal.bold(&shown),
            share if share < 1.0 / 3.0 => terminal.dim(&shown),
            _ => shown,
        };
        write!(out, "{shown}")?;
        used += columns;
    }
    if used > 0 { writeln!(out) } else { Ok(()) }
}

/// A count in small digits; other numbers as they are.
fn above(count: f64) -> String {
    let text = number(count);
    if text.chars().all(|c| c.is_ascii_digit()) {
        text.bytes().map(|digit| SUPERSCRIPT[usize::from(digit - b'0')]).collect()
    } else {
        format!(" ({text})")
    }
}

fn big_numbers(
    rows: &[(&Value, &Value)],
    terminal: &Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (big, label) in rows {
        let lines = match big.as_number().map(number).and_then(|text| large(&text)) {
            Some(lines) => lines.to_vec(),
            None => vec![one_line(big, WIDTH)],
        };
        for line in lines {
            writeln!(out, "{}", terminal.bold(line.trim_end()))?;
        }
        writeln!(out, "{}", terminal.dim(&one_line(label, WIDTH)))?;
    }
    Ok(())
}

/// A number three lines high.
fn large(text: &str) -> Option<[String; 3]> {
    let mut lines = [String::new(), String::new(), String::new()];
    for c in text.chars() {
        let glyph = match c {
            '0' => ["┏━┓", "┃ ┃", "┗━┛"],
            '1' => [" ┓ ", " ┃ ", " ┻ "],
            '2' => ["╺━┓", "┏━┛", "┗━╸"],
            '3' => ["╺━┓", "╺━┫", "╺━┛"],
            '4' => ["╻ ╻", "┗━┫", "  ╹"],
            '5' => ["┏━╸", "┗━┓", "╺━┛"],
            '6' => ["┏━╸", "┣━┓", "┗━┛"],
            '7' => ["╺━┓", "  ┃", "  ╹"],
            '8' => ["┏━┓", "┣━┫", "┗━┛"],
            '9' => ["┏━┓", "┗━┫", "╺━┛"],
            '-' => ["   ", "╺━╸", "   "],
            '.' => [" ", " ", "▪"],
            _ => return None,
        };
        for (line, part) in lines.iter_mut().zip(glyph) {
            line.push_str(part);
            line.push(' ');
        }
    }
    Some(lines)
}

fn progress((done, total): (f64, f64), width: usize, out: &mut dyn Write) -> io::Result<()> {
    let share = if total > 0.0 { (done / total).min(1.0) } else { 0.0 };
    let text = format!("{} of {} ({:.0} %)", number(done), number(total), share * 100.0);
    let room = width.saturating_sub(text::width(&text) + 2).clamp(8, 40);
    let n_done = (share * room as f64).floor() as usize;
    writeln!(out, "{}{}  {text}", "█".repeat(n_done), "░".repeat(room - n_done))
}

/// Markdown as it is written, with its headings standing out.
fn markdown(text: &Value, terminal: &Terminal, out: &mut dyn Write) -> io::Result<()> {
    let text = harmless(&plain(text));
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let is_heading = !is_code && line.starts_with('#');
        let line = if is_heading { terminal.bold(line) } else { line.to_owned() };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn one_line(value: &Value, columns: usize) -> String {
    text::shortened(text::line(&plain(value)).trim(), columns)
}

/// A number with no more digits than it needs.
fn number(x: f64) -> String {
    if x.fract() == 0.0 && x.abs() < 1e15 { format!("{x:.0}") } else { format!("{x:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_what_they_stand_for() {
        assert_eq!(bar(4.0, 8.0, 10), "█████");
        assert_eq!(bar(8.0, 8.0, 10), "██████████");
        assert_eq!(bar(1.0, 8.0, 10), "█▎");
        assert_eq!(bar(-4.0, 8.0, 10), "░░░░░");
        assert_eq!(bar(0.0, 8.0, 10), "");
        assert_eq!(bar(0.0, 0.0, 10), "");
    }

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        assert_eq!(
            (number(3.0), number(1.005), number(-2.5)),
            ("3".into(), "1.00".into(), "-2.50".into())
        );
        assert_eq!((above(12.0), above(0.5)), ("¹²".into(), " (0.50)".into()));
        assert_eq!(large("1.5").unwrap()[2], " ┻  ▪ ╺━┛ ");
        assert!(large("1e9").is_none());
    }
}
