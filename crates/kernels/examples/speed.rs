//! Speed of the matrix product, for a look while working on it.
#![allow(missing_docs, clippy::print_stdout, reason = "a developer's tool")]
use std::time::Instant;

use mynah_kernels::format::Format;
use mynah_kernels::{Activations, Isa, Matrix, Pool, Product, matmul};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let isa = args.get(1).and_then(|n| Isa::from_name(n)).unwrap_or(Isa::detect());
    let threads = args.get(2).and_then(|n| n.parse().ok()).unwrap_or(1);
    let (rows, columns) = (1536 * 4, 1536);
    let mut pool = Pool::new(threads);
    println!("{} {threads} threads", isa.name());
    for format in Format::ALL {
        let n_bytes = rows * format.bytes_for(columns).unwrap();
        let bytes: Vec<u8> =
            (0..n_bytes).map(|i| ((i * 2_654_435_761) >> 13) as u8 & 0x3b).collect();
        let copies = (256 << 20) / n_bytes;
        let t = Instant::now();
        let matrices: Vec<Matrix> =
            (0..copies).map(|_| Matrix::pack(format, rows, columns, &bytes)).collect();
        let pack = t.elapsed().as_secs_f64();
        let mut activations = Activations::default();
        print!("{:7} pack {:5.2} GB/s", format.name(), (n_bytes * copies) as f64 / pack / 1e9);
        for n in [1, 2, 4, 8, 32, 512] {
            let x: Vec<f32> =
                (0..n * columns).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
            let mut out = vec![0.0; n * rows];
            let repeat = (if n > 8 { 64 / n } else { copies }).max(1);
            let mut best = f64::MAX;
            for _ in 0..3 {
                let t = Instant::now();
                for m in matrices.iter().cycle().take(repeat) {
                    matmul(
                        &mut pool,
                        isa,
                        &mut activations,
                        &x,
                        n,
                        &mut [Product { weights: m, out: &mut out }],
                    );
                }
                best = best.min(t.elapsed().as_secs_f64() / repeat as f64);
            }
            let gbps = matrices[0].bytes() as f64 / best / 1e9;
            let gops = 2.0 * (n * rows * columns) as f64 / best / 1e9;
            print!(" | {n}: {gbps:5.1} GB/s {gops:6.1} GOP/s");
        }
        println!();
    }
}
