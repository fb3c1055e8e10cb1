//! The sandboxes that tests run programs in.

#![allow(dead_code, reason = "each test's binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use mynah_sandbox::{Limits, OsChoice, Program, Run, Sandbox, Verdict, WasiFiles, Worker};

/// The checksum of CPython 3.12 for WASI, as the catalogue has it.
pub(crate) const PYTHON_SHA256: &str =
    "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763";

/// The child of these tests.
pub(crate) fn worker() -> Worker {
    Worker { program: env!("CARGO_BIN_EXE_mynah-sandbox-worker").into(), arguments: Vec::new() }
}

/// The interpreter, from the folder that `cargo xtask test` makes.
pub(crate) fn files() -> WasiFiles {
    let folder = std::env::var_os("MYNAH_TEST_MODELS")
        .expect("MYNAH_TEST_MODELS names the folder that `cargo xtask test` makes");
    WasiFiles {
        module: Path::new(&folder).join("python-3.12.wasm"),
        sha256: PYTHON_SHA256.into(),
        library: None,
    }
}

/// Where the tests keep the compiled interpreter: compiled once, also for other tests' processes.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// The sandbox for WASI.
pub(crate) fn wasi() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::wasi(&files(), &cache(), &worker(), 1).unwrap())
}

/// The machine's own, or why there is none: bubblewrap may be missing, or a container may forbid
/// namespaces. Tests say so and have nothing to test then; `.ci/run` installs bubblewrap.
pub(crate) fn os() -> Option<&'static Sandbox> {
    static SANDBOX: OnceLock<Option<Sandbox>> = OnceLock::new();
    let made = SANDBOX.get_or_init(|| match Sandbox::os(&OsChoice::default(), &worker(), 1) {
        Ok(sandbox) => Some(sandbox),
        Err(error) if std::env::var_os("MYNAH_TEST_OS_SANDBOX").is_none() => {
            println!("not tested: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    });
    made.as_ref()
}

/// Limits that only a program reaches that wants to.
pub(crate) fn limits() -> Limits {
    Limits { seconds: 20.0, memory_bytes: 128 << 20, output_bytes: 64 << 10, file_bytes: 4 << 20 }
}

/// Runs a program in a folder.
pub(crate) fn run_in(sandbox: &Sandbox, source: &str, folder: Option<&Path>) -> Run {
    let program = Program { folder, ..Program::new(source) };
    sandbox.run(&program, &limits(), &AtomicBool::new(false)).unwrap()
}

/// Runs a program that does not end by itself.
pub(crate) fn run_endless(sandbox: &Sandbox, source: &str) -> Run {
    let limits = Limits { seconds: 0.3, ..limits() };
    sandbox.run(&Program::new(source), &limits, &AtomicBool::new(false)).unwrap()
}

/// What a program prints that is expected to finish.
pub(crate) fn output(sandbox: &Sandbox, source: &str, folder: Option<&Path>) -> String {
    let run = run_in(sandbox, source, folder);
    assert_eq!(run.verdict, Verdict::Finished, "{run:?}");
    run.stdout
}
