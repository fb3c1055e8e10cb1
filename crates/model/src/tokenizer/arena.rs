//! Byte strings in one buffer, and a hash table that finds one by its bytes.
//!
//! A vocabulary is on the path to the first token, so neither allocates per token. The table holds
//! token ids and compares with the arena, so it needs no keys of its own.

use std::hash::{BuildHasher, RandomState};

/// Byte strings that lie one after the other in one buffer, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
    /// Where each string ends; it starts where the one before it ends.
    ends: Vec<u32>,
}

impl Arena {
    /// An empty arena with room for `n` strings of `n_bytes` bytes together.
    pub(crate) fn with_capacity(n: usize, n_bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(n_bytes), ends: Vec::with_capacity(n) }
    }

    /// Appends a string that `write` makes at the end of the buffer.
    ///
    /// `write` must only append. `None` if the buffer would pass 4 GiB.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
        write(&mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).ok()?);
        Some(())
    }

    /// The string with this number; the empty string if there is none.
    pub(crate) fn get(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let Some(&end) = self.ends.get(index) else { return &[] };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start as usize..end as usize]
    }
}

/// A seed that differs from run to run, so that nobody can write a file whose strings all collide.
///
/// It decides where entries lie in a table and nothing that can be seen from outside.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// Hashes a byte string.
///
/// Two 64-bit halves are multiplied and folded for every 16 bytes, as in wyhash.
pub(crate) fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let other = seed.rotate_left(32) ^ 0xe703_7ed1_a0b4_28db;
    let mut rest = bytes;
    while let Some((block, tail)) = rest.split_first_chunk::<16>() {
        let (low, high) = block.split_at(8);
        state = fold(read_u64(low) ^ state, read_u64(high) ^ other);
        rest = tail;
    }
    let (low, high) = if rest.len() >= 8 { rest.split_at(8) } else { (rest, &rest[..0]) };
    fold(read_u64(low) ^ state, read_u64(high) ^ other)
}

/// Hashes two token ids.
pub(crate) fn hash_pair(seed: u64, pair: u64) -> u64 {
    fold(pair ^ seed, 0x9e37_79b9_7f4a_7c15 ^ seed.rotate_left(32))
}

/// The two halves of the 128-bit product, combined.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b | 1);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Up to eight bytes as a little-endian number.
fn read_u64(bytes: &[u8]) -> u64 {
    match bytes.len() {
        8 => u64::from_le_bytes([
            bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
        ]),
        n @ 4..8 => {
            let low = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let high = u32::from_le_bytes([bytes[n - 4], bytes[n - 3], bytes[n - 2], bytes[n - 1]]);
            u64::from(low) | u64::from(high) << 32
        }
        0 => 0,
        n => u64::from(bytes[0]) | u64::from(bytes[n / 2]) << 8 | u64::from(bytes[n - 1]) << 16,
    }
}

/// Finds a string's number by its bytes: open addressing over the strings of an [`Arena`].
#[derive(Clone, Debug)]
pub(crate) struct IdTable {
    /// The upper half of the hash above the number plus one; zero is free. A power of two long.
    slots: Vec<u64>,
    seed: u64,
}

impl IdTable {
    /// An empty table with room for `n` strings.
    pub(crate) fn with_capacity(n: usize) -> Self {
        Self { slots: vec![0; (n * 3 / 2 + 1).next_power_of_two()], seed: random_seed() }
    }

    /// Adds string `id` of `arena` and returns whether its bytes were new.
    ///
    /// # Panics
    /// If there are more strings than the table has room for.
    pub(crate) fn insert(&mut self, arena: &Arena, id: u32) -> bool {
        let bytes = arena.get(id);
        let hash = hash_bytes(self.seed, bytes);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        for _ in 0..self.slots.len() {
            let slot = self.slots[at];
            if slot == 0 {
                self.slots[at] = (hash >> 32) << 32 | u64::from(id + 1);
                return true;
            }
            if slot >> 32 == hash >> 32 && arena.get(slot as u32 - 1) == bytes {
                return false;
            }
            at = (at + 1) & mask;
        }
        panic!("the table is full")
    }

    /// The number of the string with these bytes.
    pub(crate) fn find(&self, arena: &Arena, bytes: &[u8]) -> Option<u32> {
        let hash = hash_bytes(self.seed, bytes);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if slot >> 32 == hash >> 32 && arena.get(slot as u32 - 1) == bytes {
                return Some(slot as u32 - 1);
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let mut arena = Arena::default();
        let mut table = IdTable::with_capacity(3000);
        for id in 0..3000u32 {
            let text = "x".repeat(id as usize % 40) + &id.to_string();
            arena.push_with(|out| out.extend_from_slice(text.as_bytes())).unwrap();
            assert!(table.insert(&arena, id));
        }
        for id in 0..3000u32 {
            assert_eq!(table.find(&arena, arena.get(id)), Some(id));
        }
        assert_eq!(table.find(&arena, b"3000"), None);
        assert_eq!(table.find(&arena, b""), None);
        assert_eq!(arena.get(3000), b"");
    }

    #[test]
    fn the_second_of_two_equal_strings_is_not_new() {
        let mut arena = Arena::default();
        for text in ["same", "other", "same", ""] {
            arena.push_with(|out| out.extend_from_slice(text.as_bytes())).unwrap();
        }
        let mut table = IdTable::with_capacity(4);
        assert!(table.insert(&arena, 0) && table.insert(&arena, 1));
        assert!(!table.insert(&arena, 2));
        assert!(table.insert(&arena, 3));
        assert_eq!(table.find(&arena, b"same"), Some(0));
        assert_eq!(table.find(&arena, b""), Some(3));
    }

    #[test]
    fn strings_that_differ_in_one_byte_or_in_length_hash_apart() {
        for seed in [0, 1, 12_345, u64::MAX] {
            no_two_collide(seed);
        }
    }

    fn no_two_collide(seed: u64) {
        let mut seen = std::collections::HashSet::new();
        for n in 0..40 {
            let mut bytes = vec![7u8; n];
            assert!(seen.insert(hash_bytes(seed, &bytes)), "length {n}");
            for at in 0..n {
                bytes[at] = 8;
                assert!(seen.insert(hash_bytes(seed, &bytes)), "length {n}, byte {at}");
                bytes[at] = 7;
            }
        }
    }
}
