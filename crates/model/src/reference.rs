//! The forward pass as the papers have it: slow, in double precision, without a cache, one
//! sequence at a time. The oracle of the tests; nothing else is built with it.
//!
//! Reading order is the order of the data. The shape of every buffer is beside it, `n` being the
//! number of tokens.

use crate::architecture::{
    Activation, Architecture, Attention, NormAfter, NormKind, Pairing, Pooling, Rope,
};
use crate::checkpoint::Checkpoint;
use crate::vector::decode;
use crate::weights::{
    Experts, FeedForward, HeadNorm, Layer, Linear, Mlp, NormWeights, Packer, Source, Weights,
    WeightsError,
};

/// A matrix of plain numbers.
#[derive(Debug)]
pub(crate) struct Dense {
    cols: usize,
    /// `[rows, cols]`.
    numbers: Vec<f32>,
}

impl Dense {
    fn row(&self, i: usize) -> &[f32] {
        &self.numbers[i * self.cols..][..self.cols]
    }

    /// `W x`, `[rows]`.
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let dot = |row: &[f32]| row.iter().zip(x).map(|(&w, &x)| f64::from(w) * x).sum();
        self.numbers.chunks_exact(self.cols).map(dot).collect()
    }
}

pub(crate) struct DensePacker;

impl Packer for DensePacker {
    type Matrix = Dense;

    fn pack(&mut self, source: &Source<'_>) -> Result<Dense, WeightsError> {
        let numbers = decode(source.format, source.bytes);
        if numbers.iter().any(|x| !x.is_finite()) {
            return Err(WeightsError::NotFinite { name: source.name.to_owned() });
        }
        Ok(Dense { cols: source.cols, numbers })
    }

    fn done(&mut self, _: &[u8]) {}
}

/// A model of plain numbers.
pub(crate) struct Reference {
    pub(crate) architecture: Architecture,
    weights: Weights<Dense>,
}

impl Reference {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, context: Option<usize>) -> Self {
        let architecture = Architecture::read(checkpoint, context).unwrap();
        let weights = Weights::load(checkpoint, &architecture, &mut DensePacker).unwrap();
        Self { architecture, weights }
    }

    /// The logits after each token, `[n, n_vocab]`.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let w = &self.weights;
        let output = w.output.as_ref().unwrap_or(&w.token_embedding);
        let cap = self.architecture.output.as_ref().unwrap().softcap;
        let row = |x: Vec<f64>| {
            let mut logits = output.apply(&x);
            add_bias(&mut logits, w.output_bias.as_deref());
            logits.into_iter().map(|z| soft_capped(z, cap)).collect()
        };
        self.hidden(tokens).into_iter().map(row).collect()
    }

    /// One vector for the whole text, of length 1.
    pub(crate) fn embedding(&self, tokens: &[u32]) -> Vec<f64> {
        let hidden = self.hidden(tokens);
        let n = hidden.len() as f64;
        let pooled: Vec<f64> = match self.architecture.pooling {
            Pooling::First => hidden[0].clone(),
            Pooling::Last => hidden[hidden.len() - 1].clone(),
            Pooling::None | Pooling::Mean => (0..self.architecture.dim)
                .map(|d| hidden.iter().map(|row| row[d]).sum::<f64>() / n)
                .collect(),
        };
        let length = pooled.iter().map(|x| x * x).sum::<f64>().sqrt();
        pooled.into_iter().map(|x| x / length).collect()
    }

    /// What follows the last block, `[n, dim]`: for a decoder after its norm.
    pub(crate) fn hidden(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let (a, w) = (&self.architecture, &self.weights);
        // x: [n, dim], the residual stream.
        let mut x: Vec<Vec<f64>> =
            tokens.iter().enumerate().map(|(p, &token)| self.embed(token, p)).collect();
        let first = x.clone();
        for (i, layer) in w.layers.iter().enumerate() {
            if let Some(mix) = layer.residual_mix {
                let [keep, factor] = mix.map(f64::from);
                for (x, first) in x.iter_mut().flatten().zip(first.iter().flatten()) {
                    *x = keep * *x + factor * first;
                }
            }
            self.block(i, layer, &mut x);
        }
        x.iter().map(|row| norm(a, w.output_norm.as_ref(), row)).collect()
    }

    /// A token at a position, `[dim]`.
    fn embed(&self, token: u32, position: usize) -> Vec<f64> {
        let (a, w) = (&self.architecture, &self.weights);
        let scale = f64::from(a.embedding.scale);
        let mut x: Vec<f64> =
            w.token_embedding.row(token as usize).iter().map(|&e| f64::from(e) * scale).collect();
        add_bias(&mut x, w.token_type.as_deref());
        add_bias(&mut x, w.position_embedding.as_ref().map(|table| table.row(position)));
        norm(a, w.embedding_norm.as_ref(), &x)
    }

    /// One block: `x` `[n, dim]` in, `[n, dim]` out.
    fn block(&self, i: usize, layer: &Layer<Dense>, x: &mut [Vec<f64>]) {
        let a = &self.architecture;
        // [n, dim]: what attention reads.
        let read: Vec<_> = x.iter().map(|x| norm(a, layer.attention_norm.as_ref(), x)).collect();
        // [n, dim]: what attention says.
        let said = self.attend(i, layer, &read);
        if a.block.parallel {
            for ((x, read), said) in x.iter_mut().zip(&read).zip(&said) {
                let fed = match &layer.feed_forward_norm {
                    Some(own) => norm(a, Some(own), x),
                    None => read.clone(),
                };
                add(x, said);
                add(x, &self.feed_forward(&layer.feed_forward, &fed));
            }
            return;
        }
        for (x, said) in x.iter_mut().zip(&said) {
            self.join(x, said, layer.norm_after_attention.as_ref());
            let fed = norm(a, layer.feed_forward_norm.as_ref(), x);
            let said = self.feed_forward(&layer.feed_forward, &fed);
            self.join(x, &said, layer.norm_after_feed_forward.as_ref());
        }
    }

    /// A branch's result meets the residual stream.
    fn join(&self, x: &mut Vec<f64>, branch: &[f64], after: Option<&NormWeights>) {
        let a = &self.architecture;
        match a.block.norm_after {
            NormAfter::Nothing => add(x, branch),
            NormAfter::Branch => add(x, &norm(a, after, branch)),
            NormAfter::Sum => {
                add(x, branch);
                *x = norm(a, after, x);
            }
        }
    }

    /// Attention over a sequence: `read` `[n, dim]`, result `[n, dim]`.
    fn attend(&self, i: usize, layer: &Layer<Dense>, read: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let a = &self.architecture;
        let facts = a.layers[i];
        let turned = |x: Vec<f64>, heads: Option<&HeadNorm>, position: usize| {
            let mut x = norm_heads(a, heads, x);
            if let Some(rope) = facts.rope {
                x.chunks_exact_mut(a.head_dim)
                    .for_each(|head| turn(&a.ropes[rope], head, position));
            }
            x
        };
        // q: [n, n_heads * head_dim]; k, v: [n, n_kv_heads * head_dim].
        let (mut q, mut k, mut v) = (Vec::new(), Vec::new(), Vec::new());
        for (position, x) in read.iter().enumerate() {
            q.push(turned(linear(&layer.query, x), layer.query_norm.as_ref(), position));
            k.push(turned(linear(&layer.key, x), layer.key_norm.as_ref(), position));
            v.push(linear(&layer.value, x));
        }
        let row = |p: usize| {
            let first = facts.window.map_or(0, |window| (p + 1).saturating_sub(window));
            let last = if a.attention.causal { p + 1 } else { read.len() };
            let mut mixed = vec![0.0; a.query_width()];
            for (h, out) in mixed.chunks_exact_mut(a.head_dim).enumerate() {
                let q = &q[p][h * a.head_dim..][..a.head_dim];
                let from = h / (a.n_heads / a.n_kv_heads) * a.head_dim;
                let keys: Vec<_> =
                    k[first..last].iter().map(|k| &k[from..][..a.head_dim]).collect();
                let weights = attention_weights(&a.attention, q, &keys);
                for (weight, v) in weights.iter().zip(&v[first..last]) {
                    for (out, v) in out.iter_mut().zip(&v[from..]) {
                        *out += weight * v;
                    }
                }
            }
            linear(&layer.attention_output, &mixed)
        };
        (0..read.len()).map(row).collect()
    }

    /// The second branch of a block for one token, `[dim]` to `[dim]`.
    fn feed_forward(&self, weights: &FeedForward<Dense>, x: &[f64]) -> Vec<f64> {
        match weights {
            FeedForward::Dense(mlp) => self.mlp(mlp, x),
            FeedForward::Experts(experts) => self.mixture(experts, x),
        }
    }

    fn mlp(&self, mlp: &Mlp<Dense>, x: &[f64]) -> Vec<f64> {
        let act = |x: &f64| activation(self.architecture.feed_forward.activation, *x);
        let up = linear(&mlp.up, x);
        // [width]
        let middle: Vec<f64> = match &mlp.gate {
            None => up.iter().map(act).collect(),
            Some(gate) => linear(gate, x).iter().zip(&up).map(|(g, up)| act(g) * up).collect(),
        };
        linear(&mlp.down, &middle)
    }

    fn mixture(&self, experts: &Experts<Dense>, x: &[f64]) -> Vec<f64> {
        let rule = self.architecture.experts.unwrap();
        // [n_experts]
        let chances = softmax(&experts.router.apply(x));
        let mut order: Vec<usize> = (0..rule.n).collect();
        order.sort_by(|&i, &j| chances[j].total_cmp(&chances[i]));
        let used = &order[..rule.n_used];
        let sum = if rule.renormalised { used.iter().map(|&e| chances[e]).sum() } else { 1.0 };
        let mut out = vec![0.0; x.len()];
        for &e in used {
            let weight = chances[e] / sum * f64::from(rule.scale);
            let said = self.mlp(&experts.each[e], x);
            out.iter_mut().zip(said).for_each(|(out, y)| *out += weight * y);
        }
        if let Some(shared) = &experts.shared {
            let gate = experts.shared_gate.as_ref().map(|gate| gate.apply(x)[0]);
            let weight = gate.map_or(1.0, |z| 1.0 / (1.0 + (-z).exp()));
            let said = self.mlp(shared, x);
            out.iter_mut().zip(said).for_each(|(out, y)| *out += weight * y);
        }
        out
    }
}

fn linear(linear: &Linear<Dense>, x: &[f64]) -> Vec<f64> {
    let mut y = linear.weights.apply(x);
    add_bias(&mut y, linear.bias.as_deref());
    y
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn add_bias(x: &mut [f64], bias: Option<&[f32]>) {
    if let Some(bias) = bias {
        x.iter_mut().zip(bias).for_each(|(x, &b)| *x += f64::from(b));
    }
}

/// A row normalised; without weights as it is.
fn norm(a: &Architecture, weights: Option<&NormWeights>, x: &[f64]) -> Vec<f64> {
    let Some(weights) = weights else { return x.to_vec() };
    let n = x.len() as f64;
    let mean = match a.norm.kind {
        NormKind::Rms => 0.0,
        NormKind::Layer => x.iter().sum::<f64>() / n,
    };
    let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let scale = (square + f64::from(a.norm.eps)).sqrt().recip();
    let mut y: Vec<f64> = x
        .iter()
        .zip(&weights.weight)
        .map(|(x, &weight)| (x - mean) * scale * f64::from(weight))
        .collect();
    add_bias(&mut y, weights.bias.as_deref());
    y
}

/// The queries (or keys) of all heads normalised, `[heads * head_dim]`.
fn norm_heads(a: &Architecture, weights: Option<&HeadNorm>, x: Vec<f64>) -> Vec<f64> {
    let heads = x.chunks_exact(a.head_dim);
    match weights {
        None => x,
        Some(HeadNorm::Whole(weights)) => norm(a, Some(weights), &x),
        Some(HeadNorm::Shared(weights)) => {
            heads.flat_map(|head| norm(a, Some(weights), head)).collect()
        }
        Some(HeadNorm::PerHead(weights)) => {
            heads.zip(weights).flat_map(|(head, own)| norm(a, Some(own), head)).collect()
        }
    }
}

/// Turns the pairs of one head, `[head_dim]`, to where they stand at a position.
fn turn(rope: &Rope, head: &mut [f64], position: usize) {
    for (i, frequency) in rope.frequencies.iter().enumerate() {
        let (sin, cos) = (position as f64 * frequency).sin_cos();
        let magnitude = f64::from(rope.magnitude);
        let (first, second) = match rope.pairing {
            Pairing::Interleaved => (2 * i, 2 * i + 1),
            Pairing::HalfSplit => (i, i + rope.dims / 2),
        };
        let (x, y) = (head[first], head[second]);
        head[first] = (x * cos - y * sin) * magnitude;
        head[second] = (x * sin + y * cos) * magnitude;
    }
}

/// How much of each position's value a query takes, `[keys]`.
fn attention_weights(rule: &Attention, q: &[f64], keys: &[&[f64]]) -> Vec<f64> {
    let score = |k: &&[f64]| {
        let dot: f64 = q.iter().zip(*k).map(|(q, k)| q * k).sum();
        soft_capped(dot * f64::from(rule.scale), rule.softcap)
    };
    softmax(&keys.iter().map(score).collect::<Vec<_>>())
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|z| (z - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

fn soft_capped(x: f64, cap: Option<f32>) -> f64 {
    cap.map(f64::from).map_or(x, |cap| cap * (x / cap).tanh())
}

fn activation(function: Activation, x: f64) -> f64 {
    use std::f64::consts::{FRAC_2_PI, SQRT_2};
    match function {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::GeluExact => 0.5 * x * (1.0 + error_function(x / SQRT_2)),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + (FRAC_2_PI.sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }
        Activation::Relu => x.max(0.0),
        Activation::ReluSquared => x.max(0.0).powi(2),
    }
}

/// The error function: its Taylor series near 0, where that loses no digits, and the continued
/// fraction of its complement beyond.
fn error_function(x: f64) -> f64 {
    use std::f64::consts::FRAC_2_SQRT_PI;
    if x.abs() < 2.5 {
        // erf(x) = 2 / sqrt(pi) * sum over n of (-1)^n x^(2n+1) / (n! (2n+1))
        let (mut sum, mut term) = (0.0, x);
        for n in 0..60 {
            sum += term / f64::from(2 * n + 1);
            term *= -x * x / f64::from(n + 1);
        }
        return FRAC_2_SQRT_PI * sum;
    }
    // erfc(x) = exp(-x^2) / sqrt(pi) / (x + (1/2) / (x + (2/2) / (x + (3/2) / ...)))
    let z = x.abs();
    let fraction = (1..60).rev().fold(z, |below, n| z + f64::from(n) / 2.0 / below);
    x.signum() * (1.0 - FRAC_2_SQRT_PI / 2.0 * (-z * z).exp() / fraction)
}

#[test]
fn the_error_function_has_its_published_values() {
    // Abramowitz & Stegun, table 7.1, and erfc(3) from the same source.
    let published = [
        (0.0, 0.0),
        (0.5, 0.520_499_877_8),
        (1.0, 0.842_700_792_9),
        (2.0, 0.995_322_265_0),
        (3.0, 0.999_977_909_5),
    ];
    for (x, expected) in published {
        assert!((error_function(x) - expected).abs() < 1e-10, "erf({x})");
        assert!((error_function(-x) + expected).abs() < 1e-10, "erf(-{x})");
    }
    assert!((error_function(2.499_999_9) - error_function(2.500_000_1)).abs() < 1e-9);
}
