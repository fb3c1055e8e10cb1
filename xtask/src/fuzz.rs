//! Runs the fuzz targets, each for a bounded time, with the stable compiler.
//!
//! libFuzzer is led by which branches an input takes. The compiler's coverage for it needs no
//! nightly: the pass belongs to LLVM and is asked for by name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::process::{cargo, command, root, run, say};

/// The targets, with the longest input that is tried.
const TARGETS: [(&str, u32); 8] = [
    ("gguf", 4096),
    ("safetensors", 4096),
    ("folder", 4096),
    ("tokenizer", 8192),
    ("vocabulary", 8192),
    ("template", 8192),
    ("adapter", 4096),
    ("request", 4096),
];

/// What LLVM puts into the program so that libFuzzer sees where it goes.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Ccodegen-units=1 --cfg fuzzing";

/// Files among the fixtures that a target starts from: their folder, how their names end, and what
/// is put behind them.
const FIXTURES: [(&str, &str, &str, &[u8]); 2] = [
    ("template", "fixtures/templates", "jinja", b"\0hi <EOS>"),
    ("folder", "fixtures/tiny", "config.json", b"\0"),
];

/// Runs every target, or those that are named, for so many seconds each.
pub(crate) fn run_all(seconds: u32, named: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = named.iter().find(|name| TARGETS.iter().all(|(known, _)| known != name))
    {
        let known = TARGETS.map(|(name, _)| name).join(", ");
        bail!("there is no fuzz target `{unknown}`\nhint: the targets are {known}");
    }
    let work = root().join("target/fuzz");
    let mut build = cargo(&["build", "--quiet", "--release", "--locked"]);
    build.args(["--manifest-path", "fuzz/Cargo.toml"]);
    // With a target named, build scripts and procedural macros are compiled without coverage.
    let host = host()?;
    build.args(["--target", &host]).env("RUSTFLAGS", COVERAGE).env("CARGO_TARGET_DIR", &work);
    run(&mut build)?;
    let programs = work.join(host).join("release");
    for (name, max_len) in TARGETS {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            fuzz(&programs, &work, name, max_len, seconds)?;
        }
    }
    say("no fuzz target found anything");
    Ok(())
}

/// Runs one target. What it tried and found worth keeping stays in the target folder.
fn fuzz(
    programs: &Path,
    work: &Path,
    name: &str,
    max_len: u32,
    seconds: u32,
) -> anyhow::Result<()> {
    let (corpus, seeds) = (work.join("corpus").join(name), work.join("seeds").join(name));
    for folder in [&corpus, &seeds] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    gather_seeds(name, &seeds)?;
    let findings = format!("{}/found-{name}-", work.display());
    let program = programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut target = command(&program.to_string_lossy(), &[]);
    target
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={max_len}"))
        .arg(format!("-artifact_prefix={findings}"))
        .args(["-timeout=25", "-rss_limit_mb=1024", "-malloc_limit_mb=256", "-verbosity=0"])
        .args([corpus, seeds]);
    run(&mut target).with_context(|| {
        format!("{name} found something; the input is in a file that begins {findings}")
    })
}

/// Copies what the target starts from: files of its own and fixtures.
fn gather_seeds(name: &str, seeds: &Path) -> anyhow::Result<()> {
    let own = root().join("fuzz/seeds").join(name);
    let mut found = files_below(&own, "")?;
    let mut behind: &[u8] = b"";
    for (target, folder, end, text) in FIXTURES {
        if target == name {
            found.extend(files_below(&root().join(folder), end)?);
            behind = text;
        }
    }
    for (i, path) in found.iter().enumerate() {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let seed = seeds.join(format!("{i}"));
        fs::write(&seed, [&bytes, behind].concat())
            .with_context(|| format!("cannot write {}", seed.display()))?;
    }
    Ok(())
}

/// The files in a folder and those below it whose names end so, in order; none if there is no such
/// folder.
fn files_below(folder: &Path, end: &str) -> anyhow::Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files_below(&path, end)?);
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    Ok(found)
}

/// The machine that this compiler compiles for.
fn host() -> anyhow::Result<String> {
    let about = crate::process::output(&mut command("rustc", &["-vV"]))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it compiles for")?.to_owned())
}
