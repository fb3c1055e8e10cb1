//! How a corpus is made, opened and locked.

use std::fs::{self, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Corpus;
use crate::Error;
use crate::error::Doing as _;

/// Says whose file it is, in SQLite's own field for that: "mync".
const APPLICATION_ID: i32 = 0x6d79_6e63;
/// The version of the tables.
const VERSION: i32 = 1;
/// How long another process that is writing is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file with the tables.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("corpus.db")
}

impl Corpus {
    /// Opens a corpus to read it.
    ///
    /// # Errors
    /// If there is none, or it is of a newer version.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = database(folder);
        if !path.try_exists().doing("look for", &path)? {
            return Err(Error::NoCorpus { folder: folder.to_owned() });
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        check(&connection, &path)?;
        Ok(Self { folder: folder.to_owned(), connection, _lock: None })
    }

    /// Opens a corpus to change it; makes an empty one if there is none.
    ///
    /// # Errors
    /// If another process is changing it, it is of a newer version, or it cannot be written.
    pub fn open_to_change(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).doing("make", folder)?;
        let lock = lock(folder)?;
        let path = database(folder);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = connect(&path, flags)?;
        let is_new = version(&connection).doing("open the tables", &path)? == (0, 0)
            && is_empty(&connection).doing("open the tables", &path)?;
        if is_new {
            create(&connection).doing("make the tables", &path)?;
        }
        check(&connection, &path)?;
        remove_strays(folder, &connection)?;
        Ok(Self { folder: folder.to_owned(), connection, _lock: Some(lock) })
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let open = || {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Sorting and grouping go to files instead of memory.
        connection.pragma_update(None, "temp_store", "FILE")?;
        Ok::<_, rusqlite::Error>(connection)
    };
    open().doing("open the tables", path)
}

/// Whose file it is and of which version.
fn version(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok((number("application_id")?, number("user_version")?))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("select count(*) = 0 from sqlite_master", [], |row| row.get(0))
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    // Readers go on while somebody writes.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let mut sql = String::from("begin;\n");
    sql.push_str(include_str!("../schema.sql"));
    sql.push_str(&format!(
        "pragma application_id = {APPLICATION_ID};\npragma user_version = {VERSION};\n"
    ));
    for rule in crate::clean::RULES {
        sql.push_str(&format!(
            "insert into rules values ('{}', {});\n",
            rule.name,
            i32::from(rule.is_on_at_first)
        ));
    }
    sql.push_str("commit;\n");
    connection.execute_batch(&sql)
}

fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let reason = match version(connection).doing("open the tables", path)? {
        (APPLICATION_ID, VERSION) => return Ok(()),
        (APPLICATION_ID, newer) => {
            format!("its tables are of version {newer}, made by a newer mynah")
        }
        _ => "it is the file of another program".to_owned(),
    };
    Err(Error::NotACorpus { path: path.to_owned(), reason })
}

/// Takes the right to change the corpus; it is given back when the file is closed, also by a
/// process that is killed.
fn lock(folder: &Path) -> Result<fs::File, Error> {
    let path = folder.join("corpus.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .doing("write", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(source).doing("lock", &path),
    }
}

/// Removes shards that the tables do not know: an interrupted process left them.
pub(super) fn remove_strays(folder: &Path, connection: &Connection) -> Result<(), Error> {
    let known = || {
        let mut statement = connection.prepare("select distinct shard from blocks")?;
        let shards = statement.query_map([], |row| row.get::<_, u32>(0))?;
        shards.collect::<rusqlite::Result<Vec<u32>>>()
    };
    let known = known().doing("read the tables", &database(folder))?;
    for entry in fs::read_dir(folder).doing("read", folder)? {
        let path = entry.doing("read", folder)?.path();
        let shard = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("texts-")?.strip_suffix(".gz")?.parse::<u32>().ok());
        if shard.is_some_and(|shard| !known.contains(&shard)) {
            fs::remove_file(&path).doing("remove", &path)?;
        }
    }
    Ok(())
}
