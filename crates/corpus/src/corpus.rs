//! A corpus: a folder with tables and shards, and what can be done with it.

mod add;
mod open;
mod rows;
mod sums;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use add::{Add, Added, Refused};

use self::add::time_text;
use crate::Error;
use crate::documents::Documents;
use crate::error::Doing as _;
use crate::hash::hexadecimal;

/// A folder of texts and what is known about them.
///
/// Any number of processes may read a corpus; one at a time may change it.
pub struct Corpus {
    pub(crate) folder: PathBuf,
    pub(crate) connection: Connection,
    /// Held while the corpus may be changed.
    _lock: Option<std::fs::File>,
}

/// Where texts come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// Its number.
    pub id: i64,
    /// What it was added as.
    pub name: String,
    /// Where that came from.
    pub origin: String,
    /// What it is, such as "JSON lines".
    pub format: String,
    /// An SPDX expression, if the licence is known.
    pub licence: Option<String>,
    /// How it became known.
    pub licence_evidence: Option<String>,
    /// When someone decided that it may be used although its licence is not known.
    pub allowed_at: Option<String>,
    /// Of its bytes; none while it is being added.
    pub sha256: Option<String>,
    /// Bytes of its files.
    pub bytes: u64,
    /// The language of most of it, if it was cleaned.
    pub language: Option<String>,
    /// When it was added.
    pub added_at: String,
    /// Whether all of it is here.
    pub is_complete: bool,
    /// Documents.
    pub documents: u64,
    /// Documents with no known licence.
    pub unlicensed: u64,
    /// Texts that were not taken in.
    pub refused: u64,
}

impl Source {
    /// Whether some of its documents are kept apart, because nobody knows whether they may be used.
    pub fn is_apart(&self) -> bool {
        self.unlicensed > 0 && self.allowed_at.is_none()
    }
}

impl Corpus {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file with the tables.
    pub fn database(&self) -> PathBuf {
        open::database(&self.folder)
    }

    /// All sources, in the order in which they were added.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn sources(&self) -> Result<Vec<Source>, Error> {
        let sql = "select s.id, name, origin, format, s.licence, licence_evidence, allowed_at, \
             sha256, s.bytes, s.language, added_at, completed_at is not null, \
             (select count(*) from documents d where d.source_id = s.id), \
             (select count(*) from documents d where d.source_id = s.id \
               and coalesce(d.licence, s.licence) is null), \
             (select count(*) from refused r where r.source_id = s.id) \
             from sources s order by s.id";
        let read = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Source {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    origin: row.get(2)?,
                    format: row.get(3)?,
                    licence: row.get(4)?,
                    licence_evidence: row.get(5)?,
                    allowed_at: row.get(6)?,
                    sha256: row.get(7)?,
                    bytes: row.get::<_, i64>(8)? as u64,
                    language: row.get(9)?,
                    added_at: row.get(10)?,
                    is_complete: row.get(11)?,
                    documents: row.get::<_, i64>(12)? as u64,
                    unlicensed: row.get::<_, i64>(13)? as u64,
                    refused: row.get::<_, i64>(14)? as u64,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<Source>>>()
        };
        read().doing("list the sources", &self.database())
    }

    /// The source of this name or number.
    ///
    /// # Errors
    /// If there is none.
    pub fn source(&self, name: &str) -> Result<Source, Error> {
        let sources = self.sources()?;
        let found =
            sources.iter().find(|source| source.name == name || source.id.to_string() == name);
        found.cloned().ok_or_else(|| Error::Unknown {
            what: "source",
            name: name.to_owned(),
            known: sources.into_iter().map(|source| source.name).collect(),
        })
    }

    /// Decides that a source may be used, under a licence that the caller knows, or without a
    /// known one.
    ///
    /// # Errors
    /// If there is no such source, or the licence is not one.
    pub fn allow(
        &mut self,
        name: &str,
        licence: Option<&str>,
        now: SystemTime,
    ) -> Result<(), Error> {
        let source = self.source(name)?;
        let licence = licence.map(crate::licence::checked).transpose()?;
        let change = || match &licence {
            Some(licence) => self.connection.execute(
                "update sources set licence = ?2, licence_evidence = 'said by the person who \
                 added it' where id = ?1",
                params![source.id, licence],
            ),
            None => self.connection.execute(
                "update sources set allowed_at = ?2 where id = ?1",
                params![source.id, time_text(now)],
            ),
        };
        change().doing("change a source", &self.database())?;
        // It takes part in the search for duplicates from now on.
        crate::clean::find_duplicates_again(self)
    }

    /// Removes a source with its texts, also from the disk. What was a duplicate of them is looked
    /// for anew.
    ///
    /// # Errors
    /// If there is no such source, or something cannot be removed.
    pub fn remove(&mut self, name: &str) -> Result<Source, Error> {
        let source = self.source(name)?;
        let path = self.database();
        let mut remove = || {
            let change = self.connection.transaction()?;
            change.execute(
                "create temp table gone as select distinct block_id as id from documents \
                 where source_id = ?1",
                [source.id],
            )?;
            // What belongs to the documents goes with them.
            change.execute("delete from sources where id = ?1", [source.id])?;
            change.execute("delete from blocks where id in (select id from gone)", [])?;
            change.execute("drop table gone", [])?;
            change.commit()
        };
        remove().doing("remove a source", &path)?;
        open::remove_strays(&self.folder, &self.connection)?;
        crate::clean::find_duplicates_again(self)?;
        Ok(source)
    }

    /// Reads the documents that are used, in the order of their ids, from the one after `after` on;
    /// 0 is before the first.
    pub fn documents(&self, after: i64) -> Documents<'_> {
        Documents::new(self, after, true)
    }

    /// Reads every document, also those that are left out or kept apart, as it was added.
    pub fn all_documents(&self, after: i64) -> Documents<'_> {
        Documents::new(self, after, false)
    }

    /// How many documents are used, and how many bytes they have, before anything is taken out of
    /// them.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn size(&self) -> Result<(u64, u64), Error> {
        self.connection
            .query_row("select count(*), coalesce(sum(bytes), 0) from used", [], |row| {
                Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
            })
            .doing("count documents", &self.database())
    }

    /// A sum over what [`Corpus::documents`] gives, in hexadecimal: two corpora with the same sum
    /// give the same texts in the same order.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn fingerprint(&self) -> Result<String, Error> {
        let read = || {
            let mut sum = Sha256::new();
            let mut statement = self.connection.prepare(
                "select s.sha256, u.place, u.bytes from used u join sources s \
                 on s.id = u.source_id order by u.id",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let source: Option<String> = row.get(0)?;
                let place: String = row.get(1)?;
                let bytes: i64 = row.get(2)?;
                let source = source.unwrap_or_default();
                sum.update(format!("{source} {bytes} {}\n{place}", place.len()));
            }
            let mut statement = self.connection.prepare(
                "select document_id, start, length, e.rule from edits e join rules on \
                 rules.name = e.rule where is_on order by 1, 2, 4",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let numbers: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
                let rule: String = row.get(3)?;
                sum.update(format!("{numbers:?} {rule}\n"));
            }
            Ok::<_, rusqlite::Error>(hexadecimal(&sum.finalize()))
        };
        read().doing("read documents", &self.database())
    }

    /// A single value, if there is one.
    pub(crate) fn value<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<Option<T>, Error> {
        let value = self.connection.query_row(sql, [], |row| row.get::<_, Option<T>>(0)).optional();
        Ok(value.doing("read the tables", &self.database())?.flatten())
    }
}
