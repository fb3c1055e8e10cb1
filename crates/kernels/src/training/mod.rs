//! What training needs: products in full precision, and every operation forward beside backward.
//!
//! Numbers are f32, rows lie one after the other. A backward function is given the gradient of the
//! loss by the operation's output and adds to, or writes, the gradients of its inputs, as each one
//! says. Where a sum runs over rows, the rows are cut into parts of a fixed size whose sums are
//! added in order: so the bits do not depend on the number of threads, nor on the instruction set.
//!
//! What it does not do: know a model, keep anything between calls, choose a learning rate.

mod attention;
mod feed;
mod gemm;
mod logarithm;
mod loss;
mod norm;
mod optimise;
mod pack;
mod rotate;
mod small;

pub use attention::{
    AttentionGradient, AttentionSpace, Heads, HeadsMut, Shape, attention_backward,
    attention_forward,
};
pub use feed::{relu_squared_backward, relu_squared_forward, swiglu_backward, swiglu_forward};
pub use gemm::{GemmSpace, Start, View, product};
pub use loss::{LossOptions, cross_entropy};
pub use norm::{head_norm_backward, head_norm_forward, rms_norm_backward, rms_norm_forward};
pub use optimise::{AdamW, adamw, add_scaled, sum_of_products, sum_of_squares};
pub use rotate::{Turn, rotate};

/// Over how many rows a part of a sum runs. It decides the order of the sum, so that it is not
/// tuned to a machine.
const PART: usize = 64;
