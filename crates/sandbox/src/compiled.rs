//! The interpreter, compiled for this processor: made once, kept beside the models, and checked.
//!
//! What is loaded from there is machine code, so whoever can write it can do what mynah can. What
//! keeps them from it is who may write: the folder and its files belong to the person alone, and
//! nothing is loaded from a folder of which that is not true. The checksum beside each file finds
//! what a disk or an interrupted copy did; it is no protection from somebody who can write there, for
//! they can write the checksum as well, and a secret key would lie where they can read it. (They
//! could as well replace this program.) Between the check in the host and the loading in a child
//! the file must not have changed, which its number, size and times say. No program in the sandbox
//! reaches the folder: one that contains it, or lies in it, is not granted (`sandbox.rs`).

use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Engine, Module};

use crate::SandboxError;
use crate::error::Doing as _;
use crate::sandbox::WasiFiles;

/// How deep a guest's calls may be nested, in bytes of the stack.
pub(crate) const STACK_BYTES: usize = 4 << 20;

/// An interpreter that is ready to be loaded.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    /// The file.
    pub(crate) path: PathBuf,
    /// By what it is known again.
    pub(crate) mark: String,
}

/// The settings with which interpreters are compiled and run.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK_BYTES).async_stack_size(STACK_BYTES);
    // Nobody looks at where in the interpreter a guest was ended.
    config.generate_address_map(false);
    config.wasm_backtrace_max_frames(None);
    Engine::new(&config)
}

/// Finds the compiled form of an interpreter in the folder `cache`, or makes it.
pub(crate) fn prepare(files: &WasiFiles, cache: &Path) -> Result<Compiled, SandboxError> {
    make_private(cache)?;
    check_folder(cache)?;
    let not_compiled = |error: wasmtime::Error| SandboxError::Compile {
        path: files.module.clone(),
        reason: format!("{error:#}"),
    };
    let engine = engine().map_err(not_compiled)?;
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let name = format!("{}-{:016x}.compiled", files.sha256, settings.finish());
    let (path, sum_path) = (cache.join(&name), cache.join(format!("{name}.sha256")));
    let lock_path = cache.join("lock");
    let lock = private_file(&lock_path).doing("open", &lock_path)?;
    lock.lock().doing("lock", &lock_path)?;
    if let Some(mark) = check(&path, &sum_path)? {
        return Ok(Compiled { path, mark });
    }
    let module = read_checked(&files.module, &files.sha256)?;
    let compiled = engine.precompile_module(&module).map_err(not_compiled)?;
    let sum = hex(&Sha256::digest(&compiled));
    // The sum goes first: a file without its own is made again.
    replace(&sum_path, sum.as_bytes())?;
    replace(&path, &compiled)?;
    match check(&path, &sum_path)? {
        Some(mark) => Ok(Compiled { path, mark }),
        None => Err(SandboxError::NotOurs { path, reason: "it changes while it is written" }),
    }
}

/// Loads what [`prepare`] found. Called in children only.
#[expect(
    unsafe_code,
    reason = "machine code that was compiled before: see the module's first lines"
)]
pub(crate) fn load(engine: &Engine, path: &Path, mark: &str) -> wasmtime::Result<Module> {
    let file = open_plain(path)?;
    if mark_of(&file.metadata()?) != mark {
        return Err(wasmtime::Error::msg("the compiled interpreter changed since it was checked"));
    }
    // SAFETY: the file is what `precompile_module` gave: `prepare` compared its checksum, found that
    // nobody but the person can write it, and it has not been written since. That the person does
    // not change it while it is mapped is the same promise that this program's own file rests on.
    unsafe { Module::deserialize_open_file(engine, file) }
}

/// The mark of a compiled interpreter; `None` if it is not there or not what was written.
fn check(path: &Path, sum_path: &Path) -> Result<Option<String>, SandboxError> {
    let sum = match fs::read_to_string(sum_path) {
        Ok(sum) => sum,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
        Err(source) => return Err(source).doing("read", sum_path),
    };
    let mut file = match open_plain(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(source).doing("read", path),
    };
    check_owner(path, &file.metadata().doing("read", path)?)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).doing("read", path)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    // The mark is taken after reading: what is written meanwhile shows in it.
    let mark = mark_of(&file.metadata().doing("read", path)?);
    Ok((hex(&hasher.finalize()) == sum.trim()).then_some(mark))
}

/// The interpreter's bytes, if they are those that were asked for.
fn read_checked(path: &Path, sha256: &str) -> Result<Vec<u8>, SandboxError> {
    let bytes = fs::read(path).doing("read", path)?;
    let got = hex(&Sha256::digest(&bytes));
    if got.eq_ignore_ascii_case(sha256) {
        return Ok(bytes);
    }
    Err(SandboxError::OtherInterpreter { path: path.into(), expected: sha256.into(), got })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts bytes where a file is, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), SandboxError> {
    let new = path.with_extension("new");
    // What an interrupted attempt left.
    let _ = fs::remove_file(&new);
    let mut file = private_file(&new).doing("write", &new)?;
    io::Write::write_all(&mut file, bytes).doing("write", &new)?;
    file.sync_all().doing("write", &new)?;
    fs::rename(&new, path).doing("write", path)
}

/// Refuses a folder that somebody else can write to, or replace.
#[cfg(unix)]
fn check_folder(folder: &Path) -> Result<(), SandboxError> {
    use std::os::unix::fs::MetadataExt as _;
    let whole = fs::canonicalize(folder).doing("read", folder)?;
    check_owner(&whole, &fs::metadata(&whole).doing("read", &whole)?)?;
    for above in whole.ancestors().skip(1) {
        let metadata = fs::metadata(above).doing("read", above)?;
        let is_ours = metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw();
        // In a folder with the sticky bit, such as /tmp, nobody replaces what is another's.
        let anyone = metadata.mode() & 0o002 != 0 && metadata.mode() & 0o1000 == 0;
        let reason = match (is_ours, anyone) {
            (false, _) => "it belongs to somebody else, who could replace what is in it",
            (true, true) => "everybody can replace what is in it",
            (true, false) => continue,
        };
        return Err(SandboxError::NotOurs { path: above.into(), reason });
    }
    Ok(())
}

#[cfg(unix)]
fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), SandboxError> {
    use std::os::unix::fs::MetadataExt as _;
    let reason = if metadata.uid() != rustix::process::geteuid().as_raw() {
        "it belongs to somebody else"
    } else if metadata.mode() & 0o022 != 0 {
        "others can write to it"
    } else {
        return Ok(());
    };
    Err(SandboxError::NotOurs { path: path.into(), reason })
}

#[cfg(not(unix))]
fn check_folder(_: &Path) -> Result<(), SandboxError> {
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &Metadata) -> Result<(), SandboxError> {
    Ok(())
}

/// Makes a folder for the person alone.
fn make_private(folder: &Path) -> Result<(), SandboxError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).doing("make", folder)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens a file, not what a link leads to.
fn open_plain(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NOFOLLOW.bits() as i32,
    );
    options.open(path)
}

/// What changes when a file is written or replaced.
#[cfg(unix)]
fn mark_of(metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!(
        "{}:{}:{}:{}.{:09}:{}.{:09}",
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(not(unix))]
fn mark_of(metadata: &Metadata) -> String {
    format!("{}:{:?}", metadata.len(), metadata.modified().ok())
}
