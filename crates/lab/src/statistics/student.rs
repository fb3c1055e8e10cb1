//! Student's t for paired differences and for groups of them.

use super::distribution::{student_quantile, student_two_sided};
use super::sign_flip::Unit;
use super::summary::{mean, variance};
use super::{Interval, Test};

/// A mean with its standard error and degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    pub estimate: f64,
    /// Its standard error; NaN with fewer than two units.
    pub standard_error: f64,
    /// Degrees of freedom of the standard error.
    pub degrees: f64,
}

impl Mean {
    /// Tests that the mean is `null`; the statistic is t. Without spread there is no test: NaN.
    pub fn test(&self, null: f64) -> Test {
        let statistic = (self.estimate - null) / self.standard_error;
        Test { statistic, p_value: student_two_sided(statistic, self.degrees) }
    }

    /// The interval of the mean that misses with chance `alpha`.
    pub fn interval(&self, alpha: f64) -> Interval {
        let half = student_quantile(1.0 - alpha / 2.0, self.degrees) * self.standard_error;
        Interval { low: self.estimate - half, high: self.estimate + half }
    }
}

/// The mean of paired differences ("Student" 1908).
pub fn paired(differences: &[f64]) -> Mean {
    let n = differences.len() as f64;
    Mean {
        estimate: mean(differences),
        standard_error: (variance(differences) / n).sqrt(),
        degrees: n - 1.0,
    }
}

/// The mean of differences that come in groups, with an error that allows for any likeness within
/// a group, and one degree of freedom less than there are groups.
///
/// Source: Liang & Zeger 1986 with the factor C / (C - 1) for C groups; with one difference in each
/// group it is the paired t.
pub fn clustered(groups: &[Unit]) -> Mean {
    let count = groups.len() as f64;
    let weight: f64 = groups.iter().map(|group| group.weight).sum();
    let estimate = groups.iter().map(|group| group.sum).sum::<f64>() / weight;
    let square: f64 = groups.iter().map(|g| (g.sum - g.weight * estimate).powi(2)).sum();
    let standard_error = (square * count / (count - 1.0)).sqrt() / weight;
    Mean { estimate, standard_error, degrees: count - 1.0 }
}

/// The difference of the means of two independent samples (Welch 1947): `treatment` - `control`.
pub fn welch(treatment: &[f64], control: &[f64]) -> Mean {
    let part = |values: &[f64]| variance(values) / values.len() as f64;
    let (a, b) = (part(treatment), part(control));
    let spread = |part: f64, values: &[f64]| part * part / (values.len() as f64 - 1.0);
    Mean {
        estimate: mean(treatment) - mean(control),
        standard_error: (a + b).sqrt(),
        degrees: (a + b).powi(2) / (spread(a, treatment) + spread(b, control)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_one_are_the_paired_test() {
        let differences = [0.5, -0.25, 1.5, 0.75, 2.0];
        let groups: Vec<Unit> = differences.iter().map(|&d| Unit::single(d)).collect();
        let (one, other) = (paired(&differences), clustered(&groups));
        assert!((one.standard_error - other.standard_error).abs() < 1e-14);
        assert_eq!(one.degrees, other.degrees);
    }
}
