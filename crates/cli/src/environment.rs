//! What the environment says about folders and servers. Nothing else in mynah reads it.
//!
//! | variable | means |
//! |---|---|
//! | `MYNAH_HOME` | the folder that everything is kept in |
//! | `MYNAH_DATABASE` | the file that answers are kept in (read by [`crate::log`]'s arguments) |
//! | `MYNAH_CORPUS` | the folder of the corpus (read by the arguments of `mynah corpus`) |
//! | `HF_ENDPOINT`, `HF_TOKEN` | a mirror of Hugging Face; who you are there |
//! | `PIP_INDEX_URL` | the Python package index; without it, pip's own configuration files |
//! | `NPM_CONFIG_REGISTRY` | the npm registry |
//! | `MYNAH_API_KEY` | who you are at an endpoint that `mynah try` asks; the key that `mynah serve` wants |
//! | `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` | the proxy, and what does not go through it |
//!
//! Names are also read in lower case where that is usual.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy;
use mynah_hub::Config;

use crate::failure::Hint as _;

/// The hub's configuration as the environment wants it.
pub(crate) fn hub_config(offline: bool) -> anyhow::Result<Config> {
    let mut config = Config::new(home()?);
    config.offline = offline;
    if let Some(endpoint) = variable(&["HF_ENDPOINT"]) {
        config.hf_endpoint = endpoint;
    }
    config.hf_token = variable(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]);
    if let Some(index) = variable(&["PIP_INDEX_URL"]).or_else(index_of_pip) {
        config.pip_index_url = index;
    }
    if let Some(registry) = variable(&["NPM_CONFIG_REGISTRY", "npm_config_registry"]) {
        config.npm_registry = registry;
    }
    config.proxy = variable(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
    config.no_proxy = variable(&["NO_PROXY", "no_proxy"]);
    config.own_catalogue = own_catalogue();
    Ok(config)
}

/// The folder that everything is kept in: `MYNAH_HOME`, or `mynah` in the user's cache folder.
pub(crate) fn home() -> anyhow::Result<PathBuf> {
    if let Some(home) = path_variable("MYNAH_HOME") {
        return std::path::absolute(&home)
            .with_context(|| format!("MYNAH_HOME={}", home.display()));
    }
    let folders = etcetera::choose_base_strategy().hint("set MYNAH_HOME to a folder")?;
    Ok(folders.cache_dir().join("mynah"))
}

/// The key for an endpoint that `mynah try` asks, and the one that `mynah serve` wants.
pub(crate) fn api_key() -> Option<String> {
    variable(&["MYNAH_API_KEY"])
}

/// The file that answers are kept in: `mynah.db` in `MYNAH_HOME`, or in `mynah` in the user's data
/// folder, which is not emptied as a cache may be.
pub(crate) fn database() -> anyhow::Result<PathBuf> {
    if path_variable("MYNAH_HOME").is_some() {
        return Ok(home()?.join("mynah.db"));
    }
    let folders = etcetera::choose_base_strategy().hint("set MYNAH_HOME to a folder")?;
    Ok(folders.data_dir().join("mynah").join("mynah.db"))
}

/// The folder of the corpus: `corpus` where the file of answers is.
pub(crate) fn corpus() -> anyhow::Result<PathBuf> {
    Ok(database()?.with_file_name("corpus"))
}

/// `catalogue.toml` in `MYNAH_HOME`, or in `mynah` in the user's configuration folder.
fn own_catalogue() -> Option<PathBuf> {
    let folder = match path_variable("MYNAH_HOME") {
        Some(home) => home,
        None => etcetera::choose_base_strategy().ok()?.config_dir().join("mynah"),
    };
    Some(folder.join("catalogue.toml"))
}

fn path_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The first of these variables that has a value.
fn variable(names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| env::var(name).ok()).find(|value| !value.trim().is_empty())
}

/// The index that pip's own configuration files name, the user's before the machine's.
///
/// Source: pip's documentation, "Configuration", of which `PIP_CONFIG_FILE`, the user's and the
/// machine's files are read here.
fn index_of_pip() -> Option<String> {
    let named = env::var_os("PIP_CONFIG_FILE");
    if named.as_deref() == Some(OsStr::new("/dev/null")) {
        return None;
    }
    let mut files: Vec<PathBuf> = named.into_iter().map(PathBuf::from).collect();
    if let Ok(folders) = etcetera::choose_base_strategy() {
        files.push(folders.config_dir().join("pip/pip.conf"));
        files.push(folders.home_dir().join(".pip/pip.conf"));
    }
    files.push("/etc/xdg/pip/pip.conf".into());
    files.push("/etc/pip.conf".into());
    files.iter().find_map(|path| index_in(path))
}

fn index_in(path: &Path) -> Option<String> {
    index_in_text(&fs::read_to_string(path).ok()?)
}

/// Reads `index-url` of the section `[global]`.
fn index_in_text(text: &str) -> Option<String> {
    let mut is_global = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_global = section.trim() == "global";
        } else if is_global
            && let Some((key, value)) = line.split_once(['=', ':'])
            && matches!(key.trim(), "index-url" | "index_url")
        {
            let value = value.trim().trim_matches(['\'', '"']);
            return Some(value.to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_configuration_is_read() {
        let read = |text| index_in_text(text);
        let expected = Some("https://mirror/simple".to_owned());
        assert_eq!(read("[global]\nindex-url = https://mirror/simple\n"), expected);
        assert_eq!(
            read("[install]\nindex-url = x\n[ global ]\nindex_url: 'https://mirror/simple'"),
            expected
        );
        assert_eq!(read("# index-url = x\n[global]\n;index-url = x\n# index-url = y"), None);
        assert_eq!(read("[global]\nindex-url =\n"), None);
        assert_eq!(read("[global]\nextra-index-url = x\n"), None);
    }
}
