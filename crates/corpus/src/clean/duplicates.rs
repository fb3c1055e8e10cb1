//! Documents that say what an earlier one says.
//!
//! Of equal documents the first stays, of documents that are nearly equal, directly or by way of
//! others, the first too. Documents that are kept apart are left out of the comparison: one must
//! not take the place of a document that may be used.
//!
//! Memory: four bytes for each document, and the sorter's.

use rusqlite::{Connection, params};

use super::minhash::BANDS;
use super::sorted::Sorter;
use crate::Error;
use crate::corpus::Corpus;
use crate::error::Doing as _;

/// Documents that may be used if no rule says otherwise.
const ELIGIBLE: &str = "from documents d join sources s on s.id = d.source_id where \
     (coalesce(d.licence, s.licence) is not null or s.allowed_at is not null)";

/// Finds duplicates among all documents that were looked at.
pub(crate) fn find(corpus: &mut Corpus) -> Result<(), Error> {
    let path = corpus.database();
    let doing = "look for duplicates";
    let change = corpus.connection.transaction().doing(doing, &path)?;
    find_equal(&change).doing(doing, &path)?;
    let parents = find_near(&change, &path)?;
    write_near(&change, parents).doing(doing, &path)?;
    change.commit().doing(doing, &path)
}

fn find_equal(change: &Connection) -> rusqlite::Result<()> {
    change
        .execute("delete from reasons where rule in ('exact-duplicate', 'near-duplicate')", [])?;
    let sql = format!(
        "insert into reasons (document_id, rule, value, detail) \
         select d.id, 'exact-duplicate', 1, 'as document ' || first.id \
         from (select d.text_hash as hash, min(d.id) as id {ELIGIBLE} and d.text_hash is not null \
               group by 1 having count(*) > 1) first \
         join documents d on d.text_hash = first.hash and d.id > first.id \
         join sources s on s.id = d.source_id \
         where coalesce(d.licence, s.licence) is not null or s.allowed_at is not null"
    );
    change.execute(&sql, []).map(drop)
}

/// For each document, by its id, an earlier one of its group, or itself.
fn find_near(change: &Connection, path: &std::path::Path) -> Result<Vec<u32>, Error> {
    let doing = "look for duplicates";
    let most: i64 = change
        .query_row("select coalesce(max(id), 0) from documents", [], |row| row.get(0))
        .doing(doing, path)?;
    let most = u32::try_from(most).map_err(|_| Error::Options {
        problem: "more than 4 billion documents are too many to look for duplicates".to_owned(),
    })?;
    let mut parents: Vec<u32> = (0..=most).collect();
    let sql = format!(
        "select d.id, substr(d.bands, ?1, 8) {ELIGIBLE} and d.bands is not null and not exists \
         (select 1 from reasons r where r.document_id = d.id and r.rule = 'exact-duplicate')"
    );
    for band in 0..BANDS {
        let mut sorter = Sorter::new();
        let mut statement = change.prepare_cached(&sql).doing(doing, path)?;
        let mut rows = statement.query([8 * band as i64 + 1]).doing(doing, path)?;
        while let Some(row) = rows.next().doing(doing, path)? {
            let id: i64 = row.get(0).doing(doing, path)?;
            let key: Vec<u8> = row.get(1).doing(doing, path)?;
            let key = u64::from_le_bytes(key.try_into().unwrap_or_default());
            sorter.add((key, id as u64))?;
        }
        let mut before = None;
        sorter.each(|(key, id)| {
            if let Some((same, first)) = before.filter(|(before, _)| *before == key) {
                let _: u64 = same;
                join(&mut parents, first, id as u32);
            } else {
                before = Some((key, id as u32));
            }
        })?;
    }
    Ok(parents)
}

/// The first document of a group.
fn first(parents: &mut [u32], mut id: u32) -> u32 {
    while parents[id as usize] != id {
        // Every second step is skipped the next time.
        parents[id as usize] = parents[parents[id as usize] as usize];
        id = parents[id as usize];
    }
    id
}

/// Makes two groups one. The smaller id is its first.
fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (first(parents, a), first(parents, b));
    parents[a.max(b) as usize] = a.min(b);
}

fn write_near(change: &Connection, mut parents: Vec<u32>) -> rusqlite::Result<()> {
    let mut insert = change.prepare_cached(
        "insert into reasons (document_id, rule, value, detail) \
         values (?1, 'near-duplicate', 1, 'nearly as document ' || ?2)",
    )?;
    for id in 0..parents.len() as u32 {
        let group = first(&mut parents, id);
        if group != id {
            insert.execute(params![id, group])?;
        }
    }
    Ok(())
}
