//! A connection that only reads, and the results it gives.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::functions::FunctionFlags;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, OpenFlags, Statement};

use super::SqlError;
use super::authorizer::authorize;
use crate::Error;
use crate::time::to_text;
use crate::words::words;

/// How many steps of SQLite's machine pass between two looks at the clock: some microseconds.
const STEPS: i32 = 1000;
/// How long a writer that is just finishing is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much a question may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of each result; what comes after them is left out, and said to be.
    pub rows: usize,
    /// Bytes of all results together.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 1000, bytes: 64 << 20 }
    }
}

/// A value in a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text; bytes of a text that are none are replaced.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// The value as a number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(n) => Some(*n as f64),
            Self::Real(x) => Some(*x).filter(|x| x.is_finite()),
            _ => None,
        }
    }

    fn n_bytes(&self) -> usize {
        let more = match self {
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            _ => 0,
        };
        size_of::<Self>() + more
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(n) => Self::Integer(n),
            ValueRef::Real(x) => Self::Real(x),
            ValueRef::Text(bytes) => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

/// A result.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Whether there were more rows than the limit.
    pub is_cut: bool,
}

/// Answers questions in SQL.
pub struct Reader {
    connection: Connection,
    limits: Limits,
}

impl Reader {
    /// Opens the file for reading. `now` is what `mynah_now()` says in a question. `stop` is asked
    /// often, in the middle of a question: when it says yes, that question is given up.
    ///
    /// # Errors
    /// If the file is not there or cannot be read.
    pub fn open(
        path: &Path,
        now: SystemTime,
        limits: Limits,
        stop: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "query_only", true)?;
            // Reads something, so that what is no database is found out now.
            connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
            confine(&connection, limits)?;
            define_functions(&connection, to_text(now))?;
            connection.progress_handler(STEPS, Some(stop))?;
            connection.authorizer(Some(authorize))?;
            Ok(connection)
        };
        let connection = open().map_err(|source| Error::new(path, "open the tables", source))?;
        Ok(Self { connection, limits })
    }

    /// Answers one question, or several with semicolons between them. `parameters` are the values
    /// for `:name`, by name without the colon.
    ///
    /// # Errors
    /// If SQLite does not understand it, it would do more than read, or goes beyond a limit.
    pub fn answer(
        &self,
        sql: &str,
        parameters: &[(String, String)],
    ) -> Result<Vec<Table>, SqlError> {
        let fault = |error| SqlError::new(sql, error);
        let mut batch = Batch::new(&self.connection, sql);
        let mut room = self.limits.bytes;
        let mut used = vec![false; parameters.len()];
        let mut tables = Vec::new();
        while let Some(mut statement) = batch.next().map_err(fault)? {
            bind(&mut statement, parameters, &mut used)?;
            tables.push(self.rows(&mut statement, &mut room).map_err(|error| match error {
                Some(error) => fault(error),
                None => SqlError::TooLarge,
            })?);
        }
        if tables.is_empty() {
            return Err(SqlError::Empty);
        }
        match used.iter().position(|used| !used) {
            Some(i) => Err(SqlError::NoParameter { name: parameters[i].0.clone() }),
            None => Ok(tables),
        }
    }

    /// The names of a question's parameters, without their colons, each once.
    ///
    /// # Errors
    /// If SQLite does not understand it, or it would do more than read.
    pub fn parameters(&self, sql: &str) -> Result<Vec<String>, SqlError> {
        let mut batch = Batch::new(&self.connection, sql);
        let mut names = Vec::new();
        while let Some(statement) = batch.next().map_err(|error| SqlError::new(sql, error))? {
            for index in 1..=statement.parameter_count() {
                let name = bare(statement.parameter_name(index).unwrap_or("?")).to_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// The rows of a statement; no error if they are too large for `room`.
    fn rows(
        &self,
        statement: &mut Statement<'_>,
        room: &mut usize,
    ) -> Result<Table, Option<rusqlite::Error>> {
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut table = Table { columns, rows: Vec::new(), is_cut: false };
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(Some)? {
            if table.rows.len() == self.limits.rows {
                table.is_cut = true;
                break;
            }
            let mut values = Vec::with_capacity(table.columns.len());
            for column in 0..table.columns.len() {
                let value = Value::from(row.get_ref(column).map_err(Some)?);
                *room = room.checked_sub(value.n_bytes()).ok_or(None)?;
                values.push(value);
            }
            table.rows.push(values);
        }
        Ok(table)
    }
}

/// Limits that SQLite keeps itself.
fn confine(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let length = i32::try_from(limits.bytes / 4).unwrap_or(i32::MAX).max(1);
    for (limit, value) in [
        // A single value, which functions such as `zeroblob` and `group_concat` build.
        (Limit::SQLITE_LIMIT_LENGTH, length),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
        (Limit::SQLITE_LIMIT_COLUMN, 500),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 200),
        (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    Ok(())
}

/// `mynah_now()`, and `mynah_words(text)`: the words of a text as a JSON array.
fn define_functions(connection: &Connection, now: String) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("mynah_now", 0, flags, move |_| Ok(now.clone()))?;
    connection.create_scalar_function("mynah_words", 1, flags, |context| {
        let text = match context.get_raw(0) {
            ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        Ok(serde_json::Value::from(words(&text)).to_string())
    })
}

/// The name of a parameter without the mark before it.
fn bare(name: &str) -> &str {
    name.trim_start_matches([':', '@', '$'])
}

/// Gives every parameter its value. A value that is written as a number is one.
fn bind(
    statement: &mut Statement<'_>,
    parameters: &[(String, String)],
    used: &mut [bool],
) -> Result<(), SqlError> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or("?").to_owned();
        let Some(i) = parameters.iter().position(|(given, _)| given == bare(&name)) else {
            return Err(SqlError::Unbound { name });
        };
        used[i] = true;
        let text = &parameters[i].1;
        let bound = match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(n), _) => statement.raw_bind_parameter(index, n),
            (_, Ok(x)) if x.is_finite() => statement.raw_bind_parameter(index, x),
            _ => statement.raw_bind_parameter(index, text),
        };
        bound.map_err(SqlError::Sqlite)?;
    }
    Ok(())
}
