//! What a wheel or another zip archive holds, and where. The archive may be hostile.
//!
//! Only the directory is read here; nothing is unpacked and no name in it is used as a path. An
//! archive with two members of one name is refused, since readers differ in which they take.

use std::io::{Read, Seek};

use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::checksum::Sum;
use crate::error::Error;
use crate::transfer::{self, TransferError};

/// Deflate cannot make more than this many bytes out of one.
/// Source: RFC 1951; 258 bytes for a length code of one bit and a distance code of one bit.
const LARGEST_RATIO: u64 = 1032;
/// A member that is read into memory may not be larger.
const LARGEST_TEXT_BYTES: u64 = 16 << 20;

/// An archive is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The directory cannot be read.
    #[error("{archive} is not a readable zip archive: {reason}")]
    Unreadable {
        /// The archive.
        archive: String,
        /// What is wrong.
        reason: String,
    },
    /// Two members have the same name.
    #[error("{archive} has two members of the same name")]
    Duplicates {
        /// The archive.
        archive: String,
    },
    /// A member that should be there is not.
    #[error("{archive} has no member {member}")]
    NoMember {
        /// The archive.
        archive: String,
        /// The member's name.
        member: String,
    },
    /// A member cannot be used.
    #[error("the member {member} of {archive} cannot be used: {reason}")]
    BadMember {
        /// The archive.
        archive: String,
        /// The member's name.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A member's bytes have not the checksum that the archive gives.
    #[error("the member {member} of {archive} is damaged: CRC-32 {expected:08x}, got {got:08x}")]
    Crc {
        /// The archive.
        archive: String,
        /// The member's name.
        member: String,
        /// What the archive's directory says.
        expected: u32,
        /// What the bytes have.
        got: u32,
    },
}

/// How a member's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// As they are.
    Stored,
    /// As a deflate stream.
    Deflated,
}

/// A member of an archive: where its bytes are and what they become.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) method: Method,
    /// Where the stored bytes begin in the archive.
    pub(crate) offset: u64,
    /// How many bytes are stored.
    pub(crate) stored_bytes: u64,
    /// How many bytes they become.
    pub(crate) bytes: u64,
    pub(crate) crc32: u32,
}

pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// The directory of an archive.
pub(crate) struct Archive<'a> {
    name: String,
    length: u64,
    zip: ZipArchive<Box<dyn ReadSeek + 'a>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory. `length`: bytes of the whole archive.
    pub(crate) fn open(
        name: &str,
        length: u64,
        reader: Box<dyn ReadSeek + 'a>,
    ) -> Result<Self, Error> {
        let zip = ZipArchive::new(reader).map_err(|error| unreadable(name, error))?;
        if zip.has_duplicate_names() {
            return Err(ArchiveError::Duplicates { archive: name.into() }.into());
        }
        Ok(Self { name: name.into(), length, zip })
    }

    /// The names of the files in the archive, in the order of its directory. Names that are not
    /// text are left out.
    pub(crate) fn names(&self) -> Vec<String> {
        (0..self.zip.len())
            .filter_map(|index| self.zip.name_for_index(index)?.ok())
            .map(std::borrow::Cow::into_owned)
            .filter(|name| !name.ends_with('/'))
            .collect()
    }

    /// Finds a member and checks what the archive says about it.
    pub(crate) fn member(&mut self, name: &str) -> Result<Member, Error> {
        let no_member =
            || ArchiveError::NoMember { archive: self.name.clone(), member: name.into() };
        let index = self.zip.index_for_name(name).ok_or_else(no_member)?;
        let (archive, length) = (self.name.clone(), self.length);
        let bad = |reason: String| ArchiveError::BadMember {
            archive: archive.clone(),
            member: name.into(),
            reason,
        };
        let file = self.zip.by_index_raw(index).map_err(|error| match of_transfer(error) {
            Ok(error) => error,
            Err(reason) => bad(reason).into(),
        })?;
        let method = match file.compression() {
            CompressionMethod::Stored => Method::Stored,
            CompressionMethod::DEFLATE => Method::Deflated,
            other => return Err(bad(format!("mynah does not read the method {other}")).into()),
        };
        let offset = file.data_start().ok_or_else(|| bad("it lies nowhere".into()))?;
        let member = Member {
            name: name.into(),
            method,
            offset,
            stored_bytes: file.compressed_size(),
            bytes: file.size(),
            crc32: file.crc32(),
        };
        let reason = if file.encrypted() {
            "it is encrypted"
        } else if file.is_symlink() || file.is_dir() {
            "it is not a file"
        } else if member.offset.checked_add(member.stored_bytes).is_none_or(|end| end > length) {
            "it lies outside the archive"
        } else if !member.is_plausible() {
            "its size cannot be true"
        } else {
            return Ok(member);
        };
        Err(bad(reason.into()).into())
    }

    /// Reads a small text, such as a wheel's `RECORD`.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Error> {
        let member = self.member(name)?;
        let (archive, member_name) = (self.name.clone(), member.name.clone());
        let bad = |reason: String| ArchiveError::BadMember {
            archive: archive.clone(),
            member: member_name.clone(),
            reason,
        };
        if member.bytes > LARGEST_TEXT_BYTES {
            return Err(bad("it is too large for a text".into()).into());
        }
        let index = self.zip.index_for_name(name).unwrap_or_default();
        let raw = self.zip.by_index_raw(index).map_err(|error| match of_transfer(error) {
            Ok(error) => error,
            Err(reason) => bad(reason).into(),
        })?;
        let mut reader: Box<dyn Read> = match member.method {
            Method::Stored => Box::new(raw),
            Method::Deflated => Box::new(DeflateDecoder::new(raw)),
        };
        let mut text = Vec::new();
        let read = reader.by_ref().take(member.bytes + 1).read_to_end(&mut text);
        read.map_err(|error| match of_transfer_io(error) {
            Ok(error) => error,
            Err(reason) => bad(reason).into(),
        })?;
        let got = crc32fast::hash(&text);
        if got != member.crc32 || text.len() as u64 != member.bytes {
            let expected = member.crc32;
            return Err(ArchiveError::Crc { archive, member: name.into(), expected, got }.into());
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Member {
    fn is_plausible(&self) -> bool {
        match self.method {
            Method::Stored => self.bytes == self.stored_bytes,
            Method::Deflated => self.bytes <= self.stored_bytes.saturating_mul(LARGEST_RATIO),
        }
    }
}

fn unreadable(name: &str, error: zip::result::ZipError) -> Error {
    match of_transfer(error) {
        Ok(error) => error,
        Err(reason) => ArchiveError::Unreadable { archive: name.into(), reason }.into(),
    }
}

/// Takes the error of a request out of the archive reader's error, or says what that one is.
fn of_transfer(error: zip::result::ZipError) -> Result<Error, String> {
    match error {
        zip::result::ZipError::Io(error) => of_transfer_io(error),
        other => Err(other.to_string()),
    }
}

fn of_transfer_io(error: std::io::Error) -> Result<Error, String> {
    match transfer::cause(error) {
        Ok(TransferError::Failed(error)) => Ok(error),
        Ok(other) => Err(other.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The checksum that a wheel's `RECORD` gives for a member.
///
/// Source: the binary distribution format of Python packages (PEP 427): lines of
/// `name,sha256=BASE64,size`, the name in quotation marks if it has a comma.
pub(crate) fn recorded_sum(record: &str, member: &str) -> Option<Sum> {
    record.lines().find_map(|line| {
        let (rest, _size) = line.trim_end().rsplit_once(',')?;
        let (name, sum) = rest.rsplit_once(',')?;
        let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name);
        (name == member).then(|| Sum::from_base64(sum.strip_prefix("sha256=")?)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(members: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes, method) in members {
            let options = SimpleFileOptions::default().compression_method(*method);
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn open(bytes: &[u8]) -> Result<Archive<'_>, Error> {
        Archive::open("a.whl", bytes.len() as u64, Box::new(Cursor::new(bytes)))
    }

    fn sample() -> Vec<u8> {
        archive(&[
            ("p/model.gguf", b"GGUF and more", CompressionMethod::Stored),
            ("p/zeros.bin", &[0; 5000], CompressionMethod::Deflated),
        ])
    }

    #[test]
    fn finds_members_where_they_are() {
        let bytes = sample();
        let mut archive = open(&bytes).unwrap();
        assert_eq!(archive.names(), ["p/model.gguf", "p/zeros.bin"]);
        let member = archive.member("p/model.gguf").unwrap();
        assert_eq!(member.method, Method::Stored);
        let at = member.offset as usize;
        assert_eq!(&bytes[at..at + 13], b"GGUF and more");
        let member = archive.member("p/zeros.bin").unwrap();
        assert_eq!((member.method, member.bytes), (Method::Deflated, 5000));
        assert_eq!(archive.text("p/model.gguf").unwrap(), "GGUF and more");
        assert!(matches!(archive.member("q"), Err(Error::Archive(ArchiveError::NoMember { .. }))));
    }

    #[test]
    fn a_cut_archive_is_refused_at_every_length() {
        let bytes = sample();
        for length in 0..bytes.len() {
            assert!(open(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
        }
    }

    #[test]
    fn every_flipped_byte_is_an_error_or_changes_nothing_that_matters() {
        let bytes = sample();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0xff;
            let Ok(mut archive) = open(&bad) else { continue };
            for name in archive.names() {
                if let Ok(member) = archive.member(&name) {
                    assert!(member.offset + member.stored_bytes <= bad.len() as u64, "{at}");
                    assert!(member.is_plausible(), "{at}");
                }
            }
        }
    }

    #[test]
    fn two_members_of_one_name_are_refused() {
        let mut bytes = archive(&[
            ("a/1.gguf", b"one", CompressionMethod::Stored),
            ("a/2.gguf", b"two", CompressionMethod::Stored),
        ]);
        while let Some(at) = bytes.windows(8).position(|w| w == b"a/2.gguf") {
            bytes[at + 2] = b'1';
        }
        assert!(matches!(open(&bytes), Err(Error::Archive(ArchiveError::Duplicates { .. }))));
    }

    #[test]
    fn a_size_that_deflate_cannot_reach_is_refused() {
        let mut bytes = archive(&[("bomb", &[0; 5000], CompressionMethod::Deflated)]);
        let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        bytes[directory + 24..directory + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
        let error = open(&bytes).unwrap().member("bomb").unwrap_err();
        assert!(error.to_string().contains("its size cannot be true"), "{error}");
    }

    #[test]
    fn a_record_is_read() {
        let record = "a/b.bin,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\r\n\
                      \"a,c\",sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\nRECORD,,\n";
        assert_eq!(recorded_sum(record, "a/b.bin"), Some(Sum::of(b"abc")));
        assert_eq!(recorded_sum(record, "a,c"), Some(Sum::of(b"abc")));
        assert_eq!(recorded_sum(record, "RECORD"), None);
        assert_eq!(recorded_sum(record, "b.bin"), None);
    }
}
