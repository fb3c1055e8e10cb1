//! GGUF, safetensors, tokenizers, architectures and the forward pass.

pub mod checkpoint;
mod metadata;
mod strings;
