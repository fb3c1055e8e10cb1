//! The Cholesky factor of Λ Zᵀ W Z Λ + I, in blocks.
//!
//! Levels of one grouping never meet in an observation, so that its block is diagonal. With the
//! largest grouping first only the others, and what they share with it, need dense arithmetic: a
//! model of 250 inputs and 50 other levels costs what one of 50 levels does.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// Zᵀ W Z with the largest grouping first.
pub(super) struct Gram {
    /// The block of the largest grouping, `[large]`.
    pub(super) diagonal: DVector<f64>,
    /// What the other levels share with it, `[rest, large]`.
    pub(super) border: DMatrix<f64>,
    /// The block of the other levels, `[rest, rest]`.
    pub(super) rest: DMatrix<f64>,
}

/// The lower triangular factor, in the same blocks.
pub(super) struct Factor {
    root: DVector<f64>,
    border: DMatrix<f64>,
    rest: Cholesky<f64, Dyn>,
}

impl Gram {
    /// Factors S (this) S + I with the diagonal matrix S of `scale`, `[large + rest]`.
    pub(super) fn factor(&self, scale: &DVector<f64>) -> Option<Factor> {
        let large = self.diagonal.len();
        let (first, second) = (scale.rows(0, large), scale.rows(large, scale.len() - large));
        let root = self.diagonal.zip_map(&first, |entry, s| (s * s * entry + 1.0).sqrt());
        let border = DMatrix::from_fn(second.len(), large, |row, column| {
            self.border[(row, column)] * second[row] * first[column] / root[column]
        });
        let mut rest = DMatrix::from_fn(second.len(), second.len(), |row, column| {
            self.rest[(row, column)] * second[row] * second[column]
                + f64::from(u8::from(row == column))
        });
        rest.gemm(-1.0, &border, &border.transpose(), 1.0);
        Some(Factor { root, border, rest: Cholesky::new(rest)? })
    }
}

impl Factor {
    /// L⁻¹ times `right`, `[large + rest, columns]`.
    pub(super) fn solve_lower(&self, right: &mut DMatrix<f64>) {
        let large = self.root.len();
        let (mut first, mut second) = right.rows_range_pair_mut(..large, large..);
        for mut column in first.column_iter_mut() {
            column.component_div_assign(&self.root);
        }
        second.gemm(-1.0, &self.border, &first, 1.0);
        self.rest.l_dirty().solve_lower_triangular_mut(&mut second);
    }

    /// L⁻ᵀ times `right`, `[large + rest, columns]`.
    pub(super) fn solve_upper(&self, right: &mut DMatrix<f64>) {
        let large = self.root.len();
        let (mut first, mut second) = right.rows_range_pair_mut(..large, large..);
        self.rest.l_dirty().tr_solve_lower_triangular_mut(&mut second);
        first.gemm_tr(-1.0, &self.border, &second, 1.0);
        for mut column in first.column_iter_mut() {
            column.component_div_assign(&self.root);
        }
    }

    /// The inverse of the whole times one number for each level.
    pub(super) fn solve(&self, right: &DVector<f64>) -> DVector<f64> {
        let mut solved = DMatrix::from_column_slice(right.len(), 1, right.as_slice());
        self.solve_lower(&mut solved);
        self.solve_upper(&mut solved);
        solved.column(0).into_owned()
    }

    /// The logarithm of the determinant of the whole.
    pub(super) fn log_determinant(&self) -> f64 {
        2.0 * self.root.iter().map(|entry| entry.ln()).sum::<f64>() + log_determinant(&self.rest)
    }
}

/// The logarithm of the determinant of a matrix from its Cholesky factor.
pub(super) fn log_determinant(factor: &Cholesky<f64, Dyn>) -> f64 {
    2.0 * factor.l_dirty().diagonal().iter().map(|entry| entry.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_give_what_the_whole_matrix_gives() {
        let gram = Gram {
            diagonal: DVector::from_vec(vec![4.0, 5.0, 3.0]),
            border: DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 0.5, -1.0, 0.0, 1.5]),
            rest: DMatrix::from_row_slice(2, 2, &[6.0, 1.0, 1.0, 7.0]),
        };
        let scale = DVector::from_vec(vec![0.7, 0.7, 0.7, 1.3, 0.2]);
        let mut whole = DMatrix::zeros(5, 5);
        whole.view_mut((0, 0), (3, 3)).set_diagonal(&gram.diagonal);
        whole.view_mut((3, 0), (2, 3)).copy_from(&gram.border);
        whole.view_mut((0, 3), (3, 2)).copy_from(&gram.border.transpose());
        whole.view_mut((3, 3), (2, 2)).copy_from(&gram.rest);
        let diagonal = DMatrix::from_diagonal(&scale);
        let whole = &diagonal * whole * &diagonal + DMatrix::identity(5, 5);
        let right = DVector::from_vec(vec![1.0, -2.0, 0.5, 3.0, 1.0]);
        let factor = gram.factor(&scale).unwrap();
        let expected = whole.clone().cholesky().unwrap();
        assert!((factor.solve(&right) - expected.solve(&right)).norm() < 1e-12);
        assert!((factor.log_determinant() - whole.determinant().ln()).abs() < 1e-12);
    }
}
