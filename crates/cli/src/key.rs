//! Keys in files, which only their owner may read.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::failure::{Hint as _, Misuse};

/// Reads a key from a file that nobody else may read.
///
/// # Errors
/// If there is none, or others may read it.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let cannot_read = || format!("cannot read {}", path.display());
    let facts = fs::metadata(path).with_context(cannot_read)?;
    if is_open_to_others(&facts) {
        return Err(Misuse(format!("others may read the key in {}", path.display())))
            .hint(format!("chmod 600 {}", path.display()));
    }
    let key = fs::read_to_string(path).with_context(cannot_read)?.trim().to_owned();
    if key.is_empty() {
        return Err(Misuse(format!("there is no key in {}", path.display())).into());
    }
    Ok(key)
}

#[cfg(unix)]
fn is_open_to_others(facts: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    facts.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}
