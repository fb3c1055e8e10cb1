//! Documents one after the other, as whoever trains reads them.

use std::collections::VecDeque;

use crate::Error;
use crate::clean::replacement;
use crate::corpus::Corpus;
use crate::error::Doing as _;
use crate::shard::{Block, ShardReader};

/// How many rows are asked for at once.
const ROWS: usize = 512;

/// A text and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its number; later documents have greater ones.
    pub id: i64,
    /// The source's name.
    pub source: String,
    /// Its place in the source.
    pub place: String,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// Its licence, if it is known.
    pub licence: Option<String>,
    /// Its language as ISO 639-3, if the cleaning has seen it.
    pub language: Option<String>,
    /// The text.
    pub text: String,
}

/// Reads documents in the order of their ids. Memory: a block of texts and some rows.
pub struct Documents<'c> {
    corpus: &'c Corpus,
    shards: ShardReader,
    /// The block that was read last.
    block: Option<(i64, Vec<u8>)>,
    after: i64,
    rows: VecDeque<Row>,
    /// Whether documents are left out and edited as the rules say.
    is_used: bool,
    is_done: bool,
}

struct Row {
    document: Document,
    block_id: i64,
    block: Block,
    start: usize,
    bytes: usize,
}

impl<'c> Documents<'c> {
    pub(crate) fn new(corpus: &'c Corpus, after: i64, is_used: bool) -> Self {
        let shards = ShardReader::new(&corpus.folder);
        let rows = VecDeque::new();
        Self { corpus, shards, block: None, after, rows, is_used, is_done: false }
    }

    fn fetch(&mut self) -> Result<(), Error> {
        let table = if self.is_used { "used" } else { "documents" };
        let sql = format!(
            "select d.id, s.name, d.place, d.title, coalesce(d.licence, s.licence), d.language, \
             b.id, b.shard, b.offset, b.stored_bytes, b.bytes, d.start, d.bytes \
             from {table} d join sources s on s.id = d.source_id join blocks b on b.id = d.block_id \
             where d.id > ?1 order by d.id limit {ROWS}"
        );
        let after = self.after;
        let read = || {
            let mut statement = self.corpus.connection.prepare_cached(&sql)?;
            let rows = statement.query_map([after], |row| {
                Ok(Row {
                    document: Document {
                        id: row.get(0)?,
                        source: row.get(1)?,
                        place: row.get(2)?,
                        title: row.get(3)?,
                        licence: row.get(4)?,
                        language: row.get(5)?,
                        text: String::new(),
                    },
                    block_id: row.get(6)?,
                    block: Block {
                        shard: row.get(7)?,
                        offset: row.get::<_, i64>(8)? as u64,
                        stored_bytes: row.get::<_, i64>(9)? as u64,
                        bytes: row.get::<_, i64>(10)? as u64,
                    },
                    start: row.get::<_, i64>(11)? as usize,
                    bytes: row.get::<_, i64>(12)? as usize,
                })
            })?;
            rows.collect::<rusqlite::Result<VecDeque<Row>>>()
        };
        self.rows = read().doing("read documents", &self.corpus.database())?;
        match self.rows.back() {
            Some(row) => self.after = row.document.id,
            None => self.is_done = true,
        }
        Ok(())
    }

    fn read(&mut self, row: Row) -> Result<Document, Error> {
        if self.block.as_ref().is_none_or(|(id, _)| *id != row.block_id) {
            self.block = Some((row.block_id, self.shards.read(row.block)?));
        }
        let texts = self.block.as_ref().map_or(&[][..], |(_, texts)| texts);
        let damaged = |problem: String| Error::Damaged { path: self.corpus.database(), problem };
        let bytes = row.start.checked_add(row.bytes).and_then(|end| texts.get(row.start..end));
        let bytes = bytes.ok_or_else(|| {
            damaged(format!("document {} lies outside its block", row.document.id))
        })?;
        let text = std::str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
        let id = row.document.id;
        let text = if self.is_used { self.edited(id, text)? } else { text.to_owned() };
        Ok(Document { text, ..row.document })
    }

    /// The text as the rules leave it: lines taken out, personal data masked.
    fn edited(&self, id: i64, text: &str) -> Result<String, Error> {
        let read = || {
            let mut statement = self.corpus.connection.prepare_cached(
                "select e.start, e.length, e.rule from edits e join rules on rules.name = e.rule \
                 where e.document_id = ?1 and is_on order by e.start, e.length desc",
            )?;
            let rows = statement.query_map([id], |row| {
                Ok((row.get::<_, i64>(0)? as usize, row.get::<_, i64>(1)? as usize, row.get(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<(usize, usize, String)>>>()
        };
        let edits = read().doing("read documents", &self.corpus.database())?;
        Ok(apply(text, &edits))
    }
}

/// Replaces stretches of a text, which are in order; one that begins inside another is passed over.
fn apply(text: &str, edits: &[(usize, usize, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (start, length, rule) in edits {
        let stop = start.saturating_add(*length);
        if *start < end || !text.is_char_boundary(*start) || !text.is_char_boundary(stop) {
            continue;
        }
        out.push_str(&text[end..*start]);
        out.push_str(replacement(rule));
        end = stop;
    }
    out.push_str(&text[end..]);
    out
}

impl Iterator for Documents<'_> {
    type Item = Result<Document, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.is_empty()
            && !self.is_done
            && let Err(error) = self.fetch()
        {
            self.is_done = true;
            return Some(Err(error));
        }
        let row = self.rows.pop_front()?;
        let document = self.read(row);
        if document.is_err() {
            self.is_done = true;
            self.rows.clear();
        }
        Some(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_replaced_and_none_twice() {
        let edit = |start, length, rule: &str| (start, length, rule.to_owned());
        let text = "a@b.c wrote\nline\nend";
        let edits = [edit(0, 5, "personal-email"), edit(0, 3, "personal-email")];
        assert_eq!(apply(text, &edits), "[email] wrote\nline\nend");
        assert_eq!(apply(text, &[edit(12, 5, "c4-lines")]), "a@b.c wrote\nend");
        // Places that are none, from a file that somebody else wrote.
        assert_eq!(apply("é", &[edit(1, 1, "c4-lines"), edit(9, 9, "c4-lines")]), "é");
    }
}
