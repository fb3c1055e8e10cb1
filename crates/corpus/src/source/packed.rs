//! Files that are compressed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::Error;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstandard,
}

impl Packing {
    /// By a name in small letters.
    pub(super) fn of(name: &str) -> Self {
        match name.rsplit_once('.') {
            Some((_, "gz" | "tgz")) => Self::Gzip,
            Some((_, "zst")) => Self::Zstandard,
            _ => Self::None,
        }
    }

    /// The name of what is in the file.
    pub(super) fn inner_name(self, name: &str) -> &str {
        match self {
            Self::None => name,
            // The archive in a .tgz has no name of its own.
            Self::Gzip if name.rsplit_once('.').is_some_and(|(_, end)| end == "tgz") => name,
            Self::Gzip | Self::Zstandard => name.rsplit_once('.').map_or(name, |(inner, _)| inner),
        }
    }

    /// Reads what is in the file.
    pub(super) fn reader(self, path: &Path, file: File) -> Result<Box<dyn BufRead>, Error> {
        let file = BufReader::with_capacity(1 << 16, file);
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(file))),
            Self::Zstandard => Box::new(BufReader::new(Frames::new(path, file)?)),
        })
    }
}

/// The frames of a Zstandard file, one after the other.
struct Frames {
    /// None once the file has ended.
    decoder: Option<StreamingDecoder<BufReader<File>, FrameDecoder>>,
}

impl Frames {
    fn new(path: &Path, file: BufReader<File>) -> Result<Self, Error> {
        let decoder = StreamingDecoder::new(file).map_err(|error| Error::Format {
            path: path.to_owned(),
            place: String::new(),
            problem: format!("it is not Zstandard: {error}"),
            hint: None,
        })?;
        Ok(Self { decoder: Some(decoder) })
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let n = decoder.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let Some(decoder) = self.decoder.take() else { return Ok(0) };
            let mut file = decoder.into_inner();
            if !file.fill_buf()?.is_empty() {
                let next = StreamingDecoder::new(file).map_err(std::io::Error::other)?;
                self.decoder = Some(next);
            }
        }
    }
}
