//! The file: how it is made, opened and left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::{Error, schema};

/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file that everything is kept in.
///
/// Each change is one transaction: killed at any moment, the file has it or has it not. Any number
/// of processes may read while one writes; writers wait for each other.
pub struct Store {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
}

impl Store {
    /// Opens the file; makes it, and its folder, if it is not there. `now` is when new tables are
    /// said to have been made.
    ///
    /// # Errors
    /// If it is not ours, is newer than this program, is damaged, or cannot be read or written.
    pub fn open(path: &Path, now: SystemTime) -> Result<Self, Error> {
        let fault = |doing| {
            let path = path.to_owned();
            move |source| Error::File { doing, path, source }
        };
        if !path.try_exists().map_err(fault("look for"))? {
            create(path, now)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|source| Error::new(path, "open the tables", source))?;
        Self::begin(connection, path, now)
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn in_memory(now: SystemTime) -> Result<Self, Error> {
        let path = Path::new(":memory:");
        let connection = Connection::open_in_memory()
            .map_err(|source| Error::new(path, "open the tables", source))?;
        Self::begin(connection, path, now)
    }

    fn begin(mut connection: Connection, path: &Path, now: SystemTime) -> Result<Self, Error> {
        connection
            .busy_timeout(PATIENCE)
            .map_err(|source| Error::new(path, "open the tables", source))?;
        schema::check(&connection, path)?;
        let set = || {
            // A file of `llm` is not written ahead yet. While another process has it open it cannot
            // be changed to that, and works without.
            let wal = connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()));
            if let Err(error) = wal
                && error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy)
            {
                return Err(error);
            }
            // With the log written ahead, a power cut may take back the last transactions, but
            // never damages the file; the end of the process takes nothing back.
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.pragma_update(None, "foreign_keys", true)
        };
        set().map_err(|source| Error::new(path, "open the tables", source))?;
        schema::migrate(&mut connection, path, now)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A transaction that others cannot write into.
    pub(crate) fn transaction(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }

    /// Changes the file in one transaction.
    pub(crate) fn change<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let changed = self.transaction().and_then(|transaction| {
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        changed.map_err(|source| Error::new(&self.path, doing, source))
    }

    /// Reads from the file.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        read(&self.connection).map_err(|source| Error::new(&self.path, doing, source))
    }

    pub(crate) fn absent(&self, what: &'static str, name: &str) -> Error {
        Error::Absent { what, name: name.to_owned(), path: self.path.clone() }
    }
}

/// Makes a file that appears under its name only when it has all its tables, and that only its
/// owner can read. Another process that makes it at the same time may win.
fn create(path: &Path, now: SystemTime) -> Result<(), Error> {
    let fault = |source: io::Error| Error::File { doing: "make", path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(fault)?;
    let file = tempfile::NamedTempFile::new_in(folder).map_err(fault)?;
    let connection = Connection::open(file.path())
        .map_err(|source| Error::new(path, "make the tables", source))?;
    let store = Store::begin(connection, file.path(), now)?;
    // Closing moves everything from the log into the file.
    store.connection.close().map_err(|(_, source)| Error::new(path, "make the tables", source))?;
    file.as_file().sync_all().map_err(fault)?;
    match file.persist_noclobber(path) {
        Err(error) if !path.exists() => Err(fault(error.error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_busy_file_are_told_from_other_faults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mynah.db");
        let mut store = Store::open(&path, SystemTime::UNIX_EPOCH).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("begin immediate").unwrap();
        store.connection.busy_timeout(Duration::ZERO).unwrap();
        let error = store.set_setting("name", "value").unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error:?}");
        assert_eq!(store.setting("name").unwrap(), None, "reading goes on meanwhile");
        drop(other);
        store.set_setting("name", "value").unwrap();
        let pages: i64 =
            store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store
            .connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
        let error = store.set_setting("name", &"long ".repeat(10_000)).unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
        assert_eq!(store.setting("name").unwrap().as_deref(), Some("value"), "nothing is lost");
    }
}
