//! What each rule takes, with examples.

use rusqlite::params;
use serde::Serialize;

use super::{Effect, RULES, Rule, one_line};
use crate::Error;
use crate::corpus::Corpus;
use crate::error::Doing as _;

/// How much of a text an example shows, in characters.
const SHOWN: usize = 240;

/// What a rule takes, or would take if it were on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Taken {
    /// The rule.
    #[serde(flatten)]
    pub rule: &'static Rule,
    /// Whether it counts.
    pub is_on: bool,
    /// Documents that it leaves out or changes.
    pub documents: u64,
    /// Documents that it leaves out and no other rule that is on does.
    pub alone: u64,
    /// Bytes of the documents that it leaves out, or of the stretches that it changes.
    pub bytes: u64,
    /// Stretches that it changes.
    pub places: u64,
    /// Some of the documents.
    pub examples: Vec<Example>,
}

/// A document that a rule leaves out or changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its number.
    pub document: i64,
    /// Its source and its place there.
    pub place: String,
    /// Why.
    pub detail: String,
    /// Its beginning, or what is changed with what stands around it.
    pub text: String,
}

impl Corpus {
    /// What each rule takes, with up to so many examples.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn taken(&self, n_examples: usize) -> Result<Vec<Taken>, Error> {
        RULES.iter().map(|rule| self.taken_by(rule, n_examples)).collect()
    }

    fn taken_by(&self, rule: &'static Rule, n_examples: usize) -> Result<Taken, Error> {
        let path = self.database();
        let doing = "read reasons";
        let is_on = format!("select is_on from rules where name = '{}'", rule.name);
        let is_on = self.value::<bool>(&is_on)?.unwrap_or(rule.is_on_at_first);
        let is_edit = rule.effect != Effect::LeavesOut;
        let sql = if is_edit {
            "select count(distinct document_id), 0, coalesce(sum(length), 0), count(*) \
             from edits where rule = ?1"
        } else {
            "select count(*), coalesce(sum(not exists (select 1 from reasons o join rules on \
             rules.name = o.rule where o.document_id = r.document_id and o.rule <> r.rule \
             and is_on)), 0), coalesce(sum(d.bytes), 0), 0 \
             from reasons r join documents d on d.id = r.document_id where r.rule = ?1"
        };
        let counts = self.connection.query_row(sql, [rule.name], |row| {
            let count = |i: usize| row.get::<_, i64>(i).map(|n| n as u64);
            Ok([count(0)?, count(1)?, count(2)?, count(3)?])
        });
        let [documents, alone, bytes, places] = counts.doing(doing, &path)?;
        let sql = if is_edit {
            "select document_id, min(start), min(length), count(*) || case count(*) when 1 then ' place' else ' places' end from edits \
             where rule = ?1 group by document_id order by document_id limit ?2"
        } else {
            "select document_id, 0, 0, detail from reasons where rule = ?1 order by document_id \
             limit ?2"
        };
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![rule.name, n_examples as i64], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(3)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<(i64, i64, String)>>>()
        };
        let found = read().doing(doing, &path)?;
        let examples = found
            .into_iter()
            .filter_map(|(id, start, detail)| self.example(id, start as usize, detail).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Taken { rule, is_on, documents, alone, bytes, places, examples })
    }

    fn example(&self, id: i64, start: usize, detail: String) -> Result<Option<Example>, Error> {
        let Some(document) = self.all_documents(id - 1).next().transpose()? else {
            return Ok(None);
        };
        let mut from = start.saturating_sub(60).min(document.text.len());
        while !document.text.is_char_boundary(from) {
            from -= 1;
        }
        let text: String = document.text[from..].chars().take(SHOWN).collect();
        let place = format!("{}: {}", document.source, document.place);
        Ok(Some(Example { document: id, place, detail, text: one_line(&text) }))
    }
}
