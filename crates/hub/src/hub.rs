//! Fetching, finding, listing and removing models.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Manifest, Model, now};
use crate::catalogue::{Catalogue, Entry, Part, Terms};
use crate::checksum::Sum;
use crate::config::Config;
use crate::error::{Doing, Error};
use crate::fetch::{Fetcher, Kept};
use crate::http::Client;
use crate::observer::{Event, Observer};
use crate::open::open;
use crate::plan::{self, FileTask, Plan, is_gguf, split_part};
use crate::planner;
use crate::reference::Reference;

/// The models on this machine, and the way to get more.
pub struct Hub {
    config: Config,
    catalogue: Catalogue,
    client: Client,
    cache: Cache,
}

/// What [`Hub::pull`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The model.
    pub model: Model,
    /// Whether it was in the cache before.
    pub was_here: bool,
}

impl Hub {
    /// Reads the catalogue and prepares for requests; makes none yet and no folder either.
    pub fn new(config: Config) -> Result<Self, Error> {
        let catalogue = Catalogue::load(config.own_catalogue.as_deref())?;
        let client = Client::new(&config)?;
        let cache = Cache::new(&config.home);
        Ok(Self { config, catalogue, client, cache })
    }

    /// The models that have a short name.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The model in the cache that the reference means, if it is there.
    pub fn find(&self, reference: &Reference) -> Result<Option<Model>, Error> {
        self.cache.find(&self.name_of(reference)?)
    }

    /// The model in the cache that the reference means.
    pub fn get(&self, reference: &Reference) -> Result<Model, Error> {
        let name = self.name_of(reference)?;
        self.check_known(reference)?;
        self.cache.find(&name)?.ok_or(Error::NotHere { name })
    }

    /// Fetches a model into the cache, or finds it there.
    ///
    /// With `again`, it is fetched even if it is there; the old one stays until the new one is
    /// whole. A pull that was stopped is continued by the next one.
    pub fn pull(
        &self,
        reference: &Reference,
        again: bool,
        observer: &dyn Observer,
    ) -> Result<Pulled, Error> {
        let name = self.name_of(reference)?;
        if let Some(model) = self.cache.find(&name).ok().flatten().filter(|_| !again)
            && model.is_complete()
        {
            return Ok(Pulled { model, was_here: true });
        }
        self.check_known(reference)?;
        if self.config.offline && !matches!(reference, Reference::Path(_)) {
            return Err(Error::Offline { name });
        }
        let _lock = self.cache.lock(&name, observer)?;
        // Another process may have fetched it while this one waited.
        if let Some(model) = self.cache.find(&name).ok().flatten().filter(|_| !again)
            && model.is_complete()
        {
            return Ok(Pulled { model, was_here: true });
        }
        let made = self.make(&name, reference, observer).inspect_err(|_| {
            self.cache.forget_empty(&name);
        })?;
        let (manifest, files) = made;
        let model = self.cache.keep(&manifest, &files)?;
        Ok(Pulled { model, was_here: false })
    }

    /// Makes a model's files and looks whether they are one. The manifest, and where they lie.
    fn make(
        &self,
        name: &str,
        reference: &Reference,
        observer: &dyn Observer,
    ) -> Result<(Manifest, PathBuf), Error> {
        let partial = self.cache.partial(name);
        fs::create_dir_all(&partial).doing("make", &partial)?;
        let mut fetcher = Fetcher::new(&self.client, &self.config, observer, &partial);
        let mut is_data = self.config.keep_data;
        let mut manifest = if let Reference::Name(name) = reference {
            let entry = self.catalogue.get(name).ok_or_else(|| self.unknown(name))?;
            is_data |= entry.data;
            self.fetch_entry(entry, &mut fetcher, observer)?
        } else {
            let place = (partial.as_path(), observer);
            let plan =
                planner::of_reference(reference, &self.client, &self.config, &mut fetcher, place)?;
            self.fetch_plan(name, &plan, &mut fetcher, observer)?
        };
        let files = fetcher.files();
        remove_strays(&files, &manifest)?;
        manifest.main = main_file(&files, &manifest.files);
        let path = manifest.main.as_ref().map_or_else(|| files.clone(), |main| files.join(main));
        if !is_data && let Err(reason) = open(&path) {
            fs::remove_dir_all(&partial).doing("remove", &partial)?;
            return Err(Error::NotAModel { name: name.into(), reason });
        }
        Ok((manifest, files))
    }

    /// Every model in the cache, by name. One that cannot be read is an error in its place.
    pub fn list(&self) -> Result<Vec<Result<Model, Error>>, Error> {
        self.cache.list()
    }

    /// Removes a model, and whatever an unfinished pull of it left. What was removed, if its
    /// manifest could be read.
    pub fn remove(&self, reference: &Reference) -> Result<Option<Model>, Error> {
        let name = self.name_of(reference)?;
        let model = self.cache.find(&name).ok().flatten();
        if model.is_none() {
            self.check_known(reference)?;
        }
        let _lock = self.cache.try_lock(&name)?;
        if !self.cache.remove(&name)? {
            return Err(Error::NotHere { name });
        }
        Ok(model)
    }

    /// Compares every file of a model with its manifest: reads all of it.
    pub fn verify(&self, model: &Model, observer: &dyn Observer) -> Result<(), Error> {
        for file in model.manifest.files.iter().chain(&model.manifest.notices) {
            let path = model.folder.join(&file.name);
            let (name, bytes) = (&file.name, Some(file.bytes));
            observer.event(Event::FileStarted { file: name, bytes, kept: 0 });
            let sum = Sum::of_file(&path).doing("read", &path)?;
            if sum != file.sha256 {
                return Err(Error::Changed { path });
            }
            observer.event(Event::FileProgress { bytes: file.bytes });
            observer.event(Event::FileFinished { file: name });
        }
        Ok(())
    }

    /// The name that the model has, or would have, in the cache.
    fn name_of(&self, reference: &Reference) -> Result<String, Error> {
        let Reference::Path(path) = reference else { return Ok(reference.to_string()) };
        let unsafe_name = || Error::UnsafeName { name: path.display().to_string() };
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let name = whole.file_name().and_then(|name| name.to_str()).ok_or_else(unsafe_name)?;
        let name = match split_part(name) {
            Some((stem, ..)) => stem,
            None => name.strip_suffix(".gguf").unwrap_or(name),
        };
        // A file of a person's own does not hide the catalogue's model of the same name.
        Ok(match self.catalogue.get(name) {
            Some(_) => format!("{name}-own"),
            None => name.to_owned(),
        })
    }

    /// Refuses a name that neither the catalogue nor the cache has.
    fn check_known(&self, reference: &Reference) -> Result<(), Error> {
        match reference {
            Reference::Name(name)
                if self.catalogue.get(name).is_none() && self.cache.find(name)?.is_none() =>
            {
                Err(self.unknown(name))
            }
            _ => Ok(()),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let kept = self.cache.list().unwrap_or_default();
        let kept = kept.iter().flatten().map(|model| model.manifest.name.as_str());
        let names = self.catalogue.entries().iter().map(|entry| entry.name.as_str()).chain(kept);
        Error::UnknownName { name: name.into(), similar: most_similar(name, names) }
    }

    /// Fetches an entry from the first of its sources that gives it.
    fn fetch_entry(
        &self,
        entry: &Entry,
        fetcher: &mut Fetcher<'_>,
        observer: &dyn Observer,
    ) -> Result<Manifest, Error> {
        let accepted_at = self.accept_terms(entry, fetcher, observer)?;
        let mut failures = Vec::new();
        for (at, source) in entry.sources.iter().enumerate() {
            let plan = plan::of_entry(entry, source);
            match self.fetch_plan(&entry.name, &plan, fetcher, observer) {
                Ok(manifest) => {
                    let notices = fetch_notices(entry, fetcher);
                    return Ok(Manifest { accepted_at, notices, ..manifest });
                }
                // Another source does not make more room, and is not wanted either.
                Err(error @ (Error::DiskFull { .. } | Error::File { .. } | Error::Stopped)) => {
                    return Err(error);
                }
                Err(error) => {
                    if at + 1 < entry.sources.len() {
                        let source = plan.source.as_str();
                        observer.event(Event::SourceFailed { source, error: &error });
                    }
                    failures.push((plan.source, error));
                }
            }
        }
        if failures.len() == 1 {
            return Err(failures.remove(0).1);
        }
        Err(Error::AllSourcesFailed { model: entry.name.clone(), failures })
    }

    /// Asks the person, unless the same wording was accepted before. When it was accepted.
    fn accept_terms(
        &self,
        entry: &Entry,
        fetcher: &mut Fetcher<'_>,
        observer: &dyn Observer,
    ) -> Result<Option<String>, Error> {
        let (Some(terms), Some(text)) = (&entry.terms, entry.notices.first()) else {
            return Ok(None);
        };
        if let Some(acceptance) = self.cache.acceptance(terms, text.sha256) {
            return Ok(Some(acceptance.accepted_at));
        }
        let kept = fetcher.fetch(&task_of(text), &text.from.0.to_string())?;
        let asked = Terms {
            model: entry.name.clone(),
            name: terms.clone(),
            url: entry.licence_url.clone(),
            text: Some(fetcher.files().join(kept.name)),
        };
        if !observer.accept(&asked) {
            let (model, terms, url) = (asked.model, asked.name, asked.url);
            return Err(Error::NotAccepted { model, terms, url });
        }
        let acceptance = self.cache.accept(terms, &entry.licence_url, text.sha256)?;
        Ok(Some(acceptance.accepted_at))
    }

    /// Fetches every file of a plan.
    fn fetch_plan(
        &self,
        name: &str,
        plan: &Plan,
        fetcher: &mut Fetcher<'_>,
        observer: &dyn Observer,
    ) -> Result<Manifest, Error> {
        plan.check(self.config.largest_file_bytes)?;
        observer.event(Event::Fetching {
            model: name,
            source: &plan.source,
            bytes: plan.bytes(),
            licence: plan.licence.as_ref().map(|licence| licence.name.as_str()),
        });
        let mut files = Vec::new();
        for task in &plan.files {
            files.push(fetcher.fetch(task, &plan.source)?);
        }
        Ok(Manifest {
            name: name.into(),
            source: plan.source.clone(),
            licence: plan.licence.clone(),
            accepted_at: None,
            fetched_at: now(),
            main: None,
            files,
            notices: Vec::new(),
        })
    }
}

fn task_of(part: &Part) -> FileTask {
    let (bytes, sha256) = (Some(part.bytes), Some(part.sha256));
    FileTask::whole(part.name.clone(), part.from.0.clone(), bytes, sha256)
}

/// Fetches the texts beside a model. One that cannot be had does not spoil the model: the terms
/// that had to be accepted were fetched before it.
fn fetch_notices(entry: &Entry, fetcher: &mut Fetcher<'_>) -> Vec<Kept> {
    let fetched = entry.notices.iter().map(|notice| {
        let source = notice.from.0.to_string();
        fetcher.fetch(&task_of(notice), &source)
    });
    fetched.filter_map(Result::ok).collect()
}

/// The file that is the model: a single one whatever it is, so that the error is about it, or the
/// first part of a split one. A folder has none.
fn main_file(folder: &Path, files: &[Kept]) -> Option<String> {
    let first = files.first()?;
    let is_gguf = files.len() == 1 || is_gguf(&first.name);
    (is_gguf && folder.join(&first.name).is_file()).then(|| first.name.clone())
}

/// Removes what an earlier, different plan left among the files.
fn remove_strays(files: &Path, manifest: &Manifest) -> Result<(), Error> {
    let wanted: Vec<PathBuf> =
        manifest.files.iter().chain(&manifest.notices).map(|file| files.join(&file.name)).collect();
    let mut folders = vec![files.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).doing("read", &folder)? {
            let path = entry.doing("read", &folder)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !wanted.contains(&path) {
                fs::remove_file(&path).doing("remove", &path)?;
            }
        }
    }
    Ok(())
}

/// The name with the fewest differing letters, if it is near enough to be meant.
fn most_similar<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let lower = name.to_lowercase();
    names
        .map(|known| {
            // A person may know only how the name begins.
            let begin: String = known.chars().take(lower.chars().count() + 1).collect();
            let family = known.split('-').next().unwrap_or(known);
            let costs = [known, &begin, family].map(|word| edit_distance(&lower, word));
            (costs.into_iter().min().unwrap_or(usize::MAX), known)
        })
        .min()
        .filter(|(cost, _)| *cost <= name.len() / 3)
        .map(|(_, known)| known.to_owned())
}

/// How many letters must be added, removed or replaced to turn one word into the other.
/// Source: Levenshtein 1966, by the usual table of which only one row is kept.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_between_words() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)]
        {
            assert_eq!(edit_distance(a, b), expected, "{a} {b}");
            assert_eq!(edit_distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_wrong_name_finds_the_right_one() {
        let names = ["smollm2-135m", "gemma3-270m", "qwen2.5-coder-0.5b"];
        let similar = |name| most_similar(name, names.into_iter());
        assert_eq!(similar("smolm2-135m").as_deref(), Some("smollm2-135m"));
        assert_eq!(similar("Gemma3").as_deref(), Some("gemma3-270m"));
        assert_eq!(similar("smolm2").as_deref(), Some("smollm2-135m"));
        assert_eq!(similar("qwen").as_deref(), Some("qwen2.5-coder-0.5b"));
        assert_eq!(similar("gpt-5"), None);
    }
}
