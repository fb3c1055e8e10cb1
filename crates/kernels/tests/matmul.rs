//! The matrix product: against a plain one, and the same bits everywhere.
#![allow(missing_docs, reason = "tests")]

mod common;

use common::Random;
use mynah_kernels::format::Format;
use mynah_kernels::{Activations, Isa, Matrix, Pool, Product, matmul};

fn product(pool: &mut Pool, isa: Isa, weights: &Matrix, x: &[f32], n_rows: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; n_rows * weights.rows()];
    let mut products = [Product { weights, out: &mut out }];
    matmul(pool, isa, &mut Activations::default(), x, n_rows, &mut products);
    out
}

/// What int8 activations lose: rounding by half a step in each of `n` terms, with room for chance.
fn tolerance(row: &[f32], x: &[f32]) -> f64 {
    let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let norm = row.iter().map(|w| f64::from(w * w)).sum::<f64>().sqrt();
    f64::from(largest) / 127.0 * norm * 1.5 + 1e-5
}

#[test]
fn every_format_agrees_with_a_plain_product() {
    let mut random = Random(1);
    let mut pool = Pool::new(1);
    for format in Format::ALL {
        for (rows, columns) in [(1, 256), (16, 512), (40, 1024), (33, 256)] {
            let bytes = random.blocks(format, rows * columns);
            let weights = Matrix::pack(format, rows, columns, &bytes);
            let x = random.numbers(3 * columns);
            let out = product(&mut pool, Isa::detect(), &weights, &x, 3);
            let mut row = vec![0.0; columns];
            for r in 0..rows {
                weights.row(Isa::detect(), r, &mut row);
                for (i, x) in x.chunks_exact(columns).enumerate() {
                    let exact: f64 =
                        row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                    let got = f64::from(out[i * rows + r]);
                    let tolerance = tolerance(&row, x);
                    assert!(
                        (got - exact).abs() <= tolerance,
                        "{format} [{rows}, {columns}] row {r}: {got} is not {exact} ± {tolerance}"
                    );
                }
            }
        }
    }
}

#[test]
fn floating_point_takes_any_number_of_columns() {
    let mut random = Random(2);
    let mut pool = Pool::new(1);
    for format in [Format::F32, Format::F16, Format::BF16] {
        for columns in 0..70 {
            let rows = columns % 37 + 1;
            let weights =
                Matrix::pack(format, rows, columns, &random.blocks(format, rows * columns));
            let x = random.numbers(columns);
            let out = product(&mut pool, Isa::detect(), &weights, &x, 1);
            let mut row = vec![0.0; columns];
            for r in 0..rows {
                weights.row(Isa::detect(), r, &mut row);
                let exact: f64 = row.iter().zip(&x).map(|(w, x)| f64::from(w * x)).sum();
                assert!((f64::from(out[r]) - exact).abs() < 1e-5, "{format} {columns}");
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_instruction_set_the_batch_or_the_threads() {
    let mut random = Random(3);
    for format in Format::ALL {
        let (rows, columns, n) = (157, 768, 37);
        let weights = Matrix::pack(format, rows, columns, &random.blocks(format, rows * columns));
        let x = random.numbers(n * columns);
        let expected = product(&mut Pool::new(1), Isa::Scalar, &weights, &x, n);
        for isa in Isa::available() {
            for threads in [1, 2, 3] {
                let mut pool = Pool::new(threads);
                let all = product(&mut pool, isa, &weights, &x, n);
                assert_eq!(all, expected, "{format} on {} with {threads} threads", isa.name());
                for (i, x) in x.chunks_exact(columns).enumerate() {
                    let alone = product(&mut pool, isa, &weights, x, 1);
                    assert_eq!(alone, expected[i * rows..][..rows], "{format} row {i} alone");
                }
                for n in [2, 3, 7, 13] {
                    let some = product(&mut pool, isa, &weights, &x[..n * columns], n);
                    assert_eq!(some, expected[..n * rows], "{format} {n} rows");
                }
            }
        }
    }
}

#[test]
fn several_products_share_a_region() {
    let mut random = Random(4);
    let columns = 256;
    let x = random.numbers(5 * columns);
    let matrices = [(Format::Q4_1, 48), (Format::Q6_K, 17), (Format::F16, 100), (Format::Q8_0, 1)]
        .map(|(format, rows)| {
            Matrix::pack(format, rows, columns, &random.blocks(format, rows * columns))
        });
    let mut pool = Pool::new(2);
    let mut outs: Vec<Vec<f32>> = matrices.iter().map(|m| vec![0.0; 5 * m.rows()]).collect();
    let mut products: Vec<Product> =
        matrices.iter().zip(&mut outs).map(|(weights, out)| Product { weights, out }).collect();
    matmul(&mut pool, Isa::detect(), &mut Activations::default(), &x, 5, &mut products);
    for (weights, out) in matrices.iter().zip(&outs) {
        assert_eq!(*out, product(&mut pool, Isa::detect(), weights, &x, 5));
    }
}
