//! Documents as tokens, and sequences cut out of them.

mod packing;
mod shard;
mod split;

pub use packing::{Order, Packer, Place};
pub use shard::{Shard, ShardError, ShardWriter};
pub use split::Part;

/// Documents as tokens.
pub trait TokenSource {
    /// How many documents there are.
    fn n_documents(&self) -> usize;

    /// How many tokens document `i` has.
    fn length(&self, i: usize) -> usize;

    /// Appends tokens `from..from + n` of document `i` to `out`.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read(&self, i: usize, from: usize, n: usize, out: &mut Vec<u32>) -> Result<(), ShardError>;

    /// What tells these tokens from others: a SHA-256 of all of them.
    fn fingerprint(&self) -> [u8; 32];

    /// How many tokens there are.
    fn n_tokens(&self) -> u64 {
        (0..self.n_documents()).map(|i| self.length(i) as u64).sum()
    }
}
