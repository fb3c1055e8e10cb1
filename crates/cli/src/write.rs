//! Files that appear under their name only when they are whole.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;

/// Writes a file beside its place, and puts it there when it is whole.
///
/// # Errors
/// If it cannot be written; the one before is kept.
pub(crate) fn whole(
    path: &Path,
    write: &dyn Fn(&mut dyn io::Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::Builder::new().tempfile_in(folder.unwrap_or(Path::new(".")));
    let file = file.with_context(cannot)?;
    let mut out = io::BufWriter::new(file);
    write(&mut out).with_context(cannot)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(cannot)?;
    file.persist(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}

/// Keeps a report beside the store, where the page of `mynah serve` finds it under this name; an
/// earlier one is replaced.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn report(
    store: &Path,
    name: &str,
    write: &dyn Fn(&mut dyn io::Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let folder = store.with_file_name("reports");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    whole(&folder.join(format!("{name}.html")), write)
}
