//! A folder of compiled interpreters that somebody else had their hands in.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use mynah_sandbox::{Program, Sandbox, SandboxError};

use support::{cache, files, output, wasi, worker};

/// A copy of the folder in which the interpreter is compiled already.
fn copy() -> (tempfile::TempDir, PathBuf) {
    // Makes it, if no other test has.
    wasi();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(cache()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let compiled = compiled_in(folder.path());
    (folder, compiled)
}

fn compiled_in(folder: &Path) -> PathBuf {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.extension().is_some_and(|end| end == "compiled")).unwrap()
}

fn open(folder: &Path) -> Result<Sandbox, SandboxError> {
    Sandbox::wasi(&files(), folder, &worker(), 1)
}

fn complaint(folder: &Path) -> String {
    open(folder).err().expect("a folder that is not ours").to_string()
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let (folder, compiled) = copy();
    for (path, mode) in [(folder.path(), 0o770), (folder.path(), 0o707), (&compiled, 0o620)] {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let complaint = complaint(folder.path());
        assert!(complaint.contains("others can write to it"), "{complaint}");
        fs::set_permissions(path, before).unwrap();
    }
    let within = folder.path().join("open");
    fs::create_dir(&within).unwrap();
    fs::set_permissions(&within, fs::Permissions::from_mode(0o777)).unwrap();
    let complaint = complaint(&within.join("cache"));
    assert!(complaint.contains("everybody can replace what is in it"), "{complaint}");
    assert!(open(folder.path()).is_ok());
}

#[test]
fn a_link_in_place_of_the_file_is_refused() {
    let (folder, compiled) = copy();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&compiled, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &compiled).unwrap();
    assert!(complaint(folder.path()).starts_with("cannot read"));
}

/// Both files belong together, and yet it is no machine code: the child says so, and ends.
#[test]
fn rubbish_with_its_own_checksum_is_not_loaded() {
    use sha2::{Digest as _, Sha256};
    let (folder, compiled) = copy();
    let sum_path = PathBuf::from(format!("{}.sha256", compiled.display()));
    let whole = fs::read(&compiled).unwrap();
    for rubbish in [b"rubbish".to_vec(), whole[..whole.len() / 2].to_vec(), whole[64..].to_vec()] {
        let sum: String = Sha256::digest(&rubbish).iter().map(|b| format!("{b:02x}")).collect();
        fs::write(&compiled, rubbish).unwrap();
        fs::write(&sum_path, sum).unwrap();
        assert!(complaint(folder.path()).starts_with("the sandbox's process does not start"));
    }
}

#[test]
fn what_changes_after_it_was_checked_is_not_loaded() {
    let (folder, compiled) = copy();
    let sandbox = open(folder.path()).unwrap();
    assert_eq!(output(&sandbox, "print(1)", None), "1\n");
    // The same bytes, written again: nobody looked at them.
    let bytes = fs::read(&compiled).unwrap();
    fs::remove_file(&compiled).unwrap();
    fs::write(&compiled, bytes).unwrap();
    let run =
        |_| sandbox.run(&Program::new("print(1)"), &support::limits(), &AtomicBool::new(false));
    // At most two children were started before.
    let refused = (0..3).map(run).find_map(Result::err).expect("a changed interpreter is refused");
    assert!(refused.to_string().contains("changed since it was checked"), "{refused}");
}

#[test]
fn a_damaged_file_is_made_again_and_another_interpreter_is_refused() {
    let (folder, compiled) = copy();
    let mut bytes = fs::read(&compiled).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&compiled, bytes).unwrap();
    // It would be made again from this, which is not what it should be.
    let other = folder.path().join("other.wasm");
    fs::write(&other, "\0asm").unwrap();
    let files = mynah_sandbox::WasiFiles { module: other, ..files() };
    let error = Sandbox::wasi(&files, folder.path(), &worker(), 1).err().unwrap();
    assert!(matches!(error, SandboxError::OtherInterpreter { .. }), "{error}");
}

#[test]
fn the_folder_itself_is_never_granted() {
    let (folder, _) = copy();
    let sandbox = open(folder.path()).unwrap();
    let within = folder.path().join("a");
    fs::create_dir(&within).unwrap();
    for granted in [folder.path(), &within, folder.path().parent().unwrap(), Path::new("/")] {
        let program = Program { folder: Some(granted), ..Program::new("print(1)") };
        let error = sandbox.run(&program, &support::limits(), &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(error, SandboxError::NotGranted { .. }), "{error}");
    }
    let program = Program { folder: Some(Path::new("/nowhere")), ..Program::new("print(1)") };
    let error = sandbox.run(&program, &support::limits(), &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().starts_with("cannot read /nowhere"), "{error}");
}
