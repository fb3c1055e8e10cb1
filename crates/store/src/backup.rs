//! A copy of the file while others write to it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::{Error, Store};

/// How many pages are copied before others may write. A writer in between makes the copy begin
/// again, so a step is large.
const PAGES_AT_ONCE: i32 = 4096;
/// How long others may write then.
const PAUSE: Duration = Duration::from_millis(5);

impl Store {
    /// Copies everything into another file, which appears under its name only when it is whole; one
    /// that is there is replaced.
    ///
    /// # Errors
    /// If the copy cannot be written.
    pub fn back_up(&self, target: &Path) -> Result<(), Error> {
        let file_fault = |source| Error::File { doing: "write", path: target.to_owned(), source };
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder).map_err(file_fault)?;
        let file = tempfile::NamedTempFile::new_in(folder).map_err(file_fault)?;
        let copy = || {
            let mut copy = Connection::open(file.path())?;
            Backup::new(&self.connection, &mut copy)?.run_to_completion(
                PAGES_AT_ONCE,
                PAUSE,
                None,
            )?;
            // One file that can be moved, without a log beside it.
            copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
            copy.close().map_err(|(_, error)| error)
        };
        copy().map_err(|source| Error::new(target, "write the copy", source))?;
        file.as_file().sync_all().map_err(file_fault)?;
        file.persist(target).map_err(|error| file_fault(error.error))?;
        Ok(())
    }
}
