//! Means, variances, quantiles and ranks.

/// The mean of `values`; NaN if there are none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The variance of `values` over n - 1; NaN below two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let centre = mean(values);
    values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// Returns `values` in rising order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The quantile `p` of values in rising order, between neighbours by straight line.
///
/// Source: Hyndman & Fan 1996, definition 7 (the default of R and NumPy). NaN if there are none.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = p.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// The middle of `values`; NaN if there are none.
pub fn median(values: &[f64]) -> f64 {
    quantile(&sorted(values), 0.5)
}

/// Ranks of values from 1; equal values share the mean of their ranks.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranks {
    /// The rank of each value, in the order of the values.
    pub ranks: Vec<f64>,
    /// Sum over sets of t equal values of t³ - t, which every correction for ties needs.
    pub ties: f64,
}

/// Ranks `values`.
pub fn rank(values: &[f64]) -> Ranks {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut ties = 0.0;
    let mut start = 0;
    while start < order.len() {
        let equal = order[start..].iter().take_while(|&&i| values[i] == values[order[start]]);
        let count = equal.count();
        let shared = start as f64 + f64::midpoint(count as f64, 1.0);
        order[start..start + count].iter().for_each(|&i| ranks[i] = shared);
        ties += (count as f64).powi(3) - count as f64;
        start += count;
    }
    Ranks { ranks, ties }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_ranks() {
        let ranked = rank(&[3.0, 1.0, 3.0, 2.0, 3.0]);
        assert_eq!(ranked.ranks, [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert_eq!(ranked.ties, 24.0);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn variance_divides_by_one_less() {
        assert_eq!(variance(&[1.0, 2.0, 3.0]), 1.0);
        assert!(variance(&[1.0]).is_nan());
    }
}
