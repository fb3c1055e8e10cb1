//! Text in, with its papers: sources, licences, opt-outs, cleaning, duplicates, and the vocabulary
//! learned from it.
//!
//! A [`Corpus`] is a folder: `corpus.db` (SQLite) says where each text comes from, under which
//! licence, and what the cleaning thinks of it; the texts lie in compressed shards beside it.
//! [`Corpus::add`] takes texts in, [`Corpus::clean`] looks at them, [`Corpus::documents`] reads
//! those that are used, one after the other. [`bpe`] learns a vocabulary from any texts.
//!
//! # Invariants
//!
//! - Streams: memory is bounded by the largest text and by what is said at [`bpe::BpeOptions`] and
//!   [`clean`], never by the number of texts.
//! - Killed at any moment, what was finished is kept, and the same call goes on from there.
//! - Nothing is deleted but by [`Corpus::remove`]: a rule leaves a reason beside a document, and
//!   whoever turns the rule off has the document again.
//! - A text without a known licence is kept apart until someone decides otherwise.
//!
//! This crate knows no model and does not train one; it fetches nothing, prints nothing, and reads
//! neither the clock nor the environment.

pub mod bpe;
mod catalogue;
pub mod clean;
mod corpus;
mod documents;
mod error;
mod hash;
mod licence;
mod optout;
mod report;
mod shard;
mod source;
mod stats;

pub use catalogue::{Collection, Piece, collections, default_collection};
pub use corpus::{Add, Added, Corpus, Refused, Source};
pub use documents::{Document, Documents};
pub use error::Error;
pub use licence::checked as checked_licence;
pub use optout::Excluded;
pub use report::{Report, html as report_html};
pub use stats::{Amount, Share, Stats};
