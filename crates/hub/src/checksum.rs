//! SHA-256 sums as people write them: 64 hexadecimal digits.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 sum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sum([u8; 32]);

/// The text is not a SHA-256 sum.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a SHA-256 sum of 64 hexadecimal digits")]
pub struct NotASum(String);

impl Sum {
    /// The sum of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The sum of the file's content, read in pieces.
    pub fn of_file(path: &Path) -> std::io::Result<Self> {
        let mut hasher = Hasher::default();
        hasher.update_from(&mut File::open(path)?, u64::MAX)?;
        Ok(hasher.finish())
    }

    /// Reads the form that a wheel's `RECORD` uses: URL-safe base64 without padding.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sum {
    type Err = NotASum;

    fn from_str(text: &str) -> Result<Self, NotASum> {
        let fail = || NotASum(text.chars().take(80).collect());
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(fail());
        }
        let mut sum = [0; 32];
        for (byte, digits) in sum.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| fail())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| fail())?;
        }
        Ok(Self(sum))
    }
}

impl TryFrom<String> for Sum {
    type Error = NotASum;

    fn try_from(text: String) -> Result<Self, NotASum> {
        text.parse()
    }
}

impl From<Sum> for String {
    fn from(sum: Sum) -> Self {
        sum.to_string()
    }
}

/// Takes bytes as they come and gives their sum at the end.
#[derive(Clone, Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes up to `limit` bytes from `reader` and returns how many there were.
    pub(crate) fn update_from(
        &mut self,
        reader: &mut impl Read,
        limit: u64,
    ) -> std::io::Result<u64> {
        let mut buffer = vec![0; 1 << 18];
        let mut taken = 0;
        while taken < limit {
            let want = usize::try_from(limit - taken).unwrap_or(usize::MAX).min(buffer.len());
            let n = reader.read(&mut buffer[..want])?;
            if n == 0 {
                break;
            }
            self.update(&buffer[..n]);
            taken += n as u64;
        }
        Ok(taken)
    }

    pub(crate) fn finish(self) -> Sum {
        Sum(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_hexadecimal() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sum::of(b"abc").to_string(), abc);
        assert_eq!(abc.parse::<Sum>().unwrap(), Sum::of(b"abc"));
        assert_eq!(abc.to_uppercase().parse::<Sum>().unwrap(), Sum::of(b"abc"));
        for bad in ["", "ba78", &format!("{abc}0"), &abc.replace('b', "g"), &"é".repeat(32)] {
            assert!(bad.parse::<Sum>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_the_form_of_a_record() {
        let text = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        assert_eq!(Sum::from_base64(text), Some(Sum::of(b"abc")));
        assert_eq!(Sum::from_base64("ungWv48"), None);
    }

    #[test]
    fn takes_no_more_than_the_limit() {
        let mut hasher = Hasher::default();
        assert_eq!(hasher.update_from(&mut &b"abcdef"[..], 3).unwrap(), 3);
        assert_eq!(hasher.finish(), Sum::of(b"abc"));
    }
}
