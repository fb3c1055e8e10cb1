//! Counts the instructions of kernels under callgrind: a guard against regressions that is the same
//! on a noisy machine, unlike time.
//!
//! It is the same on other processors too: valgrind shows a program one processor with AVX2, whatever
//! the real one has, and so the kernels and libc's copying choose the same code everywhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::process::{cargo, command, metadata, output, root, run, say};

/// What was counted when it was last accepted: a case and a number a line.
const ACCEPTED: &str = "crates/kernels/benches/instructions.txt";

/// Compilers differ a little from release to release; what this guards against is a kernel that is
/// no longer compiled for its instruction set, or does its work twice.
const MOST_PERCENT: u64 = 5;

pub(crate) fn run_all(accept: bool) -> anyhow::Result<()> {
    if command("valgrind", &["--version"]).output().is_err() {
        say("skipped: valgrind is not installed, so no instructions were counted");
        return Ok(());
    }
    #[cfg(target_arch = "x86_64")]
    let has_avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("f16c");
    #[cfg(not(target_arch = "x86_64"))]
    let has_avx2 = false;
    if !has_avx2 {
        say("skipped: what was accepted was counted with AVX2, which this processor lacks");
        return Ok(());
    }
    let program = program()?;
    let cases = output(&mut command(&program.to_string_lossy(), &[]))?;
    let counts = cases
        .lines()
        .map(|case| Ok((case.to_owned(), count(&program, case)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let path = root().join(ACCEPTED);
    if accept {
        let lines: Vec<String> = counts.iter().map(|(case, n)| format!("{case} {n}\n")).collect();
        return fs::write(&path, lines.concat())
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {ACCEPTED}"))?;
    compare(&counts, &text)
}

/// Builds the program that runs one kernel.
fn program() -> anyhow::Result<PathBuf> {
    let example = ["--package", "mynah-kernels", "--example", "counted"];
    run(cargo(&["build", "--quiet", "--release", "--locked"]).args(example))?;
    let target = metadata()?["target_directory"].as_str().context("no target folder")?.to_owned();
    Ok(Path::new(&target).join("release/examples/counted"))
}

/// The instructions of one case.
fn count(program: &Path, case: &str) -> anyhow::Result<u64> {
    let out = command("valgrind", &["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted*counted*")
        .args([program.as_os_str(), case.as_ref()])
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&out.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let n = collected.and_then(|(_, n)| n.trim().parse().ok()).unwrap_or(0);
    if !out.status.success() || n == 0 {
        bail!("valgrind could not count {case}:\n{said}");
    }
    Ok(n)
}

/// Fails if a case takes notably more instructions than were accepted, or is not known.
fn compare(counts: &[(String, u64)], accepted: &str) -> anyhow::Result<()> {
    let accepted: Vec<(&str, u64)> = accepted
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(case, n)| Some((case, n.parse().ok()?)))
        .collect();
    let mut faults = Vec::new();
    for (case, n) in counts {
        let Some(&(_, before)) = accepted.iter().find(|(name, _)| name == case) else {
            faults.push(format!("{case}: {n} instructions, none accepted yet"));
            continue;
        };
        if n * 100 > before * (100 + MOST_PERCENT) {
            faults.push(format!("{case}: {n} instructions, {before} were accepted"));
        } else if before * 100 > n * (100 + MOST_PERCENT) {
            say(&format!("{case}: {n} instructions, fewer than the {before} accepted"));
        }
    }
    if !faults.is_empty() {
        bail!(
            "kernels take more instructions than before:\n{}\n\
             hint: if that is meant, `cargo xtask instructions --accept`",
            faults.join("\n")
        );
    }
    say(&format!("{} kernels take no more instructions than were accepted", counts.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_instructions_are_a_fault_and_fewer_are_not() {
        let counts = |n| [("a-1".to_owned(), n)];
        assert!(compare(&counts(105), "a-1 100\n").is_ok());
        assert!(compare(&counts(50), "a-1 100\n").is_ok());
        let error = compare(&counts(106), "a-1 100\n").unwrap_err().to_string();
        assert!(error.contains("a-1: 106 instructions, 100 were accepted"), "{error}");
        assert!(compare(&counts(1), "b 1\n").unwrap_err().to_string().contains("none accepted"));
    }
}
