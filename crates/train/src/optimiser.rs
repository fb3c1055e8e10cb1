//! How weights move: AdamW, and Muon for the matrices of the preset `nano`.

use mynah_kernels::training::{
    AdamW, GemmSpace, Start, View, adamw, add_scaled, product, sum_of_squares,
};

use crate::config::{Config, Preset};
use crate::model::{Group, Layout, Machine, Tensor};

/// How much of the mean of gradients Muon keeps. Source: Jordan et al. 2024, "Muon".
const MOMENTUM: f32 = 0.95;

/// The factors of the polynomial that brings singular values near one, and how often it is applied.
/// Source: Jordan et al. 2024.
const POLYNOMIAL: [f32; 3] = [3.4445, -4.7750, 2.0315];
const ROUNDS: usize = 5;

/// What the optimiser remembers of each weight.
pub struct Optimiser {
    /// The mean of gradients.
    pub means: Vec<f32>,
    /// The mean of their squares.
    pub squares: Vec<f32>,
    space: MuonSpace,
    sums: Vec<f32>,
}

/// Memory for one matrix at a time.
struct MuonSpace {
    gemm: Option<GemmSpace>,
    x: Vec<f32>,
    next: Vec<f32>,
    square: Vec<f32>,
    fourth: Vec<f32>,
}

/// What a step is made with.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What learning rates are multiplied by.
    pub rate: f64,
    /// What gradients are multiplied by.
    pub scale: f32,
    /// How many steps moved the weights, this one among them.
    pub number: u64,
}

impl Optimiser {
    /// Remembers nothing yet.
    pub fn new(config: &Config, layout: &Layout, n_threads: usize) -> Self {
        let n = layout.n_numbers();
        let gemm = (config.preset == Preset::Nano).then(|| GemmSpace::new(n_threads));
        Self {
            means: vec![0.0; n],
            squares: vec![0.0; n],
            space: MuonSpace {
                gemm,
                x: Vec::new(),
                next: Vec::new(),
                square: Vec::new(),
                fourth: Vec::new(),
            },
            sums: Vec::new(),
        }
    }

    /// How long a gradient is.
    pub fn length(&mut self, machine: &mut Machine, gradient: &[f32]) -> f64 {
        sum_of_squares(&mut machine.pool, machine.isa, gradient, &mut self.sums).sqrt()
    }

    /// Moves the weights.
    ///
    /// # Panics
    /// If a vector is not as long as the layout says.
    pub fn step(
        &mut self,
        machine: &mut Machine,
        config: &Config,
        layout: &Layout,
        step: Step,
        weights: &mut [f32],
        gradient: &[f32],
    ) {
        let said = &config.optimiser;
        for tensor in layout.tensors() {
            let range = tensor.range();
            let (w, g) = (&mut weights[range.clone()], &gradient[range.clone()]);
            let means = &mut self.means[range.clone()];
            if tensor.group == Group::Matrix
                && let Some(gemm) = &mut self.space.gemm
            {
                let rate = said.muon_learning_rate * step.rate;
                let buffers = &mut [
                    &mut self.space.x,
                    &mut self.space.next,
                    &mut self.space.square,
                    &mut self.space.fourth,
                ];
                let options = Muon { rate, decay: said.weight_decay, scale: step.scale };
                muon(machine, options, tensor, w, g, means, gemm, buffers);
                continue;
            }
            let decays = tensor.group == Group::Matrix;
            let options = AdamW {
                learning_rate: (said.learning_rate * step.rate) as f32,
                betas: [said.beta1 as f32, said.beta2 as f32],
                eps: 1e-8,
                weight_decay: if decays { said.weight_decay as f32 } else { 0.0 },
                scale: step.scale,
                step: step.number,
            };
            let squares = &mut self.squares[range];
            adamw(&mut machine.pool, machine.isa, options, w, g, means, squares);
        }
    }
}

#[derive(Clone, Copy)]
struct Muon {
    rate: f64,
    decay: f64,
    scale: f32,
}

/// A step of Muon for each matrix of a tensor: the mean of gradients with its singular values
/// brought near one.
fn muon(
    machine: &mut Machine,
    options: Muon,
    tensor: &Tensor,
    weights: &mut [f32],
    gradient: &[f32],
    means: &mut [f32],
    gemm: &mut GemmSpace,
    buffers: &mut [&mut Vec<f32>; 4],
) {
    let isa = machine.isa;
    add_scaled(&mut machine.pool, isa, means, MOMENTUM, options.scale, gradient);
    let mut first = 0;
    for &rows in &tensor.parts {
        let columns = tensor.columns;
        let part = first * columns..(first + rows) * columns;
        first += rows;
        let (w, g, m) = (&mut weights[part.clone()], &gradient[part.clone()], &means[part]);
        let [x, ..] = buffers;
        x.clear();
        // Nesterov: the gradient and the mean that already has it.
        x.extend(g.iter().zip(m).map(|(g, m)| options.scale.mul_add(*g, MOMENTUM * m)));
        orthogonalise(machine, [rows, columns], gemm, buffers);
        let tall = (rows as f64 / columns as f64).max(1.0).sqrt();
        let keep = (1.0 - options.rate * options.decay) as f32;
        let factor = -(options.rate * tall) as f32;
        add_scaled(&mut machine.pool, isa, w, keep, factor, buffers[0]);
    }
}

/// Brings the singular values of a matrix, the first buffer, near one: Newton-Schulz iteration in
/// the smaller of its dimensions.
fn orthogonalise(
    machine: &mut Machine,
    [rows, columns]: [usize; 2],
    gemm: &mut GemmSpace,
    [x, next, square, fourth]: &mut [&mut Vec<f32>; 4],
) {
    let length = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let scale = (1.0 / (length + 1e-7)) as f32;
    x.iter_mut().for_each(|x| *x *= scale);
    let n = rows.min(columns);
    next.resize(rows * columns, 0.0);
    square.resize(n * n, 0.0);
    fourth.resize(n * n, 0.0);
    let isa = machine.isa;
    let [a, b, c] = POLYNOMIAL;
    for _ in 0..ROUNDS {
        let view = View::rows(x, columns);
        // x xᵀ, or xᵀ x if that is smaller.
        let (left, right) =
            if rows <= columns { (view, view.turned()) } else { (view.turned(), view) };
        let long = rows.max(columns);
        let pool = &mut machine.pool;
        product(pool, isa, [n, n, long], left, right, Start::Zero, square, gemm);
        let symmetric = View::rows(square, n);
        product(pool, isa, [n, n, n], symmetric, symmetric, Start::Zero, fourth, gemm);
        add_scaled(pool, isa, fourth, c, b, square);
        let (mix, view) = (View::rows(fourth, n), View::rows(x, columns));
        let (left, right) = if rows <= columns { (mix, view) } else { (view, mix) };
        product(pool, isa, [rows, columns, n], left, right, Start::Zero, next, gemm);
        add_scaled(pool, isa, x, a, 1.0, next);
    }
}

#[cfg(test)]
mod tests {
    use mynah_kernels::{Isa, Pool};

    use super::*;
    use crate::random::{Generator, Purpose};

    #[test]
    fn singular_values_come_near_one() {
        let mut machine = Machine { pool: Pool::new(2), isa: Isa::detect() };
        let mut gemm = GemmSpace::new(2);
        for [rows, columns] in [[24, 64], [64, 24], [32, 32]] {
            let mut generator = Generator::new(1, Purpose::Weights, rows as u64);
            let mut x: Vec<f32> = (0..rows * columns).map(|_| generator.normal() as f32).collect();
            let [mut a, mut b, mut c] = [Vec::new(), Vec::new(), Vec::new()];
            let buffers = &mut [&mut x, &mut a, &mut b, &mut c];
            orthogonalise(&mut machine, [rows, columns], &mut gemm, buffers);
            // The sum of squared singular values, over how many there are.
            let n = rows.min(columns) as f64;
            let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
            assert!((0.5..1.4).contains(&mean), "{rows} x {columns}: {mean}");
            // Directions are those of the matrix: a product with itself is near the identity.
            for i in 0..rows.min(columns) {
                let dot = |j: usize| -> f64 {
                    let at = |i: usize, k: usize| {
                        if rows <= columns { x[i * columns + k] } else { x[k * columns + i] }
                    };
                    (0..rows.max(columns)).map(|k| f64::from(at(i, k) * at(j, k))).sum()
                };
                assert!((0.3..1.7).contains(&dot(i)), "{}", dot(i));
            }
        }
    }
}
