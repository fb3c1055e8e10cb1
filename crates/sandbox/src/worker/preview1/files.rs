//! Calls on what is open: reading, writing, seeking, lists of folders.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::{Duration, SystemTime};

use cap_std::fs::Metadata;

use super::descriptors::{Descriptor, Entry, Folder, Open, Place};
use super::memory::{Bytes, Piece};
use super::{Errno, Fault, Outcome};
use crate::worker::guest::Guest;

const KIND_CHARACTERS: u8 = 2;
const KIND_FOLDER: u8 = 3;
const KIND_FILE: u8 = 4;
const KIND_LINK: u8 = 7;

/// The rights by which the C library learns how a file was opened.
pub(crate) const RIGHT_READ: u64 = 1 << 1;
pub(crate) const RIGHT_WRITE: u64 = 1 << 6;
/// The rights to go to a position and to ask for it.
const RIGHTS_OF_PLACE: u64 = 1 << 2 | 1 << 5;
/// The right to be asked for a position, by which the C library tells what is no terminal.
const NO_TERMINAL: u64 = 1 << 5;
const ALL_RIGHTS: u64 = (1 << 30) - 1;

pub(crate) const FLAG_APPEND: u32 = 1;

/// The most lines of a folder's list that a guest is shown.
const MOST_ENTRIES: usize = 100_000;

pub(crate) fn fd_advise(
    guest: &mut Guest,
    _: &mut Bytes<'_>,
    fd: u32,
    _offset: u64,
    _length: u64,
    _advice: u32,
) -> Outcome {
    guest.descriptors.file(fd).map(drop)
}

pub(crate) fn fd_allocate(
    guest: &mut Guest,
    _: &mut Bytes<'_>,
    fd: u32,
    _offset: u64,
    _length: u64,
) -> Outcome {
    guest.descriptors.file(fd)?;
    Err(Errno::NotSupported.into())
}

pub(crate) fn fd_close(guest: &mut Guest, _: &mut Bytes<'_>, fd: u32) -> Outcome {
    guest.descriptors.close(fd)
}

pub(crate) fn fd_datasync(guest: &mut Guest, memory: &mut Bytes<'_>, fd: u32) -> Outcome {
    fd_sync(guest, memory, fd)
}

/// What a program leaves need not outlive a power cut, so there is nothing to wait for.
pub(crate) fn fd_sync(guest: &mut Guest, _: &mut Bytes<'_>, fd: u32) -> Outcome {
    guest.descriptors.get(fd).map(drop)
}

pub(crate) fn fd_fdstat_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    to: u32,
) -> Outcome {
    let (kind, flags, rights) = match guest.descriptors.get(fd)? {
        Descriptor::Stdin => (KIND_CHARACTERS, 0, RIGHT_READ | NO_TERMINAL),
        Descriptor::Print { .. } => (KIND_CHARACTERS, 0, RIGHT_WRITE | NO_TERMINAL),
        Descriptor::Control => (KIND_CHARACTERS, 0, RIGHT_READ | RIGHT_WRITE),
        Descriptor::Folder(_) => (KIND_FOLDER, 0, ALL_RIGHTS),
        Descriptor::File(open) => {
            let read = if open.may_read { RIGHT_READ | RIGHTS_OF_PLACE } else { 0 };
            let write = if open.may_write { RIGHT_WRITE | RIGHTS_OF_PLACE } else { 0 };
            (KIND_FILE, if open.appends { FLAG_APPEND as u16 } else { 0 }, read | write)
        }
    };
    let mut stat = [0; 24];
    stat[0] = kind;
    stat[2..4].copy_from_slice(&flags.to_le_bytes());
    stat[8..16].copy_from_slice(&rights.to_le_bytes());
    let inherited = if kind == KIND_FOLDER { ALL_RIGHTS } else { 0 };
    stat[16..24].copy_from_slice(&inherited.to_le_bytes());
    memory.put(to, &stat)
}

pub(crate) fn fd_fdstat_set_flags(
    guest: &mut Guest,
    _: &mut Bytes<'_>,
    fd: u32,
    flags: u32,
) -> Outcome {
    if let Descriptor::File(open) = guest.descriptors.get(fd)? {
        open.appends = flags & FLAG_APPEND != 0;
    }
    Ok(())
}

pub(crate) fn fd_fdstat_set_rights(
    guest: &mut Guest,
    _: &mut Bytes<'_>,
    fd: u32,
    base: u64,
    _inheriting: u64,
) -> Outcome {
    if let Descriptor::File(open) = guest.descriptors.get(fd)? {
        open.may_read &= base & RIGHT_READ != 0;
        open.may_write &= base & RIGHT_WRITE != 0;
    }
    Ok(())
}

pub(crate) fn fd_filestat_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    to: u32,
) -> Outcome {
    let stat = match guest.descriptors.get(fd)? {
        Descriptor::File(open) => filestat(&open.file.metadata()?),
        Descriptor::Folder(Folder { place: Place::Real(folder), .. }) => {
            filestat(&folder.dir_metadata()?)
        }
        Descriptor::Folder(_) => empty_stat(KIND_FOLDER),
        _ => empty_stat(KIND_CHARACTERS),
    };
    memory.put(to, &stat)
}

pub(crate) fn fd_filestat_set_size(
    guest: &mut Guest,
    _: &mut Bytes<'_>,
    fd: u32,
    size: u64,
) -> Outcome {
    let largest = guest.largest_file();
    let open = to_write(guest, fd)?;
    let before = open.file.metadata()?.len();
    if size > before.max(largest) {
        return Err(Errno::TooBig.into());
    }
    // What is made longer counts as written, though it is zeros.
    guest.write(size.saturating_sub(before))?;
    Ok(to_write(guest, fd)?.file.set_len(size)?)
}

pub(crate) fn fd_filestat_set_times(
    guest: &mut Guest,
    _: &mut Bytes<'_>,
    fd: u32,
    read: u64,
    changed: u64,
    which: u32,
) -> Outcome {
    let times = times(guest, read, changed, which);
    let open = to_write(guest, fd)?;
    // `cap-std` keeps what it opens within the folder; the times of an open file need no path.
    Ok(open.file.try_clone()?.into_std().set_times(times)?)
}

/// The times that a call wants set.
pub(crate) fn times(guest: &mut Guest, read: u64, changed: u64, which: u32) -> std::fs::FileTimes {
    let now = guest.clock.look(false);
    let time = |at: u64| SystemTime::UNIX_EPOCH + Duration::from_nanos(at);
    let mut times = std::fs::FileTimes::new();
    match which & 3 {
        1 => times = times.set_accessed(time(read)),
        2 | 3 => times = times.set_accessed(time(now)),
        _ => {}
    }
    match (which >> 2) & 3 {
        1 => times = times.set_modified(time(changed)),
        2 | 3 => times = times.set_modified(time(now)),
        _ => {}
    }
    times
}

pub(crate) fn fd_prestat_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    to: u32,
) -> Outcome {
    let name = given(guest, fd)?;
    memory.put_u32(to, 0)?;
    memory.put_u32(to.saturating_add(4), name.len() as u32)
}

pub(crate) fn fd_prestat_dir_name(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    to: u32,
    length: u32,
) -> Outcome {
    let name = given(guest, fd)?;
    if (length as usize) < name.len() {
        return Err(Errno::NameTooLong.into());
    }
    memory.put(to, name.as_bytes())
}

/// The name of a folder that a guest has from the beginning.
fn given(guest: &mut Guest, fd: u32) -> Result<&'static str, Fault> {
    match guest.descriptors.get(fd)? {
        Descriptor::Folder(Folder { name: Some(name), .. }) => Ok(name),
        _ => Err(Errno::BadDescriptor.into()),
    }
}

pub(crate) fn fd_renumber(guest: &mut Guest, _: &mut Bytes<'_>, fd: u32, onto: u32) -> Outcome {
    guest.descriptors.renumber(fd, onto)
}

pub(crate) fn fd_seek(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    offset: i64,
    whence: u32,
    to: u32,
) -> Outcome {
    let target = match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Invalid)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::Invalid.into()),
    };
    let at = guest.descriptors.file(fd)?.file.seek(target)?;
    memory.put_u64(to, at)
}

pub(crate) fn fd_tell(guest: &mut Guest, memory: &mut Bytes<'_>, fd: u32, to: u32) -> Outcome {
    let at = guest.descriptors.file(fd)?.file.stream_position()?;
    memory.put_u64(to, at)
}

pub(crate) fn fd_read(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    to: u32,
) -> Outcome {
    let pieces = memory.pieces(vectors, count)?;
    let total = match guest.descriptors.get(fd)? {
        Descriptor::Stdin => fill(memory, &pieces, |buffer| Ok(guest.stdin.read(buffer))),
        Descriptor::Control => fill(memory, &pieces, |buffer| Ok(guest.source.read(buffer))),
        Descriptor::Print { .. } => Err(Errno::BadDescriptor.into()),
        Descriptor::Folder(_) => Err(Errno::IsDirectory.into()),
        Descriptor::File(open) if !open.may_read => Err(Errno::BadDescriptor.into()),
        Descriptor::File(open) => fill(memory, &pieces, |buffer| Ok(open.file.read(buffer)?)),
    }?;
    memory.put_u32(to, total)
}

pub(crate) fn fd_pread(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    offset: u64,
    to: u32,
) -> Outcome {
    let pieces = memory.pieces(vectors, count)?;
    let open = guest.descriptors.file(fd)?;
    if !open.may_read {
        return Err(Errno::BadDescriptor.into());
    }
    let total = elsewhere(open, offset, |open| {
        fill(memory, &pieces, |buffer| Ok(open.file.read(buffer)?))
    })?;
    memory.put_u32(to, total)
}

/// Fills the pieces until one of them stays unfilled.
fn fill(
    memory: &mut Bytes<'_>,
    pieces: &[Piece],
    mut read: impl FnMut(&mut [u8]) -> Result<usize, Fault>,
) -> Result<u32, Fault> {
    let mut total = 0;
    for piece in pieces.iter().filter(|piece| piece.length > 0) {
        let count = read(memory.piece(piece.at, piece.length)?)? as u32;
        total += count;
        if count < piece.length {
            break;
        }
    }
    Ok(total)
}

/// Does something at another place of a file, and comes back.
fn elsewhere<T>(
    open: &mut Open,
    offset: u64,
    act: impl FnOnce(&mut Open) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let here = open.file.stream_position()?;
    open.file.seek(SeekFrom::Start(offset))?;
    let outcome = act(open);
    open.file.seek(SeekFrom::Start(here))?;
    outcome
}

pub(crate) fn fd_write(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    to: u32,
) -> Outcome {
    let pieces = memory.pieces(vectors, count)?;
    let mut total = 0;
    for piece in pieces {
        let bytes = memory.piece(piece.at, piece.length)?;
        match guest.descriptors.get(fd)? {
            Descriptor::Print { is_error } => {
                let is_error = *is_error;
                guest.print(bytes, is_error)?;
            }
            Descriptor::Control => guest.tell(bytes),
            Descriptor::File(_) => {
                let open = to_write(guest, fd)?;
                if open.appends {
                    open.file.seek(SeekFrom::End(0))?;
                }
                put(guest, fd, bytes)?;
            }
            Descriptor::Stdin | Descriptor::Folder(_) => return Err(Errno::BadDescriptor.into()),
        }
        total += piece.length;
    }
    memory.put_u32(to, total)
}

pub(crate) fn fd_pwrite(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    offset: u64,
    to: u32,
) -> Outcome {
    let pieces = memory.pieces(vectors, count)?;
    let here = to_write(guest, fd)?.file.stream_position()?;
    to_write(guest, fd)?.file.seek(SeekFrom::Start(offset))?;
    let mut total = 0;
    for piece in pieces {
        put(guest, fd, memory.piece(piece.at, piece.length)?)?;
        total += piece.length;
    }
    to_write(guest, fd)?.file.seek(SeekFrom::Start(here))?;
    memory.put_u32(to, total)
}

/// Writes to a file where it stands, if that much may still be written.
///
/// A place beyond the file's end makes a file with a hole; the hole counts too.
fn put(guest: &mut Guest, fd: u32, bytes: &[u8]) -> Outcome {
    let open = to_write(guest, fd)?;
    let hole = open.file.stream_position()?.saturating_sub(open.file.metadata()?.len());
    guest.write(hole.saturating_add(bytes.len() as u64))?;
    Ok(to_write(guest, fd)?.file.write_all(bytes)?)
}

fn to_write(guest: &mut Guest, fd: u32) -> Result<&mut Open, Fault> {
    let open = guest.descriptors.file(fd)?;
    if open.may_write { Ok(open) } else { Err(Errno::BadDescriptor.into()) }
}

pub(crate) fn fd_readdir(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    fd: u32,
    to: u32,
    length: u32,
    cookie: u64,
    used: u32,
) -> Outcome {
    let folder = guest.descriptors.folder(fd)?;
    if cookie == 0 {
        folder.list = list(&folder.place)?;
    }
    let mut bytes = Vec::new();
    for (i, entry) in folder.list.iter().enumerate().skip(cookie as usize) {
        bytes.extend((i as u64 + 1).to_le_bytes());
        bytes.extend(entry.inode.to_le_bytes());
        bytes.extend((entry.name.len() as u32).to_le_bytes());
        bytes.extend([entry.kind, 0, 0, 0]);
        bytes.extend(entry.name.as_bytes());
        if bytes.len() >= length as usize {
            break;
        }
    }
    // A line that is cut off says that there is more.
    bytes.truncate(length as usize);
    memory.put(to, &bytes)?;
    memory.put_u32(used, bytes.len() as u32)
}

fn list(place: &Place) -> Result<Vec<Entry>, Fault> {
    let dots = [".", ".."].map(|name| Entry { name: name.into(), inode: 0, kind: KIND_FOLDER });
    let mut list = Vec::from(dots);
    let Place::Real(folder) = place else { return Ok(list) };
    for entry in folder.entries()?.take(MOST_ENTRIES) {
        let entry = entry?;
        // A name that is no text cannot be asked for.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        let inode = inode(&metadata).1;
        list.push(Entry { name, inode, kind: kind(&metadata) });
    }
    list[2..].sort_by(|a, b| a.name.cmp(&b.name));
    Ok(list)
}

fn kind(metadata: &Metadata) -> u8 {
    match metadata {
        _ if metadata.is_dir() => KIND_FOLDER,
        _ if metadata.is_file() => KIND_FILE,
        _ if metadata.is_symlink() => KIND_LINK,
        _ => 0,
    }
}

/// The device and number of a file, and how many names it has.
#[cfg(unix)]
fn inode(metadata: &Metadata) -> (u64, u64, u64) {
    use cap_std::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino(), metadata.nlink())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, u64, u64) {
    (0, 0, 1)
}

/// A file's facts as WASI lays them out.
pub(crate) fn filestat(metadata: &Metadata) -> [u8; 64] {
    let mut stat = empty_stat(kind(metadata));
    let (device, number, names) = inode(metadata);
    let time = |time: std::io::Result<cap_std::time::SystemTime>| {
        let time = time.map(cap_std::time::SystemTime::into_std).ok();
        let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_nanos() as u64)
    };
    let changed = time(metadata.modified());
    for (at, number) in [
        (0, device),
        (8, number),
        (24, names),
        (32, metadata.len()),
        (40, time(metadata.accessed())),
        (48, changed),
        (56, changed),
    ] {
        stat[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    stat
}

/// The facts of a file that is none of the machine's.
pub(crate) fn empty_stat(kind: u8) -> [u8; 64] {
    let mut stat = [0; 64];
    stat[16] = kind;
    stat[24] = 1;
    stat
}

/// The facts of an empty folder.
pub(crate) fn empty_folder_stat() -> [u8; 64] {
    empty_stat(KIND_FOLDER)
}
