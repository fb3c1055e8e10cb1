//! Sequences cut out of documents that follow each other.
//!
//! Each document begins with the token that ends texts, which the last token of the document before
//! it is to predict: so every row has something to predict, and none sees another document. A
//! document that does not fit goes on in the next sequence, as a document of its own.

use serde::{Deserialize, Serialize};

use super::{ShardError, TokenSource};
use crate::model::Batch;
use crate::random::{Generator, Purpose};

/// How documents follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they are.
    Kept,
    /// Shuffled anew in each epoch, by this seed.
    Shuffled(u64),
}

/// A place in the stream of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// How often all documents were read.
    pub epoch: u64,
    /// Which document of this epoch's order is read.
    pub document: usize,
    /// How many of its tokens were read, the one that begins it among them.
    pub token: usize,
}

/// Cuts sequences.
pub struct Packer<'s> {
    source: &'s dyn TokenSource,
    order: Order,
    /// The token that begins a document.
    begins: u32,
    documents: Vec<u32>,
    place: Place,
    /// The tokens of the document that is read, from the place on.
    ahead: Vec<u32>,
}

impl<'s> Packer<'s> {
    /// Begins at a place.
    ///
    /// # Panics
    /// If the source has no documents.
    pub fn new(source: &'s dyn TokenSource, order: Order, begins: u32, place: Place) -> Self {
        assert!(source.n_documents() > 0, "a source with documents");
        let mut packer =
            Self { source, order, begins, documents: Vec::new(), place, ahead: Vec::new() };
        packer.arrange();
        packer
    }

    /// Where the next sequence begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Orders the documents of the epoch.
    fn arrange(&mut self) {
        self.documents = (0..self.source.n_documents() as u32).collect();
        if let Order::Shuffled(seed) = self.order {
            Generator::new(seed, Purpose::Order, self.place.epoch).shuffle(&mut self.documents);
        }
    }

    /// Appends up to `n` tokens of the document at the place, and moves on. Says how many.
    fn take(&mut self, n: usize, out: &mut Vec<u32>) -> Result<usize, ShardError> {
        let document = self.documents[self.place.document] as usize;
        let length = self.source.length(document) + 1;
        let taken = n.min(length - self.place.token);
        let mut left = taken;
        let mut from = self.place.token;
        if from == 0 && left > 0 {
            out.push(self.begins);
            (from, left) = (1, left - 1);
        }
        if left > 0 {
            self.source.read(document, from - 1, left, out)?;
        }
        self.place.token += taken;
        if self.place.token == length {
            self.place = Place { document: self.place.document + 1, token: 0, ..self.place };
            if self.place.document == self.documents.len() {
                self.place = Place { epoch: self.place.epoch + 1, ..Place::default() };
                self.arrange();
            }
        }
        Ok(taken)
    }

    /// The next sequences.
    ///
    /// # Errors
    /// If tokens cannot be read.
    pub fn next(&mut self, sequences: usize, length: usize) -> Result<Batch, ShardError> {
        let mut batch = Batch { length, ..Batch::default() };
        for _ in 0..sequences {
            let first = batch.tokens.len();
            while batch.tokens.len() < first + length {
                let start = batch.tokens.len() - first;
                let taken = self.take(length - start, &mut batch.tokens)?;
                batch.starts.extend(std::iter::repeat_n(start as u32, taken));
            }
            batch.targets.extend_from_slice(&batch.tokens[first + 1..]);
            batch.targets.push(self.peek()?);
        }
        Ok(batch)
    }

    /// The token at the place, which stays.
    fn peek(&mut self) -> Result<u32, ShardError> {
        if self.place.token == 0 {
            return Ok(self.begins);
        }
        self.ahead.clear();
        let document = self.documents[self.place.document] as usize;
        self.source.read(document, self.place.token - 1, 1, &mut self.ahead)?;
        Ok(self.ahead.first().copied().unwrap_or(self.begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents in memory.
    struct Texts(Vec<Vec<u32>>);

    impl TokenSource for Texts {
        fn n_documents(&self) -> usize {
            self.0.len()
        }

        fn length(&self, i: usize) -> usize {
            self.0[i].len()
        }

        fn read(
            &self,
            i: usize,
            from: usize,
            n: usize,
            out: &mut Vec<u32>,
        ) -> Result<(), ShardError> {
            out.extend_from_slice(&self.0[i][from..from + n]);
            Ok(())
        }

        fn fingerprint(&self) -> [u8; 32] {
            [0; 32]
        }
    }

    #[test]
    fn documents_follow_each_other_and_see_only_themselves() {
        let texts = Texts(vec![vec![1, 2, 3], vec![4, 5, 6, 7, 8, 9], vec![10]]);
        let mut packer = Packer::new(&texts, Order::Kept, 0, Place::default());
        let batch = packer.next(3, 5).unwrap();
        assert_eq!(batch.tokens, [0, 1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 0, 10, 0, 1]);
        assert_eq!(batch.targets, [1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 0, 10, 0, 1, 2]);
        assert_eq!(batch.starts, [0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 1, 1, 3, 3]);
        assert_eq!(packer.place(), Place { epoch: 1, document: 0, token: 2 });
    }

    #[test]
    fn a_place_is_all_that_is_needed_to_go_on() {
        let texts = Texts((0..20).map(|i| (0..=i % 7).collect()).collect());
        let order = Order::Shuffled(5);
        let mut packer = Packer::new(&texts, order, 99, Place::default());
        let mut places = Vec::new();
        let batches: Vec<Batch> = (0..30)
            .map(|_| {
                places.push(packer.place());
                packer.next(2, 8).unwrap()
            })
            .collect();
        assert!(packer.place().epoch > 2);
        for (i, place) in places.into_iter().enumerate() {
            let again = Packer::new(&texts, order, 99, place).next(2, 8).unwrap();
            assert_eq!(again, batches[i]);
        }
    }

    #[test]
    fn an_epoch_reads_every_document_once() {
        let texts = Texts((0..50).map(|i| vec![i]).collect());
        let mut packer = Packer::new(&texts, Order::Shuffled(1), 99, Place::default());
        let mut orders = Vec::new();
        for _ in 0..2 {
            let mut read = packer.next(1, 100).unwrap().tokens;
            read.retain(|&token| token != 99);
            orders.push(read.clone());
            read.sort_unstable();
            assert_eq!(read, (0..50).collect::<Vec<_>>());
        }
        assert_ne!(orders[0], orders[1]);
    }
}
