use mynah_kernels::{Isa, Pool};

use super::*;
use crate::config::Settings;
use crate::rules::Given;

/// A small model with heads that share keys, and documents that end within sequences.
fn config(preset: Preset, more: &str) -> Config {
    let text = format!(
        "preset = \"{}\"\n[model]\ndepth = 2\nwidth = 32\nn_heads = 4\nn_kv_heads = 2\n\
         head_dim = 8\nfeed_forward = 64\ncontext = 13\n{more}",
        preset.name()
    );
    let given = Given { vocabulary: 19, steps: 1, tokens: 1, depth: None };
    Settings::parse("test", &text).unwrap().resolve(&given).unwrap()
}

fn batch() -> Batch {
    let rows = 0..26u32;
    Batch {
        length: 13,
        tokens: rows.clone().map(|i| i * 7 % 19).collect(),
        targets: rows.clone().map(|i| (i * 5 + 3) % 19).collect(),
        starts: rows.map(|i| if i % 13 < 4 { 0 } else { 4 + (i / 20) * 2 }).collect::<Vec<_>>(),
    }
}

/// Numbers that PyTorch is given too: `dev/reference/train_gradients.py`.
fn fixed_weights(layout: &Layout) -> Vec<f32> {
    let mut weights = Vec::new();
    for tensor in layout.tensors() {
        for _ in tensor.range() {
            let i = weights.len() as u64;
            let spread = (i * 2_654_435_761 + 12_345) % (1 << 32);
            let x = spread as f64 / f64::from(1u32 << 31) / 2.0 - 0.5;
            weights.push(match tensor.group {
                Group::Norm => (1.0 + 0.4 * x) as f32,
                _ => (0.6 * x) as f32,
            });
        }
    }
    weights
}

/// The losses and the gradient of their sum.
fn learn(config: &Config, isa: Isa, weights: &[f32], batch: &Batch) -> (Vec<f32>, Vec<f32>) {
    let mut machine = Machine { pool: Pool::new(2), isa };
    let mut pass = Pass::new(config, 2, 2);
    let mut gradient = vec![0.0; weights.len()];
    let mut losses = vec![0.0; batch.n_rows()];
    pass.learn(&mut machine, weights, batch, (1.0, 0), &mut gradient, &mut losses);
    (losses, gradient)
}

#[test]
fn the_gradient_is_that_of_the_loss_in_f64() {
    for preset in [Preset::Llama, Preset::Nano] {
        let config = config(preset, "[optimiser]\nz_loss = 0.01");
        let layout = Layout::new(preset, &config.model);
        let weights = fixed_weights(&layout);
        let (losses, gradient) = learn(&config, Isa::detect(), &weights, &batch());
        let exact: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
        let loss = |weights: &[f64], z_loss: f64| {
            reference::loss(preset, &config.model, z_loss, weights, &batch())
        };
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        assert!((sum - loss(&exact, 0.0)).abs() < 1e-3, "{sum} {}", loss(&exact, 0.0));
        for tensor in layout.tensors() {
            // Some numbers of each tensor: a step is so small that the loss is a parabola.
            for i in tensor.range().step_by(1 + tensor.range().len() / 7) {
                let step = 1e-4;
                let at = |by: f64| {
                    let mut moved = exact.clone();
                    moved[i] += by;
                    loss(&moved, 0.01)
                };
                let expected = (at(step) - at(-step)) / (2.0 * step);
                let got = f64::from(gradient[i]);
                let most = 2e-3 * expected.abs().max(0.05);
                assert!((got - expected).abs() < most, "{} {i}: {got} {expected}", tensor.name);
            }
        }
    }
}

#[test]
fn a_document_does_not_see_another() {
    let config = config(Preset::Llama, "");
    let layout = Layout::new(config.preset, &config.model);
    let weights = fixed_weights(&layout);
    let (losses, _) = learn(&config, Isa::detect(), &weights, &batch());
    let mut other = batch();
    // The first document of the first sequence is another; the second one cannot know.
    other.tokens[..4].fill(1);
    let (changed, _) = learn(&config, Isa::detect(), &weights, &other);
    assert_ne!(losses[..4], changed[..4]);
    assert_eq!(losses[4..], changed[4..]);
    // Nor does a row see what follows.
    let mut other = batch();
    other.tokens[9] = 1;
    let (changed, _) = learn(&config, Isa::detect(), &weights, &other);
    assert_eq!(losses[..9], changed[..9]);
    assert_ne!(losses[9..13], changed[9..13]);
}

#[test]
fn rows_alone_have_the_logits_they_have_in_a_batch() {
    let config = config(Preset::Nano, "");
    let layout = Layout::new(config.preset, &config.model);
    let weights = fixed_weights(&layout);
    let mut machine = Machine { pool: Pool::new(2), isa: Isa::detect() };
    let mut pass = Pass::new(&config, 2, 2);
    let batch = Batch { starts: vec![0; 13], ..batch().part(0, 1) };
    let mut losses = vec![0.0; 13];
    pass.losses(&mut machine, &weights, &batch, &mut losses);
    for row in [0, 5, 12] {
        let logits = pass.next_logits(&mut machine, &weights, &batch.tokens[..=row]);
        let sum: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
        let loss = sum.ln() - f64::from(logits[batch.targets[row] as usize]);
        assert!((loss - f64::from(losses[row])).abs() < 1e-5, "{loss} {}", losses[row]);
    }
}

/// The whole model against PyTorch's own gradients.
#[test]
fn pytorch_gives_the_same_losses_and_gradients() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/train/gradients.json");
    let text = std::fs::read_to_string(path).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
    for preset in [Preset::Llama, Preset::Nano] {
        let fixture = &fixture[preset.name()];
        let config = config(preset, "[optimiser]\nz_loss = 0.01");
        let layout = Layout::new(preset, &config.model);
        let weights = fixed_weights(&layout);
        for isa in Isa::available() {
            let (losses, gradient) = learn(&config, isa, &weights, &batch());
            let numbers = |name: &str| -> Vec<f64> {
                fixture[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
            };
            for (got, expected) in losses.iter().zip(numbers("losses")) {
                assert!((f64::from(*got) - expected).abs() < 2e-5 * expected.abs().max(1.0));
            }
            let every = fixture["every"].as_u64().unwrap() as usize;
            let expected = numbers("gradient");
            assert_eq!(expected.len(), gradient.len().div_ceil(every));
            for (got, expected) in gradient.iter().step_by(every).zip(expected) {
                let most = 1e-4 * expected.abs().max(0.1);
                assert!((f64::from(*got) - expected).abs() < most, "{got} {expected}");
            }
        }
    }
}

#[test]
fn losses_without_a_gradient_are_the_same() {
    let config = config(Preset::Llama, "");
    let layout = Layout::new(config.preset, &config.model);
    let weights = fixed_weights(&layout);
    let (expected, _) = learn(&config, Isa::detect(), &weights, &batch());
    let mut machine = Machine { pool: Pool::new(1), isa: Isa::detect() };
    let mut losses = vec![0.0; 26];
    Pass::new(&config, 2, 1).losses(&mut machine, &weights, &batch(), &mut losses);
    assert_eq!(losses, expected);
}
