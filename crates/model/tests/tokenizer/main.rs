//! Tokenizers against other programs, on real vocabularies and hostile ones.

mod models;
mod real;
mod written;
