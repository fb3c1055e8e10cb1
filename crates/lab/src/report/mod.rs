//! The report: one HTML page that needs nothing else, in which every answer can be read.
//!
//! The verdict comes first, then tables and drawings; all of it is there without JavaScript, which
//! only filters. What models, inputs and people said is hostile until escaped; beside that, the page
//! carries a policy that lets no script run but its own, and nothing be fetched.

mod escape;
mod samples;
mod sections;
pub mod svg;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use base64::Engine as _;
use sha2::{Digest, Sha256};

pub(crate) use escape::escape;

use crate::present::sentence;
use crate::results::Results;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The report as one text. For runs with very many samples use [`write()`].
pub fn html(results: &Results) -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail, and all that is written is UTF-8.
    let _ = write(results, &mut page);
    String::from_utf8_lossy(&page).into_owned()
}

/// Writes the report, a sample at a time.
///
/// # Errors
/// If `out` cannot be written to.
pub fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let title = escape(&results.experiment.name);
    head(&title, out)?;
    writeln!(out, "<main>\n<h1>{title}</h1>")?;
    for model in &results.models {
        let verdict = sentence(results, model);
        writeln!(out, "<p class=\"verdict\">{}</p>", escape(verdict.trim()))?;
    }
    for model in &results.models {
        writeln!(out, "<section><h2>{}</h2>", escape(&model.model.name))?;
        sections::table(results, model, out)?;
        sections::notes(results, model, out)?;
        writeln!(out, "</section>")?;
    }
    sections::forest(results, out)?;
    for model in &results.models {
        writeln!(out, "<section>")?;
        if results.models.len() > 1 {
            writeln!(out, "<h2>{}</h2>", escape(&model.model.name))?;
        }
        sections::distributions(results, model, out)?;
        sections::effects(results, model, out)?;
        writeln!(out, "</section>")?;
    }
    sections::design(results, out)?;
    samples::samples(results, out)?;
    writeln!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// The beginning of a page that runs no script but ours and fetches nothing.
pub(crate) fn head(title: &str, out: &mut dyn Write) -> io::Result<()> {
    let hash = |text: &str| {
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()))
    };
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    )
}
