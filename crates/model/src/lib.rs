//! GGUF, safetensors, tokenizers, architectures and the forward pass.

pub mod architecture;
pub mod checkpoint;
pub mod forward;
pub mod gguf;
pub mod huggingface;
mod metadata;
pub mod quantize;
#[cfg(test)]
mod reference;
pub mod safetensors;
mod strings;
pub mod template;
#[cfg(test)]
mod testing;
pub mod tokenizer;
pub mod vector;
pub mod weights;
