//! Numbers that are dropped at random, forward and backward the same.
//!
//! Source: Srivastava et al. 2014, "Dropout".

use crate::random::{Generator, Purpose};

/// Which numbers are dropped in a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropout {
    pub(super) share: f64,
    pub(super) seed: u64,
    /// A number that no other pass of the run has.
    pub(super) pass: u64,
}

impl Dropout {
    /// Drops the share of `x`, and multiplies the rest so that the mean stays. `branch` is the
    /// number of the branch in the model.
    pub(super) fn apply(&self, x: &mut [f32], branch: usize) {
        let n = self.pass.wrapping_mul(4096).wrapping_add(branch as u64);
        let mut generator = Generator::new(self.seed, Purpose::Dropout, n);
        let kept = (1.0 / (1.0 - self.share)) as f32;
        for x in x {
            *x *= if generator.uniform() < self.share { 0.0 } else { kept };
        }
    }
}
