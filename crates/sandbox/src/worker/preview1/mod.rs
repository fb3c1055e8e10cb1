//! The system calls of WASI preview 1, on nothing but what a guest has been given.
//!
//! Each is a function of the guest's state and its memory, without a way to anything else: no
//! sockets, no environment, a clock and randomness of its own (`guest.rs`). Paths are looked up by
//! `cap-std`, which never leaves the folder that it is given, by `..`, a link or otherwise. What is
//! written is counted here, where it is written.
//!
//! Why not `wasmtime-wasi`: it fixes the folders before the interpreter starts, and a child that waits
//! to be used does not know its folder yet; it counts neither bytes nor files; and the component
//! model and the asynchronous runtime below it take longer to build than Wasmtime's compiler.
//!
//! Source: the "wasi_snapshot_preview1" documents of the WASI repository, whose names these are.

mod descriptors;
mod files;
mod memory;
mod paths;
mod system;

use wasmtime::{Caller, Linker};

pub(crate) use descriptors::Descriptors;

use super::guest::{Ended, Guest};
use super::wasi::set_time;
use memory::Bytes;

/// The numbers by which a call says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Errno {
    Access = 2,
    BadDescriptor = 8,
    Exists = 20,
    Fault = 21,
    TooBig = 22,
    NotUnicode = 25,
    Invalid = 28,
    Io = 29,
    IsDirectory = 31,
    Loop = 32,
    TooManyOpen = 33,
    NameTooLong = 37,
    NoEntry = 44,
    NoSpace = 51,
    NotImplemented = 52,
    NotDirectory = 54,
    NotEmpty = 55,
    NotSocket = 57,
    NotSupported = 58,
    Permission = 63,
    ReadOnly = 69,
    NotSeekable = 70,
    OtherDevice = 75,
}

/// Why a call did not do what was asked.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The guest is told a number.
    Errno(Errno),
    /// The guest is ended.
    End(Ended),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Ended> for Fault {
    fn from(end: Ended) -> Self {
        Self::End(end)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        Self::Errno(match error.kind() {
            ErrorKind::NotFound => Errno::NoEntry,
            ErrorKind::PermissionDenied => Errno::Access,
            ErrorKind::AlreadyExists => Errno::Exists,
            ErrorKind::InvalidInput => Errno::Invalid,
            ErrorKind::IsADirectory => Errno::IsDirectory,
            ErrorKind::NotADirectory => Errno::NotDirectory,
            ErrorKind::DirectoryNotEmpty => Errno::NotEmpty,
            ErrorKind::FileTooLarge => Errno::TooBig,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Errno::NoSpace,
            ErrorKind::ReadOnlyFilesystem => Errno::ReadOnly,
            ErrorKind::CrossesDevices => Errno::OtherDevice,
            ErrorKind::InvalidFilename => Errno::NameTooLong,
            ErrorKind::NotSeekable => Errno::NotSeekable,
            ErrorKind::Unsupported => Errno::NotSupported,
            _ => Errno::Io,
        })
    }
}

/// What a call gives.
type Outcome = Result<(), Fault>;

/// Makes the functions of the modules below those that a guest imports.
macro_rules! functions {
    ($linker:ident; $($module:ident::$name:ident($($argument:ident: $type:ty),*);)*) => {
        $($linker.func_wrap(
            "wasi_snapshot_preview1",
            stringify!($name),
            |mut caller: Caller<'_, Guest>, $($argument: $type),*| {
                call(&mut caller, |guest, memory| {
                    $module::$name(guest, &mut Bytes(memory), $($argument),*)
                })
            },
        )?;)*
    };
}

/// Adds all of WASI preview 1 to what a guest may import.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    functions! { linker;
        system::args_get(words: u32, text: u32);
        system::args_sizes_get(count: u32, bytes: u32);
        system::environ_get(words: u32, text: u32);
        system::environ_sizes_get(count: u32, bytes: u32);
        system::clock_res_get(clock: u32, to: u32);
        system::clock_time_get(clock: u32, precision: u64, to: u32);
        system::poll_oneoff(asked: u32, events: u32, count: u32, to: u32);
        system::sched_yield();
        system::random_get(to: u32, length: u32);
        system::proc_raise(signal: u32);
        system::sock_accept(fd: u32, flags: u32, to: u32);
        system::sock_recv(fd: u32, to: u32, count: u32, flags: u32, length: u32, found: u32);
        system::sock_send(fd: u32, from: u32, count: u32, flags: u32, length: u32);
        system::sock_shutdown(fd: u32, how: u32);
        files::fd_advise(fd: u32, offset: u64, length: u64, advice: u32);
        files::fd_allocate(fd: u32, offset: u64, length: u64);
        files::fd_close(fd: u32);
        files::fd_datasync(fd: u32);
        files::fd_fdstat_get(fd: u32, to: u32);
        files::fd_fdstat_set_flags(fd: u32, flags: u32);
        files::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        files::fd_filestat_get(fd: u32, to: u32);
        files::fd_filestat_set_size(fd: u32, size: u64);
        files::fd_filestat_set_times(fd: u32, read: u64, changed: u64, flags: u32);
        files::fd_pread(fd: u32, vectors: u32, count: u32, offset: u64, to: u32);
        files::fd_prestat_get(fd: u32, to: u32);
        files::fd_prestat_dir_name(fd: u32, to: u32, length: u32);
        files::fd_pwrite(fd: u32, vectors: u32, count: u32, offset: u64, to: u32);
        files::fd_readdir(fd: u32, to: u32, length: u32, cookie: u64, used: u32);
        files::fd_renumber(fd: u32, onto: u32);
        files::fd_seek(fd: u32, offset: i64, whence: u32, to: u32);
        files::fd_sync(fd: u32);
        files::fd_tell(fd: u32, to: u32);
        files::fd_write(fd: u32, vectors: u32, count: u32, to: u32);
        paths::path_create_directory(fd: u32, path: u32, length: u32);
        paths::path_filestat_get(fd: u32, flags: u32, path: u32, length: u32, to: u32);
        paths::path_filestat_set_times(
            fd: u32, flags: u32, path: u32, length: u32, read: u64, changed: u64, which: u32
        );
        paths::path_link(
            fd: u32, flags: u32, path: u32, length: u32, to_fd: u32, to: u32, to_length: u32
        );
        paths::path_open(
            fd: u32, flags: u32, path: u32, length: u32, how: u32, base: u64, inheriting: u64,
            fd_flags: u32, to: u32
        );
        paths::path_readlink(fd: u32, path: u32, length: u32, to: u32, room: u32, used: u32);
        paths::path_remove_directory(fd: u32, path: u32, length: u32);
        paths::path_rename(fd: u32, path: u32, length: u32, to_fd: u32, to: u32, to_length: u32);
        paths::path_symlink(target: u32, target_length: u32, fd: u32, path: u32, length: u32);
        paths::path_unlink_file(fd: u32, path: u32, length: u32);
    }
    linker.func_wrap("wasi_snapshot_preview1", "fd_read", fd_read)?;
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "proc_exit",
        |code: u32| -> wasmtime::Result<()> { Err(wasmtime::Error::new(Ended::Exit(code as i32))) },
    )?;
    Ok(())
}

/// Reading, where it may be the next cell that is waited for, whose time begins then.
fn fd_read(
    mut caller: Caller<'_, Guest>,
    fd: u32,
    vectors: u32,
    count: u32,
    to: u32,
) -> wasmtime::Result<u32> {
    let guest = caller.data_mut();
    if guest.descriptors.is_control(fd) && guest.wants_cell() {
        let limits = guest.next_cell().map_err(wasmtime::Error::new)?;
        set_time(&mut caller, limits.seconds);
    }
    call(&mut caller, |guest, memory| {
        files::fd_read(guest, &mut Bytes(memory), fd, vectors, count, to)
    })
}

/// Calls one function: its fault becomes a number for the guest, or the guest's end.
fn call(
    caller: &mut Caller<'_, Guest>,
    function: impl FnOnce(&mut Guest, &mut [u8]) -> Outcome,
) -> wasmtime::Result<u32> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // A start function that runs before the instance is there.
        None => caller
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| wasmtime::Error::msg("the interpreter exports no memory"))?,
    };
    let (bytes, guest) = memory.data_and_store_mut(caller);
    match function(guest, bytes) {
        Ok(()) => Ok(0),
        Err(Fault::Errno(errno)) => Ok(errno as u32),
        Err(Fault::End(end)) => Err(wasmtime::Error::new(end)),
    }
}
