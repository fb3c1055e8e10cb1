//! GGUF, safetensors, tokenizers, architectures and the forward pass.
