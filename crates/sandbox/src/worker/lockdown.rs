//! Gives up what a program has no need of, so that a fault of the interpreter's host is worth little.
//!
//! On Linux: no new privileges, no core dumps, bounds on open files, memory and processor time; with
//! Landlock no file but those of the granted folder, no network and no signals; with seccomp no
//! system call but those that reading and writing files take, no new process and no new executable
//! memory. A kernel without Landlock keeps the rest: this stands behind Wasmtime, not instead of it.
//! On other systems of Unix only the bounds; elsewhere nothing.

use std::path::Path;

use crate::Limits;

/// The most files that the child may have open.
const OPEN_FILES: u64 = 512;

/// What the child itself may take of memory, beside its guest.
const OWN_BYTES: u64 = 512 << 20;

/// What can be given up before the interpreter is loaded.
#[cfg(unix)]
pub(super) fn first() -> Result<(), String> {
    use rustix::process::Resource;
    bound(Resource::Core, 0);
    bound(Resource::Nofile, OPEN_FILES);
    #[cfg(target_os = "linux")]
    {
        rustix::thread::set_no_new_privs(true)
            .map_err(|error| format!("new privileges cannot be given up: {error}"))?;
        let hidden = rustix::process::DumpableBehavior::NotDumpable;
        rustix::process::set_dumpable_behavior(hidden)
            .map_err(|error| format!("the process cannot be hidden from others: {error}"))?;
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere this can fail")]
pub(super) fn first() -> Result<(), String> {
    Ok(())
}

/// What is given up once the folder is known and while there is one thread: files and network.
pub(super) fn files(granted: Option<&Path>, library: Option<&Path>) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    linux::landlock(granted, library)?;
    let _ = (granted, library);
    Ok(())
}

/// What is given up last, by all threads: system calls.
pub(super) fn calls() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    linux::seccomp()?;
    Ok(())
}

/// Binds a process within bubblewrap's namespaces: it reads what is there, and changes two folders.
#[cfg(target_os = "linux")]
pub(super) fn tree(granted: &Path, temporary: &Path) -> Result<(), String> {
    linux::landlock_tree(granted, temporary)
}

/// Gives up the system calls that Python and its packages have no need of.
#[cfg(target_os = "linux")]
pub(super) fn python_calls() -> Result<(), String> {
    linux::seccomp_for_python()
}

/// Bounds memory and processor time, from outside the interpreter's own count.
pub(super) fn bounds(limits: &Limits) {
    #[cfg(unix)]
    {
        use rustix::process::Resource;
        use rustix::time::{ClockId, clock_gettime};
        bound(Resource::Data, limits.memory_bytes.saturating_add(OWN_BYTES));
        let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec as u64;
        bound(
            Resource::Cpu,
            used.saturating_add(limits.seconds.max(0.0) as u64).saturating_add(10),
        );
    }
    let _ = (limits, OPEN_FILES, OWN_BYTES);
}

/// Lowers a limit, as far as the hard one lets it be raised again for the next cell.
#[cfg(unix)]
fn bound(resource: rustix::process::Resource, at_most: u64) {
    let hard = rustix::process::getrlimit(resource).maximum;
    let current = Some(hard.map_or(at_most, |hard| hard.min(at_most)));
    // A limit that cannot be lowered leaves those that hold without it.
    let _ =
        rustix::process::setrlimit(resource, rustix::process::Rlimit { current, maximum: hard });
}

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod linux;
