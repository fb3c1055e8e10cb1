//! Finds files in repositories on Hugging Face, or on a mirror of it.
//!
//! Sources: the hub's HTTP interface, `/api/models/REPO/revision/REVISION?blobs=true` (of a
//! data set `/api/datasets/…`), and the
//! `X-Linked-Etag`, `X-Linked-Size` and `X-Repo-Commit` headers of `/REPO/resolve/REVISION/FILE`.

use serde::Deserialize;
use url::Url;

use super::LARGEST_ANSWER_BYTES;
use crate::checksum::Sum;
use crate::error::Error;
use crate::http::{self, Client, HttpError, shown};
use crate::observer::Observer;

/// What a repository holds at one commit.
#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) commit: String,
    pub(crate) licence: Option<String>,
    pub(crate) files: Vec<RepoFile>,
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepoFile {
    pub(crate) name: String,
    pub(crate) bytes: Option<u64>,
    /// Known for large files only; for small ones the hub gives Git's sum.
    pub(crate) sha256: Option<Sum>,
}

/// Asks what a repository holds.
pub(crate) fn find_repo(
    client: &Client,
    endpoint: &str,
    (repo, revision): (&str, &str),
    observer: &dyn Observer,
) -> Result<Repo, Error> {
    #[derive(Deserialize)]
    struct Answer {
        sha: String,
        #[serde(default)]
        siblings: Vec<Sibling>,
        #[serde(default, rename = "cardData")]
        card: Option<Card>,
        #[serde(default)]
        tags: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Sibling {
        rfilename: String,
        size: Option<u64>,
        lfs: Option<Lfs>,
    }
    #[derive(Deserialize)]
    struct Lfs {
        sha256: Option<Sum>,
        size: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Card {
        // Some cards give a list.
        license: Option<serde_json::Value>,
        license_name: Option<String>,
    }
    // The name of a data set says that it is one.
    let kind: &[&str] = if repo.starts_with("datasets/") { &["api"] } else { &["api", "models"] };
    let mut url = endpoint_url(endpoint, kind)?;
    push(&mut url, repo.split('/').chain(["revision", revision]));
    url.set_query(Some("blobs=true"));
    let (text, reply) = client.text(&url, &[], LARGEST_ANSWER_BYTES, observer)?;
    let answer: Answer = serde_json::from_str(&text)
        .map_err(|error| Error::Answer { url: shown(&reply.url), reason: error.to_string() })?;
    let tagged = || answer.tags.iter().find_map(|tag| tag.strip_prefix("license:"));
    let licence = answer
        .card
        .and_then(|card| match (card.license?, card.license_name) {
            (serde_json::Value::String(name), Some(own)) if name == "other" => Some(own),
            (serde_json::Value::String(name), _) => Some(name),
            _ => None,
        })
        .or_else(|| tagged().map(Into::into));
    let files = answer.siblings.into_iter().map(|file| {
        let (sha256, bytes) = file.lfs.map_or((None, None), |lfs| (lfs.sha256, lfs.size));
        RepoFile { name: file.rfilename, bytes: bytes.or(file.size), sha256 }
    });
    Ok(Repo { commit: answer.sha, licence, files: files.collect() })
}

/// Asks about one file, for a mirror that has no list of a repository's files. The commit, if the
/// server tells it, and the file.
pub(crate) fn find_file(
    client: &Client,
    endpoint: &str,
    (repo, revision, file): (&str, &str, &str),
    observer: &dyn Observer,
) -> Result<(Option<String>, RepoFile), Error> {
    let url = file_url(endpoint, repo, revision, file)?;
    let reply = client.get_patiently(&url, &[("range", "bytes=0-0")], observer)?;
    let first = &reply.first_headers;
    let etag = http::header(first, "x-linked-etag").or_else(|| http::header(first, "etag"));
    let sha256 = etag.and_then(|tag| tag.trim_matches('"').parse().ok());
    let bytes = http::header(first, "x-linked-size").and_then(|size| size.parse().ok());
    let commit = http::header(first, "x-repo-commit").map(Into::into);
    Ok((commit, RepoFile { name: file.into(), bytes, sha256 }))
}

/// Where a file lies.
pub(crate) fn file_url(
    endpoint: &str,
    repo: &str,
    revision: &str,
    file: &str,
) -> Result<Url, HttpError> {
    let mut url = endpoint_url(endpoint, &[])?;
    push(&mut url, repo.split('/').chain(["resolve", revision]).chain(file.split('/')));
    Ok(url)
}

fn endpoint_url(endpoint: &str, path: &[&str]) -> Result<Url, HttpError> {
    let mut url = http::parse(endpoint)?;
    push(&mut url, path.iter().copied());
    Ok(url)
}

fn push<'a>(url: &mut Url, parts: impl Iterator<Item = &'a str>) {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_put_together() {
        let url = |endpoint| file_url(endpoint, "a/b", "main", "d e/f.gguf").unwrap().to_string();
        assert_eq!(url("https://h"), "https://h/a/b/resolve/main/d%20e/f.gguf");
        assert_eq!(url("https://h/mirror/"), "https://h/mirror/a/b/resolve/main/d%20e/f.gguf");
    }
}
