//! Asks `mynah serve` with real clients, unchanged: the Python packages `openai`, `anthropic`,
//! `langchain-openai` and `llm`, and the npm package `openai`.
//!
//! Their versions and checksums are in `crates/server/tests/clients`. They are installed below the
//! target folder, once for each version of those lists.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process::{command, metadata, mynah, output, root, run, say};

/// The model that answers, as `mynah pull` knows it: it can answer a simple question.
const MODEL: &str = "qwen2.5-coder-0.5b";
/// The key that clients show.
const KEY: &str = "a-key-for-tests";
/// The lists of packages, and the scripts that use them.
const FOLDER: &str = "crates/server/tests/clients";

/// Runs every client.
pub(crate) fn run_all() -> anyhow::Result<()> {
    let mynah = mynah()?;
    let target = metadata()?["target_directory"].as_str().context("no target folder")?.to_owned();
    let work = Path::new(&target).join("clients");
    let python = install_python(&work)?;
    let scripts = install_npm(&work)?;
    let mut pull = command(&mynah.to_string_lossy(), &["pull", "--json", MODEL]);
    let pulled: Value = serde_json::from_str(&output(&mut pull)?)?;
    let model = pulled[0]["name"].as_str().context("the model has no name")?;
    let server = Server::start(&mynah, model)?;
    let check = root().join(FOLDER).join("check.py");
    let arguments = [&*check.to_string_lossy(), &server.url, model, KEY];
    run(&mut command(&python.to_string_lossy(), &arguments))?;
    let check = scripts.join("check.mjs");
    run(&mut command("node", &[&check.to_string_lossy(), &server.url, model, KEY]))?;
    say("every client got what it expects");
    Ok(())
}

/// A virtual environment with the Python packages; its interpreter.
fn install_python(work: &Path) -> anyhow::Result<PathBuf> {
    let list = root().join(FOLDER).join("requirements.txt");
    let (folder, is_new) = folder_for(work, "python", &[&list])?;
    let python = folder.join("bin/python");
    if is_new {
        run(&mut command("python3", &["-m", "venv", &folder.to_string_lossy()]))?;
        let install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r"];
        run(command(&python.to_string_lossy(), &install).arg(&list))?;
        finish(&folder)?;
    }
    Ok(python)
}

/// A folder with the npm package and the script that uses it.
fn install_npm(work: &Path) -> anyhow::Result<PathBuf> {
    let files = ["package.json", "package-lock.json", "check.mjs"];
    let files = files.map(|name| root().join(FOLDER).join(name));
    let (folder, is_new) = folder_for(work, "npm", &[&files[0], &files[1], &files[2]])?;
    if is_new {
        fs::create_dir_all(&folder)?;
        for file in &files {
            fs::copy(file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        let install = ["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(command("npm", &install).current_dir(&folder))?;
        finish(&folder)?;
    }
    Ok(folder)
}

/// The folder for these lists, and whether it is still to be filled. One that was left unfinished
/// is removed.
fn folder_for(work: &Path, kind: &str, lists: &[&Path]) -> anyhow::Result<(PathBuf, bool)> {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    for list in lists {
        let bytes = fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
        // FNV-1a: it tells versions apart, and nobody is to be kept from forging it.
        sum = bytes
            .iter()
            .fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }
    let folder = work.join(format!("{kind}-{sum:016x}"));
    if folder.join(DONE).exists() {
        return Ok((folder, false));
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(work)?;
    Ok((folder, true))
}

/// The file that says that a folder is whole.
const DONE: &str = "installed";

fn finish(folder: &Path) -> anyhow::Result<()> {
    Ok(fs::write(folder.join(DONE), "")?)
}

/// A server that is ended when this is dropped.
struct Server {
    process: Child,
    url: String,
    /// Where its answers are kept.
    _folder: Folder,
}

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Server {
    fn start(mynah: &Path, model: &str) -> anyhow::Result<Self> {
        let name = format!("mynah-clients-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0)?;
        let mut serve = command(&mynah.to_string_lossy(), &["serve", "-m", model, "--port", "0"]);
        serve.arg("--database").arg(folder.0.join("mynah.db"));
        serve.env("MYNAH_API_KEY", KEY).stdout(Stdio::piped());
        let mut process = serve.spawn().context("cannot run mynah serve")?;
        let mut url = String::new();
        let stdout = process.stdout.take().context("mynah serve has no output")?;
        BufReader::new(stdout).read_line(&mut url)?;
        let server = Self { process, url: url.trim().to_owned(), _folder: folder };
        if server.url.is_empty() {
            bail!("mynah serve did not say where it listens");
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
