//! A file on a server, read here and there by HTTP ranges: enough for the directory of an archive.
//!
//! Blocks that were read are kept in memory, up to a limit: a hostile archive must not make the
//! reader fetch all of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use url::Url;

use crate::error::Error;
use crate::http::{self, Client, HttpError, shown};
use crate::observer::Observer;
use crate::transfer::{TransferError, content_range};

/// Bytes fetched at once.
const BLOCK: u64 = 1 << 16;
/// Bytes that may be fetched in all.
const MOST_BYTES: u64 = 64 << 20;

/// A file on a server.
pub(crate) struct RangeFile<'a> {
    client: &'a Client,
    observer: &'a dyn Observer,
    url: Url,
    length: u64,
    position: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
    fetched: u64,
}

impl<'a> RangeFile<'a> {
    /// Asks for the file's end, which tells its length.
    ///
    /// [`TransferError::NoParts`] if the server does not send parts.
    pub(crate) fn open(
        client: &'a Client,
        observer: &'a dyn Observer,
        url: Url,
    ) -> Result<Self, TransferError> {
        let mut file = Self {
            client,
            observer,
            url,
            length: 0,
            position: 0,
            blocks: BTreeMap::new(),
            fetched: 0,
        };
        let (start, length, bytes) = file.fetch(&format!("bytes=-{BLOCK}"), BLOCK)?;
        file.length = length;
        let (last, end) = file.block_at(length.saturating_sub(1));
        if start != last || end != length || bytes.len() as u64 != end - start {
            return Err(file.senseless("the end of the file is missing").into());
        }
        file.blocks.insert(start, bytes);
        Ok(file)
    }

    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    fn senseless(&self, reason: &str) -> Error {
        Error::Answer { url: shown(&self.url), reason: reason.into() }
    }

    /// Fetches one range: its first byte, the length of the file, and the bytes, at most `limit`.
    fn fetch(&mut self, range: &str, limit: u64) -> Result<(u64, u64, Vec<u8>), TransferError> {
        self.fetched += limit;
        if self.fetched > MOST_BYTES {
            return Err(HttpError::TooLong { url: shown(&self.url), limit: MOST_BYTES }.into());
        }
        let mut failures = 0;
        loop {
            let reply = self.client.get_patiently(&self.url, &[("range", range)], self.observer)?;
            if reply.status != 206 {
                return Err(TransferError::NoParts);
            }
            let Some((start, Some(length))) =
                http::header(&reply.headers, "content-range").and_then(content_range)
            else {
                return Err(self.senseless("it does not say which part it sends").into());
            };
            let mut bytes = Vec::new();
            match reply.body.into_reader().take(limit + 1).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() as u64 > limit => {
                    return Err(self.senseless("it sends more than was asked for").into());
                }
                Ok(_) => return Ok((start, length, bytes)),
                Err(error) => {
                    let error = http::explain_io(&error, &reply.url);
                    failures += 1;
                    if failures >= self.client.patience.tries {
                        return Err(error.into());
                    }
                    self.client.wait(failures, &error, self.observer);
                }
            }
        }
    }

    /// The first byte and the end of the block that `position` lies in. Blocks are counted from
    /// the file's end, so that what `open` fetched is one; the first may be shorter.
    fn block_at(&self, position: u64) -> (u64, u64) {
        let first = self.length % BLOCK;
        match position.checked_sub(first) {
            None => (0, first),
            Some(after) => {
                let start = first + after / BLOCK * BLOCK;
                (start, start + BLOCK)
            }
        }
    }

    fn block(&mut self, (start, end): (u64, u64)) -> Result<&[u8], TransferError> {
        if !self.blocks.contains_key(&start) {
            let range = format!("bytes={start}-{}", end - 1);
            let (got, length, bytes) = self.fetch(&range, end - start)?;
            if got != start || length != self.length || bytes.len() as u64 != end - start {
                return Err(self.senseless("it sends another part than was asked for").into());
            }
            self.blocks.insert(start, bytes);
        }
        Ok(&self.blocks[&start])
    }
}

impl Read for RangeFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let (start, end) = self.block_at(self.position);
        let skip = (self.position - start) as usize;
        let rest = self.block((start, end))?.get(skip..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for RangeFile<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
