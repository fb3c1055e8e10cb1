//! Taking texts in.
//!
//! A source is read file by file and record by record. Whole blocks of documents go to the disk and
//! then, in one transaction, into the tables, together with how far each file has been read. An
//! interrupted add leaves a source that is not complete; the same add goes on from there.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, params};

use super::Corpus;
use super::rows::{Progress, Row, last_block, write};
use super::sums::{combined, place_of, sum_of, sum_of_file};
use crate::Error;
use crate::error::Doing as _;
use crate::licence;
use crate::optout::{Excluded, OptOuts};
use crate::shard::ShardWriter;
use crate::source::{self, Kind, Record, Settings};

/// Texts are gathered up to this size before they are written.
const BLOCK_BYTES: usize = 1 << 20;

/// What is to be added.
#[derive(Clone, Debug)]
pub struct Add<'a> {
    /// The file or folder.
    pub path: &'a Path,
    /// What the source is called.
    pub name: &'a str,
    /// Where it comes from, if not from `path`.
    pub origin: Option<&'a str>,
    /// Its licence as an SPDX expression, if the caller knows it; what is found out otherwise is
    /// written beside it.
    pub licence: Option<&'a str>,
    /// How the caller knows it.
    pub licence_evidence: &'a str,
    /// Someone has decided that it may be used even if its licence is not known.
    pub allows_unlicensed: bool,
    /// Who wants to be left out.
    pub excluded: &'a Excluded,
    /// The fields of a record that are its text, joined with newlines; the usual names if empty.
    pub fields: &'a [String],
    /// Which members of an archive are read, by how their names begin and end; all if none.
    pub members: Option<(&'a str, &'a str)>,
    /// When it is added.
    pub now: SystemTime,
}

/// What was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Documents taken in by this call.
    pub documents: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Documents that an earlier, interrupted call had taken in.
    pub kept: u64,
    /// Texts that were not taken in.
    pub refused: u64,
    /// Whether the source was here already, whole and unchanged.
    pub was_here: bool,
}

/// A text that was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// Its source.
    pub source: String,
    /// Its place in the source.
    pub place: String,
    /// Why, such as "robots.txt".
    pub reason: String,
    /// What says so.
    pub evidence: String,
}

/// A time as the tables have it.
pub(super) fn time_text(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

impl Corpus {
    /// Takes texts in. `watch` hears, block by block, what was taken in so far; when it says no,
    /// the call ends with [`Error::Stopped`], and the same call goes on later.
    ///
    /// # Errors
    /// If something cannot be read or written, or a file does not have the form that it should
    /// have. What was finished before is kept.
    pub fn add(
        &mut self,
        add: &Add<'_>,
        watch: &mut dyn FnMut(&Added) -> bool,
    ) -> Result<Added, Error> {
        let licence = add.licence.map(licence::checked).transpose()?;
        // The folder that a file lies in must have a name.
        let path = std::path::absolute(add.path).doing("find", add.path)?;
        let add = &Add { path: &path, ..add.clone() };
        let files = source::files(add.path)?;
        let root = source::root(add.path);
        let found = match licence {
            Some(licence) => Some((licence, add.licence_evidence.to_owned())),
            None => licence::of_folder(&root)?,
        };
        let source = self.source_row(add, &files, found)?;
        let Some(source) = source else {
            return Ok(Added { was_here: true, ..Added::default() });
        };
        let mut adding = Adding::new(self, source, root, add)?;
        for path in &files {
            adding.add_file(path, watch)?;
        }
        adding.finish()
    }

    /// The number of the source, new or begun before; none if it is here, whole.
    fn source_row(
        &mut self,
        add: &Add<'_>,
        files: &[PathBuf],
        licence: Option<(String, String)>,
    ) -> Result<Option<i64>, Error> {
        let path = self.database();
        let (licence, evidence) = licence.unzip();
        let now = time_text(add.now);
        let allowed = add.allows_unlicensed.then(|| now.clone());
        let find = self.connection.query_row(
            "select id, completed_at is not null from sources where name = ?1",
            [add.name],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)),
        );
        let found = find.optional().doing("look for a source", &path)?;
        let change = |id| {
            self.connection.execute(
                "update sources set licence = coalesce(?2, licence), licence_evidence = \
                 coalesce(?3, licence_evidence), allowed_at = coalesce(?4, allowed_at) \
                 where id = ?1",
                params![id, licence, evidence, allowed],
            )
        };
        if let Some((id, is_complete)) = found {
            if is_complete
                && self.sum_of_files(id)? != Some(sum_of(files, &source::root(add.path))?)
            {
                return Err(Error::Options {
                    problem: format!(
                        "{} was added before and has changed since; remove it first",
                        add.name
                    ),
                });
            }
            change(id).doing("change a source", &path)?;
            return Ok((!is_complete).then_some(id));
        }
        let origin = add.origin.map_or_else(|| add.path.display().to_string(), str::to_owned);
        self.connection
            .execute(
                "insert into sources (name, origin, format, licence, licence_evidence, allowed_at, \
                 added_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![add.name, origin, source::describe(files), licence, evidence, allowed, now],
            )
            .doing("add a source", &path)?;
        Ok(Some(self.connection.last_insert_rowid()))
    }

    /// The sum of a complete source.
    fn sum_of_files(&self, id: i64) -> Result<Option<String>, Error> {
        self.connection
            .query_row("select sha256 from sources where id = ?1", [id], |row| row.get(0))
            .doing("look for a source", &self.database())
    }

    /// What was not taken in, of all sources.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn refused(&self) -> Result<Vec<Refused>, Error> {
        let read = || {
            let mut statement = self.connection.prepare(
                "select s.name, r.place, r.reason, r.evidence from refused r \
                 join sources s on s.id = r.source_id order by r.id",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Refused {
                    source: row.get(0)?,
                    place: row.get(1)?,
                    reason: row.get(2)?,
                    evidence: row.get(3)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<Refused>>>()
        };
        read().doing("read what was refused", &self.database())
    }
}

/// An add under way.
struct Adding<'a> {
    corpus: &'a mut Corpus,
    source: i64,
    root: PathBuf,
    add: &'a Add<'a>,
    opt_outs: OptOuts,
    shards: ShardWriter,
    /// Texts that are not on the disk yet, and what belongs to them.
    texts: Vec<u8>,
    rows: Vec<Row>,
    refused: Vec<(String, &'static str, String)>,
    /// Files that the tables do not know to be read yet.
    read: Vec<Progress>,
    sums: Vec<(String, String)>,
    total_bytes: u64,
    added: Added,
}

impl<'a> Adding<'a> {
    fn new(
        corpus: &'a mut Corpus,
        source: i64,
        root: PathBuf,
        add: &'a Add<'a>,
    ) -> Result<Self, Error> {
        let highest: Option<u32> = corpus.value("select max(shard) from blocks")?;
        let next = highest.unwrap_or(0) + 1;
        let shards = match last_block(corpus, source)? {
            Some(block) => ShardWriter::open(&corpus.folder, block, next)?,
            None => ShardWriter::begin(&corpus.folder, next)?,
        };
        let kept: Option<i64> =
            corpus.value(&format!("select count(*) from documents where source_id = {source}"))?;
        let added = Added { kept: kept.unwrap_or(0) as u64, ..Added::default() };
        Ok(Self {
            corpus,
            source,
            opt_outs: OptOuts::new(&root),
            root,
            add,
            shards,
            texts: Vec::new(),
            rows: Vec::new(),
            refused: Vec::new(),
            read: Vec::new(),
            sums: Vec::new(),
            total_bytes: 0,
            added,
        })
    }

    fn add_file(
        &mut self,
        path: &Path,
        watch: &mut dyn FnMut(&Added) -> bool,
    ) -> Result<(), Error> {
        let add = self.add;
        let place = place_of(path, &self.root);
        let (sum, bytes) = sum_of_file(path)?;
        self.sums.push((place.clone(), sum.clone()));
        self.total_bytes += bytes;
        let (is_read, seen) = self.seen(path, &place, &sum)?;
        if is_read {
            return Ok(());
        }
        if let Some((reason, evidence)) = self.opt_outs.of_file(path)? {
            self.refused.push((place.clone(), reason, evidence));
        } else if let Some(kind) = source::kind_of(path)? {
            let licence = licence::of_file(path, &self.root)?;
            let settings = Settings { fields: add.fields, members: add.members, reads_all: false };
            let mut records = 0;
            source::read(path, kind, &settings, &mut |record| {
                records += 1;
                if records > seen {
                    self.take(&place, kind, records, record, licence.as_deref());
                    if self.texts.len() >= BLOCK_BYTES {
                        let (place, sum) = (place.clone(), sum.clone());
                        let is_read = false;
                        self.flush(Some(Progress { place, bytes, records, sum, is_read }))?;
                        if !watch(&self.added) {
                            return Err(Error::Stopped);
                        }
                    }
                }
                Ok(())
            })?;
            self.read.push(Progress { place, bytes, records, sum, is_read: true });
            return Ok(());
        } else {
            self.refused.push((place.clone(), "no text", "not UTF-8, or of no known kind".into()));
        }
        self.read.push(Progress { place, bytes, records: 0, sum, is_read: true });
        Ok(())
    }

    /// Whether all of a file is here, and how many of its records are.
    fn seen(&self, path: &Path, place: &str, sum: &str) -> Result<(bool, u64), Error> {
        let row = self.corpus.connection.query_row(
            "select sha256, is_read, records from files where source_id = ?1 and path = ?2",
            params![self.source, place],
            |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64)),
        );
        match row.optional().doing("look for a file", &self.corpus.database())? {
            None => Ok((false, 0)),
            Some((before, is_read, records)) if before == sum => Ok((is_read, records)),
            Some(_) => Err(Error::Options {
                problem: format!(
                    "{} has changed since adding {} was begun; remove that source and add it again",
                    path.display(),
                    self.add.name
                ),
            }),
        }
    }

    /// Takes a record in, or notes why not.
    fn take(&mut self, file: &str, kind: Kind, number: u64, record: Record, licence: Option<&str>) {
        let place = match &record.place {
            Some(place) => format!("{file}/{place}"),
            None if kind.is_one() && number == 1 => file.to_owned(),
            None => format!("{file}#{number}"),
        };
        let licence = record.licence.clone().or(licence.map(str::to_owned));
        let opt_out = record.opt_out.clone().map(|evidence| ("reservation", evidence));
        let excluded = || {
            let by =
                self.add.excluded.matches(record.author.as_deref(), record.url.as_deref(), &place);
            by.map(|entry| ("excluded", format!("the list of excluded says {entry:?}")))
        };
        if let Some((reason, evidence)) = opt_out.or_else(excluded) {
            self.refused.push((place, reason, evidence));
            return;
        }
        if record.text.trim().is_empty() {
            return;
        }
        let start = self.texts.len();
        self.texts.extend_from_slice(record.text.as_bytes());
        self.texts.push(b'\n');
        let (bytes, characters) = (record.text.len(), record.text.chars().count());
        let record = Record { text: String::new(), ..record };
        self.rows.push(Row { place, record, licence, start, bytes, characters });
    }

    /// Writes what was gathered: the texts, then the tables.
    fn flush(&mut self, partly: Option<Progress>) -> Result<(), Error> {
        let path = self.corpus.database();
        let block =
            if self.rows.is_empty() { None } else { Some(self.shards.append(&self.texts)?) };
        self.read.extend(partly);
        let (source, rows, refused) = (self.source, &self.rows, &self.refused);
        let change = self.corpus.connection.transaction().doing("write documents", &path)?;
        write(&change, source, (block, rows), refused, &self.read)
            .and_then(|()| change.commit())
            .doing("write documents", &path)?;
        self.added.documents += self.rows.len() as u64;
        self.added.bytes += self.rows.iter().map(|row| row.bytes as u64).sum::<u64>();
        self.added.refused += self.refused.len() as u64;
        self.texts.clear();
        self.rows.clear();
        self.refused.clear();
        self.read.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Added, Error> {
        self.flush(None)?;
        self.corpus
            .connection
            .execute(
                "update sources set sha256 = ?2, bytes = ?3, completed_at = ?4 where id = ?1",
                params![
                    self.source,
                    combined(&self.sums),
                    self.total_bytes as i64,
                    time_text(self.add.now)
                ],
            )
            .doing("complete a source", &self.corpus.database())?;
        Ok(self.added)
    }
}
