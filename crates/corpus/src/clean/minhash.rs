//! MinHash: a short signature by which nearly equal texts are found.
//!
//! A text is the set of its 5-grams of words. For each of 112 hash functions the smallest value
//! over the set is kept; two texts agree in a function with a probability that is their Jaccard
//! similarity s. 14 bands of 8 functions each become one number; two texts are candidates if a
//! band is equal, which happens with probability 1 - (1 - s^8)^14: 5 % at s = 0.5, 77 % at 0.75,
//! 99 % at 0.85.
//!
//! Sources: Broder 1997, "On the Resemblance and Containment of Documents"; Leskovec, Rajaraman &
//! Ullman 2014, "Mining of Massive Datasets", section 3.4 (bands); the numbers are those of Penedo
//! et al. 2024, "The FineWeb Datasets", section 3.4, which compares candidates no further either.

use super::words::Words;
use crate::hash;

/// Words in a row that are one element of the set.
const SHINGLE: usize = 5;
/// Bands of a signature.
pub(super) const BANDS: usize = 14;
/// Hash functions in a band.
const ROWS: usize = 8;
const FUNCTIONS: usize = BANDS * ROWS;

/// The bands of a text, 8 bytes each; none if it is too short to have a 5-gram.
pub(super) fn bands(words: &Words<'_>) -> Option<Vec<u8>> {
    if words.len() < SHINGLE {
        return None;
    }
    let mut least = [u32::MAX; FUNCTIONS];
    for shingle in words.ngrams(SHINGLE) {
        for (i, least) in least.iter_mut().enumerate() {
            // A multiplication by an odd number and the upper half: another order for each function.
            let value = (shingle ^ SEEDS[i]).wrapping_mul(SEEDS[i] | 1) >> 32;
            *least = (*least).min(value as u32);
        }
    }
    let band = |rows: &[u32]| {
        let rows: Vec<u64> = rows.iter().map(|&row| u64::from(row)).collect();
        hash::sequence(&rows).to_le_bytes()
    };
    Some(least.chunks_exact(ROWS).flat_map(band).collect())
}

/// A number for each function: the outputs of SplitMix64 from seed 0.
static SEEDS: [u64; FUNCTIONS] = {
    let mut seeds = [0; FUNCTIONS];
    let mut i = 0;
    while i < FUNCTIONS {
        let mut x = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(i as u64 + 1);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        seeds[i] = x ^ (x >> 31);
        i += 1;
    }
    seeds
};

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bands agree for texts whose 5-grams have this similarity, on average.
    fn agreement(similarity: f64) -> f64 {
        let (mut found, n) = (0, 200);
        for trial in 0..n {
            // Two sets of 300 elements each, drawn so that their Jaccard similarity is as wanted.
            let common = (2.0 * 300.0 * similarity / (1.0 + similarity)).round() as usize;
            let words = |side: usize| {
                let word = move |i: usize| {
                    let owner = if i < common { 0 } else { side };
                    hash::mixed((trial * 1_000_000 + owner * 10_000 + i) as u64)
                };
                (0..300).map(word).collect::<Vec<u64>>()
            };
            let set = |side| {
                let mut least = [u32::MAX; FUNCTIONS];
                for shingle in words(side) {
                    for (i, least) in least.iter_mut().enumerate() {
                        let value = (shingle ^ SEEDS[i]).wrapping_mul(SEEDS[i] | 1) >> 32;
                        *least = (*least).min(value as u32);
                    }
                }
                least
            };
            let (a, b) = (set(1), set(2));
            let is_equal = |band: usize| a[band * ROWS..][..ROWS] == b[band * ROWS..][..ROWS];
            found += usize::from((0..BANDS).any(is_equal));
        }
        found as f64 / n as f64
    }

    #[test]
    fn candidates_are_as_frequent_as_the_theory_says() {
        for s in [0.5f64, 0.75, 0.85] {
            let expected = 1.0 - (1.0 - s.powi(ROWS as i32)).powi(BANDS as i32);
            // Four standard deviations of a share of 200.
            let room = 4.0 * (expected * (1.0 - expected) / 200.0).sqrt() + 0.005;
            let got = agreement(s);
            assert!((got - expected).abs() < room, "{s}: {got} and not {expected}");
        }
    }

    #[test]
    fn a_short_text_has_no_signature() {
        assert_eq!(bands(&Words::new("only four words here")), None);
        assert_eq!(bands(&Words::new("床前明月光")).unwrap().len(), 8 * BANDS);
    }
}
