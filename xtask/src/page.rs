//! Checks the page: its vendored libraries, its types, its parts, and the whole in a real browser.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::process::{cargo, metadata, root, run, say};

/// Runs every check; `only_types` leaves out what needs a browser.
pub(crate) fn run_all(only_types: bool) -> anyhow::Result<()> {
    let web = root().join("crates/web");
    if !is_here("node") || !is_here("npm") {
        bail!("the page is checked by Node.js 20 or newer, which is not here (`node`, `npm`)");
    }
    let installed = web.join("node_modules/.package-lock.json");
    if is_older(&installed, &web.join("package-lock.json")) {
        run(&mut npm(&web, &["ci", "--no-audit", "--no-fund"]))?;
    }
    for script in ["vendored", "types", "unit"] {
        run(&mut npm(&web, &["run", "--silent", script]))?;
    }
    if only_types {
        return Ok(());
    }
    run(&mut cargo(&["build", "--quiet", "--package", "mynah-server", "--example", "page"]))?;
    let target = metadata()?["target_directory"].as_str().context("no target folder")?.to_owned();
    let target = Path::new(&target);
    let name = format!("page{}", std::env::consts::EXE_SUFFIX);
    let pictures = target.join("page");
    let mut browser = npm(&web, &["run", "--silent", "browser"]);
    browser.env("MYNAH_PAGE_SERVER", target.join("debug/examples").join(name));
    run(browser.env("MYNAH_PAGE_PICTURES", &pictures))?;
    say(&format!("pictures of the views are in {}", pictures.display()));
    Ok(())
}

fn is_here(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether a file is not there, or was written before another.
fn is_older(path: &Path, other: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    time(path) < time(other)
}

fn npm(web: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(web);
    command
}
