//! Calls that name a path, always from an open folder.

use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions};

use super::descriptors::{Descriptor, Folder, Open, Place};
use super::files::{FLAG_APPEND, RIGHT_READ, RIGHT_WRITE, empty_folder_stat, filestat, times};
use super::memory::Bytes;
use super::{Errno, Fault, Outcome};
use crate::worker::guest::Guest;

const FOLLOW: u32 = 1;
const CREATE: u32 = 1;
const FOLDER: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;

/// The name of the one file of the folder of control.
const CELLS: &str = "cells";

pub(crate) fn path_create_directory(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    path: u32,
    length: u32,
) -> Outcome {
    let path = memory.text(path, length)?;
    let folder = guest.descriptors.folder(fd)?.to_change()?;
    guest.make()?;
    Ok(folder.create_dir(path)?)
}

pub(crate) fn path_filestat_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    length: u32,
    to: u32,
) -> Outcome {
    let path = memory.text(path, length)?;
    let folder = guest.descriptors.folder(fd)?;
    let stat = match (&folder.place, path.as_str()) {
        (Place::Real(folder), "." | "") => filestat(&folder.dir_metadata()?),
        (Place::Real(folder), path) if flags & FOLLOW != 0 => filestat(&folder.metadata(path)?),
        (Place::Real(folder), path) => filestat(&folder.symlink_metadata(path)?),
        (Place::Empty | Place::Control, "." | "") => empty_folder_stat(),
        _ => return Err(Errno::NoEntry.into()),
    };
    memory.put(to, &stat)
}

pub(crate) fn path_filestat_set_times(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    length: u32,
    read: u64,
    changed: u64,
    which: u32,
) -> Outcome {
    let path = memory.text(path, length)?;
    let times = times(guest, read, changed, which);
    let folder = guest.descriptors.folder(fd)?.to_change()?;
    check_kind(&folder, &path, flags)?;
    let file = if path == "." || folder.metadata(&path)?.is_dir() {
        folder.open_dir(&path)?.into_std_file()
    } else {
        folder.open(&path)?.into_std()
    };
    Ok(file.set_times(times)?)
}

pub(crate) fn path_link(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    _flags: u32,
    path: u32,
    length: u32,
    to_fd: u32,
    to: u32,
    to_length: u32,
) -> Outcome {
    let (path, to) = (memory.text(path, length)?, memory.text(to, to_length)?);
    let folder = guest.descriptors.folder(fd)?.to_change()?;
    let to_folder = guest.descriptors.folder(to_fd)?.to_change()?;
    guest.make()?;
    Ok(folder.hard_link(path, &to_folder, to)?)
}

pub(crate) fn path_open(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    length: u32,
    how: u32,
    rights: u64,
    _inheriting: u64,
    fd_flags: u32,
    to: u32,
) -> Outcome {
    let path = memory.text(path, length)?;
    let folder = guest.descriptors.folder(fd)?;
    let may_write = folder.may_write;
    let opened = match (&folder.place, path.as_str()) {
        (Place::Control, CELLS) => Descriptor::Control,
        (place, "." | "") => Descriptor::Folder(Folder::within(place.clone(), may_write)),
        (Place::Real(folder), _) => {
            let folder = Arc::clone(folder);
            let is_new = !may_write || folder.symlink_metadata(&path).is_ok();
            if how & CREATE != 0 && !is_new {
                guest.make()?;
            }
            let may = (rights & RIGHT_READ != 0, rights & RIGHT_WRITE != 0);
            open(&folder, &path, (flags, how, fd_flags), may, may_write)?
        }
        _ if how & CREATE != 0 => return Err(Errno::ReadOnly.into()),
        _ => return Err(Errno::NoEntry.into()),
    };
    let fd = guest.descriptors.add(opened)?;
    memory.put_u32(to, fd)
}

/// Opens a file or a folder, and nothing else: a pipe or a device could hold the guest up.
fn open(
    folder: &Dir,
    path: &str,
    (flags, how, fd_flags): (u32, u32, u32),
    (may_read, mut may_write): (bool, bool),
    may_change: bool,
) -> Result<Descriptor, Fault> {
    let is_folder = check_kind(folder, path, flags)?;
    if how & FOLDER != 0 || is_folder == Some(true) {
        if is_folder == Some(false) {
            return Err(Errno::NotDirectory.into());
        }
        if how & (CREATE | TRUNCATE) != 0 && is_folder.is_some() {
            return Err(
                if how & EXCLUSIVE != 0 { Errno::Exists } else { Errno::IsDirectory }.into()
            );
        }
        let place = Place::Real(Arc::new(folder.open_dir(path)?));
        return Ok(Descriptor::Folder(Folder::within(place, may_change)));
    }
    let changes = how & (CREATE | TRUNCATE) != 0;
    if !may_change && (changes && is_folder.is_none() || how & TRUNCATE != 0) {
        return Err(Errno::ReadOnly.into());
    }
    // Where nothing can be changed, asking for every right means those there are.
    may_write &= may_change;
    let mut options = OpenOptions::new();
    options.read(may_read || !may_write).write(may_write || changes && may_change);
    if may_change {
        options.create(how & CREATE != 0 && how & EXCLUSIVE == 0);
        options.create_new(how & CREATE != 0 && how & EXCLUSIVE != 0);
        options.truncate(how & TRUNCATE != 0);
    }
    let file = folder.open_with(path, &options)?;
    let appends = fd_flags & FLAG_APPEND != 0;
    Ok(Descriptor::File(Open { file, may_read: may_read || !may_write, may_write, appends }))
}

/// Whether a path is a folder or a file; `None` if there is nothing.
fn check_kind(folder: &Dir, path: &str, flags: u32) -> Result<Option<bool>, Fault> {
    if flags & FOLLOW == 0
        && folder.symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
    {
        return Err(Errno::Loop.into());
    }
    match folder.metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(Some(true)),
        Ok(metadata) if metadata.is_file() => Ok(Some(false)),
        Ok(_) => Err(Errno::Access.into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn path_readlink(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    path: u32,
    length: u32,
    to: u32,
    room: u32,
    used: u32,
) -> Outcome {
    let path = memory.text(path, length)?;
    let target = guest.descriptors.folder(fd)?.real()?.read_link(path)?;
    let target = target.to_str().ok_or(Errno::NotUnicode)?;
    let count = target.len().min(room as usize);
    memory.put(to, &target.as_bytes()[..count])?;
    memory.put_u32(used, count as u32)
}

pub(crate) fn path_remove_directory(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    path: u32,
    length: u32,
) -> Outcome {
    let path = memory.text(path, length)?;
    Ok(guest.descriptors.folder(fd)?.to_change()?.remove_dir(path)?)
}

pub(crate) fn path_rename(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    path: u32,
    length: u32,
    to_fd: u32,
    to: u32,
    to_length: u32,
) -> Outcome {
    let (path, to) = (memory.text(path, length)?, memory.text(to, to_length)?);
    let folder = guest.descriptors.folder(fd)?.to_change()?;
    let to_folder = guest.descriptors.folder(to_fd)?.to_change()?;
    Ok(folder.rename(path, &to_folder, to)?)
}

/// Makes no link: whoever looks at the folder later would follow it to wherever the program wants.
pub(crate) fn path_symlink(
    _: &mut Guest,
    _: &mut Bytes<'_>,
    _target: u32,
    _target_length: u32,
    _fd: u32,
    _path: u32,
    _length: u32,
) -> Outcome {
    Err(Errno::Permission.into())
}

pub(crate) fn path_unlink_file(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    path: u32,
    length: u32,
) -> Outcome {
    let path = memory.text(path, length)?;
    Ok(guest.descriptors.folder(fd)?.to_change()?.remove_file(path)?)
}
