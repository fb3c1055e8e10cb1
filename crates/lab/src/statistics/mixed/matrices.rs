//! The model's matrices: X of the columns, dense; Z of the groupings, by the entries of each row.

use nalgebra::{DMatrix, DVector};

use super::factor::Gram;
use super::{Column, Error, Grouping};

/// More levels than this take minutes.
const MOST_LEVELS: usize = 3_000;

/// X, Z and the response.
pub(super) struct Matrices {
    pub(super) response: DVector<f64>,
    /// `[observations, columns]`
    pub(super) fixed: DMatrix<f64>,
    /// For each grouping and observation: the column of Z and the entry in it.
    pub(super) entries: Vec<Vec<(usize, f64)>>,
    /// Which grouping each column of Z belongs to; the largest grouping comes first.
    pub(super) grouping: Vec<usize>,
    /// How many levels the largest grouping has.
    large: usize,
}

impl Matrices {
    /// Checks and builds.
    pub(super) fn new(
        response: &[f64],
        columns: &[Column],
        groupings: &[Grouping],
    ) -> Result<Self, Error> {
        check(response, columns, groupings)?;
        let n = response.len();
        let fixed = DMatrix::from_fn(n, columns.len(), |row, column| columns[column].values[row]);
        let levels = |index: usize| groupings[index].levels.iter().max().map_or(0, |last| last + 1);
        let mut order: Vec<usize> = (0..groupings.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(levels(index)));
        let (mut entries, mut grouping) = (vec![Vec::new(); groupings.len()], Vec::new());
        for &index in &order {
            let (one, start) = (&groupings[index], grouping.len());
            let slope = |row: usize| one.slope.as_ref().map_or(1.0, |slope| slope[row]);
            entries[index] = (0..n).map(|row| (start + one.levels[row], slope(row))).collect();
            grouping.resize(start + levels(index), index);
        }
        let response = DVector::from_column_slice(response);
        Ok(Self {
            response,
            fixed,
            entries,
            large: order.first().map_or(0, |&i| levels(i)),
            grouping,
        })
    }

    pub(super) fn observations(&self) -> usize {
        self.response.len()
    }

    pub(super) fn columns(&self) -> usize {
        self.fixed.ncols()
    }

    pub(super) fn levels(&self) -> usize {
        self.grouping.len()
    }

    /// Zᵀ W Z with the weights W of the observations.
    pub(super) fn gram(&self, weight: impl Fn(usize) -> f64) -> Gram {
        let (large, rest) = (self.large, self.levels() - self.large);
        let mut gram = Gram {
            diagonal: DVector::zeros(large),
            border: DMatrix::zeros(rest, large),
            rest: DMatrix::zeros(rest, rest),
        };
        for row in 0..self.observations() {
            let weight = weight(row);
            for one in &self.entries {
                let (i, x) = one[row];
                for other in &self.entries {
                    let (j, y) = other[row];
                    let product = weight * x * y;
                    match (i < large, j < large) {
                        (true, true) => gram.diagonal[i] += product,
                        (false, true) => gram.border[(i - large, j)] += product,
                        (false, false) => gram.rest[(i - large, j - large)] += product,
                        // The border is kept once.
                        (true, false) => {}
                    }
                }
            }
        }
        gram
    }

    /// Zᵀ times one number for each observation, `[levels]`.
    pub(super) fn transposed(&self, values: impl Fn(usize) -> f64) -> DVector<f64> {
        let mut out = DVector::zeros(self.levels());
        for row in 0..self.observations() {
            let value = values(row);
            self.entries.iter().for_each(|one| out[one[row].0] += one[row].1 * value);
        }
        out
    }

    /// Z times one number for each level, `[observations]`.
    pub(super) fn spread(&self, deviations: &DVector<f64>) -> DVector<f64> {
        let at = |row: usize| {
            self.entries.iter().map(|one| one[row].1 * deviations[one[row].0]).sum::<f64>()
        };
        DVector::from_fn(self.observations(), |row, _| at(row))
    }

    /// The relative standard deviation of each level, from that of each grouping.
    pub(super) fn scale(&self, theta: &[f64]) -> DVector<f64> {
        DVector::from_fn(self.levels(), |level, _| theta[self.grouping[level]].abs())
    }

    /// Splits the deviations of all levels by grouping.
    pub(super) fn by_grouping(&self, deviations: &DVector<f64>) -> Vec<Vec<f64>> {
        let mut split = vec![Vec::new(); self.entries.len()];
        for (level, &index) in self.grouping.iter().enumerate() {
            split[index].push(deviations[level]);
        }
        split
    }
}

fn check(response: &[f64], columns: &[Column], groupings: &[Grouping]) -> Result<(), Error> {
    let expected = response.len();
    let length = |name: &str, got: usize| {
        let name = name.to_owned();
        if got == expected { Ok(()) } else { Err(Error::Length { name, expected, got }) }
    };
    let finite = |name: &str, values: &[f64]| {
        let all = values.iter().all(|value| value.is_finite());
        if all { Ok(()) } else { Err(Error::Value { name: name.to_owned() }) }
    };
    finite("the response", response)?;
    for column in columns {
        length(&column.name, column.values.len())?;
        finite(&column.name, &column.values)?;
    }
    let mut levels = 0usize;
    for grouping in groupings {
        length(&grouping.name, grouping.levels.len())?;
        if let Some(slope) = &grouping.slope {
            length(&grouping.name, slope.len())?;
            finite(&grouping.name, slope)?;
        }
        let own = grouping.levels.iter().max().map_or(0, |last| last.saturating_add(1));
        levels = own.saturating_add(levels);
    }
    if levels > MOST_LEVELS {
        return Err(Error::TooMany { levels, limit: MOST_LEVELS });
    }
    if expected <= columns.len() {
        return Err(Error::TooFew { observations: expected, columns: columns.len() });
    }
    Ok(())
}
