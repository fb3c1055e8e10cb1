//! What a person has set, by name.

use rusqlite::{OptionalExtension as _, params};

use crate::{Error, Store};

/// Whether answers are kept.
const RECORDS: &str = "records";

impl Store {
    /// The value of a setting, if it was set.
    pub fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let sql = "select value from mynah_settings where name = ?1";
        self.read("read a setting", |connection| {
            connection.query_row(sql, [name], |row| row.get(0)).optional()
        })
    }

    /// Sets it.
    pub fn set_setting(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let sql = "insert into mynah_settings values (?1, ?2)
                   on conflict (name) do update set value = excluded.value";
        self.change("keep a setting", |transaction| {
            transaction.execute(sql, params![name, value]).map(drop)
        })
    }

    /// Whether answers are to be kept: yes, unless a person said no.
    pub fn records(&self) -> Result<bool, Error> {
        Ok(self.setting(RECORDS)?.as_deref() != Some("off"))
    }

    /// Says whether answers are to be kept.
    pub fn set_records(&mut self, on: bool) -> Result<(), Error> {
        self.set_setting(RECORDS, if on { "on" } else { "off" })
    }
}
