//! Hashes that are the same on every machine and in every version: they are kept in files.

/// 64 bits of a word, by FNV-1a with a last mixing step.
///
/// Source: Fowler, Noll & Vo, "The FNV Non-Cryptographic Hash Algorithm" (RFC 9923).
pub(crate) fn word(text: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mixed(hash)
}

/// Spreads a number's bits over all 64.
///
/// Source: Steele, Lea & Flood 2014, "Fast Splittable Pseudorandom Number Generators" (the output
/// function of SplitMix64).
pub(crate) fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One hash for several in order.
pub(crate) fn sequence(hashes: &[u64]) -> u64 {
    hashes.iter().fold(0, |sum, hash| mixed(sum.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash))
}

/// Bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_stay_what_they_are() {
        // FNV-1a of "a" is af63dc4c8601ec8c (RFC 9923); the mixing step is SplitMix64's.
        assert_eq!(word("a"), mixed(0xaf63_dc4c_8601_ec8c));
        // The first output of SplitMix64 from seed 0, as its reference implementation prints it.
        assert_eq!(mixed(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        assert_ne!(sequence(&[1, 2]), sequence(&[2, 1]));
        assert_eq!(hexadecimal(&[0, 255]), "00ff");
    }
}
