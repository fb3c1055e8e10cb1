//! Saves a program, its output and what it made.

use std::fs;
use std::path::{Component, Path};

use anyhow::Context as _;
use mynah_agent::work::Attempt;

use crate::failure::{Hint as _, Misuse};

/// Finds out whether something can be saved in a folder, before anything is done for it.
///
/// # Errors
/// If there is something in it already.
pub(super) fn check(folder: &Path) -> anyhow::Result<()> {
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => {
            return Err(Misuse(format!("--save {}: {error}", folder.display())).into());
        }
    };
    if is_empty {
        return Ok(());
    }
    Err(Misuse(format!("--save {}: there is something in it", folder.display())))
        .hint("--save takes a folder that is empty or not there")
}

/// Writes `program.py`, `output.txt` and, in `files`, what the program made.
///
/// # Errors
/// If something cannot be written.
pub(super) fn save(folder: &Path, attempt: &Attempt) -> anyhow::Result<()> {
    let cannot_write = || format!("cannot write in {}", folder.display());
    let (Some(source), Some(trial)) = (&attempt.source, &attempt.trial) else { return Ok(()) };
    fs::create_dir_all(folder).with_context(cannot_write)?;
    fs::write(folder.join("program.py"), source).with_context(cannot_write)?;
    fs::write(folder.join("output.txt"), &trial.run.stdout).with_context(cannot_write)?;
    for made in &trial.made {
        // Names come from a folder that was listed; they are checked all the same.
        let is_within =
            Path::new(&made.name).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_within {
            continue;
        }
        let to = folder.join("files").join(&made.name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).with_context(cannot_write)?;
        }
        fs::copy(trial.folder.path().join(&made.name), &to).with_context(cannot_write)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path()).unwrap();
        check(&folder.path().join("new")).unwrap();
        fs::write(folder.path().join("x"), "").unwrap();
        assert!(check(folder.path()).unwrap_err().to_string().contains("there is something in it"));
        assert!(check(&folder.path().join("x")).is_err());
    }
}
