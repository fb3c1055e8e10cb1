//! Ranks of paired differences: the signed-rank test and the Hodges-Lehmann estimate.

use super::distribution::{normal_cdf, normal_quantile};
use super::summary::{quantile, rank, sorted};
use super::{Interval, Test};

/// Up to this many differences the exact distribution is used.
const EXACT_UP_TO: usize = 50;

/// Above this many differences their pairwise means are not listed (2,000 have two million).
const WALSH_UP_TO: usize = 2_000;

/// The signed-rank test that differences are symmetric about zero; the statistic is the rank sum of
/// the positive ones.
///
/// Differences of zero are dropped, as Wilcoxon 1945 did. Exact up to 50 differences without ties,
/// else the normal limit with the correction for ties.
pub fn wilcoxon(differences: &[f64]) -> Test {
    let nonzero: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    let ranked = rank(&nonzero.iter().map(|d| d.abs()).collect::<Vec<_>>());
    let positive = nonzero.iter().zip(&ranked.ranks).filter(|(d, _)| **d > 0.0);
    let statistic: f64 = positive.map(|(_, rank)| rank).sum();
    let n = nonzero.len() as f64;
    let p_value = if nonzero.is_empty() {
        1.0
    } else if nonzero.len() <= EXACT_UP_TO && ranked.ties == 0.0 {
        let at_most = signed_rank_at_most(nonzero.len());
        let smaller = statistic.min(n * (n + 1.0) / 2.0 - statistic);
        (2.0 * at_most[smaller as usize]).min(1.0)
    } else {
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ranked.ties / 48.0;
        let z = (statistic - n * (n + 1.0) / 4.0) / variance.sqrt();
        2.0 * normal_cdf(-z.abs())
    };
    Test { statistic, p_value }
}

/// Chance that the positive rank sum of `n` differences is at most 0, 1, 2, ...
fn signed_rank_at_most(n: usize) -> Vec<f64> {
    let mut chances = vec![0.0; n * (n + 1) / 2 + 1];
    chances[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..chances.len()).rev() {
            let with = if sum >= rank { chances[sum - rank] } else { 0.0 };
            chances[sum] = f64::midpoint(chances[sum], with);
        }
    }
    let mut total = 0.0;
    chances
        .iter()
        .map(|chance| {
            total += chance;
            total
        })
        .collect()
}

/// The median of all pairwise means, and the interval that the signed-rank test does not reject.
///
/// Absent with no differences or more than 2,000. The interval is infinite where so few
/// differences exclude nothing. Source: Hodges & Lehmann 1963; Hollander & Wolfe, section 3.3.
pub fn hodges_lehmann(differences: &[f64], alpha: f64) -> Option<(f64, Interval)> {
    let n = differences.len();
    if n == 0 || n > WALSH_UP_TO {
        return None;
    }
    let pairs = (0..n).flat_map(|i| (i..n).map(move |j| (i, j)));
    let means: Vec<f64> =
        pairs.map(|(i, j)| f64::midpoint(differences[i], differences[j])).collect();
    let means = sorted(&means);
    let place = if n <= EXACT_UP_TO {
        signed_rank_at_most(n).partition_point(|&chance| chance <= alpha / 2.0) as f64
    } else {
        let n = n as f64;
        let spread = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
        (n * (n + 1.0) / 4.0 - normal_quantile(1.0 - alpha / 2.0) * spread).floor()
    };
    let interval = match (place as usize).checked_sub(1) {
        Some(place) => Interval { low: means[place], high: means[means.len() - 1 - place] },
        None => Interval { low: f64::NEG_INFINITY, high: f64::INFINITY },
    };
    Some((quantile(&means, 0.5), interval))
}
