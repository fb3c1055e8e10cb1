//! Speed of the matrix product, for a look while working on it.
#![allow(missing_docs, clippy::print_stdout, reason = "a developer's tool")]
use std::time::Instant;

use mynah_kernels::format::Format;
use mynah_kernels::{Activations, Isa, Matrix, Pool, Product, matmul};

/// Nanoseconds that this thread was on a processor: other programs do not count.
fn on_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let isa = args.get(1).and_then(|n| Isa::from_name(n)).unwrap_or(Isa::detect());
    let threads = args.get(2).and_then(|n| n.parse().ok()).unwrap_or(1);
    let only = args.get(3).cloned().unwrap_or_default();
    let (rows, columns) = (1536 * 2, 1536);
    let mut pool = Pool::new(threads);
    println!("{} {threads} threads", isa.name());
    for format in Format::ALL.into_iter().filter(|f| f.name().contains(&only)) {
        let n_bytes = rows * format.bytes_for(columns).unwrap();
        let bytes: Vec<u8> =
            (0..n_bytes).map(|i| ((i * 2_654_435_761) >> 13) as u8 & 0x3b).collect();
        let copies = (128 << 20) / n_bytes;
        let t = on_cpu();
        let matrices: Vec<Matrix> =
            (0..copies).map(|_| Matrix::pack(format, rows, columns, &bytes)).collect();
        let pack = (on_cpu() - t) / 1e9;
        let mut activations = Activations::default();
        print!("{:7} pack {:5.2} GB/s", format.name(), (n_bytes * copies) as f64 / pack / 1e9);
        for n in [1, 2, 4, 8, 32, 512] {
            let x: Vec<f32> =
                (0..n * columns).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
            let mut out = vec![0.0; n * rows];
            let repeat = (if n > 8 { 64 / n } else { copies / n }).max(1);
            let mut best = f64::MAX;
            for _ in 0..5 {
                let (wall, t) = (Instant::now(), on_cpu());
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
                let spent =
                    if threads == 1 { (on_cpu() - t) / 1e9 } else { wall.elapsed().as_secs_f64() };
                best = best.min(spent / repeat as f64);
            }
            let gbps = matrices[0].bytes() as f64 / best / 1e9;
            let gops = 2.0 * (n * rows * columns) as f64 / best / 1e9;
            print!(" | {n}: {gbps:5.1} GB/s {gops:6.1} GOP/s");
        }
        println!();
    }
}
