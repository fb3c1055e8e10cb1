//! What can be wrong with a question.

use rusqlite::ErrorCode;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// SQLite does not understand it.
    #[error("{message}")]
    Syntax {
        /// What SQLite says.
        message: String,
        /// Where, as an offset in bytes into the SQL, if SQLite knows.
        offset: Option<usize>,
    },
    /// It would do more than read.
    #[error("only reading is allowed here{}", details(message))]
    Forbidden {
        /// What SQLite says.
        message: String,
    },
    /// It took too long, or was stopped.
    #[error("the query was stopped: it takes too long")]
    Stopped,
    /// A value, or all of them together, is too large.
    #[error("the result is too large")]
    TooLarge,
    /// A parameter has no value.
    #[error("the parameter {name} has no value")]
    Unbound {
        /// The parameter, with its colon.
        name: String,
    },
    /// A value is given for a parameter that the question does not have.
    #[error("the query has no parameter :{name}")]
    NoParameter {
        /// The name, without a colon.
        name: String,
    },
    /// There is nothing to answer.
    #[error("there is no query")]
    Empty,
    /// The file cannot be read.
    #[error("the query failed")]
    Sqlite(#[source] rusqlite::Error),
}

/// What SQLite says beyond that something is not allowed.
fn details(message: &str) -> String {
    match message {
        "" | "not authorized" | "authorization denied" => String::new(),
        message => format!(": {message}"),
    }
}

impl SqlError {
    /// Sorts what SQLite says. `sql` is the whole text, of which SQLite may have seen the end only.
    pub(super) fn new(sql: &str, error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqlInputError { msg: message, .. }
                if message.starts_with("not authorized") =>
            {
                Self::Forbidden { message }
            }
            rusqlite::Error::SqlInputError { msg: message, sql: rest, offset, .. } => {
                let before = sql.len().saturating_sub(rest.len());
                let offset = usize::try_from(offset).ok().map(|offset| before + offset);
                // A place between the bytes of a character is none.
                let offset = offset.filter(|&offset| sql.is_char_boundary(offset));
                Self::Syntax { message, offset }
            }
            rusqlite::Error::SqliteFailure(failure, message) => {
                let message = message.unwrap_or_default();
                match failure.code {
                    ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly => {
                        Self::Forbidden { message }
                    }
                    ErrorCode::OperationInterrupted => Self::Stopped,
                    ErrorCode::TooBig | ErrorCode::OutOfMemory => Self::TooLarge,
                    ErrorCode::Unknown => Self::Syntax { message, offset: None },
                    _ => Self::Sqlite(rusqlite::Error::SqliteFailure(failure, Some(message))),
                }
            }
            other => Self::Sqlite(other),
        }
    }
}
