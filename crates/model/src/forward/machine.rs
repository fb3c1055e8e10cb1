//! The kernels with what they all need: the threads, the instruction set, and memory for products.

use mynah_kernels::{self as kernels, Isa, Matrix, Pool, Product};

use super::adapter::{Adapter, Pair, Place};
use super::scratch::{Middle, ProductScratch, room};
use crate::architecture::{Activation, Norm, NormKind};
use crate::weights::{HeadNorm, Linear, Mlp, NormWeights};

/// What runs a pass.
pub(super) struct Machine<'p> {
    pub(super) pool: &'p mut Pool,
    pub(super) isa: Isa,
    pub(super) scratch: &'p mut ProductScratch,
    /// The adapter of each row; empty if no row has one.
    pub(super) adapters: Vec<Option<&'p Adapter>>,
}

/// One of several products of the same rows.
pub(super) struct Target<'a> {
    pub(super) linear: &'a Linear<Matrix>,
    /// `[n, out]`, overwritten.
    pub(super) out: &'a mut [f32],
    /// What an adapter may have learned about; `None`: nothing can be.
    pub(super) place: Option<(usize, Place)>,
}

impl<'p> Machine<'p> {
    /// `W x + b` for each of the targets, with what the rows' adapters add, in one parallel
    /// region. `x`: `[n, in]`. Returns the outputs.
    pub(super) fn project<'a, const N: usize>(
        &mut self,
        x: &[f32],
        n: usize,
        mut targets: [Target<'a>; N],
    ) -> [&'a mut [f32]; N] {
        let mut products = targets
            .each_mut()
            .map(|target| Product { weights: &target.linear.weights, out: &mut *target.out });
        let activations = &mut self.scratch.activations;
        kernels::matmul(self.pool, self.isa, activations, x, n, &mut products);
        for Target { linear, out, place } in &mut targets {
            if let Some(bias) = &linear.bias {
                self.add(out, bias);
            }
            if let Some((layer, place)) = *place {
                self.adapt(x, n, out, |adapter| adapter.pair(layer, place));
            }
        }
        targets.map(|target| target.out)
    }

    /// A feed-forward network. `x`, `out`: `[n, dim]`; `layer`: where it stands, if an adapter may
    /// have learned about it.
    pub(super) fn feed_forward(
        &mut self,
        mlp: &Mlp<Matrix>,
        function: Activation,
        layer: Option<usize>,
        x: &[f32],
        n: usize,
        middle: &mut Middle,
        out: &mut [f32],
    ) {
        let width = n * mlp.up.weights.rows();
        let at = |place| layer.map(|layer| (layer, place));
        let up = room(&mut middle.up, width);
        let up = Target { linear: &mlp.up, out: up, place: at(Place::Up) };
        let middle = if let Some(linear) = &mlp.gate {
            let gate = room(&mut middle.gate, width);
            let gate = Target { linear, out: gate, place: at(Place::Gate) };
            let [gate, up] = self.project(x, n, [gate, up]);
            self.activate(function, gate, Some(up));
            gate
        } else {
            let [up] = self.project(x, n, [up]);
            self.activate(function, up, None);
            up
        };
        self.project(middle, n, [Target { linear: &mlp.down, out, place: at(Place::Down) }]);
    }

    /// Adds what adapters learned. `x`: `[n, in]`, `out`: `[n, out]`.
    ///
    /// Neighbouring rows with the same adapter are computed together.
    pub(super) fn adapt(
        &mut self,
        x: &[f32],
        n: usize,
        out: &mut [f32],
        learned: impl Fn(&'p Adapter) -> Option<&'p Pair>,
    ) {
        let ProductScratch { activations, low, delta } = &mut *self.scratch;
        let rows = self.adapters.chunk_by(|a, b| same(*a, *b));
        let mut first = 0;
        for of_one in rows {
            let (from, len) = (first, of_one.len());
            first += len;
            let Some(Pair { a, b }) = of_one[0].and_then(&learned) else { continue };
            let x = &x[from * a.columns()..][..len * a.columns()];
            let low = room(low, len * a.rows());
            let mut products = [Product { weights: a, out: &mut *low }];
            kernels::matmul(self.pool, self.isa, activations, x, len, &mut products);
            let delta = room(delta, len * b.rows());
            let mut products = [Product { weights: b, out: &mut *delta }];
            kernels::matmul(self.pool, self.isa, activations, low, len, &mut products);
            let out = &mut out[from * b.rows()..][..len * b.rows()];
            kernels::add(self.pool, self.isa, out, delta);
        }
        debug_assert!(first == 0 || first == n, "an adapter or none for each row");
    }

    /// The product of one matrix without a bias. `x`: `[n, in]`, `out`: `[n, out]`.
    pub(super) fn multiply(&mut self, matrix: &Matrix, x: &[f32], n: usize, out: &mut [f32]) {
        let activations = &mut self.scratch.activations;
        let mut products = [Product { weights: matrix, out }];
        kernels::matmul(self.pool, self.isa, activations, x, n, &mut products);
    }

    /// Adds `y` to `x`, or the one row `y` to each row of `x`.
    pub(super) fn add(&mut self, x: &mut [f32], y: &[f32]) {
        kernels::add(self.pool, self.isa, x, y);
    }

    /// Normalises each row. `x`, `out`: `[n, dim]`.
    pub(super) fn norm(&mut self, rule: Norm, weights: &NormWeights, x: &[f32], out: &mut [f32]) {
        let NormWeights { weight, bias } = weights;
        let (pool, isa, dim) = (&mut *self.pool, self.isa, weight.len());
        match rule.kind {
            NormKind::Rms => kernels::rms_norm(pool, isa, x, dim, Some(weight), rule.eps, out),
            NormKind::Layer => {
                let bias = bias.as_deref();
                kernels::layer_norm(pool, isa, x, dim, Some(weight), bias, rule.eps, out);
            }
        }
    }

    /// Normalises the queries or keys of all heads. `x`, `out`: `[n, heads * head_dim]`.
    pub(super) fn norm_heads(
        &mut self,
        rule: Norm,
        weights: &HeadNorm,
        x: &[f32],
        out: &mut [f32],
    ) {
        match weights {
            HeadNorm::Whole(weights) | HeadNorm::Shared(weights) => {
                self.norm(rule, weights, x, out);
            }
            HeadNorm::PerHead(heads) => {
                let head_dim = heads[0].weight.len();
                let heads = heads.iter().cycle();
                let rows = x.chunks_exact(head_dim).zip(out.chunks_exact_mut(head_dim));
                for ((x, out), weights) in rows.zip(heads) {
                    self.norm(rule, weights, x, out);
                }
            }
        }
    }

    /// Applies an activation, and multiplies by `by` if there is a gate.
    pub(super) fn activate(&mut self, function: Activation, x: &mut [f32], by: Option<&[f32]>) {
        let function = match function {
            Activation::Silu => kernels::Activation::Silu,
            Activation::GeluExact => kernels::Activation::GeluErf,
            Activation::GeluTanh => kernels::Activation::GeluTanh,
            Activation::Relu => kernels::Activation::Relu,
            Activation::ReluSquared => kernels::Activation::ReluSquared,
        };
        kernels::activate(self.pool, self.isa, function, x, by);
    }
}

fn same(a: Option<&Adapter>, b: Option<&Adapter>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
