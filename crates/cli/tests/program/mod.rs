//! Starts the program for a test, and says how it ended.

#![allow(dead_code, reason = "no test uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// SmolLM2 135M.
///
/// # Panics
/// If nobody says where it is. A test that was skipped would look like one that passed.
pub(crate) fn model() -> PathBuf {
    let folder = std::env::var_os("MYNAH_TEST_MODELS")
        .expect("MYNAH_TEST_MODELS is not set: run `cargo xtask test`, which fetches the models");
    Path::new(&folder).join("smollm2-135m-q4_1.gguf")
}

/// The program with nothing in its environment but a home, and nothing on standard input.
pub(crate) fn mynah(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mynah"));
    command.args(arguments).env_clear().env("MYNAH_HOME", home).env("HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Status, standard output and standard error.
pub(crate) fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
