//! Under which licence a text is: what files beside it and the text itself say.

use std::fs;
use std::path::Path;

use crate::Error;
use crate::error::Doing as _;

/// What a person says: an SPDX expression, written as SPDX writes it.
///
/// # Errors
/// If it is none.
pub fn checked(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let fault = |problem: String| Error::Licence { licence: text.to_owned(), problem };
    if is_public_domain(text) {
        return Ok(PUBLIC_DOMAIN.to_owned());
    }
    let canonical = spdx::Expression::canonicalize(text).ok().flatten();
    let text = canonical.as_deref().unwrap_or(text);
    match spdx::Expression::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        // The list has identifiers in one spelling; people write them in any.
        Err(error) => stated(text).ok_or_else(|| fault(error.reason.to_string())),
    }
}

/// SPDX has no identifier for what nobody has rights in.
const PUBLIC_DOMAIN: &str = "LicenseRef-Public-Domain";

fn is_public_domain(text: &str) -> bool {
    let plain: String =
        text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
    matches!(plain.as_str(), "publicdomain" | "pd" | "licenserefpublicdomain" | "thepublicdomain")
}

/// Names of licence files, in small letters, without an ending.
const FILES: [&str; 5] = ["license", "licence", "copying", "unlicense", "copyright"];

/// Whether a name, in small letters, is that of a file with a licence.
pub(crate) fn is_licence_file(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.split('-').next().unwrap_or_default();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    FILES.contains(&stem) && matches!(end, "" | "txt" | "md" | "rst" | "html")
        || FILES.contains(&stem) && !name.contains('.')
}

/// The licence that the papers in a folder name, and the paper.
pub(crate) fn of_folder(folder: &Path) -> Result<Option<(String, String)>, Error> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).doing("read", folder)? {
        let entry = entry.doing("read", folder)?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            names.extend(entry.file_name().to_str().map(str::to_owned));
        }
    }
    names.sort_unstable();
    let mut found = names.iter().filter_map(|name| {
        let lower = name.to_lowercase();
        let read = || fs::read_to_string(folder.join(name)).ok();
        let licence = match lower.as_str() {
            _ if is_licence_file(&lower) => of_text(&read()?),
            "package.json" => of_package_json(&read()?),
            "cargo.toml" | "pyproject.toml" => of_toml(&read()?),
            // The card of a Hugging Face data set.
            "readme.md" => of_front_matter(&read()?),
            _ => None,
        };
        Some((licence?, name.clone()))
    });
    // A licence's own text says more than a line that names it.
    let all: Vec<(String, String)> = found.by_ref().collect();
    let is_text = |(_, name): &&(String, String)| is_licence_file(&name.to_lowercase());
    Ok(all.iter().find(is_text).or(all.first()).cloned())
}

/// The licence of a file, where folders between it and the root of its source have their own.
pub(crate) fn of_file(path: &Path, root: &Path) -> Result<Option<String>, Error> {
    let mut folder = path.parent();
    while let Some(inside) = folder.filter(|folder| *folder != root && folder.starts_with(root)) {
        if let Some((licence, _)) = of_folder(inside)? {
            return Ok(Some(licence));
        }
        folder = inside.parent();
    }
    Ok(None)
}

fn of_package_json(text: &str) -> Option<String> {
    let package: serde_json::Value = serde_json::from_str(text).ok()?;
    let licence = package.get("license")?;
    stated(licence.as_str().or_else(|| licence.get("type")?.as_str())?)
}

fn of_toml(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let project = table.get("package").or_else(|| table.get("project"))?;
    let licence = project.get("license")?;
    stated(licence.as_str().or_else(|| licence.get("text")?.as_str())?)
}

fn of_front_matter(text: &str) -> Option<String> {
    let (front, _) = crate::source::front_matter(text)?;
    let line = front.lines().find_map(|line| line.strip_prefix("license:"))?;
    stated(line.trim().trim_matches(['"', '\'']))
}

/// Whether a file is the card of a data set: its front matter names a licence or describes features.
pub(crate) fn is_card(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let front = crate::source::front_matter(&text).map_or("", |(front, _)| front);
    front.lines().any(|line| line.starts_with("license:") || line.starts_with("dataset_info:"))
}

/// The licence that `SPDX-License-Identifier:` names in the first lines of a file.
pub(crate) fn of_header(text: &str) -> Option<String> {
    let mut lines = text.lines().take(20);
    let rest = lines.find_map(|line| line.split_once("SPDX-License-Identifier:"))?.1;
    let rest = rest.trim().trim_end_matches("*/").trim_end_matches("-->").trim();
    checked(rest).ok()
}

/// A licence that something names: an identifier in any spelling, a name, or an address at Creative
/// Commons. None if it is not known.
pub(crate) fn stated(name: &str) -> Option<String> {
    let name = name.trim();
    if name.is_empty() || name.len() > 300 {
        return None;
    }
    if is_public_domain(name) {
        return Some(PUBLIC_DOMAIN.to_owned());
    }
    if let Some(licence) = of_address(name) {
        return Some(licence);
    }
    if spdx::Expression::parse(name).is_ok() {
        return Some(name.to_owned());
    }
    let is_same = |id: &str| id.eq_ignore_ascii_case(name);
    let known = spdx::identifiers::LICENSES.iter().map(|licence| licence.name);
    if let Some(id) = known.clone().find(|id| is_same(id)) {
        return Some(id.to_owned());
    }
    // "mit license", "apache 2.0", "cc by-sa 4.0", "gpl v3"
    let words = name.to_lowercase().replace("licence", "license");
    let words = words.trim_end_matches("license").trim_start_matches("the ").trim();
    let dashed = words.replace([' ', '_'], "-");
    let others = [("cc0", "CC0-1.0"), ("odc-by", "ODC-By-1.0"), ("pddl", "PDDL-1.0")];
    let other = others.iter().find(|(short, _)| *short == dashed).map(|(_, id)| (*id).to_owned());
    other.or_else(|| {
        let id = known.clone().find(|id| id.eq_ignore_ascii_case(&dashed));
        id.map(str::to_owned).or_else(|| {
            spdx::imprecise_license_id(words)
                .filter(|(_, length)| *length == words.len())
                .map(|(id, _)| id.name.to_owned())
        })
    })
}

/// `https://creativecommons.org/licenses/by-sa/4.0/` and its kin.
fn of_address(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("creativecommons.org/")?;
    let mut parts = rest.split('/');
    let licence = match (parts.next()?, parts.next()?, parts.next()) {
        ("licenses", kind, Some(version)) => format!("CC-{}-{version}", kind.to_uppercase()),
        ("publicdomain", "zero", _) => "CC0-1.0".to_owned(),
        ("publicdomain", "mark", _) => PUBLIC_DOMAIN.to_owned(),
        _ => return None,
    };
    spdx::Expression::parse(&licence).is_ok().then_some(licence)
}

/// What is said in well-known licences and nowhere else: the first line that matches counts, so
/// the narrower ones stand before the wider ones. All phrases of a line must be there.
const PHRASES: [(&str, &[&str]); 24] = [
    ("AGPL-3.0-only", &["gnu affero general public license", "version 3"]),
    ("LGPL-3.0-only", &["gnu lesser general public license", "version 3"]),
    ("LGPL-2.1-only", &["gnu lesser general public license", "version 2.1"]),
    ("GPL-3.0-only", &["gnu general public license", "version 3, 29 june 2007"]),
    ("GPL-2.0-only", &["gnu general public license", "version 2, june 1991"]),
    ("Apache-2.0", &["apache license", "version 2.0"]),
    ("MPL-2.0", &["mozilla public license version 2.0"]),
    ("CC-BY-NC-ND-4.0", &["attribution-noncommercial-noderivatives 4.0 international"]),
    ("CC-BY-NC-SA-4.0", &["attribution-noncommercial-sharealike 4.0 international"]),
    ("CC-BY-NC-4.0", &["attribution-noncommercial 4.0 international"]),
    ("CC-BY-ND-4.0", &["attribution-noderivatives 4.0 international"]),
    ("CC-BY-SA-4.0", &["attribution-sharealike 4.0 international"]),
    ("CC-BY-SA-3.0", &["attribution-sharealike 3.0"]),
    ("CC-BY-4.0", &["attribution 4.0 international"]),
    ("CC0-1.0", &["cc0 1.0 universal"]),
    ("GFDL-1.3-only", &["gnu free documentation license", "version 1.3"]),
    ("ODC-By-1.0", &["open data commons attribution license"]),
    ("Unlicense", &["this is free and unencumbered software released into the public domain"]),
    ("BSL-1.0", &["boost software license - version 1.0"]),
    ("Zlib", &["altered source versions must be plainly marked as such"]),
    ("BSD-3-Clause", &["redistribution and use in source and binary forms", "neither the name of"]),
    ("BSD-2-Clause", &["redistribution and use in source and binary forms"]),
    ("MIT", &["permission is hereby granted, free of charge", "the software is provided"]),
    ("ISC", &["permission to use, copy, modify, and/or distribute this software"]),
];

/// The licence whose text this is.
fn of_text(text: &str) -> Option<String> {
    if let Some(licence) = of_header(text) {
        return Some(licence);
    }
    let start: String = text.chars().take(20_000).collect();
    let words: Vec<&str> = start.split_whitespace().collect();
    let plain = words.join(" ").to_lowercase();
    let found = PHRASES.iter().find(|(_, phrases)| phrases.iter().all(|one| plain.contains(one)));
    found.map(|(id, _)| (*id).to_owned()).or_else(|| {
        // A file that only names a licence.
        (text.len() < 200).then(|| stated(text.trim())).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_known_by_their_names() {
        for (text, expected) in [
            ("mit", "MIT"),
            ("MIT License", "MIT"),
            ("apache-2.0", "Apache-2.0"),
            ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
            ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
            ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
            ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
            ("Public Domain", "LicenseRef-Public-Domain"),
            ("odc-by", "ODC-By-1.0"),
            ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ] {
            assert_eq!(stated(text).as_deref(), Some(expected), "{text}");
            assert_eq!(checked(text).unwrap(), expected, "{text}");
        }
        for text in ["", "other", "unknown", "see the file", "All rights reserved"] {
            assert_eq!(stated(text), None, "{text}");
            assert!(checked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn licences_are_known_by_their_texts() {
        let mit = "Copyright (c) 2020\n\nPermission is hereby granted, free of charge, to any \
             person\nobtaining a copy … THE SOFTWARE IS PROVIDED \"AS IS\"";
        assert_eq!(of_text(mit).as_deref(), Some("MIT"));
        assert_eq!(of_text("CC0-1.0\n").as_deref(), Some("CC0-1.0"));
        assert_eq!(of_text("All rights reserved."), None);
        let header = "// SPDX-License-Identifier: GPL-2.0-only\nint main;";
        assert_eq!(of_header(header).as_deref(), Some("GPL-2.0-only"));
    }

    #[test]
    fn the_nearest_paper_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("inner")).unwrap();
        fs::write(at("package.json"), r#"{"license": "MIT"}"#).unwrap();
        assert_eq!(of_folder(folder.path()).unwrap(), Some(("MIT".into(), "package.json".into())));
        fs::write(at("LICENSE"), "Apache License\nVersion 2.0, January 2004").unwrap();
        assert_eq!(of_folder(folder.path()).unwrap().unwrap().0, "Apache-2.0");
        assert_eq!(of_file(&at("inner/x.txt"), folder.path()).unwrap(), None);
        fs::write(at("inner/README.md"), "---\nlicense: cc-by-4.0\n---\n# Card").unwrap();
        assert_eq!(of_file(&at("inner/x.txt"), folder.path()).unwrap().unwrap(), "CC-BY-4.0");
        assert!(is_licence_file("license-mit") && is_licence_file("copying.txt"));
        assert!(!is_licence_file("license.rs") && !is_licence_file("licenses"));
    }
}
