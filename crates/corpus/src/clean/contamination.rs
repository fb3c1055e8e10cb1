//! Documents that hold parts of a benchmark: who trains on them measures memory.
//!
//! A document shares 13 words in a row with a benchmark's text, small letters and without
//! punctuation; in scripts without spaces, 13 characters. Source: Brown et al. 2020, "Language
//! Models are Few-Shot Learners", appendix C. There a stretch around the place is taken out; here
//! the document is left out.
//!
//! Memory: eight bytes for each 13-gram of the benchmarks.

use std::path::Path;

use rustc_hash::FxHashSet;

use super::words::Words;
use crate::Error;
use crate::source::{self, Settings};

/// Words in a row.
const NGRAM: usize = 13;

/// The n-grams of some benchmarks.
#[derive(Default)]
pub(super) struct Benchmarks {
    ngrams: FxHashSet<u64>,
}

impl Benchmarks {
    /// Reads benchmarks: any files that can be added to a corpus. Of records every text counts.
    pub(super) fn read(paths: &[&Path]) -> Result<Self, Error> {
        let mut benchmarks = Self::default();
        for path in paths {
            for file in source::files(path)? {
                let Some(kind) = source::kind_of(&file)? else { continue };
                let settings = Settings { reads_all: true, ..Settings::default() };
                source::read(&file, kind, &settings, &mut |record| {
                    benchmarks.add(&record.text);
                    Ok(())
                })?;
            }
        }
        if benchmarks.ngrams.is_empty() {
            let problem = format!("the benchmarks have no {NGRAM} words in a row");
            return Err(Error::Options { problem });
        }
        Ok(benchmarks)
    }

    fn add(&mut self, text: &str) {
        self.ngrams.extend(Words::new(text).ngrams(NGRAM));
    }

    /// The words that a text shares with a benchmark, where they are first found.
    pub(super) fn shared<'t>(&self, words: &Words<'t>) -> Option<&'t str> {
        let at = words.ngrams(NGRAM).position(|ngram| self.ngrams.contains(&ngram))?;
        let (start, end) = (words.places[at].start, words.places[at + NGRAM - 1].end);
        Some(&words.text[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_words_in_a_row_are_found() {
        let mut benchmarks = Benchmarks::default();
        benchmarks
            .add("Q: one two three four five six seven eight nine ten eleven twelve thirteen");
        let shared = |text| benchmarks.shared(&Words::new(text)).map(str::to_owned);
        let text = "He counted: One, two three four five six seven eight nine ten eleven twelve \
             THIRTEEN. Then he stopped.";
        assert!(shared(text).unwrap().starts_with("One, two"));
        assert!(shared(text).unwrap().ends_with("THIRTEEN."));
        assert_eq!(shared("one two three four five six seven eight nine ten eleven twelve"), None);
    }
}
