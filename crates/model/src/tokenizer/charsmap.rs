//! The table of character replacements inside a SentencePiece model.
//!
//! Source: Kudo & Richardson 2018, and the Darts-clone format of double arrays (Yata). The blob is
//! the length of the array in bytes, the array of 32-bit units, and then the replacements, each
//! ending with a zero byte. The text is read from the left, and the longest entry that begins
//! there is replaced. (Hugging Face's reader cuts the text into graphemes first, so it can differ
//! on sequences that are an entry only together with a neighbour.)

use super::error::TokenizerError;

/// Entries are a few characters long. This bounds the work on a damaged array that has a cycle.
const MAX_ENTRY: usize = 256;

/// Replacements for stretches of text.
#[derive(Clone, Debug)]
pub(crate) struct CharsMap {
    /// The blob as it was read, for writing it again.
    blob: Vec<u8>,
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharsMap {
    /// Reads a blob; an empty one replaces nothing.
    pub(crate) fn new(blob: &[u8]) -> Result<Self, TokenizerError> {
        let damaged = |reason| TokenizerError::CharacterMap { reason };
        if blob.is_empty() {
            return Ok(Self { blob: Vec::new(), units: Vec::new(), replacements: Vec::new() });
        }
        let (len, rest) = blob.split_first_chunk().ok_or_else(|| damaged("it has no length"))?;
        let len = u32::from_le_bytes(*len) as usize;
        if len > rest.len() || !len.is_multiple_of(4) {
            return Err(damaged("its array is longer than the whole"));
        }
        let (units, replacements) = rest.split_at(len);
        if !replacements.is_empty() && replacements.last() != Some(&0) {
            return Err(damaged("its last replacement has no end"));
        }
        if std::str::from_utf8(replacements).is_err() {
            return Err(damaged("its replacements are not UTF-8"));
        }
        let (units, _) = units.as_chunks::<4>();
        Ok(Self {
            blob: blob.to_vec(),
            units: units.iter().map(|unit| u32::from_le_bytes(*unit)).collect(),
            replacements: replacements.to_vec(),
        })
    }

    /// The blob as it was read.
    pub(crate) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Replaces what the table names.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match self.longest(rest.as_bytes()) {
                Some((len, replacement)) if rest.is_char_boundary(len) => {
                    out.push_str(replacement);
                    rest = &rest[len..];
                }
                _ => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        out
    }

    /// The length of the longest entry that `text` begins with, and what replaces it.
    fn longest(&self, text: &[u8]) -> Option<(usize, &str)> {
        let mut found = None;
        let mut node = base(*self.units.first()?) as usize;
        for (i, &byte) in text.iter().enumerate().take(MAX_ENTRY) {
            if byte == 0 {
                break;
            }
            node ^= byte as usize;
            let Some(&unit) = self.units.get(node) else { break };
            if unit & (1 << 31 | 0xff) != u32::from(byte) {
                break;
            }
            node ^= base(unit) as usize;
            if unit >> 8 & 1 == 1 {
                let value = self.units.get(node).map(|unit| (unit & !(1 << 31)) as usize);
                found = value.and_then(|at| Some((i + 1, self.replacement(at)?))).or(found);
            }
        }
        found
    }

    /// The replacement that starts at a place.
    fn replacement(&self, at: usize) -> Option<&str> {
        let rest = self.replacements.get(at..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }
}

/// How far a node's children lie from it.
fn base(unit: u32) -> u32 {
    (unit >> 10) << ((unit & 1 << 9) >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A double array that replaces "a" by "b" and "ac" by "dd".
    fn blob() -> Vec<u8> {
        let mut units = vec![0u32; 1024];
        let leaf = 1 << 8;
        units[0] = 0x100 << 10; // The root's children lie at 0x100 ^ byte.
        let a = 0x100 ^ usize::from(b'a');
        units[a] = u32::from(b'a') | leaf | ((a as u32 ^ 0x200) << 10); // Children at 0x200 ^ byte.
        units[0x200] = 1 << 31; // "a": the replacement at 0.
        let ac = 0x200 ^ usize::from(b'c');
        units[ac] = u32::from(b'c') | leaf | ((ac as u32 ^ 0x300) << 10);
        units[0x300] = 1 << 31 | 2; // "ac": the replacement at 2.
        let mut blob = (units.len() as u32 * 4).to_le_bytes().to_vec();
        blob.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        blob.extend_from_slice(b"b\0dd\0");
        blob
    }

    #[test]
    fn the_longest_entry_is_replaced() {
        let map = CharsMap::new(&blob()).unwrap();
        assert_eq!(map.apply("xacaé a"), "xddbé b");
        assert_eq!(CharsMap::new(b"").unwrap().apply("ac"), "ac");
    }

    #[test]
    fn a_damaged_map_is_an_error_or_replaces_nothing() {
        let whole = blob();
        assert!(CharsMap::new(&whole[..3]).is_err());
        assert!(CharsMap::new(&whole[..100]).is_err());
        assert!(CharsMap::new(&whole[..whole.len() - 1]).is_err());
        let mut not_text = whole.clone();
        *not_text.iter_mut().nth_back(1).unwrap() = 0xff;
        assert!(CharsMap::new(&not_text).is_err());
        let mut far = whole;
        far[4 + 0x200 * 4..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(CharsMap::new(&far).unwrap().apply("ad"), "ad");
        let every_unit = [8u32.to_le_bytes().as_slice(), &[0xff; 8]].concat();
        assert_eq!(CharsMap::new(&every_unit).unwrap().apply("\u{7f}é"), "\u{7f}é");
    }
}
