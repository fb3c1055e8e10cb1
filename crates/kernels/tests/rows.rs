//! Norms, rotations and activations: against f64, and the same bits on every instruction set.
#![allow(missing_docs, reason = "tests")]

mod common;

use common::Random;
use mynah_kernels::{
    Activation, Isa, Pool, RopeStyle, activate, add, layer_norm, rms_norm, rope, scale, soft_cap,
};

/// Runs `operation` on every instruction set and with several threads; all must give the same.
fn same(operation: impl Fn(&mut Pool, Isa) -> Vec<f32>) -> Vec<f32> {
    let expected = operation(&mut Pool::new(1), Isa::Scalar);
    for isa in Isa::available() {
        for threads in [1, 3] {
            let got = operation(&mut Pool::new(threads), isa);
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&got), bits(&expected), "{} {threads}", isa.name());
        }
    }
    expected
}

#[track_caller]
fn close(got: f32, exact: f64, tolerance: f64) {
    assert!((f64::from(got) - exact).abs() <= tolerance, "{got} is not {exact} ± {tolerance}");
}

#[test]
fn norms() {
    let mut random = Random(7);
    for dim in 1..100 {
        let n_rows = if dim == 50 { 1000 } else { 3 };
        let x = random.numbers(n_rows * dim);
        let (weight, bias) = (random.numbers(dim), random.numbers(dim));
        let rms = same(|pool, isa| {
            let mut out = vec![0.0; x.len()];
            rms_norm(pool, isa, &x, dim, Some(&weight), 1e-5, &mut out);
            out
        });
        let layer = same(|pool, isa| {
            let mut out = vec![0.0; x.len()];
            layer_norm(pool, isa, &x, dim, Some(&weight), Some(&bias), 1e-5, &mut out);
            out
        });
        for (row, x) in x.chunks_exact(dim).enumerate() {
            let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let mean = x.iter().sum::<f64>() / dim as f64;
            let square = x.iter().map(|x| x * x).sum::<f64>() / dim as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / dim as f64;
            for (i, x) in x.iter().enumerate() {
                let (w, b) = (f64::from(weight[i]), f64::from(bias[i]));
                close(rms[row * dim + i], x / (square + 1e-5).sqrt() * w, 1e-5);
                close(layer[row * dim + i], (x - mean) / (variance + 1e-5).sqrt() * w + b, 1e-3);
            }
        }
    }
}

#[test]
fn activations() {
    let x: Vec<f32> = (-20_000..20_000).map(|i| i as f32 * 0.005).collect();
    let check = |activation, exact: &dyn Fn(f64) -> f64, tolerance: f64| {
        let out = same(|pool, isa| {
            let mut out = x.clone();
            activate(pool, isa, activation, &mut out, None);
            out
        });
        for (x, got) in x.iter().zip(out) {
            let exact = exact(f64::from(*x));
            close(got, exact, tolerance * (1.0 + exact.abs()));
        }
    };
    check(Activation::Silu, &|x| x / (1.0 + (-x).exp()), 3e-7);
    check(Activation::Sigmoid, &|x| 1.0 / (1.0 + (-x).exp()), 2e-7);
    check(Activation::Tanh, &f64::tanh, 3e-7);
    check(Activation::Relu, &|x| x.max(0.0), 0.0);
    check(Activation::ReluSquared, &|x| x.max(0.0).powi(2), 2e-7);
    let tanh_form = |x: f64| {
        0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
    };
    check(Activation::GeluTanh, &tanh_form, 1e-6);
    // Exact values of x Phi(x), from SciPy's `x * scipy.stats.norm.cdf(x)`.
    let exact =
        [(-3.0, -0.004_049_694), (-1.0, -0.158_655_25), (0.5, 0.345_731_23), (2.0, 1.954_499_7)];
    for (x, exact) in exact {
        let mut v = [x];
        activate(&mut Pool::new(1), Isa::detect(), Activation::GeluErf, &mut v, None);
        close(v[0], exact, 1e-6);
    }
    let factors: Vec<f32> = x.iter().map(|x| x + 1.0).collect();
    let gated = same(|pool, isa| {
        let mut out = x.clone();
        activate(pool, isa, Activation::Relu, &mut out, Some(&factors));
        out
    });
    assert!(x.iter().zip(&gated).all(|(x, g)| *g == x.max(0.0) * (x + 1.0)));
}

#[test]
fn soft_caps_sums_and_scales() {
    let x: Vec<f32> = (-10_000..10_000).map(|i| i as f32 * 0.01).collect();
    let out = same(|pool, isa| {
        let mut out = x.clone();
        soft_cap(pool, isa, 30.0, &mut out);
        out
    });
    x.iter().zip(out).for_each(|(x, got)| close(got, 30.0 * (f64::from(*x) / 30.0).tanh(), 2e-5));
    let sum = same(|pool, isa| {
        let mut out = x.clone();
        add(pool, isa, &mut out, &x);
        add(pool, isa, &mut out, &[1.0, 2.0]);
        scale(pool, isa, &mut out, 0.5);
        out
    });
    assert!(sum.iter().enumerate().all(|(i, s)| *s == (2.0 * x[i] + [1.0, 2.0][i % 2]) * 0.5));
}

#[test]
fn rotations() {
    let mut random = Random(8);
    for (n_rows, n_heads, head_dim, half) in [(3, 2, 20, 10), (2, 1, 64, 8), (500, 3, 64, 32)] {
        let x = random.numbers(n_rows * n_heads * head_dim);
        let angles = random.numbers(n_rows * half);
        let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
        for style in [RopeStyle::Interleaved, RopeStyle::HalfSplit] {
            let out = same(|pool, isa| {
                let mut out = x.clone();
                rope(pool, isa, &mut out, n_heads, head_dim, &cos, &sin, style);
                out
            });
            for (i, head) in x.chunks_exact(head_dim).enumerate() {
                let out = &out[i * head_dim..][..head_dim];
                let row = i / n_heads;
                assert_eq!(head[2 * half..], out[2 * half..], "the rest is left alone");
                for k in 0..half {
                    let (a, b) = match style {
                        RopeStyle::Interleaved => (2 * k, 2 * k + 1),
                        RopeStyle::HalfSplit => (k, k + half),
                    };
                    let (sin, cos) = f64::from(angles[row * half + k]).sin_cos();
                    let (x, y) = (f64::from(head[a]), f64::from(head[b]));
                    close(out[a], x * cos - y * sin, 1e-6);
                    close(out[b], x * sin + y * cos, 1e-6);
                }
            }
        }
    }
}
