//! Where the bytes of a piece end: counted, summed, written, reported and compared.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::archive::{ArchiveError, Member};
use crate::checksum::Hasher;
use crate::error::{Doing, Error};
use crate::observer::{Event, Observer};
use crate::plan::Piece;
use crate::transfer::{TransferError, cause};

/// Why a piece was not added.
pub(crate) struct Problem {
    pub(crate) error: TransferError,
    /// Whether bytes that an earlier try kept were part of it.
    pub(crate) was_continued: bool,
}

impl Problem {
    pub(crate) fn continued(self, was_continued: bool) -> Self {
        Self { was_continued, ..self }
    }
}

impl<E: Into<TransferError>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self { error: error.into(), was_continued: false }
    }
}

/// Takes a piece's bytes: counts, sums, writes and reports them.
pub(crate) struct Sink<'s> {
    observer: &'s dyn Observer,
    source_name: &'s str,
    path: &'s Path,
    file_hasher: &'s mut Hasher,
    hasher: Hasher,
    crc: crc32fast::Hasher,
    start: u64,
    taken: u64,
    limit: u64,
    out: Option<&'s mut File>,
}

impl<'s> Sink<'s> {
    /// `names`: the source's, for messages, and the file's. `out`: the file from `start` on, if
    /// the bytes are not in it already. No more than `limit` bytes are taken.
    pub(crate) fn new(
        observer: &'s dyn Observer,
        names: (&'s str, &'s Path),
        file_hasher: &'s mut Hasher,
        (start, limit): (u64, u64),
        out: Option<&'s mut File>,
    ) -> Self {
        Self {
            observer,
            source_name: names.0,
            path: names.1,
            file_hasher,
            hasher: Hasher::default(),
            crc: crc32fast::Hasher::new(),
            start,
            taken: 0,
            limit,
            out,
        }
    }

    /// Reads `reader` to its end, which must not be beyond `expected` bytes.
    pub(crate) fn take(
        &mut self,
        mut reader: impl Read,
        expected: Option<u64>,
    ) -> Result<u64, TransferError> {
        let limit = expected.unwrap_or(u64::MAX).min(self.limit);
        let mut buffer = vec![0; 1 << 17];
        if let Some(out) = &mut self.out {
            out.seek(SeekFrom::Start(self.start)).doing("write", self.path)?;
        }
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => return Ok(self.taken),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let error = cause(error).unwrap_or_else(|source| {
                        let path = self.path.to_owned();
                        Error::File { action: "read", path, source }.into()
                    });
                    return Err(error);
                }
            };
            if !self.observer.goes_on() {
                return Err(Error::Stopped.into());
            }
            self.taken += n as u64;
            if self.taken > limit {
                let file = self.path.file_name().unwrap_or_default().to_string_lossy().into();
                let (bytes, limit) = (self.taken, limit);
                return Err(Error::TooLarge { file, bytes, limit }.into());
            }
            self.hasher.update(&buffer[..n]);
            self.file_hasher.update(&buffer[..n]);
            self.crc.update(&buffer[..n]);
            if let Some(out) = &mut self.out {
                out.write_all(&buffer[..n]).doing("write", self.path)?;
            }
            let bytes = self.start + self.taken;
            self.observer.event(Event::FileProgress { bytes });
        }
    }

    /// Compares what was taken with what was promised.
    pub(crate) fn check(
        self,
        piece: &Piece,
        member: Option<&Member>,
        name: &str,
    ) -> Result<(), Problem> {
        let source_name = self.source_name.to_owned();
        let promised = piece.bytes.or(member.map(|member| member.bytes));
        if let Some(expected) = promised.filter(|expected| *expected != self.taken) {
            let (file, got) = (name.to_owned(), self.taken);
            return Err(Error::Length { file, source_name, expected, got }.into());
        }
        let got = self.crc.finalize();
        if let Some(member) = member.filter(|member| member.crc32 != got) {
            let (archive, member, expected) = (source_name, member.name.clone(), member.crc32);
            return Err(Error::from(ArchiveError::Crc { archive, member, expected, got }).into());
        }
        let got = self.hasher.finish();
        match piece.sha256 {
            Some(expected) if expected != got => {
                Err(Error::Checksum { file: name.into(), source_name, expected, got }.into())
            }
            _ => Ok(()),
        }
    }
}
