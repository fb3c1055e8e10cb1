//! Holds the charter's invariants: dependencies point down only, and the engine is a pure
//! function of what it is given.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process::{metadata, root, say};
use crate::scan;

/// Which crates of the workspace each of them may use. Tests may use more.
const MAY_USE: [(&str, &[&str]); 14] = [
    ("mynah-kernels", &[]),
    ("mynah-model", &["mynah-kernels"]),
    ("mynah-engine", &["mynah-kernels", "mynah-model"]),
    ("mynah-hub", &[]),
    ("mynah-store", &[]),
    ("mynah-corpus", &["mynah-model"]),
    ("mynah-train", &["mynah-model", "mynah-kernels"]),
    ("mynah-sandbox", &[]),
    ("mynah-respond", &["mynah-engine", "mynah-model"]),
    ("mynah-agent", &["mynah-respond", "mynah-sandbox"]),
    (
        "mynah-lab",
        &["mynah-engine", "mynah-model", "mynah-kernels", "mynah-store", "mynah-respond"],
    ),
    (
        "mynah-server",
        &["mynah-engine", "mynah-model", "mynah-kernels", "mynah-store", "mynah-agent"],
    ),
    (
        "mynah",
        &[
            "mynah-kernels",
            "mynah-model",
            "mynah-engine",
            "mynah-hub",
            "mynah-respond",
            "mynah-agent",
            "mynah-lab",
            "mynah-store",
            "mynah-corpus",
            "mynah-train",
            "mynah-server",
            "mynah-sandbox",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that are told bytes, threads and time: they open nothing and read no clock.
const PURE: [&str; 3] = ["kernels", "model", "engine"];

pub(crate) fn run() -> anyhow::Result<()> {
    let mut faults = edges(&metadata()?)?;
    for name in PURE {
        let folder = root().join("crates").join(name).join("src");
        scan_folder(&folder, &format!("crates/{name}/src"), &mut faults)?;
    }
    if !faults.is_empty() {
        bail!("the layers are broken:\n{}", faults.join("\n"));
    }
    say("dependencies point down, and the engine opens nothing");
    Ok(())
}

/// What is wrong with the edges between the workspace's crates.
fn edges(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let members = metadata["workspace_members"].as_array().context("no members")?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let ours: Vec<&Value> = packages.iter().filter(|p| members.contains(&p["id"])).collect();
    let names: Vec<&str> = ours.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut faults = Vec::new();
    for package in &ours {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("{name} has no line in the table of xtask/src/layers.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let is_for_tests = dependency["kind"] == "dev";
            if names.contains(&used) && !is_for_tests && !allowed.contains(&used) {
                faults.push(format!("{name} must not use {used}"));
            }
        }
    }
    Ok(faults)
}

fn scan_folder(folder: &Path, shown: &str, faults: &mut Vec<String>) -> anyhow::Result<()> {
    let cannot_read = || format!("cannot read {}", folder.display());
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(cannot_read)?;
    entries.sort_by_key(fs::DirEntry::path);
    let (mut sources, mut folders) = (Vec::new(), Vec::new());
    for entry in &entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            folders.push((name, path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).with_context(cannot_read)?;
            sources.push((name, scan::code_of(&text)));
        }
    }
    // A file or folder that only tests include may do what tests may.
    let for_tests: Vec<String> =
        sources.iter().flat_map(|(_, code)| scan::test_modules(code)).collect();
    for (name, code) in &sources {
        if for_tests.iter().any(|module| *name == format!("{module}.rs")) {
            continue;
        }
        for what in scan::impurities(code) {
            faults.push(format!("{shown}/{name} uses {what}"));
        }
    }
    for (name, path) in folders.iter().filter(|(name, _)| !for_tests.contains(name)) {
        scan_folder(path, &format!("{shown}/{name}"), faults)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_keeps_its_layers() {
        run().unwrap();
    }

    #[test]
    fn an_edge_upwards_is_found() {
        let package = |name: &str, uses: &[(&str, Option<&str>)]| {
            let dependencies: Vec<Value> = uses
                .iter()
                .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind }))
                .collect();
            serde_json::json!({ "id": name, "name": name, "dependencies": dependencies })
        };
        let metadata = serde_json::json!({
            "workspace_members": ["mynah-kernels", "mynah-model", "mynah-new"],
            "packages": [
                package("mynah-kernels", &[("mynah-model", None), ("serde", None)]),
                package("mynah-model", &[("mynah-kernels", None), ("mynah-new", Some("dev"))]),
                package("mynah-new", &[]),
                package("serde", &[]),
            ],
        });
        assert_eq!(
            edges(&metadata).unwrap(),
            [
                "mynah-kernels must not use mynah-model",
                "mynah-new has no line in the table of xtask/src/layers.rs"
            ]
        );
    }
}
