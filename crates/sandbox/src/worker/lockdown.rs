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
mod linux {
    use std::collections::BTreeMap;
    use std::path::Path;

    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset,
        RulesetAttr as _, RulesetCreatedAttr as _, Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, TargetArch,
    };

    /// The newest version of Landlock that is asked for; older kernels do what they know.
    const NEWEST: ABI = ABI::V6;

    pub(super) fn landlock(granted: Option<&Path>, library: Option<&Path>) -> Result<(), String> {
        restrict(granted, library).map_err(|error| format!("Landlock: {error}"))
    }

    fn restrict(
        granted: Option<&Path>,
        library: Option<&Path>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?;
        if let Some(library) = library {
            let reads: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
            rules = rules.add_rule(PathBeneath::new(PathFd::new(library)?, reads))?;
        }
        if let Some(granted) = granted {
            let changes = AccessFs::ReadFile
                | AccessFs::ReadDir
                | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
                | AccessFs::Refer;
            rules = rules.add_rule(PathBeneath::new(PathFd::new(granted)?, changes))?;
        }
        rules.restrict_self()?;
        Ok(())
    }

    pub(super) fn seccomp() -> Result<(), String> {
        let filter = filter().map_err(|error| format!("seccomp: {error}"))?;
        seccompiler::apply_filter_all_threads(&filter).map_err(|error| format!("seccomp: {error}"))
    }

    /// Lets through what files, memory, threads that exist, and time take. Everything else is refused
    /// with an error rather than the child's end: a C library may try a call it can do without.
    fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            CALLS.iter().chain(OLD_CALLS).map(|call| (*call, Vec::new())).collect();
        let execute = libc::PROT_EXEC as u64;
        let not_executable =
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(execute), 0)?;
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            rules.insert(call, vec![SeccompRule::new(vec![not_executable.clone()])?]);
        }
        let refused = SeccompAction::Errno(libc::EPERM as u32);
        SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()
    }

    const CALLS: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_clock_getres,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_close,
        libc::SYS_dup,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_faccessat,
        libc::SYS_fcntl,
        libc::SYS_fstat,
        libc::SYS_fstatfs,
        libc::SYS_ftruncate,
        libc::SYS_futex,
        libc::SYS_getdents64,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_gettimeofday,
        libc::SYS_linkat,
        libc::SYS_lseek,
        libc::SYS_madvise,
        libc::SYS_mkdirat,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_newfstatat,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_ppoll,
        libc::SYS_pread64,
        libc::SYS_prlimit64,
        libc::SYS_pwrite64,
        libc::SYS_read,
        libc::SYS_readlinkat,
        libc::SYS_readv,
        libc::SYS_renameat,
        libc::SYS_renameat2,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_yield,
        libc::SYS_set_robust_list,
        libc::SYS_sigaltstack,
        libc::SYS_statx,
        libc::SYS_unlinkat,
        libc::SYS_utimensat,
        libc::SYS_write,
        libc::SYS_writev,
    ];

    /// Calls that younger architectures have not.
    #[cfg(target_arch = "x86_64")]
    const OLD_CALLS: &[i64] = &[
        libc::SYS_mkdir,
        libc::SYS_open,
        libc::SYS_poll,
        libc::SYS_readlink,
        libc::SYS_rename,
        libc::SYS_rmdir,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_unlink,
    ];
    #[cfg(not(target_arch = "x86_64"))]
    const OLD_CALLS: &[i64] = &[];
}
