//! How a vocabulary's text stands for the bytes that a token appends.
//!
//! A byte-level vocabulary writes every byte as one printable character. The characters are those
//! of Latin-1 that can be seen, which stand for themselves, and then U+0100 and on for the other
//! 68 bytes in order. Source: the published vocabulary of GPT-2 (Radford et al. 2019).

/// How the texts of a vocabulary are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// One character for each byte.
    Bytes,
    /// As it is, with U+2581 for a space and `<0x0A>` for a single byte.
    Spaced,
}

/// The character that stands for a space in SentencePiece vocabularies.
pub(crate) const LOW_LINE: char = '\u{2581}';

/// The bytes that stand for themselves.
const fn is_visible(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

/// The character for each byte.
const CHARS: [char; 256] = {
    let mut chars = ['\0'; 256];
    let mut byte = 0;
    let mut next = 0x100;
    while byte < 256 {
        if is_visible(byte as u8) {
            chars[byte] = byte as u8 as char;
        } else {
            chars[byte] = match char::from_u32(next) {
                Some(c) => c,
                None => unreachable!(),
            };
            next += 1;
        }
        byte += 1;
    }
    chars
};

/// The byte for each character below U+0144; 0x100 where there is none.
const BYTES: [u16; 0x144] = {
    let mut bytes = [0x100u16; 0x144];
    let mut byte = 0;
    while byte < 256 {
        bytes[CHARS[byte] as usize] = byte as u16;
        byte += 1;
    }
    bytes
};

/// The character that stands for a byte in a byte-level vocabulary.
pub(crate) fn char_of_byte(byte: u8) -> char {
    CHARS[byte as usize]
}

/// The byte that a character of a byte-level vocabulary stands for.
pub(crate) fn byte_of_char(c: char) -> Option<u8> {
    BYTES.get(c as usize).and_then(|&byte| u8::try_from(byte).ok())
}

/// Appends the bytes that a byte-level token stands for.
///
/// Returns false, and leaves `out` as it was, if a character stands for no byte.
pub(crate) fn decode_bytes(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    if text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        out.extend_from_slice(text.as_bytes());
        return true;
    }
    for c in text.chars() {
        let Some(byte) = byte_of_char(c) else {
            out.truncate(start);
            return false;
        };
        out.push(byte);
    }
    true
}

/// The byte that a token like `<0x0A>` stands for.
pub(crate) fn parse_byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// Appends a text with a space for every U+2581.
pub(crate) fn unescape_spaces(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte == 0xe2) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix(b"\xe2\x96\x81") {
            out.push(b' ');
            rest = tail;
        } else {
            out.push(0xe2);
            rest = &rest[1..];
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_visible_character() {
        for byte in 0..=255u8 {
            let c = char_of_byte(byte);
            assert_eq!(byte_of_char(c), Some(byte));
            assert!(!c.is_whitespace() && !c.is_control(), "{byte:#x}");
        }
        // Known from any GPT-2 vocabulary.
        assert_eq!(char_of_byte(b' '), 'Ġ');
        assert_eq!(char_of_byte(b'\n'), 'Ċ');
        assert_eq!(char_of_byte(b'\t'), 'ĉ');
        assert_eq!(byte_of_char(' '), None);
        assert_eq!(byte_of_char('\u{2581}'), None);
    }

    #[test]
    fn a_token_outside_the_alphabet_decodes_to_nothing() {
        let mut out = b"kept".to_vec();
        assert!(!decode_bytes("Ġa b", &mut out));
        assert_eq!(out, b"kept");
        assert!(decode_bytes("ĠĊé", &mut out));
        assert_eq!(out, b"kept \n\xe9");
    }

    #[test]
    fn byte_tokens_are_two_hexadecimal_digits() {
        assert_eq!(parse_byte_token("<0x0A>"), Some(10));
        assert_eq!(parse_byte_token("<0xfF>"), Some(255));
        for text in ["<0x>", "<0x+1>", "<0xA>", "<0x0A", "0x0A", "<0x00A>"] {
            assert_eq!(parse_byte_token(text), None, "{text}");
        }
    }

    #[test]
    fn low_lines_become_spaces_and_their_neighbours_stay() {
        let mut out = Vec::new();
        unescape_spaces("\u{2581}a\u{2582}\u{2581}\u{2581}é€", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), " a\u{2582}  é€");
    }
}
