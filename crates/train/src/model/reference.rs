//! The same loss in f64, written as the formulas are: what [`super::pass`] is compared with.

use super::{Batch, Layout};
use crate::config::{ModelConfig, Preset};

/// The sum over rows of the loss, and of the z-loss.
pub(super) fn loss(
    preset: Preset,
    model: &ModelConfig,
    z_loss: f64,
    weights: &[f64],
    batch: &Batch,
) -> f64 {
    let layout = Layout::new(preset, model);
    let w = |n: usize| &weights[layout.tensors()[n].range()];
    let (dim, d) = (model.width, model.head_dim);
    let rows = batch.n_rows();
    let mut x: Vec<Vec<f64>> = batch
        .tokens
        .iter()
        .map(|&token| w(layout.embedding)[token as usize * dim..][..dim].to_vec())
        .collect();
    let first = x.clone();
    for layer in &layout.layers {
        if let Some(mix) = layer.residual_mix {
            mix_in(&mut x, &first, w(mix));
        }
        let qkv: Vec<Vec<f64>> = x
            .iter()
            .map(|x| linear(&norm(x, w(layer.attention_norm), model), w(layer.qkv)))
            .collect();
        let heads = model.n_heads + model.n_kv_heads;
        let turned: Vec<Vec<f64>> = qkv
            .iter()
            .enumerate()
            .map(|(row, qkv)| {
                let position = (row % batch.length) as f64 - f64::from(batch.starts[row]);
                let mut all = Vec::new();
                for head in 0..heads {
                    let mut part = qkv[head * d..(head + 1) * d].to_vec();
                    if let Some([query, key]) = layer.head_norms {
                        let weight = if head < model.n_heads { query } else { key };
                        part = norm(&part, w(weight), model);
                    }
                    all.extend(turn(&part, position, model.rope_base));
                }
                all
            })
            .collect();
        for row in 0..rows {
            let first = row / batch.length * batch.length + batch.starts[row] as usize;
            let mut gathered = Vec::new();
            for head in 0..model.n_heads {
                let kv = head * model.n_kv_heads / model.n_heads;
                let query = &turned[row][head * d..(head + 1) * d];
                let at = (model.n_heads + kv) * d;
                let scores: Vec<f64> = (first..=row)
                    .map(|key| dot(query, &turned[key][at..at + d]) / (d as f64).sqrt())
                    .collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - most).exp()).sum();
                let value = (heads + kv) * d;
                gathered.extend((0..d).map(|i| {
                    let each = scores.iter().zip(first..);
                    each.map(|(s, key)| (s - most).exp() / sum * qkv[key][value + i]).sum::<f64>()
                }));
            }
            let out = linear(&gathered, w(layer.attention_out));
            x[row].iter_mut().zip(out).for_each(|(x, y)| *x += y);
        }
        for x in &mut x {
            let up = linear(&norm(x, w(layer.feed_norm), model), w(layer.up));
            let out = linear(&activated(preset, model, &up), w(layer.down));
            x.iter_mut().zip(out).for_each(|(x, y)| *x += y);
        }
    }
    let each = x.iter().zip(&batch.targets).map(|(x, &target)| {
        let logits = linear(&norm(x, w(layout.output_norm), model), w(layout.embedding));
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = most + logits.iter().map(|l| (l - most).exp()).sum::<f64>().ln();
        log_sum - logits[target as usize] + z_loss * log_sum * log_sum
    });
    each.sum()
}

fn mix_in(x: &mut [Vec<f64>], first: &[Vec<f64>], mix: &[f64]) {
    for (x, first) in x.iter_mut().flatten().zip(first.iter().flatten()) {
        *x = mix[0] * *x + mix[1] * first;
    }
}

fn activated(preset: Preset, model: &ModelConfig, up: &[f64]) -> Vec<f64> {
    match preset {
        Preset::Llama => {
            let (gate, up) = up.split_at(model.feed_forward);
            gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect()
        }
        Preset::Nano => up.iter().map(|u| u.max(0.0).powi(2)).collect(),
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn linear(x: &[f64], weight: &[f64]) -> Vec<f64> {
    weight.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

fn norm(x: &[f64], weight: &[f64], model: &ModelConfig) -> Vec<f64> {
    let scale = (dot(x, x) / x.len() as f64 + f64::from(model.norm_eps as f32)).sqrt().recip();
    x.iter().zip(weight).map(|(x, w)| x * scale * w).collect()
}

fn turn(x: &[f64], position: f64, base: f64) -> Vec<f64> {
    let pairs = x.len() / 2;
    let angle = |i: usize| position * base.powf(-2.0 * i as f64 / x.len() as f64);
    let low = (0..pairs).map(|i| x[i] * angle(i).cos() - x[pairs + i] * angle(i).sin());
    let high = (0..pairs).map(|i| x[pairs + i] * angle(i).cos() + x[i] * angle(i).sin());
    low.chain(high).collect()
}
