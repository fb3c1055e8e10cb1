//! The model that is trained: its weights in one vector, and the loss and gradient of a batch.

mod arena;
mod dropout;
mod layout;
mod pass;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use layout::{Group, Layout, Tensor};
pub use pass::{Batch, Machine, Pass};

use crate::config::{Config, Preset};
use crate::random::{Generator, Purpose};

/// Weights before the first step.
///
/// # Panics
/// If a tensor of the layout reaches past its end.
pub fn first_weights(config: &Config, layout: &Layout) -> Vec<f32> {
    let mut weights = vec![0.0; layout.n_numbers()];
    for (n, tensor) in layout.tensors().iter().enumerate() {
        let to = &mut weights[tensor.range()];
        let by_inputs = (tensor.columns as f64).sqrt().recip();
        let deviation = match (tensor.group, tensor.writes_residual, config.preset) {
            (Group::Norm, ..) => {
                to.fill(1.0);
                continue;
            }
            (Group::Mix, ..) => {
                to.copy_from_slice(&[1.0, 0.0]);
                continue;
            }
            (Group::Embedding, ..) => 0.02,
            (Group::Matrix, true, Preset::Nano) => continue,
            (Group::Matrix, true, Preset::Llama) => {
                by_inputs / (2.0 * config.model.depth as f64).sqrt()
            }
            (Group::Matrix, false, _) => by_inputs,
        };
        let mut generator = Generator::new(config.seed, Purpose::Weights, n as u64);
        to.fill_with(|| (generator.normal() * deviation) as f32);
    }
    weights
}
