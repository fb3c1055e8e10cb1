//! Random numbers as a function of where they are used.
//!
//! A generator with a state gives a sequence other draws as soon as something
//! else draws in between: a neighbour in the batch, a rejected draft, a
//! retry. Here the number is a function of (seed, sample, position) alone, so a
//! sequence gets the same draws decoded alone, in a batch, from a cached prefix
//! or speculatively.
//!
//! Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
//! 1, 2, 3", Philox4x32-10; the test vectors are those of its reference
//! implementation Random123 (`kat_vectors`).

/// Calculates the Philox4x32-10 block of a counter and a key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const ROUNDS: usize = 10;
    const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    // The golden ratio and the square root of 3, less 1, in 32 bits.
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let mut block = counter;
    let mut key = key;
    for _ in 0..ROUNDS {
        let first = MULTIPLIERS[0] * u64::from(block[0]);
        let second = MULTIPLIERS[1] * u64::from(block[2]);
        block = [
            (second >> 32) as u32 ^ block[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ block[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    block
}

/// Draws the uniform number in `[0, 1)` that belongs to one position of one sample.
///
/// `seed`: the person's seed; `sample`: which of the answers to one prompt this
/// is, from 0; `position`: the place in the sequence of the token that is drawn.
/// All 53 bits of the mantissa are random.
pub fn uniform(seed: u64, sample: u64, position: u64) -> f64 {
    let counter = [position as u32, (position >> 32) as u32, sample as u32, (sample >> 32) as u32];
    let words = philox4x32(counter, [seed as u32, (seed >> 32) as u32]);
    let bits = (u64::from(words[0]) << 32 | u64::from(words[1])) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_vectors() {
        let all = u32::MAX;
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([all; 4], [all; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn draws_depend_on_each_part_of_their_place() {
        let base = uniform(1, 2, 3);
        assert_eq!(base, uniform(1, 2, 3));
        for other in [
            uniform(0, 2, 3),
            uniform(1, 0, 3),
            uniform(1, 2, 0),
            uniform(1 << 32 | 1, 2, 3),
            uniform(1, 1 << 32 | 2, 3),
            uniform(1, 2, 1 << 32 | 3),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_fill_the_unit_interval_evenly() {
        let mut counts = [0_u32; 100];
        for position in 0..100_000 {
            let u = uniform(42, 0, position);
            assert!((0.0..1.0).contains(&u));
            counts[(u * 100.0) as usize] += 1;
        }
        let chi_square: f64 =
            counts.iter().map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0).sum();
        // 99 degrees of freedom: 0.01 % of correct generators exceed 161.
        assert!(chi_square < 161.0, "{chi_square}");
    }
}
