//! Plain text and Markdown.

use std::io::BufRead;
use std::path::Path;

use super::{Record, Sink, next_line, utf8, whole};
use crate::Error;
use crate::licence;

/// A file that is larger becomes several documents, cut at a paragraph's end.
const PIECE_BYTES: usize = 1 << 20;
/// What stands alone on a line between the texts of one file, as data sets for language models
/// have it.
const SEPARATORS: [&str; 2] = ["<|endoftext|>", "<|end_of_text|>"];

/// Reads plain text: a document for the whole file, or for each stretch between separators.
pub(super) fn read_plain(
    path: &Path,
    from: &mut dyn BufRead,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let (mut line, mut number) = (Vec::new(), 0);
    let mut text = String::new();
    let give = |text: &mut String, sink: &mut Sink<'_>| {
        let piece = std::mem::take(text);
        let piece = piece.trim_matches('\n');
        if piece.trim().is_empty() {
            return Ok(());
        }
        sink(Record { text: piece.to_owned(), ..Record::default() })
    };
    while next_line(path, from, number + 1, &mut line)? {
        number += 1;
        let read = utf8(path, &format!("line {number}"), std::mem::take(&mut line))?;
        let is_between = SEPARATORS.contains(&read.trim());
        let is_paragraph_end = read.trim().is_empty();
        if is_between
            || (is_paragraph_end && text.len() >= PIECE_BYTES)
            // A text without paragraphs ends somewhere too.
            || text.len() + read.len() > 4 * PIECE_BYTES
        {
            give(&mut text, sink)?;
        }
        if !is_between {
            text.push_str(&read);
            text.push('\n');
        }
    }
    give(&mut text, sink)
}

/// Reads Markdown: one document, without the front matter, which may tell title and licence.
pub(super) fn read_markdown(
    path: &Path,
    from: &mut dyn BufRead,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let text = whole(path, from)?;
    let (front, body) = front_matter(&text).unwrap_or(("", &text));
    let field = |name: &str| {
        front.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?.trim();
            let value = value.trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        })
    };
    let stated = field("license").or_else(|| field("licence"));
    sink(Record {
        text: body.trim().to_owned(),
        title: field("title"),
        author: field("author"),
        licence: stated.and_then(|name| licence::stated(&name)),
        ..Record::default()
    })
}

/// What stands between two lines of `---` at the beginning, and what comes after.
pub(crate) fn front_matter(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    let end = rest.find("\n---")?;
    let (front, after) = rest.split_at(end);
    let after = &after[4..];
    let line_end = after.find('\n').map_or(after.len(), |at| at + 1);
    after[..line_end].trim().is_empty().then(|| (front, &after[line_end..]))
}
