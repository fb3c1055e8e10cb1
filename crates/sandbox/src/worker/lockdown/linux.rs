//! Landlock and seccomp.

use std::collections::BTreeMap;
use std::path::Path;

use super::calls;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The newest version of Landlock that is asked for; older kernels do what they know.
const NEWEST: ABI = ABI::V6;

pub(in crate::worker) fn landlock(
    granted: Option<&Path>,
    library: Option<&Path>,
) -> Result<(), String> {
    restrict(granted, library).map_err(|error| format!("Landlock: {error}"))
}

/// Within bubblewrap: everything that is there can be read, a few places can be changed. Refused
/// where the kernel has no Landlock.
pub(in crate::worker) fn landlock_tree(granted: &Path, temporary: &Path) -> Result<(), String> {
    let status = restrict_tree(granted, temporary).map_err(|error| format!("Landlock: {error}"))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => {
            Err("the kernel has no Landlock (Linux 5.13, with `landlock` \
            among the security modules it starts)"
                .into())
        }
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn restrict_tree(granted: &Path, temporary: &Path) -> Fallible<RestrictionStatus> {
    let reads: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let mut rules = denied()?.add_rule(PathBeneath::new(PathFd::new("/")?, reads))?;
    for place in [granted, temporary] {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(place)?, changes()))?;
    }
    for device in ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"] {
        let both = AccessFs::ReadFile | AccessFs::WriteFile;
        rules = rules.add_rule(PathBeneath::new(PathFd::new(device)?, both))?;
    }
    Ok(rules.restrict_self()?)
}

/// Rules that allow nothing.
fn denied() -> Fallible<RulesetCreated> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    Ok(rules.create()?)
}

/// What may be done in a granted folder: no links, pipes, sockets or devices are made there.
fn changes() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}

fn restrict(granted: Option<&Path>, library: Option<&Path>) -> Fallible<()> {
    let mut rules = denied()?;
    if let Some(library) = library {
        let reads: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
        rules = rules.add_rule(PathBeneath::new(PathFd::new(library)?, reads))?;
    }
    if let Some(granted) = granted {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(granted)?, changes()))?;
    }
    rules.restrict_self()?;
    Ok(())
}

/// Lets through what files, memory, threads that exist, and time take, for all threads.
pub(in crate::worker) fn seccomp() -> Result<(), String> {
    let not_executable = (2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    let with_conditions =
        [libc::SYS_mmap, libc::SYS_mprotect].map(|call| (call, not_executable.clone()));
    apply(&[calls::FILES, calls::OLD_FILES], &with_conditions)
}

/// Lets through what Python and its packages take: threads, but no processes; pairs of sockets, but
/// no sockets that could be connected; signals to itself.
pub(in crate::worker) fn seccomp_for_python() -> Result<(), String> {
    // What this process is now, Python will be.
    let own = u64::from(std::process::id());
    let thread = libc::CLONE_THREAD as u64;
    let with_conditions = [
        (libc::SYS_clone, (0, SeccompCmpOp::MaskedEq(thread), thread)),
        (libc::SYS_kill, (0, SeccompCmpOp::Eq, own)),
        (libc::SYS_tgkill, (0, SeccompCmpOp::Eq, own)),
        (libc::SYS_prlimit64, (0, SeccompCmpOp::Eq, 0)),
    ];
    apply(&[calls::FILES, calls::OLD_FILES, calls::PYTHON, calls::OLD_PYTHON], &with_conditions)
}

/// A condition on the lower half of one argument.
type Condition = (u8, SeccompCmpOp, u64);

/// Every other call is answered as by a kernel that does not know it, so that a C library that can do
/// without does.
fn apply(lists: &[&[i64]], with_conditions: &[(i64, Condition)]) -> Result<(), String> {
    let filter = filter(lists, with_conditions).map_err(|error| format!("seccomp: {error}"))?;
    seccompiler::apply_filter_all_threads(&filter).map_err(|error| format!("seccomp: {error}"))
}

fn filter(
    lists: &[&[i64]],
    with_conditions: &[(i64, Condition)],
) -> Result<BpfProgram, seccompiler::BackendError> {
    let calls = lists.iter().copied().flatten();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.map(|call| (*call, vec![])).collect();
    for (call, (argument, operator, value)) in with_conditions {
        let (width, operator) = (SeccompCmpArgLen::Dword, operator.clone());
        let condition = SeccompCondition::new(*argument, width, operator, *value)?;
        rules.insert(*call, vec![SeccompRule::new(vec![condition])?]);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    SeccompFilter::new(rules, unknown, SeccompAction::Allow, arch)?.try_into()
}
