//! Files that lie: every way a GGUF file or a safetensors file can be wrong gives an error that
//! names the field, and none makes the reader panic or ask for memory that the file cannot back.

mod build;
mod gguf;
mod safetensors;
