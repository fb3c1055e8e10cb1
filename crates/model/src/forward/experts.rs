//! A mixture of experts: each row goes through the few that its router likes best.
//!
//! Rows are gathered by expert, so that an expert's weights are read once for all of them. A row's
//! experts are added up in their own order, whatever other rows there are.
//! Source: Shazeer et al. 2017, "Outrageously Large Neural Networks"; Jiang et al. 2024, "Mixtral
//! of Experts".

use mynah_kernels::{self as kernels, Matrix};

use super::machine::Machine;
use super::scratch::{Middle, room};
use crate::architecture::{Architecture, Experts as Rule};
use crate::weights::Experts;

/// Memory for mixtures; n is the number of rows, k how many experts each uses.
#[derive(Default)]
pub(super) struct ExpertScratch {
    /// How likely each expert is, `[n, n_experts]`.
    chances: Vec<f32>,
    /// Which row goes through which expert, by expert and then row, `[n * k]`.
    visits: Vec<Visit>,
    /// `[n * k, dim]`, in the order of the visits.
    read: Vec<f32>,
    middle: Middle,
    /// `[n * k, dim]`.
    said: Vec<f32>,
}

/// One row at one expert.
#[derive(Clone, Copy)]
struct Visit {
    expert: u32,
    row: u32,
    /// What the expert's answer is multiplied by.
    weight: f32,
}

/// `read` `[n, dim]` to `said` `[n, dim]`.
pub(super) fn mixture(
    machine: &mut Machine<'_>,
    s: &mut ExpertScratch,
    a: &Architecture,
    weights: &Experts<Matrix>,
    read: &[f32],
    n: usize,
    said: &mut [f32],
) {
    let Some(rule) = a.experts else { return };
    let chances = room(&mut s.chances, n * rule.n);
    machine.multiply(&weights.router, read, n, chances);
    s.visits.clear();
    for (row, chances) in chances.chunks_exact_mut(rule.n).enumerate() {
        choose(rule, row, chances, &mut s.visits);
    }
    // Visits of one row are of different experts: no two are equal.
    s.visits.sort_unstable_by_key(|visit| (visit.expert, visit.row));
    visit(machine, s, a, weights, read);
    said.fill(0.0);
    let dim = a.dim;
    for (visit, answer) in s.visits.iter().zip(s.said.chunks_exact(dim)) {
        let said = &mut said[visit.row as usize * dim..][..dim];
        said.iter_mut().zip(answer).for_each(|(said, x)| *said += visit.weight * x);
    }
    if let Some(shared) = &weights.shared {
        let answer = room(&mut s.said, n * dim);
        let function = a.feed_forward.activation;
        machine.feed_forward(shared, function, None, read, n, &mut s.middle, answer);
        // The chances have served.
        let share = room(&mut s.chances, n);
        match &weights.shared_gate {
            Some(gate) => {
                machine.multiply(gate, read, n, share);
                let sigmoid = kernels::Activation::Sigmoid;
                kernels::activate(machine.pool, machine.isa, sigmoid, share, None);
            }
            None => share.fill(1.0),
        }
        let rows = said.chunks_exact_mut(dim).zip(answer.chunks_exact(dim));
        for ((said, answer), share) in rows.zip(share) {
            said.iter_mut().zip(answer).for_each(|(said, x)| *said += *share * x);
        }
    }
}

/// The experts that a row goes through. `scores`: `[n_experts]`, overwritten.
fn choose(rule: Rule, row: usize, scores: &mut [f32], visits: &mut Vec<Visit>) {
    let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - best).exp();
        sum += *score;
    }
    let first = visits.len();
    for _ in 0..rule.n_used {
        // The first of the greatest, so that ties are decided the same way everywhere.
        let mut chosen = 0;
        for (expert, &score) in scores.iter().enumerate() {
            if score > scores[chosen] {
                chosen = expert;
            }
        }
        let weight = scores[chosen] / sum;
        scores[chosen] = f32::NEG_INFINITY;
        visits.push(Visit { expert: chosen as u32, row: row as u32, weight });
    }
    let used = &mut visits[first..];
    let total: f32 = used.iter().map(|visit| visit.weight).sum();
    let scale = if rule.renormalised { rule.scale / total } else { rule.scale };
    used.iter_mut().for_each(|visit| visit.weight *= scale);
}

/// Sends every visit through its expert: `s.said`, `[visits, dim]`.
fn visit(
    machine: &mut Machine<'_>,
    s: &mut ExpertScratch,
    a: &Architecture,
    weights: &Experts<Matrix>,
    read: &[f32],
) {
    let ExpertScratch { visits, read: gathered, middle, said, .. } = s;
    let dim = a.dim;
    let gathered = room(gathered, visits.len() * dim);
    for (to, visit) in gathered.chunks_exact_mut(dim).zip(&*visits) {
        to.copy_from_slice(&read[visit.row as usize * dim..][..dim]);
    }
    let answers = room(said, visits.len() * dim);
    let mut first = 0;
    for of_one in visits.chunk_by(|v, w| v.expert == w.expert) {
        let (at, len) = (first * dim, of_one.len() * dim);
        let expert = &weights.each[of_one[0].expert as usize];
        let (read, answer) = (&gathered[at..][..len], &mut answers[at..][..len]);
        let function = a.feed_forward.activation;
        machine.feed_forward(expert, function, None, read, of_one.len(), middle, answer);
        first += of_one.len();
    }
}
