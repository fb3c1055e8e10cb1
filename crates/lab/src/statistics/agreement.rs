//! How far judges agree beyond chance.

use std::collections::BTreeMap;

/// How differences between grades are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Grades are names: two are equal or not.
    Nominal,
    /// Grades have an order: a difference weighs by the grades in between.
    Ordinal,
    /// Grades are numbers: a difference weighs by its square.
    Interval,
}

/// Krippendorff's alpha: 1 for perfect agreement, 0 for that of chance, negative for less.
///
/// `items`: for each item the grades that it got, from any number of judges or repetitions; items
/// with fewer than two say nothing. Absent if no two grades can be compared or all are equal.
/// Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability".
pub fn krippendorff(items: &[Vec<f64>], level: Level) -> Option<f64> {
    let mut grades: Vec<f64> =
        items.iter().filter(|item| item.len() > 1).flatten().copied().collect();
    grades.sort_unstable_by(f64::total_cmp);
    grades.dedup();
    let place = |grade: f64| grades.partition_point(|&other| other < grade);
    let mut pairs: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    let mut counts = vec![0.0; grades.len()];
    for item in items.iter().filter(|item| item.len() > 1) {
        let weight = 1.0 / (item.len() - 1) as f64;
        for (i, &one) in item.iter().enumerate() {
            counts[place(one)] += 1.0;
            for &other in item.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, g)| g) {
                *pairs.entry((place(one), place(other))).or_insert(0.0) += weight;
            }
        }
    }
    let total: f64 = counts.iter().sum();
    let distance = |a: usize, b: usize| distance(&grades, &counts, level, a, b);
    let seen: f64 = pairs.iter().map(|(&(a, b), weight)| weight * distance(a, b)).sum();
    let all = (0..grades.len()).flat_map(|a| (0..grades.len()).map(move |b| (a, b)));
    let expected: f64 = all.map(|(a, b)| counts[a] * counts[b] * distance(a, b)).sum();
    (expected > 0.0).then(|| 1.0 - (total - 1.0) * seen / expected)
}

fn distance(grades: &[f64], counts: &[f64], level: Level, a: usize, b: usize) -> f64 {
    match level {
        Level::Nominal => f64::from(u8::from(a != b)),
        Level::Interval => (grades[a] - grades[b]).powi(2),
        Level::Ordinal => {
            let between: f64 = counts[a.min(b)..=a.max(b)].iter().sum();
            (between - f64::midpoint(counts[a], counts[b])).powi(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Krippendorff's own example C: four observers, twelve units, some missing.
    fn example() -> Vec<Vec<f64>> {
        let rows: [&[f64]; 12] = [
            &[1., 1., 1.],
            &[2., 2., 3., 2.],
            &[3., 3., 3., 3.],
            &[3., 3., 3., 3.],
            &[2., 2., 2., 2.],
            &[1., 2., 3., 4.],
            &[4., 4., 4., 4.],
            &[1., 1., 2., 1.],
            &[2., 2., 2., 2.],
            &[5., 5., 5.],
            &[1., 1.],
            &[3.],
        ];
        rows.iter().map(|row| row.to_vec()).collect()
    }

    #[test]
    fn the_published_example_gives_its_published_values() {
        for (level, expected) in
            [(Level::Nominal, 0.743), (Level::Ordinal, 0.815), (Level::Interval, 0.849)]
        {
            let alpha = krippendorff(&example(), level).unwrap();
            assert!((alpha - expected).abs() < 6e-4, "{level:?} {alpha}");
        }
    }

    #[test]
    fn without_variation_there_is_no_agreement_to_speak_of() {
        assert_eq!(krippendorff(&[vec![1.0, 1.0], vec![1.0, 1.0]], Level::Nominal), None);
        assert_eq!(krippendorff(&[vec![1.0], vec![2.0]], Level::Nominal), None);
    }
}
