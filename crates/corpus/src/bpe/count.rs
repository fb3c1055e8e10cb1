//! How often each word occurs.
//!
//! The caller's thread reads texts and hands them out in batches; each worker counts in a table of
//! its own. A table that has become too large is sorted and written to disk ([`super::spill`]).

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mynah_model::tokenizer::Splitter;
use rustc_hash::FxBuildHasher;

use super::spill::{self, Run};
use super::{BpeOptions, Counted};
use crate::Error;

/// How much text is handed to a worker at once.
const BATCH_BYTES: usize = 1 << 20;
/// What an entry of a table takes beside the word's own bytes: the box, the count, the slot and
/// what the allocator keeps.
const ENTRY_BYTES: usize = 56;

/// Words and how often each occurs.
pub(super) type Words = Vec<(Box<str>, u64)>;

type Table = HashMap<Box<str>, u64, FxBuildHasher>;

/// Counts the words of all texts.
pub(super) fn count<T, E>(
    texts: impl IntoIterator<Item = Result<T, E>>,
    splitter: &Splitter,
    options: &BpeOptions,
) -> Result<(Words, Counted), E>
where
    T: AsRef<str> + Send,
    E: From<Error>,
{
    let n_threads = options.n_threads.max(1);
    let limit = options.memory_bytes / n_threads;
    let (sender, receiver) = sync_channel::<Vec<T>>(n_threads);
    let receiver = Arc::new(Mutex::new(receiver));
    let (bytes, counters) = thread::scope(|scope| {
        let start = |_| {
            let receiver = receiver.clone();
            scope.spawn(move || work(&receiver, splitter, limit))
        };
        let workers: Vec<_> = (0..n_threads).map(start).collect();
        // The workers' end: when all of them have given up, nobody listens.
        drop(receiver);
        let bytes = hand_out(texts, |batch| sender.send(batch).is_ok());
        drop(sender);
        let counters: Vec<Result<Counter, Error>> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        (bytes, counters)
    });
    let bytes = bytes?;
    let counters = counters.into_iter().collect::<Result<Vec<_>, _>>()?;
    let words = counters.iter().map(|counter| counter.words).sum();
    let counted = Counted { bytes, words, least_frequency: 1, ..Counted::default() };
    Ok(gather(counters, options.memory_bytes, counted)?)
}

/// Hands texts out in batches until they end or nobody takes them; how many bytes they had.
fn hand_out<T: AsRef<str>, E>(
    texts: impl IntoIterator<Item = Result<T, E>>,
    take: impl Fn(Vec<T>) -> bool,
) -> Result<u64, E> {
    let (mut batch, mut in_batch, mut bytes) = (Vec::new(), 0, 0);
    for text in texts {
        let text = text?;
        in_batch += text.as_ref().len();
        bytes += text.as_ref().len() as u64;
        batch.push(text);
        if in_batch >= BATCH_BYTES {
            in_batch = 0;
            if !take(std::mem::take(&mut batch)) {
                break;
            }
        }
    }
    take(batch);
    Ok(bytes)
}

/// What one worker has counted.
#[derive(Default)]
struct Counter {
    table: Table,
    /// How much memory the table takes, about.
    bytes: usize,
    words: u64,
    runs: Vec<Run>,
}

fn work<T: AsRef<str>>(
    batches: &Mutex<Receiver<Vec<T>>>,
    splitter: &Splitter,
    limit: usize,
) -> Result<Counter, Error> {
    let mut counter = Counter::default();
    loop {
        let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return Ok(counter) };
        for text in &batch {
            splitter.each_word(text.as_ref(), |word| counter.add(word));
            if counter.bytes > limit {
                counter.spill()?;
            }
        }
    }
}

impl Counter {
    #[inline]
    fn add(&mut self, word: &str) {
        self.words += 1;
        if let Some(count) = self.table.get_mut(word) {
            *count += 1;
        } else {
            self.bytes += word.len() + ENTRY_BYTES;
            self.table.insert(word.into(), 1);
        }
    }

    /// Writes the table to disk and begins with an empty one.
    fn spill(&mut self) -> Result<(), Error> {
        let words = sorted(std::mem::take(&mut self.table));
        self.bytes = 0;
        self.runs.push(spill::write(&words)?);
        Ok(())
    }
}

/// Words in the order of their bytes.
fn sorted(table: Table) -> Words {
    let mut words: Words = table.into_iter().collect();
    words.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    words
}

/// Adds up what the workers have counted.
fn gather(
    counters: Vec<Counter>,
    memory_bytes: usize,
    mut counted: Counted,
) -> Result<(Words, Counted), Error> {
    let mut runs = Vec::new();
    let mut tables = Vec::new();
    for counter in counters {
        runs.extend(counter.runs);
        tables.push(counter.table);
    }
    counted.spills = runs.len() as u64;
    let words = if runs.is_empty() {
        added(tables)
    } else {
        let tables = tables.into_iter().map(sorted).collect();
        let (words, least) = spill::merge(runs, tables, memory_bytes)?;
        counted.least_frequency = least;
        words
    };
    counted.distinct = words.len() as u64;
    Ok((words, counted))
}

/// Adds tables up in memory: the smaller ones are poured into the largest.
fn added(mut tables: Vec<Table>) -> Words {
    tables.sort_unstable_by_key(HashMap::len);
    let mut all = tables.pop().unwrap_or_default();
    for table in tables {
        for (word, count) in table {
            *all.entry(word).or_insert(0) += count;
        }
    }
    all.into_iter().collect()
}
