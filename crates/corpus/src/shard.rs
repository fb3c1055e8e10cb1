//! Texts on disk: gzip files whose members are blocks of texts.
//!
//! A block is some texts one after the other, with a newline after each, compressed as one member
//! of a gzip file; so `zcat texts-000001.gz` reads a shard. Which text lies where is said by the
//! tables. A block is written and synchronised before the tables know of it; what an interrupted
//! process left behind the last known block is cut off by the next.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::Error;
use crate::error::Doing as _;

/// When a shard is this large, the next block begins another.
const SHARD_BYTES: u64 = 256 << 20;

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) shard: u32,
    pub(crate) offset: u64,
    /// Compressed.
    pub(crate) stored_bytes: u64,
    /// Before it was compressed.
    pub(crate) bytes: u64,
}

/// The file of a shard.
fn path_of(folder: &Path, shard: u32) -> PathBuf {
    folder.join(format!("texts-{shard:06}.gz"))
}

/// Appends blocks.
pub(crate) struct ShardWriter {
    folder: PathBuf,
    shard: u32,
    file: File,
    length: u64,
    /// The number of the shard after this one.
    next: u32,
}

impl ShardWriter {
    /// Begins a shard of this number; no shard has a greater one.
    pub(crate) fn begin(folder: &Path, shard: u32) -> Result<Self, Error> {
        let path = path_of(folder, shard);
        let file = File::create(&path).doing("write", &path)?;
        Ok(Self { folder: folder.to_owned(), shard, file, length: 0, next: shard + 1 })
    }

    /// Goes on behind the last block of a source. `next`: a number that no shard has.
    pub(crate) fn open(folder: &Path, last: Block, next: u32) -> Result<Self, Error> {
        let Block { shard, offset, stored_bytes, .. } = last;
        let length = offset + stored_bytes;
        let path = path_of(folder, shard);
        let file = OpenOptions::new().write(true).open(&path).doing("write", &path)?;
        let found = file.metadata().doing("read", &path)?.len();
        if found < length {
            let problem = format!("it has {found} bytes and should have {length}");
            return Err(Error::Damaged { path, problem });
        }
        file.set_len(length).doing("write", &path)?;
        let mut writer = Self { folder: folder.to_owned(), shard, file, length, next };
        writer.file.seek(SeekFrom::End(0)).doing("write", &path)?;
        Ok(writer)
    }

    /// Writes a block, and waits until it is on the disk.
    pub(crate) fn append(&mut self, texts: &[u8]) -> Result<Block, Error> {
        if self.length >= SHARD_BYTES {
            *self = Self::begin(&self.folder, self.next)?;
        }
        let path = path_of(&self.folder, self.shard);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let member = encoder.write_all(texts).and_then(|()| encoder.finish());
        let member = member.doing("compress", &path)?;
        self.file.write_all(&member).doing("write", &path)?;
        self.file.sync_data().doing("write", &path)?;
        let block = Block {
            shard: self.shard,
            offset: self.length,
            stored_bytes: member.len() as u64,
            bytes: texts.len() as u64,
        };
        self.length += block.stored_bytes;
        Ok(block)
    }
}

/// Reads blocks.
pub(crate) struct ShardReader {
    folder: PathBuf,
    open: Option<(u32, File)>,
}

impl ShardReader {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), open: None }
    }

    /// The texts of a block.
    pub(crate) fn read(&mut self, block: Block) -> Result<Vec<u8>, Error> {
        let path = path_of(&self.folder, block.shard);
        let mut file = match self.open.take() {
            Some((shard, file)) if shard == block.shard => file,
            _ => File::open(&path).doing("read", &path)?,
        };
        file.seek(SeekFrom::Start(block.offset)).doing("read", &path)?;
        let mut texts = Vec::new();
        // One byte more than there should be, so that more is noticed.
        let read = GzDecoder::new((&file).take(block.stored_bytes))
            .take(block.bytes + 1)
            .read_to_end(&mut texts);
        let problem = match read {
            Ok(n) if n as u64 == block.bytes => None,
            Ok(n) => Some(format!("a block has {n} bytes and should have {}", block.bytes)),
            Err(error) => Some(error.to_string()),
        };
        self.open = Some((block.shard, file));
        match problem {
            Some(problem) => Err(Error::Damaged { path, problem }),
            None => Ok(texts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_back_and_what_nobody_knows_of_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ShardWriter::begin(folder.path(), 1).unwrap();
        let first = writer.append("第一\n".as_bytes()).unwrap();
        writer.append(b"lost").unwrap();
        let mut writer = ShardWriter::open(folder.path(), first, 2).unwrap();
        let second = writer.append(b"two\n").unwrap();
        assert_eq!(second.offset, first.stored_bytes);
        let mut reader = ShardReader::new(folder.path());
        assert_eq!(reader.read(second).unwrap(), b"two\n");
        assert_eq!(reader.read(first).unwrap(), "第一\n".as_bytes());
        let wrong = Block { bytes: 3, ..second };
        assert!(matches!(reader.read(wrong), Err(Error::Damaged { .. })));
        let short = Block { stored_bytes: second.stored_bytes + 9, ..second };
        assert!(ShardWriter::open(folder.path(), short, 2).is_err());
    }
}
