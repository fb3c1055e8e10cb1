//! Corpora for tests.

#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::time::{Duration, SystemTime};

use mynah_corpus::clean::Clean;
use mynah_corpus::{Add, Added, Corpus, Error, Excluded};

/// 1 March 2026.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(492_312)
}

/// Nobody is left out.
pub(crate) static NOBODY: std::sync::LazyLock<Excluded> =
    std::sync::LazyLock::new(Excluded::default);

/// A source with a licence that the caller knows.
pub(crate) fn licensed<'a>(path: &'a Path, name: &'a str) -> Add<'a> {
    Add { licence: Some("CC0-1.0"), ..unlicensed(path, name) }
}

/// A source of which nothing is known.
pub(crate) fn unlicensed<'a>(path: &'a Path, name: &'a str) -> Add<'a> {
    Add {
        path,
        name,
        origin: None,
        licence: None,
        licence_evidence: "said by a test",
        allows_unlicensed: false,
        excluded: &NOBODY,
        fields: &[],
        members: None,
        now: now(),
    }
}

pub(crate) fn add(corpus: &mut Corpus, add: &Add<'_>) -> Added {
    corpus.add(add, &mut |_| true).unwrap()
}

/// A corpus of these texts, one source.
pub(crate) fn of_texts(folder: &Path, texts: &[&str]) -> Corpus {
    let lines: String =
        texts.iter().map(|text| format!("{}\n", serde_json::json!({ "text": text }))).collect();
    std::fs::write(folder.join("in.jsonl"), lines).unwrap();
    let mut corpus = Corpus::open_to_change(&folder.join("corpus")).unwrap();
    add(&mut corpus, &licensed(&folder.join("in.jsonl"), "in"));
    corpus
}

pub(crate) fn clean(corpus: &mut Corpus) {
    let clean = Clean { against: Vec::new(), languages: None, n_threads: 2 };
    corpus.clean(&clean, &mut |_| true).unwrap();
}

/// The texts that are used.
pub(crate) fn texts(corpus: &Corpus) -> Vec<String> {
    corpus.documents(0).map(|document| document.unwrap().text).collect()
}

/// The places of the documents that are used.
pub(crate) fn places(corpus: &Corpus) -> Vec<String> {
    corpus.documents(0).map(|document| document.unwrap().place).collect()
}

pub(crate) fn is_stopped(result: &Result<Added, Error>) -> bool {
    matches!(result, Err(Error::Stopped))
}
