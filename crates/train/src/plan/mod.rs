//! What training a model costs, before anything starts: arithmetic on a model's shape.
//!
//! Nothing here measures or trains: the speed of a machine comes from the caller, of well-known
//! GPUs from [`DEVICES`]. Every formula names its source, and the tests reproduce published sums.

mod device;
mod fit;
mod optimum;
mod shape;
#[cfg(test)]
mod tests;

pub use device::{DEVICES, Device, device};
pub use fit::{CONFIDENCE, Fit, Point, Prediction, grid};
pub use optimum::{CHINCHILLA, Law, Optimum};
pub use shape::{Head, Shape};

/// A training that is thought of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// The model.
    pub shape: Shape,
    /// Tokens that it is trained on, each as often as it is seen.
    pub tokens: f64,
    /// Floating-point operations a second of all processors at best.
    pub peak: f64,
    /// The part of the peak that the operations of the model itself reach ("model FLOPs
    /// utilisation").
    pub utilisation: f64,
}

impl Run {
    /// Floating-point operations of the whole training.
    pub fn operations(&self) -> f64 {
        self.shape.training_operations() * self.tokens
    }

    /// How long it takes.
    pub fn seconds(&self) -> f64 {
        self.operations() / (self.peak * self.utilisation)
    }

    /// How long it takes, in hours.
    pub fn hours(&self) -> f64 {
        self.seconds() / 3600.0
    }

    /// The utilisation at which it takes so many hours.
    pub fn utilisation_for(&self, hours: f64) -> f64 {
        self.operations() / (self.peak * hours * 3600.0)
    }
}

/// Memory of a training in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Weights, gradients and the optimiser's state.
    pub state: u64,
    /// What the backward pass needs of the forward pass.
    pub activations: u64,
}

/// How precisely a training computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 16 bits in products, 32 in weights and the optimiser.
    Mixed,
    /// 32 bits everywhere.
    Single,
}

impl Memory {
    /// Memory for `sequences` of the shape's context at once.
    ///
    /// State: 16 bytes a parameter: in mixed precision 2 for the weight and 2 for its gradient in
    /// 16 bits, and 12 for weight, momentum and variance in 32; in single precision 4 for each of
    /// the four. Activations: 34 bytes for each number of the residual stream and layer in mixed
    /// precision with attention recomputed, twice as much in single; the largest of the logits'
    /// chunks is small beside them.
    /// Sources: Rajbhandari et al. 2020, "ZeRO: Memory Optimizations Toward Training Trillion
    /// Parameter Models", 3.1; Korthikanti et al. 2022, "Reducing Activation Recomputation in Large
    /// Transformer Models", 4.1 and 5.
    pub fn of(shape: &Shape, sequences: u64, precision: Precision) -> Self {
        let bytes = match precision {
            Precision::Mixed => 34,
            Precision::Single => 68,
        };
        let numbers = sequences * shape.context * shape.dim * shape.n_layers;
        Self { state: 16 * shape.parameters(), activations: bytes * numbers }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.state + self.activations
    }
}
