//! Held-out text, and samples.

use serde::{Deserialize, Serialize};

use crate::data::{Order, Packer, Place, ShardError};
use crate::random::{Generator, Purpose};
use crate::trainer::{Material, Trainer};

/// What was measured on held-out text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The mean loss of a token, in nats.
    pub loss: f64,
    /// In bits for each byte of text, which does not depend on the tokenizer.
    pub bits_per_byte: f64,
    /// How many tokens were predicted.
    pub tokens: u64,
}

/// Predicts held-out text: up to `most` tokens of it.
///
/// # Errors
/// If it cannot be read.
pub fn evaluate(
    trainer: &mut Trainer,
    held: &Material,
    most: usize,
) -> Result<Option<Evaluation>, ShardError> {
    let all = held.source.n_tokens() + held.source.n_documents() as u64;
    let (length, some) = (trainer.config().model.context, trainer.config().batch.at_a_time);
    let wanted = (most as u64).min(all);
    if held.source.n_documents() == 0 || wanted < 2 {
        return Ok(None);
    }
    let mut packer = Packer::new(held.source, Order::Kept, held.begins, Place::default());
    let (mut nats, mut bytes, mut tokens) = (0.0, 0, 0);
    let mut losses = vec![0.0; some * length];
    while tokens < wanted {
        let batch = packer.next(some, length)?;
        let (pass, machine, weights) = trainer.parts();
        pass.losses(machine, weights, &batch, &mut losses);
        // What is beyond the end is the beginning again.
        let n = (wanted - tokens).min(batch.n_rows() as u64);
        for (loss, &target) in losses.iter().zip(&batch.targets).take(n as usize) {
            nats += f64::from(*loss);
            bytes += u64::from(held.token_bytes[target as usize]);
        }
        tokens += n;
    }
    let bits_per_byte = nats / std::f64::consts::LN_2 / bytes.max(1) as f64;
    Ok(Some(Evaluation { loss: nats / tokens as f64, bits_per_byte, tokens }))
}

/// How words of samples are chosen: among the most likely, somewhat sharper than the model says.
const AMONG: usize = 40;
const TEMPERATURE: f64 = 0.8;

/// Continues a prompt by up to `n` tokens, until a document ends. `number` tells samples apart.
pub fn sample(
    trainer: &mut Trainer,
    begins: u32,
    prompt: &[u32],
    n: usize,
    number: u64,
) -> Vec<u32> {
    let context = trainer.config().model.context;
    let mut generator = Generator::new(trainer.config().seed, Purpose::Sample, number);
    let mut tokens = vec![begins];
    tokens.extend(prompt);
    let first = tokens.len();
    while tokens.len() < first + n {
        let from = tokens.len().saturating_sub(context);
        let (pass, machine, weights) = trainer.parts();
        let logits = pass.next_logits(machine, weights, &tokens[from..]);
        match choose(&logits, &mut generator) {
            Some(token) if token != begins => tokens.push(token),
            _ => break,
        }
    }
    tokens.split_off(first)
}

/// Draws a token; none if there is no number among the logits.
fn choose(logits: &[f32], generator: &mut Generator) -> Option<u32> {
    let mut best: Vec<u32> = (0..logits.len() as u32).collect();
    best.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    best.truncate(AMONG);
    let most = f64::from(logits[*best.first()? as usize]);
    let weight = |&token: &u32| ((f64::from(logits[token as usize]) - most) / TEMPERATURE).exp();
    let total: f64 = best.iter().map(weight).sum();
    let mut left = generator.uniform() * total;
    for token in &best {
        left -= weight(token);
        if left < 0.0 {
            return Some(*token);
        }
    }
    total.is_finite().then(|| best[0])
}
