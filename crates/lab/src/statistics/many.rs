//! More than two arms on the same inputs: is there any difference at all?

use super::Test;
use super::distribution::chi_squared_above;
use super::summary::rank;

/// Cochran's Q: do arms that pass or fail on the same inputs differ?
///
/// `table`: for each input whether each arm passed. Inputs on which all arms agree do not count.
/// The statistic is Q, chi-squared with one degree less than there are arms.
/// Source: Cochran 1950, "The comparison of percentages in matched samples".
pub fn cochran(table: &[Vec<bool>]) -> Test {
    let arms = table.first().map_or(0, Vec::len);
    let passed = |row: &Vec<bool>| row.iter().filter(|&&passed| passed).count() as f64;
    let total: f64 = table.iter().map(passed).sum();
    let column = |arm: usize| table.iter().filter(|row| row.get(arm) == Some(&true)).count() as f64;
    let squares: f64 = (0..arms).map(|arm| column(arm).powi(2)).sum();
    let k = arms as f64;
    let spread: f64 = table.iter().map(|row| passed(row) * (k - passed(row))).sum();
    chi_squared((k - 1.0) * (k * squares - total * total), spread, k - 1.0)
}

/// Friedman's test: do arms that were measured on the same inputs differ in rank?
///
/// `table`: for each input the value of each arm. The statistic is chi-squared with one degree less
/// than there are arms, corrected for ties. Source: Friedman 1937.
pub fn friedman(table: &[Vec<f64>]) -> Test {
    let arms = table.first().map_or(0, Vec::len);
    let (n, k) = (table.len() as f64, arms as f64);
    let ranked: Vec<_> = table.iter().map(|row| rank(row)).collect();
    let sum = |arm: usize| ranked.iter().filter_map(|row| row.ranks.get(arm)).sum::<f64>();
    let squares: f64 = (0..arms).map(|arm| (sum(arm) - n * (k + 1.0) / 2.0).powi(2)).sum();
    let ties: f64 = ranked.iter().map(|row| row.ties).sum();
    let spread = n * k * (k + 1.0) - ties / (k - 1.0);
    chi_squared(12.0 * squares, spread, k - 1.0)
}

/// Without spread there is nothing to reject.
fn chi_squared(excess: f64, spread: f64, degrees: f64) -> Test {
    let statistic = if spread > 0.0 { excess / spread } else { 0.0 };
    let p_value = if statistic > 0.0 { chi_squared_above(statistic, degrees) } else { 1.0 };
    Test { statistic, p_value }
}
