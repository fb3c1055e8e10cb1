//! Runs other programs from the workspace's root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A program that will run in the workspace's root.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The cargo that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    command(&cargo, arguments)
}

/// Says what is run, runs it, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let text = in_words(command);
    say(&format!("+ {text}"));
    let status = command.status().with_context(|| format!("cannot run {text}"))?;
    if !status.success() {
        bail!("{text}: {status}");
    }
    Ok(())
}

/// Runs it and returns what it printed; its standard error is shown.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let text = in_words(command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run {text}"))?;
    if !output.status.success() {
        bail!("{text}: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn in_words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Tells the developer something.
#[expect(clippy::print_stderr, reason = "a task speaks to the developer")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// What cargo knows about the workspace and its dependencies.
pub(crate) fn metadata() -> anyhow::Result<Value> {
    let text = output(&mut cargo(&["metadata", "--format-version=1", "--locked"]))?;
    Ok(serde_json::from_str(&text)?)
}

/// Builds the `mynah` binary and says where it is.
pub(crate) fn mynah() -> anyhow::Result<PathBuf> {
    run(&mut cargo(&["build", "--quiet", "--package", "mynah"]))?;
    let target = metadata()?["target_directory"].as_str().context("no target folder")?.to_owned();
    let name = format!("mynah{}", std::env::consts::EXE_SUFFIX);
    Ok(Path::new(&target).join("debug").join(name))
}
