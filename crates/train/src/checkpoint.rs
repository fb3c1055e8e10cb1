//! Everything that a run needs to go on, in one file that is there whole or not at all.
//!
//! `MYNAHCKP`, the header's length (`u64`, little-endian), the header as JSON, the vectors as f32
//! in little-endian, and the SHA-256 of all of that. The file is written beside its place,
//! synchronised, and renamed: a process that is killed, or a disk that is full, leaves the one
//! before.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::trainer::State;

const MAGIC: &[u8; 8] = b"MYNAHCKP";
/// The longest header that is believed.
const MOST_HEADER: u64 = 1 << 24;

/// What stands at the beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// What the run is made with.
    pub config: Config,
    /// The SHA-256 of its data and of its tokenizer, in hexadecimal.
    pub data: String,
    /// Where it is.
    pub state: State,
    /// How many numbers each vector has: weights, means, squares, the mean of weights.
    pub lengths: Vec<u64>,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("cannot {doing} {}: {error}", path.display())]
    Io {
        /// Reading or writing.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not a checkpoint, or not a whole one.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The run was begun with other data.
    #[error("{} was begun with other data: {had}, and this is {got}", path.display())]
    OtherData {
        /// The file.
        path: PathBuf,
        /// The SHA-256 then.
        had: String,
        /// And now.
        got: String,
    },
    /// The run was begun with other settings.
    #[error("{} was begun with other settings: {differences}", path.display())]
    OtherConfig {
        /// The file.
        path: PathBuf,
        /// Which, and what they were and are.
        differences: String,
    },
}

/// Writes a checkpoint.
///
/// # Errors
/// If it cannot be written; the one before is kept.
pub fn write(path: &Path, header: &Header, vectors: &[&[f32]]) -> Result<(), CheckpointError> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder)?;
        let mut out = Hashing { inner: BufWriter::new(file), hash: Sha256::new() };
        let header = serde_json::to_vec(header)?;
        out.write_all(MAGIC)?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        let mut bytes = Vec::new();
        for some in vectors.iter().flat_map(|vector| vector.chunks(1 << 16)) {
            bytes.clear();
            bytes.extend(some.iter().flat_map(|x| x.to_le_bytes()));
            out.write_all(&bytes)?;
        }
        let Hashing { mut inner, hash } = out;
        inner.write_all(&hash.finalize())?;
        let file = inner.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // So that the name is on the disk, too; not every system opens folders.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    write().map_err(|error| CheckpointError::Io { doing: "write", path: path.to_owned(), error })
}

/// Reads a checkpoint.
///
/// # Errors
/// If it cannot be read or is damaged.
pub fn read(path: &Path) -> Result<(Header, Vec<Vec<f32>>), CheckpointError> {
    let io = |error| CheckpointError::Io { doing: "read", path: path.to_owned(), error };
    let damaged = |problem: String| CheckpointError::Damaged { path: path.to_owned(), problem };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut file = Hashing { inner: BufReader::new(file), hash: Sha256::new() };
    let mut start = [0; 16];
    file.read_exact(&mut start).map_err(io)?;
    let header_length = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| start[8 + i]));
    if &start[..8] != MAGIC || header_length > MOST_HEADER.min(length) {
        return Err(damaged("it begins with something else".into()));
    }
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header).map_err(io)?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
    let numbers = header.lengths.iter().try_fold(0u64, |sum, &n| sum.checked_add(n));
    let expected = numbers.and_then(|n| n.checked_mul(4)?.checked_add(16 + header_length + 32));
    if expected != Some(length) {
        return Err(damaged("it is not as long as it says".into()));
    }
    let mut vectors = Vec::new();
    for &n in &header.lengths {
        let mut vector = Vec::with_capacity(n as usize);
        let mut bytes = [0; 1 << 12];
        let mut left = n as usize * 4;
        while left > 0 {
            let some = &mut bytes[..left.min(1 << 12)];
            file.read_exact(some).map_err(io)?;
            left -= some.len();
            vector.extend(some.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)));
        }
        vectors.push(vector);
    }
    let hash = file.hash.finalize();
    let mut expected = [0; 32];
    file.inner.read_exact(&mut expected).map_err(io)?;
    if hash[..] != expected[..] {
        return Err(damaged("its checksum is another".into()));
    }
    Ok((header, vectors))
}

impl Header {
    /// Refuses to go on with other data or settings than the run was begun with.
    ///
    /// # Errors
    /// If they differ; the error says in what.
    pub fn check(&self, path: &Path, config: &Config, data: &str) -> Result<(), CheckpointError> {
        let path = path.to_owned();
        if self.data != data {
            let (had, got) = (self.data.clone(), data.to_owned());
            return Err(CheckpointError::OtherData { path, had, got });
        }
        if self.config != *config {
            let differences = differences(&self.config, config);
            return Err(CheckpointError::OtherConfig { path, differences });
        }
        Ok(())
    }
}

/// The keys whose values differ, with both.
fn differences(had: &Config, got: &Config) -> String {
    let lines = |config: &Config| {
        let json = serde_json::to_value(config).unwrap_or_default();
        let mut lines = Vec::new();
        for (section, value) in json.as_object().into_iter().flatten() {
            match value.as_object() {
                Some(keys) => lines
                    .extend(keys.iter().map(|(key, v)| (format!("{section}.{key}"), v.clone()))),
                None => lines.push((section.clone(), value.clone())),
            }
        }
        lines
    };
    let pairs = lines(had).into_iter().zip(lines(got));
    let differ = pairs.filter(|((_, a), (_, b))| a != b);
    differ
        .map(|((key, a), (_, b))| format!("{key} was {a} and is {b}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Passes bytes on, and hashes them.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::rules::Given;

    fn header() -> Header {
        let given = Given { vocabulary: 300, steps: 10, tokens: 1000, depth: None };
        Header {
            config: Settings::default().resolve(&given).unwrap(),
            data: "abc".into(),
            state: State::default(),
            lengths: vec![3, 70_000],
        }
    }

    #[test]
    fn what_is_written_is_read_and_faults_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let long: Vec<f32> = (0..70_000).map(|i| i as f32 * 0.5).collect();
        write(&path, &header(), &[&[1.0, -2.0, f32::MIN], &long]).unwrap();
        let (read_header, vectors) = read(&path).unwrap();
        assert_eq!(read_header, header());
        assert_eq!(vectors, [vec![1.0, -2.0, f32::MIN], long]);

        let whole = std::fs::read(&path).unwrap();
        for n in [0, 5, 100, whole.len() - 1] {
            std::fs::write(&path, &whole[..n]).unwrap();
            assert!(read(&path).is_err(), "{n}");
        }
        for at in [0, 12, 40, whole.len() / 2, whole.len() - 1] {
            let mut other = whole.clone();
            other[at] ^= 1;
            std::fs::write(&path, other).unwrap();
            assert!(read(&path).is_err(), "{at}");
        }
    }

    #[test]
    fn a_failed_write_keeps_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        write(&path, &Header { lengths: vec![1], ..header() }, &[&[1.0]]).unwrap();
        let nowhere = folder.path().join("no/checkpoint");
        let error = write(&nowhere, &header(), &[]).unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
        assert_eq!(read(&path).unwrap().1, [vec![1.0]]);
    }

    #[test]
    fn other_data_and_settings_are_refused() {
        let (path, had) = (Path::new("c"), header());
        assert!(had.check(path, &had.config, "abc").is_ok());
        let error = had.check(path, &had.config, "xyz").unwrap_err().to_string();
        assert_eq!(error, "c was begun with other data: abc, and this is xyz");
        let mut config = had.config.clone();
        config.seed = 2;
        config.optimiser.clip = 0.5;
        let error = had.check(path, &config, "abc").unwrap_err().to_string();
        let expected = "seed was 1 and is 2, optimiser.clip was 1.0 and is 0.5";
        assert_eq!(error, format!("c was begun with other settings: {expected}"));
    }
}
