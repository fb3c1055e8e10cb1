//! Pairs of numbers in order, more than fit into memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use crate::Error;

/// Pairs that are held in memory; more go to disk: 64 MiB.
const MOST: usize = 4 << 20;

/// Sorts pairs by the first number and then the second.
pub(super) struct Sorter {
    pairs: Vec<(u64, u64)>,
    runs: Vec<File>,
    most: usize,
}

impl Sorter {
    pub(super) fn new() -> Self {
        Self::with_room(MOST)
    }

    fn with_room(most: usize) -> Self {
        Self { pairs: Vec::new(), runs: Vec::new(), most }
    }

    pub(super) fn add(&mut self, pair: (u64, u64)) -> Result<(), Error> {
        self.pairs.push(pair);
        if self.pairs.len() >= self.most {
            self.spill().map_err(fault)?;
        }
        Ok(())
    }

    /// Calls `take` with all pairs in order.
    pub(super) fn each(mut self, mut take: impl FnMut((u64, u64))) -> Result<(), Error> {
        if self.runs.is_empty() {
            self.pairs.sort_unstable();
            self.pairs.into_iter().for_each(take);
            return Ok(());
        }
        self.spill().map_err(fault)?;
        let mut runs: Vec<_> =
            self.runs.into_iter().map(|run| BufReader::with_capacity(1 << 16, run)).collect();
        let mut heads = BinaryHeap::new();
        for (i, run) in runs.iter_mut().enumerate() {
            heads.extend(read(run).map_err(fault)?.map(|pair| Reverse((pair, i))));
        }
        while let Some(Reverse((pair, i))) = heads.pop() {
            take(pair);
            heads.extend(read(&mut runs[i]).map_err(fault)?.map(|pair| Reverse((pair, i))));
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.pairs.sort_unstable();
        let mut out = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
        for (first, second) in self.pairs.drain(..) {
            out.write_all(&first.to_le_bytes())?;
            out.write_all(&second.to_le_bytes())?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }
}

fn read(run: &mut BufReader<File>) -> io::Result<Option<(u64, u64)>> {
    let mut bytes = [0; 16];
    match run.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
        Ok(()) => {
            let both = u128::from_le_bytes(bytes);
            Ok(Some((both as u64, (both >> 64) as u64)))
        }
    }
}

fn fault(source: io::Error) -> Error {
    Error::File { action: "use a temporary file in", path: std::env::temp_dir(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_comes_in_order_too() {
        for most in [1000, 7] {
            let mut sorter = Sorter::with_room(most);
            let pair = |i: u64| (i * 7919 % 101, i);
            (0..100).for_each(|i| sorter.add(pair(i)).unwrap());
            let mut expected: Vec<_> = (0..100).map(pair).collect();
            expected.sort_unstable();
            let mut got = Vec::new();
            sorter.each(|pair| got.push(pair)).unwrap();
            assert_eq!(got, expected);
        }
    }
}
