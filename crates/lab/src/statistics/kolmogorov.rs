//! Whole distributions: the largest gap between two empirical distribution functions.

use super::Test;
use super::random::Generator;

/// Above this many lattice points the limit distribution is used.
const EXACT_UP_TO: usize = 1 << 22;

/// The Kolmogorov-Smirnov test of two independent samples; the statistic is the largest gap.
///
/// Exact for values without ties, conservative with ties. Sources: Smirnov 1939; the count of paths
/// is that of R's `psmirnov` (Schröer & Trenkler 1995).
pub fn kolmogorov_smirnov(first: &[f64], second: &[f64]) -> Test {
    let pairs: Vec<(Vec<f64>, Vec<f64>)> = vec![(first.to_vec(), second.to_vec())];
    let statistic = largest_gap(&steps(&pairs), &[false]);
    let (n1, n2) = (first.len(), second.len());
    if n1 == 0 || n2 == 0 {
        return Test { statistic: 0.0, p_value: 1.0 };
    }
    let p_value = if n1.saturating_mul(n2) <= EXACT_UP_TO {
        path_leaves(statistic, n1, n2)
    } else {
        let effective = (n1 as f64 * n2 as f64 / (n1 + n2) as f64).sqrt();
        limit_above(effective * statistic)
    };
    Test { statistic, p_value: p_value.clamp(0.0, 1.0) }
}

/// Chance that a random path from (0, 0) to (n1, n2) reaches a gap of at least `gap`.
///
/// Counts of paths that stay inside are kept as shares of all paths, which do not overflow.
fn path_leaves(gap: f64, n1: usize, n2: usize) -> f64 {
    // The gap is a multiple of 1 / (n1 n2); comparing whole numbers makes ties exact.
    let limit = (gap * n1 as f64 * n2 as f64).round() as i64;
    let inside = |i: usize, j: usize| ((i * n2) as i64 - (j * n1) as i64).abs() < limit;
    let mut row = vec![0.0; n2 + 1];
    for i in 0..=n1 {
        for j in 0..=n2 {
            let arrived = match (i, j) {
                (0, 0) => 1.0,
                (0, _) => row[j - 1],
                (_, 0) => row[0],
                // Of all paths to (i, j) a share i / (i + j) arrives from (i - 1, j).
                _ => (i as f64 * row[j] + j as f64 * row[j - 1]) / (i + j) as f64,
            };
            row[j] = if inside(i, j) { arrived } else { 0.0 };
        }
    }
    1.0 - row[n2]
}

/// Kolmogorov's limit: 2 Σ (-1)^(k-1) exp(-2 k² x²).
fn limit_above(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    let term =
        |k: i32| (-2.0 * f64::from(k * k) * x * x).exp() * if k % 2 == 0 { -2.0 } else { 2.0 };
    (1..=100).map(term).sum()
}

/// The same gap for arms that answered the same inputs, tested by swapping the arms of whole inputs.
///
/// `pairs`: for each input the values of both arms. Each input weighs the same, however many values
/// it has. Exact, whatever the ties and however alike the answers to one input are. The first row of
/// randomness is the data itself (Phipson & Smyth 2010).
pub fn swapped_kolmogorov_smirnov(
    pairs: &[(Vec<f64>, Vec<f64>)],
    resamples: usize,
    seed: u64,
) -> Test {
    let steps = steps(pairs);
    let mut swapped = vec![false; pairs.len()];
    let statistic = largest_gap(&steps, &swapped);
    let mut generator = Generator::new(seed);
    let mut as_large = 1;
    for _ in 0..resamples {
        swapped.iter_mut().for_each(|swap| *swap = generator.bits() >> 63 == 1);
        if largest_gap(&steps, &swapped) >= statistic - 1e-9 {
            as_large += 1;
        }
    }
    Test { statistic, p_value: f64::from(as_large) / (resamples + 1) as f64 }
}

/// One value: how far it moves the gap, which input it answers, and whether the next one is equal.
struct Step {
    weight: f64,
    input: usize,
    tied: bool,
}

fn steps(pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<Step> {
    let mut values = Vec::new();
    for (input, (first, second)) in pairs.iter().enumerate() {
        let share = 1.0 / pairs.len() as f64;
        values.extend(first.iter().map(|&value| (value, share / first.len() as f64, input)));
        values.extend(second.iter().map(|&value| (value, -share / second.len() as f64, input)));
    }
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let tied = |place: usize| values.get(place + 1).is_some_and(|next| next.0 == values[place].0);
    let step =
        |place: usize| Step { weight: values[place].1, input: values[place].2, tied: tied(place) };
    (0..values.len()).map(step).collect()
}

fn largest_gap(steps: &[Step], swapped: &[bool]) -> f64 {
    let (mut gap, mut largest) = (0.0f64, 0.0f64);
    for step in steps {
        gap += if swapped[step.input] { -step.weight } else { step.weight };
        if !step.tied {
            largest = largest.max(gap.abs());
        }
    }
    largest
}
