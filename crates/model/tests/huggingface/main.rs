//! Folders as on Hugging Face, made here: what becomes of their tensors and their configuration.

mod build;
mod errors;
mod facts;
mod files;
mod tensors;
