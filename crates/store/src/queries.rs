//! Queries that are kept by name, and those that mynah brings.

use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::time::to_text;
use crate::{Error, Store};

/// A query with a name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SavedQuery {
    /// What it is called.
    pub name: String,
    /// The SQL.
    pub sql: String,
    /// What it shows.
    pub description: Option<String>,
    /// Whether mynah brings it.
    pub is_built_in: bool,
}

/// The queries that mynah brings: name, what it shows, SQL. A person's own of the same name goes
/// before it.
const BUILT_IN: [(&str, &str, &str); 6] = [
    (
        "tag-cloud",
        "the words of what was asked in the last year",
        include_str!("sql/built_in/tag_cloud.sql"),
    ),
    ("models", "the models that answered most often", include_str!("sql/built_in/models.sql")),
    ("prompts", "what was asked most often", include_str!("sql/built_in/prompts.sql")),
    ("months", "tokens and time by month", include_str!("sql/built_in/months.sql")),
    ("totals", "everything that is kept, in numbers", include_str!("sql/built_in/totals.sql")),
    ("year", "the year in review", include_str!("sql/built_in/year.sql")),
];

fn built_in() -> impl Iterator<Item = SavedQuery> {
    BUILT_IN.into_iter().map(|(name, description, sql)| SavedQuery {
        name: name.to_owned(),
        sql: sql.to_owned(),
        description: Some(description.to_owned()),
        is_built_in: true,
    })
}

impl SavedQuery {
    /// The query of this name that mynah brings.
    pub fn built_in(name: &str) -> Option<Self> {
        built_in().find(|query| query.name == name)
    }
}

impl Store {
    /// All queries by name: a person's own, and those that mynah brings.
    pub fn queries(&self) -> Result<Vec<SavedQuery>, Error> {
        let sql = "select name, sql, description from mynah_queries";
        let mut queries: Vec<SavedQuery> = self.read("read the saved queries", |connection| {
            connection.prepare(sql)?.query_map([], read_query)?.collect()
        })?;
        let brought =
            built_in().filter(|brought| queries.iter().all(|own| own.name != brought.name));
        queries.extend(brought.collect::<Vec<_>>());
        queries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(queries)
    }

    /// The query of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn query(&self, name: &str) -> Result<SavedQuery, Error> {
        let sql = "select name, sql, description from mynah_queries where name = ?1";
        let own = self.read("read the saved queries", |connection| {
            connection.query_row(sql, [name], read_query).optional()
        })?;
        own.or_else(|| SavedQuery::built_in(name)).ok_or_else(|| self.absent("query", name))
    }

    /// Keeps a query; one of the same name is replaced.
    pub fn save_query(&mut self, name: &str, sql: &str, now: SystemTime) -> Result<(), Error> {
        let insert = "insert into mynah_queries (name, sql, created_utc) values (?1, ?2, ?3)
                      on conflict (name) do update set sql = excluded.sql,
                        created_utc = excluded.created_utc";
        self.change("keep a query", |transaction| {
            transaction.execute(insert, params![name, sql, to_text(now)]).map(drop)
        })
    }

    /// Removes a person's own query.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn remove_query(&mut self, name: &str) -> Result<(), Error> {
        let n = self.change("remove a query", |transaction| {
            transaction.execute("delete from mynah_queries where name = ?1", [name])
        })?;
        if n == 0 { Err(self.absent("query of yours", name)) } else { Ok(()) }
    }
}

fn read_query(row: &Row<'_>) -> rusqlite::Result<SavedQuery> {
    Ok(SavedQuery {
        name: row.get(0)?,
        sql: row.get(1)?,
        description: row.get(2)?,
        is_built_in: false,
    })
}
