//! Counts that do not fit into memory: sorted runs on disk, read back side by side.
//!
//! A run is a file of records in the order of the words' bytes: the length of the word and its
//! count as little-endian u32 and u64, then its bytes. The files have no name and are gone when the
//! program ends, however it ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, Write as _};

use super::count::Words;
use crate::Error;

/// How many runs are read side by side: each has a buffer and a file.
const MOST_RUNS: usize = 64;
/// What a word in memory takes beside its bytes.
const WORD_BYTES: usize = 40;

/// A run on disk.
pub(super) struct Run(File);

/// Writes words, which are in order, as a run.
pub(super) fn write(words: &Words) -> Result<Run, Error> {
    let mut out = Writer::new()?;
    for (word, count) in words {
        out.add(word, *count)?;
    }
    out.finish()
}

/// Reads runs and tables side by side, and adds the counts of equal words up. The words, and the
/// frequency below which they were left out: as far as needed to fit into `memory_bytes`.
pub(super) fn merge(
    mut runs: Vec<Run>,
    tables: Vec<Words>,
    memory_bytes: usize,
) -> Result<(Words, u64), Error> {
    for table in &tables {
        runs.push(write(table)?);
    }
    drop(tables);
    while runs.len() > MOST_RUNS {
        let rest = runs.split_off(MOST_RUNS);
        let mut out = Writer::new()?;
        each_sum(runs, |word, count| out.add(word, count))?;
        runs = rest;
        runs.push(out.finish()?);
    }
    let mut kept = Kept { words: Vec::new(), bytes: 0, least: 1, memory_bytes };
    each_sum(runs, |word, count| {
        kept.add(word, count);
        Ok(())
    })?;
    Ok((kept.words, kept.least))
}

/// Words that are kept as long as there is room.
struct Kept {
    words: Words,
    bytes: usize,
    least: u64,
    memory_bytes: usize,
}

impl Kept {
    fn add(&mut self, word: &str, count: u64) {
        if count < self.least {
            return;
        }
        self.bytes += word.len() + WORD_BYTES;
        self.words.push((word.into(), count));
        while self.bytes > self.memory_bytes && !self.words.is_empty() {
            self.least += 1;
            let least = self.least;
            self.words.retain(|(_, count)| *count >= least);
            self.bytes = self.words.iter().map(|(word, _)| word.len() + WORD_BYTES).sum();
        }
    }
}

/// Calls `take` with every word of some runs, in order, and the sum of its counts.
fn each_sum(
    runs: Vec<Run>,
    mut take: impl FnMut(&str, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut readers: Vec<Reader> = runs.into_iter().map(Reader::new).collect();
    let mut heads = BinaryHeap::new();
    for (i, reader) in readers.iter_mut().enumerate() {
        heads.extend(reader.next()?.map(|(word, count)| Reverse((word, i, count))));
    }
    let mut current: Option<(String, u64)> = None;
    while let Some(Reverse((word, i, count))) = heads.pop() {
        match &mut current {
            Some((same, sum)) if *same == word => *sum += count,
            _ => {
                if let Some((word, sum)) = current.replace((word, count)) {
                    take(&word, sum)?;
                }
            }
        }
        heads.extend(readers[i].next()?.map(|(word, count)| Reverse((word, i, count))));
    }
    current.map_or(Ok(()), |(word, sum)| take(&word, sum))
}

struct Writer(BufWriter<File>);

impl Writer {
    fn new() -> Result<Self, Error> {
        Ok(Self(BufWriter::with_capacity(1 << 18, tempfile::tempfile().map_err(fault)?)))
    }

    fn add(&mut self, word: &str, count: u64) -> Result<(), Error> {
        let length = (word.len() as u32).to_le_bytes();
        let parts = [&length[..], &count.to_le_bytes(), word.as_bytes()];
        parts.iter().try_for_each(|part| self.0.write_all(part)).map_err(fault)
    }

    fn finish(self) -> Result<Run, Error> {
        let mut file = self.0.into_inner().map_err(|error| fault(error.into_error()))?;
        file.rewind().map_err(fault)?;
        Ok(Run(file))
    }
}

struct Reader(BufReader<File>);

impl Reader {
    fn new(run: Run) -> Self {
        Self(BufReader::with_capacity(1 << 16, run.0))
    }

    fn next(&mut self) -> Result<Option<(String, u64)>, Error> {
        let mut head = [0; 12];
        if self.0.fill_buf().map_err(fault)?.is_empty() {
            return Ok(None);
        }
        self.0.read_exact(&mut head).map_err(fault)?;
        let (length, count) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
        let count = u64::from_le_bytes(count.try_into().unwrap_or_default());
        let mut word = vec![0; length as usize];
        self.0.read_exact(&mut word).map_err(fault)?;
        let word = String::from_utf8(word).map_err(|error| fault(io::Error::other(error)))?;
        Ok(Some((word, count)))
    }
}

fn fault(source: io::Error) -> Error {
    Error::File { action: "use a temporary file in", path: std::env::temp_dir(), source }
}
