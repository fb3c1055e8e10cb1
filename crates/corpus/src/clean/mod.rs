//! Cleaning: what is wrong with a document, and what is to be done about it.
//!
//! Every rule looks at every document and leaves a reason beside it, or the places of what is to be
//! changed, whether the rule is on or not; so turning a rule on or off needs no second look. Nothing
//! is deleted. [`RULES`] names the rules and where they come from.
//!
//! Memory: some hundred documents at a time, and what is said at the duplicates (4 bytes for each
//! document, 64 MiB for sorting) and the benchmarks (8 bytes for each of their 13-grams).

mod contamination;
mod duplicates;
mod gopher;
mod minhash;
mod personal;
mod rules;
mod sorted;
mod summary;
mod web;
mod words;

use std::ops::Range;
use std::path::Path;
use std::thread;

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

pub use rules::{Effect, RULES, Rule};
pub use summary::{Example, Taken};

pub(crate) use duplicates::find as find_duplicates_again;
pub(crate) use rules::replacement;

use crate::Error;
use crate::corpus::Corpus;
use crate::documents::Document;
use crate::error::Doing as _;
use words::Words;

/// Documents that are looked at before what was found is written.
const AT_ONCE: usize = 512;
/// What whatlang sees of a text: more does not make it surer.
const SEEN_BYTES: usize = 4096;

/// How to clean.
#[derive(Clone, Debug)]
pub struct Clean<'a> {
    /// Benchmarks whose texts are not to be in the corpus; none to leave earlier findings alone.
    pub against: Vec<&'a Path>,
    /// The languages that are wanted, as ISO 639-3; none to leave an earlier choice alone, empty for
    /// every language.
    pub languages: Option<Vec<String>>,
    /// How many threads look at documents.
    pub n_threads: usize,
}

/// What was found in a text.
#[derive(Default)]
pub(crate) struct Findings {
    reasons: Vec<(&'static str, f64, String)>,
    edits: Vec<(&'static str, Range<usize>)>,
}

impl Findings {
    fn leave_out(&mut self, rule: &'static str, value: f64, detail: String) {
        self.reasons.push((rule, value, detail));
    }

    fn edit(&mut self, rule: &'static str, range: Range<usize>) {
        self.edits.push((rule, range));
    }
}

/// What is kept about a document that was looked at.
struct Looked {
    id: i64,
    language: String,
    hash: Vec<u8>,
    bands: Option<Vec<u8>>,
    found: Findings,
}

impl Corpus {
    /// Looks at every document that was not looked at yet, and then for duplicates among all.
    /// `watch` hears how many were looked at; when it says no, the call ends with
    /// [`Error::Stopped`], and the next goes on from there.
    ///
    /// # Errors
    /// If something cannot be read or written.
    pub fn clean(
        &mut self,
        clean: &Clean<'_>,
        watch: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Error> {
        let benchmarks = match clean.against.as_slice() {
            [] => None,
            paths => Some(contamination::Benchmarks::read(paths)?),
        };
        let n_threads = clean.n_threads.max(1);
        let mut n_looked = 0;
        let mut after = 0;
        loop {
            let batch = self.unseen(after)?;
            let Some(last) = batch.last() else { break };
            after = last.id;
            let looked = in_parallel(&batch, n_threads, look);
            self.keep(&looked)?;
            n_looked += batch.len() as u64;
            if !watch(n_looked) {
                return Err(Error::Stopped);
            }
        }
        if let Some(benchmarks) = benchmarks {
            self.compare(&benchmarks, n_threads, n_looked, watch)?;
        }
        if let Some(languages) = &clean.languages {
            self.set_languages(languages)?;
        }
        self.judge_languages()?;
        duplicates::find(self)
    }

    /// Documents after this one that were not looked at.
    fn unseen(&self, after: i64) -> Result<Vec<Document>, Error> {
        let next: Option<i64> = self.value(&format!(
            "select min(id) from documents where id > {after} and text_hash is null"
        ))?;
        let Some(next) = next else { return Ok(Vec::new()) };
        let documents = self.all_documents(next - 1).take(AT_ONCE);
        documents.filter(|it| !it.as_ref().is_ok_and(|it| it.language.is_some())).collect()
    }

    fn keep(&mut self, looked: &[Looked]) -> Result<(), Error> {
        let path = self.database();
        let change = self.connection.transaction().doing("write reasons", &path)?;
        looked
            .iter()
            .try_for_each(|one| keep(&change, one))
            .and_then(|()| change.commit())
            .doing("write reasons", &path)
    }

    /// Compares all documents with benchmarks.
    fn compare(
        &mut self,
        benchmarks: &contamination::Benchmarks,
        n_threads: usize,
        n_before: u64,
        watch: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Error> {
        let path = self.database();
        let forget = "delete from reasons where rule = 'contamination'";
        self.connection.execute(forget, []).doing("write reasons", &path)?;
        let (mut after, mut n_looked) = (0, n_before);
        loop {
            let batch = self.all_documents(after).take(AT_ONCE).collect::<Result<Vec<_>, _>>()?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.id;
            let shared = in_parallel(&batch, n_threads, |document| {
                let shared = benchmarks.shared(&Words::new(&document.text));
                (document.id, shared.map(|text| format!("\"{}\"", one_line(text))))
            });
            let change = self.connection.transaction().doing("write reasons", &path)?;
            let insert = "insert into reasons values (?1, 'contamination', 1, ?2)";
            for (id, detail) in shared {
                if let Some(detail) = detail {
                    change.execute(insert, params![id, detail]).doing("write reasons", &path)?;
                }
            }
            change.commit().doing("write reasons", &path)?;
            n_looked += batch.len() as u64;
            if !watch(n_looked) {
                return Err(Error::Stopped);
            }
        }
    }

    fn set_languages(&self, languages: &[String]) -> Result<(), Error> {
        if let Some(unknown) =
            languages.iter().find(|code| whatlang::Lang::from_code(*code).is_none())
        {
            return Err(Error::Unknown {
                what: "language",
                name: unknown.clone(),
                known: whatlang::Lang::all().iter().map(|lang| lang.code().to_owned()).collect(),
            });
        }
        let list = serde_json::Value::from(languages.to_vec()).to_string();
        self.connection
            .execute("insert or replace into settings values ('languages', ?1)", [list])
            .doing("write settings", &self.database())
            .map(drop)
    }

    /// Leaves a reason beside documents in other languages than those that are wanted.
    fn judge_languages(&self) -> Result<(), Error> {
        let judge = || {
            self.connection.execute("delete from reasons where rule = 'language'", [])?;
            self.connection.execute(
                "insert into reasons select id, 'language', null, language from documents \
                 where language is not null and exists (select 1 from settings \
                   where name = 'languages' and value <> '[]') \
                 and language not in (select j.value from settings s, json_each(s.value) j \
                   where s.name = 'languages')",
                [],
            )?;
            self.connection.execute(
                "update sources set language = (select language from documents d \
                 where d.source_id = sources.id and language is not null \
                 group by language order by sum(bytes) desc, language limit 1)",
                [],
            )
        };
        judge().doing("write reasons", &self.database()).map(drop)
    }

    /// Turns a rule on or off, or all rules of a family, such as "gopher". How many there are.
    ///
    /// # Errors
    /// If there is no such rule.
    pub fn turn(&mut self, name: &str, on: bool) -> Result<usize, Error> {
        let is_meant = |rule: &&Rule| {
            rule.name == name
                || rule.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
        };
        let meant: Vec<&Rule> = RULES.iter().filter(is_meant).collect();
        if meant.is_empty() {
            return Err(Error::Unknown {
                what: "rule",
                name: name.to_owned(),
                known: RULES.iter().map(|rule| rule.name.to_owned()).collect(),
            });
        }
        for rule in &meant {
            self.connection
                .execute("insert or replace into rules values (?1, ?2)", params![rule.name, on])
                .doing("turn a rule", &self.database())?;
        }
        Ok(meant.len())
    }
}

/// Looks at one document.
fn look(document: &Document) -> Looked {
    let words = Words::new(&document.text);
    let language = language_of(&document.text);
    let mut found = Findings::default();
    gopher::look(&words, &language, &mut found);
    web::look(&words, &mut found);
    personal::look(&document.text, &mut found);
    let mut hash = Sha256::new();
    for word in words.iter() {
        hash.update(word.to_lowercase());
        hash.update(b" ");
    }
    let hash = hash.finalize()[..16].to_vec();
    Looked { id: document.id, language, hash, bands: minhash::bands(&words), found }
}

/// The language of a text as ISO 639-3; "und" if it cannot be told.
fn language_of(text: &str) -> String {
    let end = (0..=SEEN_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    let seen = &text[..end.unwrap_or(0)];
    whatlang::detect(seen).map_or("und", |info| info.lang().code()).to_owned()
}

fn keep(change: &Connection, looked: &Looked) -> rusqlite::Result<()> {
    change
        .prepare_cached(
            "update documents set language = ?2, text_hash = ?3, bands = ?4 where id = ?1",
        )?
        .execute(params![looked.id, looked.language, looked.hash, looked.bands])?;
    let mut insert =
        change.prepare_cached("insert or replace into reasons values (?1, ?2, ?3, ?4)")?;
    for (rule, value, detail) in &looked.found.reasons {
        insert.execute(params![looked.id, rule, value, detail])?;
    }
    let mut insert =
        change.prepare_cached("insert or ignore into edits values (?1, ?2, ?3, ?4)")?;
    for (rule, range) in &looked.found.edits {
        insert.execute(params![looked.id, rule, range.start as i64, range.len() as i64])?;
    }
    Ok(())
}

/// Calls `look` with every document, on several threads; the results in order.
fn in_parallel<T: Send>(
    documents: &[Document],
    n_threads: usize,
    look: impl Fn(&Document) -> T + Sync,
) -> Vec<T> {
    let share = documents.len().div_ceil(n_threads).max(1);
    thread::scope(|scope| {
        let look = &look;
        let workers: Vec<_> = documents
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(look).collect::<Vec<T>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// A text on one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
