//! Checks that every dependency may be used in a program under MIT or Apache-2.0.

use anyhow::{Context as _, bail};

use crate::process::{metadata, say};

/// Licences that ask for no more than a notice.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // The list of certificate authorities in webpki-roots is data.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut bad = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        match package["license"].as_str() {
            Some(licence) if is_allowed(licence)? => {}
            Some(licence) => bad.push(format!("{name} {version}: {licence}")),
            None => bad.push(format!("{name} {version}: none named")),
        }
    }
    if !bad.is_empty() {
        bail!("licences that are not on the list in xtask/src/licences.rs:\n{}", bad.join("\n"));
    }
    say(&format!("the licences of {} packages are as they should be", packages.len()));
    Ok(())
}

/// Whether an SPDX expression can be met with the allowed licences.
///
/// Source: SPDX specification 2.3, annex D; `/` is an old way to write `OR`.
fn is_allowed(expression: &str) -> anyhow::Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let allowed = any(&mut rest).with_context(|| format!("in {expression:?}"))?;
    if !rest.is_empty() {
        bail!("{expression:?} goes on with {:?}", rest[0]);
    }
    Ok(allowed)
}

fn any(words: &mut &[&str]) -> anyhow::Result<bool> {
    let mut allowed = all(words)?;
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        allowed |= all(words)?;
    }
    Ok(allowed)
}

fn all(words: &mut &[&str]) -> anyhow::Result<bool> {
    let mut allowed = one(words)?;
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        allowed &= one(words)?;
    }
    Ok(allowed)
}

fn one(words: &mut &[&str]) -> anyhow::Result<bool> {
    let Some((first, rest)) = words.split_first() else { bail!("the expression ends too early") };
    *words = rest;
    if *first == "(" {
        let allowed = any(words)?;
        match words.split_first() {
            Some((&")", rest)) => *words = rest,
            _ => bail!("a parenthesis is not closed"),
        }
        return Ok(allowed);
    }
    if [")", "AND", "OR", "WITH"].contains(first) {
        bail!("{first} stands where a licence should");
    }
    let mut licence = (*first).to_owned();
    if let [with, exception, rest @ ..] = *words
        && *with == "WITH"
    {
        licence = format!("{licence} WITH {exception}");
        *words = rest;
    }
    Ok(ALLOWED.contains(&licence.as_str()))
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions_are_met_or_not() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT AND (GPL-3.0 OR ISC)", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            ("LGPL-2.1 OR GPL-3.0 AND MIT", false),
        ] {
            assert_eq!(is_allowed(expression).unwrap(), expected, "{expression}");
        }
        for bad in ["", "(MIT", "MIT OR", "MIT MIT", ")"] {
            assert!(is_allowed(bad).is_err(), "{bad}");
        }
    }
}
