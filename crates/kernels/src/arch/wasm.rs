//! The vector unit of WebAssembly.

mod dots;
mod fma;
mod lanes;

#[cfg(target_feature = "relaxed-simd")]
pub use lanes::Relaxed;
pub use lanes::Simd128;
