//! Bytes that come over the network into a file, and go on where they broke off.
//!
//! A [`Transfer`] is a reader: it first hands out the bytes that an earlier try left in the file,
//! then those that the server still owes, writing each to the file before handing it out. Whoever
//! reads it sees every byte once and in order, whether the connection broke or not.
//!
//! It does not know what the bytes mean: checksums and decompression are its reader's business.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Doing, Error};
use crate::http::{self, Client, HttpError, Reply, shown};
use crate::observer::Observer;

/// Once this much has arrived since the last failure, failures are counted from zero again.
const PROGRESS_BYTES: u64 = 1 << 20;

/// A piece of something on a server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where.
    pub(crate) url: Url,
    /// The part that is wanted, as offset and length; all of it if `None`.
    pub(crate) window: Option<(u64, u64)>,
    /// How long the whole thing is, if that was promised.
    pub(crate) bytes: Option<u64>,
    /// Whether a checksum will tell if parts of two different versions were put together.
    pub(crate) is_checked: bool,
}

/// What must be remembered about a transfer to continue it in another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What names the version of the thing on the server: a strong `ETag`, or `Last-Modified`.
    pub(crate) validator: Option<String>,
    /// How long the whole thing is.
    pub(crate) total: Option<u64>,
}

/// Why a transfer stops for good, or must start from its beginning.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    /// The kept bytes cannot be continued.
    #[error("{0}")]
    StartOver(&'static str),
    /// The server sends the whole thing where a part was asked for.
    #[error("the server does not send parts")]
    NoParts,
    /// Another failure.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<TransferError> for io::Error {
    fn from(error: TransferError) -> Self {
        Self::other(error)
    }
}

impl From<HttpError> for TransferError {
    fn from(error: HttpError) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes a transfer's own error back out of the reader's error.
pub(crate) fn cause(error: io::Error) -> Result<TransferError, io::Error> {
    error.downcast::<TransferError>()
}

/// Saves a record for a later process.
type Remember<'a> = dyn FnMut(&Record) -> Result<(), Error> + 'a;

/// A reader of a [`Target`] that keeps what it reads in a file.
pub(crate) struct Transfer<'a> {
    client: &'a Client,
    observer: &'a dyn Observer,
    target: Target,
    file: &'a mut File,
    /// Where in the file the target's bytes begin.
    base: u64,
    /// How many of the target's bytes the file holds.
    kept: u64,
    /// How many were handed out.
    handed_out: u64,
    body: Option<ureq::BodyReader<'static>>,
    /// Where `body` comes from after redirects.
    from: Url,
    record: Record,
    remember: Box<Remember<'a>>,
    failures: u32,
    kept_at_failure: u64,
}

impl<'a> Transfer<'a> {
    /// Continues after the `kept` bytes that `file` holds from `base` on; `record` is what an
    /// earlier process remembered about them. `remember` is called before the first byte is
    /// written of a thing that the record does not describe yet.
    pub(crate) fn new(
        client: &'a Client,
        observer: &'a dyn Observer,
        target: Target,
        file: &'a mut File,
        (base, kept): (u64, u64),
        record: Record,
        remember: impl FnMut(&Record) -> Result<(), Error> + 'a,
    ) -> Self {
        let from = target.url.clone();
        Self {
            client,
            observer,
            target,
            file,
            base,
            kept,
            handed_out: 0,
            body: None,
            from,
            record,
            remember: Box::new(remember),
            failures: 0,
            kept_at_failure: kept,
        }
    }

    /// How many bytes there will be, as far as is known.
    pub(crate) fn expected(&self) -> Option<u64> {
        match self.target.window {
            Some((_, length)) => Some(length),
            None => self.target.bytes.or(self.record.total),
        }
    }

    fn read_kept(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.kept - self.handed_out).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        self.file.seek(SeekFrom::Start(self.base + self.handed_out))?;
        let n = self.file.read(&mut buffer[..want])?;
        if n == 0 {
            return Err(TransferError::StartOver("the unfinished file was cut").into());
        }
        self.handed_out += n as u64;
        Ok(n)
    }

    /// Reads from the server and keeps what came. `Ok(0)` if everything is here.
    fn read_new(&mut self, buffer: &mut [u8]) -> Result<usize, TransferError> {
        loop {
            if self.expected().is_some_and(|bytes| self.kept == bytes) {
                return Ok(0);
            }
            if self.body.is_none() {
                match self.connect() {
                    Ok(body) => self.body = Some(body),
                    Err(TransferError::Failed(Error::Http(error))) => {
                        self.after_failure(error)?;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let Some(body) = &mut self.body else { continue };
            let failure = match body.read(buffer) {
                Ok(0) if self.expected().is_none() => return Ok(0),
                Ok(0) => HttpError::Connection {
                    host: self.from.host_str().unwrap_or_default().into(),
                    reason: "it ended too early".into(),
                },
                Ok(n) => {
                    self.keep(&buffer[..n])?;
                    return Ok(n);
                }
                Err(error) => http::explain_io(&error, &self.from),
            };
            self.body = None;
            self.after_failure(failure)?;
        }
    }

    /// Waits, unless the failure is final or one too many.
    fn after_failure(&mut self, error: HttpError) -> Result<(), TransferError> {
        if self.kept - self.kept_at_failure >= PROGRESS_BYTES {
            self.failures = 0;
        }
        self.kept_at_failure = self.kept;
        self.failures += 1;
        // A name that cannot be found passes too once bytes have come: the network went down.
        let passes = error.is_transient()
            || (self.handed_out > 0 && matches!(error, HttpError::HostNotFound { .. }));
        if !passes || self.failures >= self.client.patience.tries {
            return Err(error.into());
        }
        self.client.wait(self.failures, &error, self.observer);
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        let after = self.kept + bytes.len() as u64;
        if let Some(expected) = self.expected().filter(|expected| after > *expected) {
            let (file, source_name) = self.names();
            return Err(Error::Length { file, source_name, expected, got: after }.into());
        }
        let write = |file: &mut File, at| {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)
        };
        write(self.file, self.base + self.kept)
            .doing("write", std::path::Path::new("the unfinished file"))?;
        self.kept = after;
        self.handed_out = after;
        Ok(())
    }

    /// Asks for what is missing.
    fn connect(&mut self) -> Result<ureq::BodyReader<'static>, TransferError> {
        if self.kept > 0 && self.record.validator.is_none() && !self.target.is_checked {
            return Err(TransferError::StartOver("the server names no version to continue"));
        }
        let offset = self.target.window.map_or(0, |(offset, _)| offset);
        let start = offset + self.kept;
        let range = match self.target.window {
            Some((offset, length)) => Some(format!("bytes={start}-{}", offset + length - 1)),
            None if self.kept > 0 => Some(format!("bytes={start}-")),
            None => None,
        };
        let mut headers = Vec::new();
        if let Some(range) = &range {
            headers.push(("range", range.as_str()));
        }
        if let (Some(validator), Some(_)) = (&self.record.validator, &range) {
            headers.push(("if-range", validator.as_str()));
        }
        let reply = self.client.get(&self.target.url, &headers)?;
        self.from = reply.url.clone();
        match reply.status {
            206 if range.is_some() => self.accept_part(&reply, start)?,
            200 if self.target.window.is_some() && self.kept == 0 => {
                return Err(TransferError::NoParts);
            }
            200 if self.kept > 0 => {
                return Err(TransferError::StartOver("the file on the server has changed"));
            }
            200 => self.accept_whole(&reply)?,
            416 => return Err(TransferError::StartOver("the file on the server is shorter now")),
            status => {
                let url = shown(&reply.url);
                let reason = format!("status {status} was not to be expected");
                return Err(Error::Answer { url, reason }.into());
            }
        }
        Ok(reply.body.into_reader())
    }

    fn accept_whole(&mut self, reply: &Reply) -> Result<(), TransferError> {
        let total = reply.body.content_length();
        self.check_total(total)?;
        self.note(Record { validator: validator(reply), total })
    }

    fn accept_part(&mut self, reply: &Reply, start: u64) -> Result<(), TransferError> {
        let range = http::header(&reply.headers, "content-range").and_then(content_range);
        let Some((_, total)) = range.filter(|(first, _)| *first == start) else {
            let reason = format!("it should send the bytes from {start} on");
            return Err(Error::Answer { url: shown(&reply.url), reason }.into());
        };
        self.check_total(total)?;
        let validator = validator(reply);
        let differs = |old: &Option<String>, new: &Option<String>| {
            old.is_some() && new.is_some() && old != new
        };
        if self.kept > 0
            && (differs(&self.record.validator, &validator)
                || self.record.total.is_some() && total.is_some() && self.record.total != total)
        {
            return Err(TransferError::StartOver("the file on the server has changed"));
        }
        let total = total.or(self.record.total);
        let validator = validator.or_else(|| self.record.validator.clone());
        self.note(Record { validator, total })
    }

    fn check_total(&self, total: Option<u64>) -> Result<(), TransferError> {
        let (Some(expected), Some(got)) = (self.target.bytes, total) else { return Ok(()) };
        if expected == got {
            return Ok(());
        }
        let (file, source_name) = self.names();
        Err(Error::Length { file, source_name, expected, got }.into())
    }

    fn note(&mut self, record: Record) -> Result<(), TransferError> {
        if self.record != record {
            (self.remember)(&record)?;
            self.record = record;
        }
        Ok(())
    }

    fn names(&self) -> (String, String) {
        let name = self.target.url.path_segments().and_then(|mut s| s.next_back());
        let host = self.target.url.host_str();
        (name.unwrap_or_default().into(), host.unwrap_or_default().into())
    }
}

impl Read for Transfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.handed_out < self.kept {
            return self.read_kept(buffer);
        }
        Ok(self.read_new(buffer)?)
    }
}

/// What `If-Range` may carry: a weak `ETag` may not, it only promises the same meaning.
fn validator(reply: &Reply) -> Option<String> {
    let strong = http::header(&reply.headers, "etag").filter(|tag| tag.starts_with('"'));
    strong.or_else(|| http::header(&reply.headers, "last-modified")).map(Into::into)
}

/// Reads `bytes 5-9/10` as the first byte and the total.
pub(crate) fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn reads_content_range() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for bad in ["", "bytes */10", "bytes 5-9", "items 5-9/10", "bytes x-9/10", "bytes 5-9/x"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
