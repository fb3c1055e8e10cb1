//! Identifiers that sort by time: ULIDs in lower case, as `llm` uses them.
//!
//! Source: the ULID specification, <https://github.com/ulid/spec>: 48 bits of milliseconds and 80
//! others, as 26 digits in Crockford's base 32. The others come from what is identified.

use std::time::SystemTime;

use crate::time::unix_ms;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;
const LOW_BITS: u32 = 80;

/// The identifier of something of this time with these bits.
pub(crate) fn new(time: SystemTime, bits: u128) -> String {
    let high = u128::from(unix_ms(time) & 0xffff_ffff_ffff) << LOW_BITS;
    to_text(high | (bits & ((1 << LOW_BITS) - 1)))
}

/// The least and the greatest identifier of the millisecond of this time.
pub(crate) fn range(time: SystemTime) -> (String, String) {
    (new(time, 0), new(time, u128::MAX))
}

/// The identifier after this one.
pub(crate) fn after(id: &str) -> Option<String> {
    Some(to_text(from_text(id)?.checked_add(1)?))
}

fn to_text(number: u128) -> String {
    let digit = |i: usize| {
        let shift = 5 * (LENGTH - 1 - i) as u32;
        char::from(DIGITS[(number >> shift) as usize & 31])
    };
    (0..LENGTH).map(digit).collect()
}

fn from_text(text: &str) -> Option<u128> {
    if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0_u128, |number, byte| {
        let digit = DIGITS.iter().position(|&digit| digit == byte)?;
        Some(number << 5 | digit as u128)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn they_are_ulids() {
        // The specification's example: 01ARZ3NDEKTSV4RRFFQ69G5FAV is of 2016-07-30T23:54:10.259Z.
        let number = from_text("01arz3ndektsv4rrffq69g5fav").unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_469_922_850_259);
        assert_eq!(new(time, number), "01arz3ndektsv4rrffq69g5fav");
        assert_eq!(from_text("01arz3ndektsv4rrffq69g5fau"), None, "u is no digit");
        assert_eq!(from_text("8zzzzzzzzzzzzzzzzzzzzzzzzz"), None, "more than 128 bits");
        assert_eq!(after("01arz3ndektsv4rrffq69g5faz").unwrap(), "01arz3ndektsv4rrffq69g5fb0");
        let (first, last) = range(time);
        assert!(first < last && last < new(time + Duration::from_millis(1), 0));
    }
}
