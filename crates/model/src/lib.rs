//! GGUF, safetensors, tokenizers, architectures and the forward pass.

pub mod checkpoint;
pub mod gguf;
pub mod huggingface;
mod metadata;
pub mod safetensors;
mod strings;
pub mod template;
pub mod tokenizer;
