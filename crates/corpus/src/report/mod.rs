//! The report: one HTML page that needs nothing else and runs nothing.
//!
//! It looks as the laboratory's reports do: the style and the way in which texts of others are made
//! safe are the same files.

#[path = "../../../lab/src/report/escape.rs"]
mod escape;

use std::fmt::Write as _;

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::clean::{Effect, Taken};
use crate::corpus::{Refused, Source};
use crate::stats::{Amount, Share, Stats};
use escape::escape;

const STYLE: &str = include_str!("../../../lab/src/report/page.css");
/// How many refused texts are listed.
const MOST_REFUSED: usize = 100;

/// What the report is about.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the corpus is called.
    pub name: String,
    /// It in numbers.
    pub stats: Stats,
    /// Where its texts come from.
    pub sources: Vec<Source>,
    /// What each rule takes.
    pub taken: Vec<Taken>,
    /// What was not taken in.
    pub refused: Vec<Refused>,
}

/// The report as a page.
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    // Writing to memory does not fail.
    let _ = write(report, &mut page);
    page
}

fn write(report: &Report, page: &mut String) -> std::fmt::Result {
    let style = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let name = escape(&report.name);
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{name}</h1>"
    )?;
    let Stats { all, used, apart, left_out, .. } = &report.stats;
    writeln!(
        page,
        "<p class=\"verdict\">{} of {} documents are used: {} of text.</p>",
        count(used.documents),
        count(all.documents),
        megabytes(used.bytes)
    )?;
    table(
        page,
        &["", "documents", "bytes", "characters"],
        [
            ("all", all),
            ("used", used),
            ("kept apart: no known licence", apart),
            ("left out by a rule", left_out),
        ]
        .iter()
        .map(|(name, amount)| amount_row(name, amount)),
    )?;
    sources(report, page)?;
    for (title, shares) in
        [("Licences", &report.stats.licences), ("Languages", &report.stats.languages)]
    {
        writeln!(page, "<section><h2>{title}</h2>")?;
        table(page, &["", "documents", "bytes", "share"], shares.iter().map(share_row))?;
        writeln!(page, "</section>")?;
    }
    rules(&report.taken, page)?;
    examples(&report.taken, page)?;
    refused(&report.refused, page)?;
    writeln!(page, "</main>\n</body>\n</html>")
}

fn amount_row(name: &str, amount: &Amount) -> Vec<String> {
    let numbers = [count(amount.documents), megabytes(amount.bytes), count(amount.characters)];
    std::iter::once(name.to_owned()).chain(numbers).collect()
}

fn share_row(share: &Share) -> Vec<String> {
    vec![
        share.name.clone(),
        count(share.documents),
        megabytes(share.bytes),
        format!("{:.1} %", 100.0 * share.share),
    ]
}

fn sources(report: &Report, page: &mut String) -> std::fmt::Result {
    writeln!(page, "<section><h2>Sources</h2>")?;
    let rows = report.sources.iter().map(|source| {
        let licence = match (&source.licence, source.is_apart()) {
            (Some(licence), _) => licence.clone(),
            (None, true) => "unknown: kept apart".to_owned(),
            (None, false) if source.unlicensed > 0 => "unknown: allowed".to_owned(),
            (None, false) => "of each document".to_owned(),
        };
        vec![
            source.name.clone(),
            count(source.documents),
            megabytes(source.bytes),
            licence,
            source.licence_evidence.clone().unwrap_or_default(),
            source.language.clone().unwrap_or_default(),
            source.origin.clone(),
            source.added_at.clone(),
            source.sha256.clone().unwrap_or_default().chars().take(16).collect(),
        ]
    });
    let names = [
        "",
        "documents",
        "bytes",
        "licence",
        "known from",
        "language",
        "origin",
        "added",
        "SHA-256",
    ];
    table(page, &names, rows)?;
    writeln!(page, "</section>")
}

fn rules(taken: &[Taken], page: &mut String) -> std::fmt::Result {
    writeln!(
        page,
        "<section><h2>Rules</h2><p class=\"note\">A rule that is off shows what it would take. \
         <em>Alone</em>: documents that no other rule that is on leaves out.</p>"
    )?;
    let rows = taken.iter().map(|one| {
        vec![
            one.rule.name.to_owned(),
            if one.is_on { "on" } else { "off" }.to_owned(),
            count(one.documents),
            if one.rule.effect == Effect::LeavesOut { count(one.alone) } else { String::new() },
            megabytes(one.bytes),
            one.rule.what.to_owned(),
            one.rule.source.to_owned(),
        ]
    });
    table(page, &["", "", "documents", "alone", "bytes", "what it takes", "source"], rows)?;
    writeln!(page, "</section>")
}

fn examples(taken: &[Taken], page: &mut String) -> std::fmt::Result {
    writeln!(page, "<section><h2>Examples</h2>")?;
    for one in taken.iter().filter(|one| !one.examples.is_empty()) {
        let state = if one.is_on { "" } else { " (off)" };
        writeln!(page, "<h3>{}{state}</h3>\n<div class=\"row\">", escape(one.rule.name))?;
        for example in &one.examples {
            writeln!(
                page,
                "<article><header><span>{}</span><span>{}</span></header><pre>{}</pre></article>",
                escape(&example.place),
                escape(&example.detail),
                escape(&example.text)
            )?;
        }
        writeln!(page, "</div>")?;
    }
    writeln!(page, "</section>")
}

fn refused(refused: &[Refused], page: &mut String) -> std::fmt::Result {
    if refused.is_empty() {
        return Ok(());
    }
    writeln!(page, "<section><h2>Not taken in</h2>")?;
    let rows = refused.iter().take(MOST_REFUSED).map(|one| {
        let Refused { source, place, reason, evidence } = one;
        vec![format!("{source}: {place}"), reason.clone(), evidence.clone()]
    });
    table(page, &["", "why", "what says so"], rows)?;
    if refused.len() > MOST_REFUSED {
        writeln!(page, "<p class=\"note\">and {} more</p>", refused.len() - MOST_REFUSED)?;
    }
    writeln!(page, "</section>")
}

/// A table whose first column names the rows. Columns of numbers stand to the right.
fn table(
    page: &mut String,
    names: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> std::fmt::Result {
    let is_number =
        |name: &str| matches!(name, "documents" | "bytes" | "characters" | "share" | "alone");
    let class = |i: usize| if is_number(names[i]) { " class=\"n\"" } else { "" };
    let label = names.first().copied().filter(|name| !name.is_empty()).unwrap_or("table");
    writeln!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table>\n<thead><tr>"
    )?;
    for (i, name) in names.iter().enumerate() {
        write!(page, "<th scope=\"col\"{}>{}</th>", class(i), escape(name))?;
    }
    writeln!(page, "</tr></thead>\n<tbody>")?;
    for row in rows {
        write!(page, "<tr>")?;
        for (i, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            match i {
                0 => write!(page, "<th scope=\"row\">{cell}</th>")?,
                _ => write!(page, "<td{}>{cell}</td>", class(i))?,
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody></table></div>")
}

/// A number with commas.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the unit that suits them.
fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes}\u{a0}B"),
        1000..1_000_000 => format!("{:.1}\u{a0}kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}\u{a0}MB", bytes as f64 / 1e6),
        _ => format!("{:.2}\u{a0}GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            (count(0), count(999), count(1_234_567)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
        assert_eq!((megabytes(12), megabytes(1_500)), ("12\u{a0}B".into(), "1.5\u{a0}kB".into()));
    }
}
