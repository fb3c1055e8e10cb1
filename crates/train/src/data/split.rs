//! A part of a source: what is learnt from, or what is held out.

use super::{ShardError, TokenSource};
use crate::random::mix;

/// Some of the documents of a source.
pub struct Part<'s> {
    source: &'s dyn TokenSource,
    documents: Vec<u32>,
}

impl<'s> Part<'s> {
    /// Divides documents into those that are learnt from and those that are held out, about the
    /// share of them and at least one; none if there are not two.
    ///
    /// A document's side depends on its number alone.
    pub fn divide(source: &'s dyn TokenSource, held_out: f64) -> [Self; 2] {
        let side = |i: u32| (mix(u64::from(i)) >> 11) as f64 / (1u64 << 53) as f64;
        let all: Vec<u32> =
            (0..source.n_documents() as u32).filter(|&i| source.length(i as usize) > 0).collect();
        let (mut held, mut learnt): (Vec<u32>, Vec<u32>) =
            all.iter().partition(|&&i| side(i) < held_out);
        if held.is_empty() && learnt.len() > 1 && held_out > 0.0 {
            held.extend(learnt.pop());
        }
        if learnt.is_empty() {
            std::mem::swap(&mut learnt, &mut held);
        }
        [learnt, held].map(|documents| Self { source, documents })
    }
}

impl TokenSource for Part<'_> {
    fn n_documents(&self) -> usize {
        self.documents.len()
    }

    fn length(&self, i: usize) -> usize {
        self.source.length(self.documents[i] as usize)
    }

    fn read(&self, i: usize, from: usize, n: usize, out: &mut Vec<u32>) -> Result<(), ShardError> {
        self.source.read(self.documents[i] as usize, from, n, out)
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.source.fingerprint()
    }
}
