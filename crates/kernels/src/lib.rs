//! Arithmetic on slices for each processor, and the thread pool.

mod activations;
mod arch;
mod attention;
mod buffer;
mod cache;
pub mod format;
mod isa;
pub mod limits;
mod math;
mod matmul;
mod packed;
mod pool;
mod rows;
mod shared;
pub mod training;

pub use activations::Activations;
pub use arch::{Avx2, Avx512, AvxVnni, DotProd, I8mm, Neon};
pub use attention::{AttentionOptions, AttentionScratch, Context, attention};
pub use buffer::Buffer;
pub use cache::{Cache, CacheFormat, LayerCache, PAGE};
pub use isa::Isa;
pub use matmul::{MAX_PRODUCTS, Product, matmul};
pub use packed::{Matrix, pack_group};
pub use pool::Pool;
pub use rows::{Activation, RopeStyle, activate, add, layer_norm, rms_norm, rope, scale, soft_cap};
