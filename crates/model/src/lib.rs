//! GGUF, safetensors, tokenizers, architectures and the forward pass.

pub mod checkpoint;
pub mod gguf;
mod metadata;
mod strings;
