//! Tokens in a file: 16 bits each where the vocabulary allows, with the ends of documents.
//!
//! All numbers are little-endian: `MYNAHTOK`, bytes of a token (`u32`: 2 or 4), documents (`u32`),
//! the SHA-256 of everything after the header, the end of each document in tokens (`u64`), the
//! tokens.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::TokenSource;

const MAGIC: &[u8; 8] = b"MYNAHTOK";
const HEADER: u64 = 8 + 4 + 4 + 32;

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not one of tokens, or it is not whole.
    #[error("{} holds no tokens: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// A file of tokens that is open; tokens are read when they are needed.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    file: Mutex<File>,
    token_bytes: usize,
    ends: Vec<u64>,
    fingerprint: [u8; 32],
}

impl Shard {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read or is not a whole file of tokens.
    pub fn open(path: &Path) -> Result<Self, ShardError> {
        let io = |error| ShardError::Io { path: path.to_owned(), error };
        let wrong =
            |problem: &str| ShardError::Wrong { path: path.to_owned(), problem: problem.into() };
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut header = [0; HEADER as usize];
        if length < HEADER {
            return Err(wrong("it is shorter than a header"));
        }
        file.read_exact(&mut header).map_err(io)?;
        let number =
            |at: usize| u64::from(u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i])));
        let (token_bytes, documents) = (number(8), number(12));
        if &header[..8] != MAGIC || !matches!(token_bytes, 2 | 4) {
            return Err(wrong("it begins with something else"));
        }
        // The table is no larger than the file.
        if documents > (length - HEADER) / 8 {
            return Err(wrong("it is shorter than its table of documents"));
        }
        let mut table = vec![0; documents as usize * 8];
        file.read_exact(&mut table).map_err(io)?;
        let (table, _) = table.as_chunks::<8>();
        let ends: Vec<u64> = table.iter().map(|end| u64::from_le_bytes(*end)).collect();
        let n_tokens = ends.last().copied().unwrap_or(0);
        let expected = n_tokens.checked_mul(token_bytes).map(|n| n + HEADER + documents * 8);
        if !ends.is_sorted() || expected != Some(length) {
            return Err(wrong("its length is not what its table says"));
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(&header[16..48]);
        let (path, file) = (path.to_owned(), Mutex::new(file));
        Ok(Self { path, file, token_bytes: token_bytes as usize, ends, fingerprint })
    }
}

impl Shard {
    /// Reads everything once, and compares it with the checksum.
    ///
    /// # Errors
    /// If it cannot be read or is not what was written.
    pub fn verify(&self) -> Result<(), ShardError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hash = Sha256::new();
        each_piece(&mut file, HEADER, |piece| {
            hash.update(piece);
            Ok(())
        })
        .map_err(|error| ShardError::Io { path: self.path.clone(), error })?;
        if hash.finalize()[..] != self.fingerprint {
            let problem = "its checksum is another".into();
            return Err(ShardError::Wrong { path: self.path.clone(), problem });
        }
        Ok(())
    }
}

impl TokenSource for Shard {
    fn n_documents(&self) -> usize {
        self.ends.len()
    }

    fn length(&self, i: usize) -> usize {
        (self.ends[i] - i.checked_sub(1).map_or(0, |before| self.ends[before])) as usize
    }

    fn read(&self, i: usize, from: usize, n: usize, out: &mut Vec<u32>) -> Result<(), ShardError> {
        let first = i.checked_sub(1).map_or(0, |before| self.ends[before]) + from as u64;
        let at = HEADER + self.ends.len() as u64 * 8 + first * self.token_bytes as u64;
        let mut bytes = vec![0; n * self.token_bytes];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| ShardError::Io { path: self.path.clone(), error })?;
        match self.token_bytes {
            2 => out.extend(bytes.as_chunks().0.iter().map(|b| u32::from(u16::from_le_bytes(*b)))),
            _ => out.extend(bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b))),
        }
        Ok(())
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// Writes a file of tokens, document by document; it is there when whole.
pub struct ShardWriter {
    path: PathBuf,
    tokens: BufWriter<tempfile::NamedTempFile>,
    token_bytes: usize,
    ends: Vec<u64>,
    folder: PathBuf,
}

impl ShardWriter {
    /// Begins a file for tokens below `vocabulary`.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn create(path: &Path, vocabulary: usize) -> Result<Self, ShardError> {
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let tokens = tempfile::NamedTempFile::new_in(&folder)
            .map_err(|error| ShardError::Io { path: path.to_owned(), error })?;
        Ok(Self {
            path: path.to_owned(),
            tokens: BufWriter::new(tokens),
            token_bytes: if vocabulary <= 1 << 16 { 2 } else { 4 },
            ends: Vec::new(),
            folder,
        })
    }

    /// Adds a document.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, tokens: &[u32]) -> Result<(), ShardError> {
        for token in tokens {
            let bytes = &token.to_le_bytes()[..self.token_bytes];
            self.tokens
                .write_all(bytes)
                .map_err(|error| ShardError::Io { path: self.path.clone(), error })?;
        }
        let end = self.ends.last().copied().unwrap_or(0) + tokens.len() as u64;
        self.ends.push(end);
        Ok(())
    }

    /// Puts the file in its place, and opens it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> Result<Shard, ShardError> {
        let Self { path, tokens, token_bytes, ends, folder } = self;
        let write = || -> io::Result<()> {
            let mut tokens = tokens.into_inner().map_err(io::IntoInnerError::into_error)?;
            let table: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
            let mut hash = Sha256::new();
            hash.update(&table);
            each_piece(tokens.as_file_mut(), 0, |piece| {
                hash.update(piece);
                Ok(())
            })?;
            let mut out = BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
            out.write_all(MAGIC)?;
            out.write_all(&(token_bytes as u32).to_le_bytes())?;
            out.write_all(&(ends.len() as u32).to_le_bytes())?;
            out.write_all(&hash.finalize())?;
            out.write_all(&table)?;
            each_piece(tokens.as_file_mut(), 0, |piece| out.write_all(piece))?;
            let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            out.as_file().sync_all()?;
            out.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| ShardError::Io { path: path.clone(), error })?;
        Shard::open(&path)
    }
}

/// Reads a file from a place on, some of it at a time.
fn each_piece(
    file: &mut File,
    from: u64,
    mut use_piece: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            n => use_piece(&piece[..n])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        for vocabulary in [300, 100_000] {
            let mut writer = ShardWriter::create(&path, vocabulary).unwrap();
            writer.add(&[1, 2, 299]).unwrap();
            writer.add(&[]).unwrap();
            writer.add(&[7; 5]).unwrap();
            let shard = writer.finish().unwrap();
            assert_eq!((shard.n_documents(), shard.n_tokens()), (3, 8));
            assert_eq!([0, 1, 2].map(|i| shard.length(i)), [3, 0, 5]);
            let mut read = Vec::new();
            shard.read(0, 1, 2, &mut read).unwrap();
            shard.read(2, 4, 1, &mut read).unwrap();
            assert_eq!(read, [2, 299, 7]);
            shard.verify().unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let error = Shard::open(&path).unwrap().verify().unwrap_err().to_string();
            assert!(error.ends_with("its checksum is another"), "{error}");
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let mut writer = ShardWriter::create(&path, 300).unwrap();
        writer.add(&[1, 2, 3]).unwrap();
        writer.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        for n in [0, 7, 47, 50, whole.len() - 1] {
            std::fs::write(&path, &whole[..n]).unwrap();
            assert!(matches!(Shard::open(&path), Err(ShardError::Wrong { .. })), "{n}");
        }
        let mut many = whole.clone();
        many[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        std::fs::write(&path, many).unwrap();
        let error = Shard::open(&path).unwrap_err().to_string();
        assert!(error.ends_with("it is shorter than its table of documents"), "{error}");
    }
}
