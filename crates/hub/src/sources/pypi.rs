//! Finds wheels in a Python package index.
//!
//! Sources: PEP 503 and PEP 691 (the "simple" interface, as HTML and as JSON), PEP 592 (yanked
//! files), PEP 440 (versions), PEP 427 (names of wheels).

use std::str::FromStr;

use pep440_rs::Version;
use serde::Deserialize;
use url::Url;

use super::LARGEST_ANSWER_BYTES;
use crate::checksum::Sum;
use crate::error::Error;
use crate::http::{self, Client, shown};
use crate::observer::Observer;

/// A wheel in an index.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    pub(crate) filename: String,
    pub(crate) version: String,
    pub(crate) url: Url,
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: Option<Sum>,
}

/// A file as an index lists it.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    filename: String,
    url: String,
    bytes: Option<u64>,
    sha256: Option<Sum>,
    is_yanked: bool,
}

/// Finds the wheel of a package: of this version, or of the newest that is not a pre-release.
pub(crate) fn find_wheel(
    client: &Client,
    index: &str,
    (package, version): (&str, Option<&str>),
    observer: &dyn Observer,
) -> Result<Wheel, Error> {
    let mut url = http::parse(index)?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(&normalised(package)).push("");
    }
    let accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5";
    let headers = [("accept", accept)];
    let (text, reply) = client.text(&url, &headers, LARGEST_ANSWER_BYTES, observer)?;
    let is_json = http::header(&reply.headers, "content-type").is_some_and(|t| t.contains("json"));
    let files = if is_json {
        parse_json(&text).map_err(|reason| Error::Answer { url: shown(&reply.url), reason })?
    } else {
        parse_html(&text)
    };
    let wheel = choose(files, package, version)?;
    let at = reply.url.join(&wheel.0.url).map_err(|error| Error::Answer {
        url: shown(&reply.url),
        reason: format!("{}: {error}", wheel.0.url),
    })?;
    let (Listed { filename, bytes, sha256, .. }, version) = wheel;
    Ok(Wheel { filename, version, url: at, bytes, sha256 })
}

fn choose(
    files: Vec<Listed>,
    package: &str,
    wanted: Option<&str>,
) -> Result<(Listed, String), Error> {
    let mut wheels: Vec<(Version, Listed)> =
        files.into_iter().filter_map(|file| Some((version_of(&file.filename)?, file))).collect();
    wheels.sort_by(|(a, _), (b, _)| b.cmp(a));
    let mut versions: Vec<String> = wheels.iter().map(|(v, _)| v.to_string()).collect();
    versions.dedup();
    let none = |wanted: String| Error::NoSuchVersion { package: package.into(), wanted, versions };
    let newest = |with_pre: bool| {
        wheels
            .iter()
            .filter(|(version, file)| !file.is_yanked && (with_pre || !version.any_prerelease()))
            .map(|(version, _)| version.clone())
            .next()
    };
    let version = match wanted {
        Some(text) => Version::from_str(text).ok(),
        None => newest(false).or_else(|| newest(true)),
    };
    let is_pure = |file: &Listed| file.filename.ends_with("-none-any.whl");
    let found = wheels
        .into_iter()
        .filter(|(v, _)| Some(v) == version.as_ref())
        .min_by_key(|(_, file)| !is_pure(file));
    match (found, wanted) {
        (Some((version, file)), _) => Ok((file, version.to_string())),
        (None, Some(text)) => Err(none(format!("wheel of version {text}"))),
        (None, None) => Err(none("wheel".into())),
    }
}

/// The version in the name of a wheel: `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl`.
fn version_of(filename: &str) -> Option<Version> {
    let parts: Vec<&str> = filename.strip_suffix(".whl")?.split('-').collect();
    match parts.len() {
        5 | 6 => Version::from_str(parts[1]).ok(),
        _ => None,
    }
}

/// The form of a package's name that an index uses.
fn normalised(package: &str) -> String {
    let lower = package.to_ascii_lowercase();
    let words = lower.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn parse_json(text: &str) -> Result<Vec<Listed>, String> {
    #[derive(Deserialize)]
    struct Page {
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        filename: String,
        url: String,
        size: Option<u64>,
        #[serde(default)]
        hashes: std::collections::HashMap<String, String>,
        #[serde(default)]
        yanked: serde_json::Value,
    }
    let page: Page = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(page
        .files
        .into_iter()
        .map(|file| Listed {
            sha256: file.hashes.get("sha256").and_then(|sum| sum.parse().ok()),
            filename: file.filename,
            url: file.url,
            bytes: file.size,
            // A reason, even an empty one, means yes.
            is_yanked: matches!(
                file.yanked,
                serde_json::Value::Bool(true) | serde_json::Value::String(_)
            ),
        })
        .collect())
}

/// Reads the anchors of an index page: `<a href="URL#sha256=SUM" data-yanked="">FILENAME</a>`.
fn parse_html(text: &str) -> Vec<Listed> {
    let mut files = Vec::new();
    let mut rest = text;
    while let Some(at) = find_tag(rest) {
        rest = &rest[at..];
        let Some(end) = rest.find('>') else { break };
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        let close = after.find('<').unwrap_or(after.len());
        if let Some(href) = attribute(tag, "href") {
            let href = unescaped(href);
            let (url, fragment) = href.split_once('#').unwrap_or((&href, ""));
            let name = url.rsplit('/').next().unwrap_or_default();
            let label = unescaped(after[..close].trim());
            files.push(Listed {
                filename: if label.is_empty() { name.into() } else { label },
                url: url.into(),
                bytes: None,
                sha256: fragment.strip_prefix("sha256=").and_then(|sum| sum.parse().ok()),
                is_yanked: tag.contains("data-yanked"),
            });
        }
        rest = &after[close..];
    }
    files
}

fn find_tag(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    bytes.windows(3).position(|w| {
        w[0] == b'<' && w[1].eq_ignore_ascii_case(&b'a') && w[2].is_ascii_whitespace()
    })
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let at = tag.find(&format!("{name}="))? + name.len() + 1;
    let value = &tag[at..];
    match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next(),
        _ => value.split_ascii_whitespace().next(),
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(filename: &str, is_yanked: bool) -> Listed {
        Listed {
            filename: filename.into(),
            url: filename.into(),
            bytes: None,
            sha256: None,
            is_yanked,
        }
    }

    fn chosen(files: &[(&str, bool)], wanted: Option<&str>) -> Result<String, Error> {
        let files = files.iter().map(|(name, yanked)| listed(name, *yanked)).collect();
        choose(files, "p", wanted).map(|(file, _)| file.filename)
    }

    #[test]
    fn names_are_normalised_as_the_index_wants_them() {
        assert_eq!(normalised("Friendly-.-Bard_x"), "friendly-bard-x");
    }

    #[test]
    fn the_newest_release_is_chosen() {
        let files = [
            ("p-0.9-py3-none-any.whl", false),
            ("p-0.10-py3-none-any.whl", false),
            ("p-0.11rc1-py3-none-any.whl", false),
            ("p-0.12-py3-none-any.whl", true),
            ("p-1.0.tar.gz", false),
        ];
        assert_eq!(chosen(&files, None).unwrap(), "p-0.10-py3-none-any.whl");
        assert_eq!(chosen(&files, Some("0.9.0")).unwrap(), "p-0.9-py3-none-any.whl");
        assert_eq!(chosen(&files, Some("0.12")).unwrap(), "p-0.12-py3-none-any.whl");
        assert_eq!(chosen(&files[2..3], None).unwrap(), "p-0.11rc1-py3-none-any.whl");
        let error = chosen(&files, Some("3")).unwrap_err();
        assert_eq!(error.to_string(), "the package p has no wheel of version 3");
        assert_eq!(error.hint().unwrap(), "it has 0.12, 0.11rc1, 0.10, 0.9");
        assert!(chosen(&files[4..], None).is_err());
    }

    #[test]
    fn a_wheel_for_every_machine_is_preferred() {
        let files = [("p-1-cp312-cp312-win_amd64.whl", false), ("p-1-1-py3-none-any.whl", false)];
        assert_eq!(chosen(&files, None).unwrap(), "p-1-1-py3-none-any.whl");
    }

    #[test]
    fn both_forms_of_a_page_say_the_same() {
        let sum = Sum::of(b"abc");
        let json = format!(
            r#"{{"files": [{{"filename": "p-1-py3-none-any.whl", "url": "../p.whl", "size": 3,
                "hashes": {{"sha256": "{sum}"}}, "yanked": false}},
                {{"filename": "q.whl", "url": "q.whl", "hashes": {{}}, "yanked": "bad"}}]}}"#
        );
        let html = format!(
            "<html><body>\n<abbr>x</abbr><A class=x href=\"../p.whl#sha256={sum}\">p-1-py3-none-any.whl\
             </a><br/><a href='q.whl' data-yanked=\"bad &amp; ugly\">q.whl</a></body>"
        );
        let mut from_json = parse_json(&json).unwrap();
        assert_eq!(from_json[0].bytes, Some(3));
        from_json[0].bytes = None;
        assert_eq!(from_json, parse_html(&html));
        assert_eq!(from_json[0].sha256, Some(sum));
        assert_eq!((from_json[0].is_yanked, from_json[1].is_yanked), (false, true));
        assert!(parse_json("{}").is_err());
        assert_eq!(parse_html("<a <a href"), []);
    }
}
