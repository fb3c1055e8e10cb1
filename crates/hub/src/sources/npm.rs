//! Finds packages in an npm registry, and members of their tarballs.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha512};
use url::Url;

use super::LARGEST_ANSWER_BYTES;
use crate::archive::ArchiveError;
use crate::error::{Doing, Error};
use crate::http::{self, Client, shown};
use crate::observer::Observer;

/// A package's tarball in a registry.
#[derive(Clone, Debug)]
pub(crate) struct Tarball {
    pub(crate) version: String,
    pub(crate) url: Url,
    /// The registry's checksum, such as `sha512-BASE64`.
    integrity: Option<String>,
}

/// Asks where a package's tarball lies.
pub(crate) fn find_tarball(
    client: &Client,
    registry: &str,
    (package, version): (&str, Option<&str>),
    observer: &dyn Observer,
) -> Result<Tarball, Error> {
    #[derive(Deserialize)]
    struct Answer {
        version: String,
        dist: Dist,
    }
    #[derive(Deserialize)]
    struct Dist {
        tarball: String,
        integrity: Option<String>,
    }
    let mut url = http::parse(registry)?;
    if let Ok(mut path) = url.path_segments_mut() {
        // A scoped name is one segment: its slash is written `%2F`.
        path.pop_if_empty().push(package).push(version.unwrap_or("latest"));
    }
    let (text, reply) = client.text(&url, &[], LARGEST_ANSWER_BYTES, observer)?;
    let bad = |reason: String| Error::Answer { url: shown(&reply.url), reason };
    let answer: Answer = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let url = reply.url.join(&answer.dist.tarball).map_err(|error| bad(error.to_string()))?;
    Ok(Tarball { version: answer.version, url, integrity: answer.dist.integrity })
}

impl Tarball {
    /// Whether a fetched tarball is checked against the registry's sum.
    pub(crate) fn is_checked(&self) -> bool {
        self.sha512().is_some()
    }

    fn sha512(&self) -> Option<&str> {
        self.integrity.as_deref()?.split_ascii_whitespace().find(|sum| sum.starts_with("sha512-"))
    }

    /// Compares a fetched tarball with the registry's sum.
    pub(crate) fn check(&self, path: &Path) -> Result<(), Error> {
        let Some(expected) = self.sha512() else { return Ok(()) };
        let mut file = File::open(path).doing("read", path)?;
        let mut sha512 = Sha512::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer).doing("read", path)? {
                0 => break,
                n => sha512.update(&buffer[..n]),
            }
        }
        if expected == format!("sha512-{}", STANDARD.encode(sha512.finalize())) {
            return Ok(());
        }
        Err(Error::Integrity { file: shown(&self.url), expected: expected.into() })
    }
}

/// Hands the member's bytes to `take`, which is told their number first.
///
/// Members lie under one folder, `package` as a rule, which is not part of their name here.
pub(crate) fn with_member<T, E: From<Error>>(
    tarball: &Path,
    member: &str,
    take: impl FnOnce(u64, &mut dyn Read) -> Result<T, E>,
) -> Result<T, E> {
    let name = tarball.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let unreadable = |reason: std::io::Error| {
        Error::from(ArchiveError::Unreadable { archive: name.clone(), reason: reason.to_string() })
    };
    let file = File::open(tarball).doing("read", tarball)?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let inner = path.split_once('/').map_or("", |(_, inner)| inner);
        if inner == member && entry.header().entry_type().is_file() {
            return take(entry.size(), &mut entry);
        }
    }
    Err(Error::from(ArchiveError::NoMember { archive: name, member: member.into() }).into())
}
