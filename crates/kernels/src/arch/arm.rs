//! The vector unit of 64-bit ARM.

mod dots;
mod neon;

pub use neon::{DotProd, I8mm, Neon};
