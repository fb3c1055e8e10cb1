//! Questions in SQL, from a person or from a page: answered without believing what they say.
//!
//! A [`Reader`] only reads: its connection is opened for reading, an authorizer refuses everything
//! but `select`, and time, rows and bytes are limited. It does not hide anything: whoever may ask
//! may read the whole file.
//!
//! [`Shape`] recognises results that are meant to be drawn, by the names of their columns.

mod authorizer;
mod error;
mod reader;
mod shape;

pub use error::SqlError;
pub use reader::{Limits, Reader, Table, Value};
pub use shape::{Bar, Shape};
