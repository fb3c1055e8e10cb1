//! What an add writes into the tables.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::Corpus;
use crate::Error;
use crate::error::Doing as _;
use crate::shard::Block;
use crate::source::Record;

/// A document that is not in the tables yet.
pub(super) struct Row {
    pub(super) place: String,
    pub(super) record: Record,
    pub(super) licence: Option<String>,
    pub(super) start: usize,
    pub(super) bytes: usize,
    pub(super) characters: usize,
}

/// How far a file has been read.
pub(super) struct Progress {
    pub(super) place: String,
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) sum: String,
    /// Whether all of it is read.
    pub(super) is_read: bool,
}

/// The last block of a source.
pub(super) fn last_block(corpus: &Corpus, source: i64) -> Result<Option<Block>, Error> {
    let row = corpus.connection.query_row(
        "select b.shard, b.offset, b.stored_bytes, b.bytes from documents d join blocks b \
         on b.id = d.block_id where d.source_id = ?1 order by b.id desc limit 1",
        [source],
        |row| {
            Ok(Block {
                shard: row.get(0)?,
                offset: row.get::<_, i64>(1)? as u64,
                stored_bytes: row.get::<_, i64>(2)? as u64,
                bytes: row.get::<_, i64>(3)? as u64,
            })
        },
    );
    row.optional().doing("look for a block", &corpus.database())
}

pub(super) fn write(
    change: &Transaction<'_>,
    source: i64,
    (block, rows): (Option<Block>, &[Row]),
    refused: &[(String, &'static str, String)],
    read: &[Progress],
) -> rusqlite::Result<()> {
    if let Some(block) = block {
        change
            .prepare_cached(
                "insert into blocks (shard, offset, stored_bytes, bytes) values (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                block.shard,
                block.offset as i64,
                block.stored_bytes as i64,
                block.bytes as i64
            ])?;
        let block_id = change.last_insert_rowid();
        let mut insert = change.prepare_cached(
            "insert into documents (source_id, place, title, author, url, licence, block_id, \
             start, bytes, characters) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        for row in rows {
            insert.execute(params![
                source,
                row.place,
                row.record.title,
                row.record.author,
                row.record.url,
                row.licence,
                block_id,
                row.start as i64,
                row.bytes as i64,
                row.characters as i64
            ])?;
        }
    }
    let mut insert = change.prepare_cached(
        "insert into refused (source_id, place, reason, evidence) values (?1, ?2, ?3, ?4)",
    )?;
    for (place, reason, evidence) in refused {
        insert.execute(params![source, place, reason, evidence])?;
    }
    let mut insert = change.prepare_cached(
        "insert into files (source_id, path, sha256, bytes, records, is_read) \
             values (?1, ?2, ?3, ?4, ?5, ?6) on conflict do update set records = ?5, is_read = ?6",
    )?;
    for file in read {
        insert.execute(params![
            source,
            file.place,
            file.sum,
            file.bytes as i64,
            file.records as i64,
            file.is_read
        ])?;
    }
    Ok(())
}
