//! Named factors, crossed.

use serde::{Deserialize, Serialize};

use crate::statistics::mixed::Column;

/// Something about the prompt that is varied: "capitals", with the levels "no" and "yes".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// Its name.
    pub name: String,
    /// Its levels; the first is what the others are compared with.
    pub levels: Vec<String>,
}

/// Every combination of levels, one arm each, the last factor changing fastest.
pub fn full(factors: &[Factor]) -> Vec<Vec<usize>> {
    let mut arms = vec![Vec::new()];
    for factor in factors {
        let extend = |arm: &Vec<usize>| {
            let arm = arm.clone();
            (0..factor.levels.len()).map(move |level| {
                let mut arm = arm.clone();
                arm.push(level);
                arm
            })
        };
        arms = arms.iter().flat_map(extend).collect();
    }
    arms
}

/// The columns of a model of the factors: for each arm a value, ones first.
///
/// A level after a factor's first has a column, 1 there and 0 elsewhere, less the share 1 / levels.
/// So with all combinations equally often its coefficient is the difference from the first level,
/// averaged over the other factors. `interactions` adds the products of columns of two factors.
pub fn columns(factors: &[Factor], arms: &[Vec<usize>], interactions: bool) -> Vec<Column> {
    let mut columns = vec![Column { name: "mean".to_owned(), values: vec![1.0; arms.len()] }];
    let mut of_factor = Vec::new();
    for (index, factor) in factors.iter().enumerate() {
        let share = 1.0 / factor.levels.len() as f64;
        let column = |(level, name): (usize, &String)| Column {
            name: format!("{} = {name}", factor.name),
            values: arms
                .iter()
                .map(|arm| f64::from(u8::from(arm.get(index) == Some(&level))) - share)
                .collect(),
        };
        of_factor.push(factor.levels.iter().enumerate().skip(1).map(column).collect::<Vec<_>>());
    }
    columns.extend(of_factor.iter().flatten().cloned());
    if interactions {
        for (place, first) in of_factor.iter().enumerate() {
            for second in of_factor[place + 1..].iter().flatten() {
                columns.extend(first.iter().map(|first| product(first, second)));
            }
        }
    }
    columns
}

fn product(first: &Column, second: &Column) -> Column {
    Column {
        name: format!("{} and {}", first.name, second.name),
        values: first.values.iter().zip(&second.values).map(|(a, b)| a * b).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(name: &str, levels: &[&str]) -> Factor {
        let levels = levels.iter().map(|level| (*level).to_owned()).collect();
        Factor { name: name.to_owned(), levels }
    }

    #[test]
    fn all_combinations_are_arms() {
        let factors = [factor("tip", &["none", "$20", "$200"]), factor("please", &["no", "yes"])];
        let arms = full(&factors);
        assert_eq!(arms, [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]);
        let columns = columns(&factors, &arms, true);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names[..4], ["mean", "tip = $20", "tip = $200", "please = yes"]);
        assert_eq!(columns.len(), 6);
        // Every column but the first sums to zero over the crossing.
        assert!(columns[1..].iter().all(|c| c.values.iter().sum::<f64>().abs() < 1e-12));
    }
}
