//! A corpus in numbers.

use rusqlite::OptionalExtension as _;
use serde::Serialize;

use crate::Error;
use crate::corpus::Corpus;
use crate::error::Doing as _;

/// How many languages, licences and sources are named; the rest is one line.
const NAMED: usize = 12;

/// A corpus in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// All documents.
    pub all: Amount,
    /// Those that are used.
    pub used: Amount,
    /// Those that are kept apart, because their licence is not known.
    pub apart: Amount,
    /// Those that some rule leaves out.
    pub left_out: Amount,
    /// Exact duplicates among all.
    pub exact_duplicates: u64,
    /// Near duplicates among all.
    pub near_duplicates: u64,
    /// Documents that the cleaning has not looked at.
    pub unseen: u64,
    /// Texts that were not taken in.
    pub refused: u64,
    /// Bytes on the disk.
    pub stored_bytes: u64,
    /// Languages of used documents, by bytes.
    pub languages: Vec<Share>,
    /// Licences of used documents, by bytes.
    pub licences: Vec<Share>,
    /// Sources of used documents, by bytes.
    pub sources: Vec<Share>,
}

/// How much text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Documents.
    pub documents: u64,
    /// Bytes.
    pub bytes: u64,
    /// Characters.
    pub characters: u64,
}

/// A part of the used documents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// What they have in common.
    pub name: String,
    /// How many they are.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their part of all bytes, from 0 to 1.
    pub share: f64,
}

impl Corpus {
    /// The corpus in numbers.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        let count = |sql: &str| Ok::<_, Error>(self.value::<i64>(sql)?.unwrap_or(0) as u64);
        let used = self.amount("used d")?;
        Ok(Stats {
            all: self.amount("documents d")?,
            apart: self.amount(
                "documents d join sources s on s.id = d.source_id where \
                 coalesce(d.licence, s.licence) is null and s.allowed_at is null",
            )?,
            left_out: self.amount(
                "documents d where exists (select 1 from reasons r join rules on \
                 rules.name = r.rule where r.document_id = d.id and is_on)",
            )?,
            exact_duplicates: count("select count(*) from reasons where rule = 'exact-duplicate'")?,
            near_duplicates: count("select count(*) from reasons where rule = 'near-duplicate'")?,
            unseen: count("select count(*) from documents where text_hash is null")?,
            refused: count("select count(*) from refused")?,
            stored_bytes: count("select sum(stored_bytes) from blocks")?,
            languages: self.shares("coalesce(u.language, 'not looked at')", used.bytes)?,
            licences: self
                .shares("coalesce(u.licence, s.licence, 'unknown, allowed')", used.bytes)?,
            sources: self.shares("s.name", used.bytes)?,
            used,
        })
    }

    fn amount(&self, from: &str) -> Result<Amount, Error> {
        let sql = format!(
            "select count(*), coalesce(sum(d.bytes), 0), coalesce(sum(d.characters), 0) from {from}"
        );
        let row = self.connection.query_row(&sql, [], |row| {
            let count = |i: usize| row.get::<_, i64>(i).map(|n| n as u64);
            Ok(Amount { documents: count(0)?, bytes: count(1)?, characters: count(2)? })
        });
        Ok(row.optional().doing("count documents", &self.database())?.unwrap_or_default())
    }

    /// The used documents by what `key` says, the largest part first.
    fn shares(&self, key: &str, total: u64) -> Result<Vec<Share>, Error> {
        let sql = format!(
            "select {key}, count(*), sum(u.bytes) from used u join sources s on s.id = u.source_id \
             group by 1 order by 3 desc, 1"
        );
        let read = || {
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| {
                let bytes = row.get::<_, i64>(2)? as u64;
                Ok(Share {
                    name: row.get(0)?,
                    documents: row.get::<_, i64>(1)? as u64,
                    bytes,
                    share: bytes as f64 / total.max(1) as f64,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<Share>>>()
        };
        let mut shares = read().doing("count documents", &self.database())?;
        if shares.len() > NAMED {
            let rest = shares.split_off(NAMED - 1);
            shares.push(Share {
                name: format!("{} others", rest.len()),
                documents: rest.iter().map(|share| share.documents).sum(),
                bytes: rest.iter().map(|share| share.bytes).sum(),
                share: rest.iter().map(|share| share.share).sum(),
            });
        }
        Ok(shares)
    }
}
