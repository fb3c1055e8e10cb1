//! Archives: the files in them, one after the other, as they come.

use std::io::{BufRead, BufReader};
use std::path::Path;

use super::{Kind, Settings, Sink, kind_of_name, read_from};
use crate::Error;
use crate::error::Doing as _;

pub(super) fn read(
    path: &Path,
    from: &mut dyn BufRead,
    settings: &Settings<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let mut archive = tar::Archive::new(from);
    for entry in archive.entries().doing("read", path)? {
        let entry = entry.doing("read", path)?;
        let name = entry.path().doing("read", path)?.to_string_lossy().into_owned();
        let is_wanted = settings
            .members
            .is_none_or(|(begin, end)| name.starts_with(begin) && name.ends_with(end));
        let Some(kind) = kind_of_name(Path::new(&name)) else { continue };
        if !is_wanted || !entry.header().entry_type().is_file() || kind == Kind::Tar {
            continue;
        }
        let inside = path.join(&name);
        let mut number = 0;
        read_from(&inside, kind, &mut BufReader::new(entry), settings, &mut |record| {
            number += 1;
            let is_only = kind.is_one() && number == 1;
            let place = if is_only { name.clone() } else { format!("{name}#{number}") };
            sink(super::Record { place: Some(place), ..record })
        })?;
    }
    Ok(())
}
