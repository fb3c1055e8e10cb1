//! Who wants to be left out: reservation files beside crawled text, and a list of a person's own.
//!
//! | file | source |
//! |---|---|
//! | `robots.txt` | RFC 9309, "Robots Exclusion Protocol"; groups for crawlers that gather text to train models count as well as those for everybody |
//! | `ai.txt` | Spawning 2023, which has the form of `robots.txt` |
//! | `tdmrep.json` | "TDM Reservation Protocol", W3C Community Group, final report of 2024, section 5.1 |
//!
//! A file counts for what lies in its folder and below, as if that folder were a site's root. What
//! a page says about itself is read with the page.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::error::Doing as _;

/// Crawlers that gather text to train language models, by the names that their operators publish.
/// A site that shuts one of them out does not want its texts to be used so.
const TRAINING_AGENTS: [&str; 16] = [
    "mynah",
    "gptbot",
    "google-extended",
    "ccbot",
    "claudebot",
    "anthropic-ai",
    "claude-web",
    "applebot-extended",
    "meta-externalagent",
    "facebookbot",
    "bytespider",
    "amazonbot",
    "cohere-training-data-crawler",
    "ai2bot",
    "diffbot",
    "omgili",
];

/// No such file is larger: RFC 9309 asks for 500 KiB at least to be read.
const LARGEST_BYTES: u64 = 512 << 10;

/// The reservations in a source's folders, read when they are first needed.
pub(crate) struct OptOuts {
    root: PathBuf,
    folders: HashMap<PathBuf, Vec<(&'static str, Rules)>>,
}

/// What reads a file.
type Reader = fn(&str) -> Rules;

/// The files by name.
const READERS: [(&str, Reader); 4] = [
    ("robots.txt", robots),
    ("ai.txt", robots),
    ("tdmrep.json", tdmrep),
    (".well-known/tdmrep.json", tdmrep),
];

/// What a file reserves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules {
    /// Groups of patterns with whether they allow; in each the longest that matches counts.
    groups: Vec<(String, Vec<(String, bool)>)>,
}

impl OptOuts {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), folders: HashMap::new() }
    }

    /// Why a file is not to be used, and what says so.
    pub(crate) fn of_file(&mut self, path: &Path) -> Result<Option<(&'static str, String)>, Error> {
        let mut folder = path.parent().map(Path::to_owned);
        while let Some(inside) = folder.filter(|folder| folder.starts_with(&self.root)) {
            if !self.folders.contains_key(&inside) {
                let rules = rules_in(&inside)?;
                self.folders.insert(inside.clone(), rules);
            }
            let below = path.strip_prefix(&inside).unwrap_or(path).to_string_lossy();
            let below = format!("/{}", below.replace('\\', "/"));
            for (name, rules) in &self.folders[&inside] {
                if let Some((group, pattern)) = rules.reserve(&below) {
                    let file = inside.join(name);
                    let evidence = format!("{} says {group}: {pattern}", file.display());
                    return Ok(Some((*name, evidence)));
                }
            }
            folder = inside.parent().map(Path::to_owned);
        }
        Ok(None)
    }
}

/// The reservation files of one folder.
fn rules_in(folder: &Path) -> Result<Vec<(&'static str, Rules)>, Error> {
    let mut found = Vec::new();
    for (name, reader) in READERS {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).doing("read", &path)?;
        let bytes = &bytes[..bytes.len().min(LARGEST_BYTES as usize)];
        found.push((name, reader(&String::from_utf8_lossy(bytes))));
    }
    Ok(found)
}

impl Rules {
    /// The group and the pattern that reserve a path.
    fn reserve(&self, path: &str) -> Option<(&str, &str)> {
        self.groups.iter().find_map(|(agent, patterns)| {
            let best = patterns
                .iter()
                .filter(|(pattern, _)| matches(pattern, path))
                // Of equally long ones the one that allows counts.
                .max_by_key(|(pattern, allows)| (pattern.len(), *allows))?;
            (!best.1).then_some((agent.as_str(), best.0.as_str()))
        })
    }
}

/// Reads the groups of `robots.txt` or `ai.txt` that are for everybody or for training.
fn robots(text: &str) -> Rules {
    let mut groups: Vec<(String, Vec<(String, bool)>)> = Vec::new();
    // The groups that the lines are for, by place; and whether their names are still being read.
    let (mut current, mut in_names): (Vec<usize>, bool) = (Vec::new(), false);
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match field.trim().to_ascii_lowercase().as_str() {
            "user-agent" => {
                if !in_names {
                    current.clear();
                    in_names = true;
                }
                let agent = value.to_ascii_lowercase();
                if agent == "*" || TRAINING_AGENTS.contains(&agent.as_str()) {
                    let at = groups.iter().position(|(name, _)| *name == agent);
                    current.push(at.unwrap_or_else(|| {
                        groups.push((agent, Vec::new()));
                        groups.len() - 1
                    }));
                }
            }
            field @ ("allow" | "disallow") => {
                in_names = false;
                if value.is_empty() {
                    continue;
                }
                for &group in &current {
                    groups[group].1.push((value.to_owned(), field == "allow"));
                }
            }
            _ => in_names = false,
        }
    }
    Rules { groups }
}

/// Reads `tdmrep.json`. One that is not understood reserves everything: somebody meant something.
fn tdmrep(text: &str) -> Rules {
    let reserves = |value: &serde_json::Value| {
        value.get("tdm-reservation").and_then(serde_json::Value::as_i64) == Some(1)
    };
    let all = || vec![("/".to_owned(), false)];
    let patterns = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Array(entries)) => entries
            .iter()
            .filter_map(|entry| {
                Some((entry.get("location")?.as_str()?.to_owned(), !reserves(entry)))
            })
            .collect(),
        _ => all(),
    };
    Rules { groups: vec![("tdm-reservation".to_owned(), patterns)] }
}

/// Whether a pattern with `*` (anything) and a last `$` (the end) matches the beginning of a path.
/// A pattern that begins with no slash, such as `*.txt`, may begin anywhere.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, to_end) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let is_anchored = pattern.starts_with('/');
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let mut rest = match (is_anchored, first) {
        (true, first) => match path.strip_prefix(first) {
            Some(rest) => rest,
            None => return false,
        },
        (false, first) => match path.find(first) {
            Some(at) => &path[at + first.len()..],
            None => return false,
        },
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if to_end && parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    !to_end || rest.is_empty()
}

/// A list of authors and addresses whose texts are not taken in.
///
/// A line of the list is an author's name, an address or the beginning of one, or a domain, which
/// stands for all that is below it. Lines that begin with `#` are remarks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excluded(Vec<String>);

impl Excluded {
    /// Reads a list.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(str::to_lowercase).collect())
    }

    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry that excludes a text by its author, its address or its place in the source.
    pub(crate) fn matches(
        &self,
        author: Option<&str>,
        url: Option<&str>,
        place: &str,
    ) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let author = author.map(str::to_lowercase);
        let addresses: Vec<String> =
            url.into_iter().chain([place]).map(|address| bare(&address.to_lowercase())).collect();
        let is_excluding = |entry: &&String| {
            author.as_ref().is_some_and(|author| is_named(author, entry))
                || addresses.iter().any(|address| is_at(address, &bare(entry)))
        };
        self.0.iter().find(is_excluding).cloned()
    }
}

/// Whether one of the authors, with commas between them, has this name.
fn is_named(authors: &str, name: &str) -> bool {
    authors.split([',', ';', '、']).any(|author| author.trim() == name) || authors.trim() == name
}

/// An address without its scheme and `www.`.
fn bare(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.strip_prefix("www.").unwrap_or(rest).trim_end_matches('/').to_owned()
}

/// Whether an address lies at or below another one, or at a domain below it.
fn is_at(address: &str, entry: &str) -> bool {
    let begins = |address: &str| {
        address
            .strip_prefix(entry)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
    };
    let host = address.split('/').next().unwrap_or_default();
    begins(address)
        || (!entry.contains('/') && entry.contains('.') && {
            host.strip_suffix(entry).is_some_and(|above| above.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_rfc_9309_says() {
        for (pattern, path, expected) in [
            ("/", "/a", true),
            ("/fish", "/fish.html", true),
            ("/fish", "/catfish", false),
            ("/fish*", "/fishheads/x", true),
            ("/*.php", "/a/b.php?x", true),
            ("/*.php$", "/a/b.php", true),
            ("/*.php$", "/a/b.php?x", false),
            ("/fish*.php", "/fishheads/cat.php", true),
            ("/$", "/", true),
            ("/$", "/a", false),
            ("*.txt", "/a/b.txt", true),
            ("*.txt", "/a/b.html", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn who_shuts_out_training_is_honoured() {
        let rules = robots(
            "User-agent: *\nDisallow: /private/\n\nUser-agent: GPTBot # training\n\
             User-agent: CCBot\nDisallow: /poems/\nAllow: /poems/free/\n\nUser-agent: Bingbot\n\
             Disallow: /\n",
        );
        assert_eq!(rules.reserve("/private/x"), Some(("*", "/private/")));
        assert_eq!(rules.reserve("/poems/1.html"), Some(("gptbot", "/poems/")));
        assert_eq!(rules.reserve("/poems/free/1.html"), None);
        assert_eq!(rules.reserve("/x"), None);
        assert_eq!(robots("User-agent: *\nDisallow:\n").reserve("/x"), None);
    }

    #[test]
    fn a_reservation_protocol_file_is_honoured() {
        let rules = tdmrep(
            r#"[{"location": "/news/*", "tdm-reservation": 1},
                {"location": "/news/open/*", "tdm-reservation": 0}]"#,
        );
        assert!(rules.reserve("/news/a").is_some());
        assert!(rules.reserve("/news/open/a").is_none());
        assert!(rules.reserve("/x").is_none());
        assert!(tdmrep("not JSON").reserve("/x").is_some());
    }

    #[test]
    fn files_are_looked_for_in_every_folder_of_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        fs::create_dir_all(site.join("a/b")).unwrap();
        fs::write(site.join("ai.txt"), "User-Agent: *\nDisallow: *.html\n").unwrap();
        fs::write(site.join("a/robots.txt"), "User-agent: *\nDisallow: /b/\n").unwrap();
        let mut opt_outs = OptOuts::new(folder.path());
        let mut of =
            |name: &str| opt_outs.of_file(&site.join(name)).unwrap().map(|(reason, _)| reason);
        assert_eq!(of("x.html"), Some("ai.txt"));
        assert_eq!(of("x.txt"), None);
        assert_eq!(of("a/b/x.txt"), Some("robots.txt"));
    }

    #[test]
    fn authors_and_addresses_are_excluded() {
        let list = Excluded::parse("# who asked\nA. Person\nexample.org\nhttps://h.net/blog/\n");
        let check = |author, url, expected: bool| {
            assert_eq!(
                list.matches(author, url, "file.txt").is_some(),
                expected,
                "{author:?} {url:?}"
            );
        };
        check(Some("a. person"), None, true);
        check(Some("B. Other, A. Person"), None, true);
        check(Some("A. Personal"), None, false);
        check(None, Some("https://www.example.org/x"), true);
        check(None, Some("https://sub.example.org"), true);
        check(None, Some("https://notexample.org"), false);
        check(None, Some("http://h.net/blog/1"), true);
        check(None, Some("http://h.net/blogs"), false);
        assert!(list.matches(None, None, "example.org/page.html").is_some());
        assert!(Excluded::default().matches(Some("x"), None, "y").is_none());
    }
}
