//! Writes the pages of the documentation that the program can write better than a person.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::process::{command, mynah, output, root, say};

pub(crate) fn run(only_check: bool) -> anyhow::Result<()> {
    let page = help_page(&mynah()?)?;
    let path = root().join("docs").join("help.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    if old == page {
        say("docs/help.md says what the program says");
        return Ok(());
    }
    if only_check {
        bail!("docs/help.md does not say what the program says; run `cargo xtask docs`");
    }
    fs::create_dir_all(root().join("docs"))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    say("docs/help.md is written");
    Ok(())
}

/// The help of mynah and of each of its commands.
fn help_page(mynah: &Path) -> anyhow::Result<String> {
    let mut page = String::from(
        "# What mynah can do\n\nThe program's own help, written here by `cargo xtask docs`.\n",
    );
    let top = help(mynah, &[])?;
    write!(page, "\n## mynah\n\n```text\n{top}```\n")?;
    for name in commands(&top) {
        let text = help(mynah, &[&name])?;
        write!(page, "\n## mynah {name}\n\n```text\n{text}```\n")?;
    }
    Ok(page)
}

fn help(mynah: &Path, of: &[&str]) -> anyhow::Result<String> {
    let mut run = command(&mynah.to_string_lossy(), of);
    // Neither the developer's terminal nor settings may show in the page.
    run.arg("--help").env("NO_COLOR", "1").env("COLUMNS", "100").env_remove("MYNAH_OFFLINE");
    let text = output(&mut run)?;
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    Ok(lines.join("\n") + "\n")
}

/// The names under "Commands:", without the command that only repeats help.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description that goes on in the next line is set in further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn commands_are_found_in_the_help() {
        let help = "About\n\nCommands:\n  pull  Fetch\n          more\n  list  List\n  help  x\n\n\
                    Options:\n  -h  Help\n";
        assert_eq!(commands(help), ["pull", "list"]);
        assert!(commands("nothing").is_empty());
    }
}
