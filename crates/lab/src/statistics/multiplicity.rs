//! Several questions at once.

/// Adjusts p-values so that one or more false positives have at most the nominal chance.
///
/// Returns them in the order given. Source: Holm 1979, "A simple sequentially rejective multiple
/// test procedure". For confirming.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = rising(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0f64;
    for (place, &index) in order.iter().enumerate() {
        largest = largest.max((p_values.len() - place) as f64 * p_values[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// Adjusts p-values so that of what is rejected at most the nominal share is expected to be false.
///
/// Source: Benjamini & Hochberg 1995, "Controlling the false discovery rate". For exploring.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let order = rising(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut smallest = 1.0f64;
    for (place, &index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p_values.len() as f64 / (place + 1) as f64 * p_values[index]);
        adjusted[index] = smallest;
    }
    adjusted
}

/// Says which hypotheses e-values reject, so that at most a share `alpha` of them is expected to be
/// false, whatever the e-values' dependence and whenever they were looked at.
///
/// Source: Wang & Ramdas 2022, "False discovery rate control with e-values" (e-BH).
pub fn e_benjamini_hochberg(e_values: &[f64], alpha: f64) -> Vec<bool> {
    let negative: Vec<f64> = e_values.iter().map(|e| -e).collect();
    let order = rising(&negative);
    let enough = |place: usize| {
        e_values[order[place]] >= e_values.len() as f64 / (alpha * (place + 1) as f64)
    };
    let rejected = (0..order.len()).rev().find(|&place| enough(place)).map_or(0, |place| place + 1);
    let mut decisions = vec![false; e_values.len()];
    order[..rejected].iter().for_each(|&index| decisions[index] = true);
    decisions
}

fn rising(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_values_are_rejected_together() {
        // With three e-values at 5 %: 60 alone, 30 in pairs, 20 in threes.
        assert_eq!(e_benjamini_hochberg(&[25.0, 61.0, 1.0], 0.05), [false, true, false]);
        assert_eq!(e_benjamini_hochberg(&[31.0, 30.0, 1.0], 0.05), [true, true, false]);
        assert_eq!(e_benjamini_hochberg(&[20.0, 21.0, 22.0], 0.05), [true; 3]);
        assert_eq!(e_benjamini_hochberg(&[19.0, 29.0, 59.0], 0.05), [false; 3]);
    }
}
