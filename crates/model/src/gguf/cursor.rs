//! Reads numbers and strings from bytes, and says where it stopped.

use std::fmt::Arguments;

use super::error::{GgufError, Place, Problem};
use crate::strings::Strings;

/// A place in a file that moves forward.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    file: Option<usize>,
}

/// A number that a file stores in little-endian order.
pub(super) trait Number: Copy {
    /// How many bytes it takes.
    const SIZE: usize;
    /// Makes it from exactly that many bytes.
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Number for $number {
            const SIZE: usize = size_of::<$number>();

            fn from_bytes(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$number>()];
                array.copy_from_slice(bytes);
                <$number>::from_le_bytes(array)
            }
        }
    )*};
}

numbers!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);

impl<'a> Cursor<'a> {
    /// At the start of `bytes`; errors name the file of that number.
    pub(super) fn new(bytes: &'a [u8], file: Option<usize>) -> Self {
        Self { bytes, at: 0, file }
    }

    /// How many bytes lie before this place.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes lie after it.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error about the field that begins at `offset`.
    pub(super) fn error(&self, field: Arguments, offset: usize, problem: Problem) -> GgufError {
        let place = Place { file: self.file, field: field.to_string(), offset };
        GgufError::Field { place, problem }
    }

    /// The next `n` bytes.
    pub(super) fn bytes(&mut self, n: u64, field: Arguments) -> Result<&'a [u8], GgufError> {
        let left = self.left();
        let Some(size) = usize::try_from(n).ok().filter(|&size| size <= left) else {
            let problem = Problem::Truncated { needed: n, left: left as u64 };
            return Err(self.error(field, self.at, problem));
        };
        let bytes = &self.bytes[self.at..self.at + size];
        self.at += size;
        Ok(bytes)
    }

    /// The next number.
    pub(super) fn number<T: Number>(&mut self, field: Arguments) -> Result<T, GgufError> {
        self.bytes(T::SIZE as u64, field).map(T::from_bytes)
    }

    /// How many entries follow, each of which takes at least `entry_bytes`.
    pub(super) fn count(
        &mut self,
        entry_bytes: usize,
        field: Arguments,
    ) -> Result<usize, GgufError> {
        let offset = self.at;
        let count: u64 = self.number(field)?;
        let most = (self.left() / entry_bytes) as u64;
        if count > most {
            let problem = Problem::Count { count, most, left: self.left() as u64 };
            return Err(self.error(field, offset, problem));
        }
        // It fits: it is at most what a slice in memory has.
        Ok(count as usize)
    }

    /// The next `n` numbers.
    pub(super) fn numbers<T: Number>(
        &mut self,
        n: usize,
        field: Arguments,
    ) -> Result<Vec<T>, GgufError> {
        let size = (n as u64).saturating_mul(T::SIZE as u64);
        let bytes = self.bytes(size, field)?;
        Ok(bytes.chunks_exact(T::SIZE).map(T::from_bytes).collect())
    }

    /// The next string, which its length precedes.
    pub(super) fn string(&mut self, field: Arguments) -> Result<&'a str, GgufError> {
        let n = self.number(format_args!("the length of {field}"))?;
        let offset = self.at;
        let bytes = self.bytes(n, field)?;
        std::str::from_utf8(bytes).map_err(|_| self.error(field, offset, Problem::NotUtf8))
    }

    /// The next `n` strings, each preceded by its length.
    pub(super) fn strings(&mut self, n: usize, key: &str) -> Result<Strings, GgufError> {
        let start = self.at;
        let mut ends = Vec::with_capacity(n);
        let mut text = Vec::new();
        let mut total = 0;
        // Once to see that every length fits, which gives the size of the buffer, and once to copy.
        for i in 0..n {
            let size = self.number(format_args!("the length of `{key}` entry {i}"))?;
            total += self.bytes(size, format_args!("`{key}` entry {i}"))?.len();
            ends.push(total);
        }
        text.reserve_exact(total);
        let mut at = start;
        let mut begin = 0;
        for &end in &ends {
            at += u64::SIZE;
            text.extend_from_slice(&self.bytes[at..at + (end - begin)]);
            at += end - begin;
            begin = end;
        }
        // Text is checked in one go; only if that fails, which string is at fault is found out.
        let whole = String::from_utf8(text).ok().and_then(|text| Strings::from_parts(text, ends));
        whole.ok_or_else(|| self.not_utf8(start, n, key))
    }

    /// The error for the first of `n` strings from `start` on that is not text.
    fn not_utf8(&self, start: usize, n: usize, key: &str) -> GgufError {
        let mut again = Cursor { bytes: self.bytes, at: start, file: self.file };
        (0..n)
            .find_map(|i| again.string(format_args!("`{key}` entry {i}")).err())
            .unwrap_or_else(|| self.error(format_args!("`{key}`"), start, Problem::NotUtf8))
    }
}
