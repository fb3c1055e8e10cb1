//! Chat templates: what transformers renders, and what a hostile message cannot do.

mod hostile;
mod limits;
#[path = "../tokenizer/models.rs"]
mod models;
mod rendering;
