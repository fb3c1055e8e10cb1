//! Training's operations against f64, their gradients against finite differences, on every
//! instruction set.

use mynah_kernels::training::{
    AdamW, AttentionGradient, AttentionSpace, GemmSpace, Heads, HeadsMut, LossOptions, Shape,
    Start, Turn, View, adamw, add_scaled, attention_backward, attention_forward, cross_entropy,
    head_norm_backward, head_norm_forward, product, relu_squared_backward, relu_squared_forward,
    rms_norm_backward, rms_norm_forward, rotate, sum_of_squares, swiglu_backward, swiglu_forward,
};
use mynah_kernels::{Isa, Pool};

/// Numbers from -1 to 1 that look random.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn near(got: f32, expected: f64, within: f64) {
    let error = (f64::from(got) - expected).abs();
    assert!(error <= within * expected.abs().max(1.0), "{got} is not {expected}");
}

/// Compares a gradient with the differences of `loss`, which is computed in f64.
fn is_gradient(got: &[f32], x: &[f32], loss: &dyn Fn(&[f64]) -> f64) {
    assert_eq!(got.len(), x.len());
    let mut x = wide(x);
    for i in 0..x.len() {
        let (at, step) = (x[i], 1e-5);
        x[i] = at + step;
        let above = loss(&x);
        x[i] = at - step;
        let below = loss(&x);
        x[i] = at;
        near(got[i], (above - below) / (2.0 * step), 2e-4);
    }
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum()
}

#[test]
fn products_are_those_of_f64() {
    let mut space = GemmSpace::new(3);
    // Sizes around those of tiles and blocks.
    for [m, n, k] in [[1, 1, 1], [5, 7, 3], [6, 16, 2], [13, 33, 17], [97, 50, 300], [30, 1600, 9]]
    {
        for form in 0..4 {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let view = |x, rows, columns, turned: bool| {
                let (rows, columns) = if turned { (columns, rows) } else { (rows, columns) };
                let view = View::rows(x, columns);
                assert_eq!(x.len(), rows * columns);
                if turned { view.turned() } else { view }
            };
            let (turn_a, turn_b) = (form & 1 != 0, form & 2 != 0);
            let left = view(&a, m, k, turn_a);
            let right = view(&b, k, n, turn_b);
            let at_a = |i, s| f64::from(if turn_a { a[s * m + i] } else { a[i * k + s] });
            let at_b = |s, j| f64::from(if turn_b { b[j * k + s] } else { b[s * n + j] });
            let before = numbers(m * n, 3);
            let mut first: Option<Vec<f32>> = None;
            for isa in Isa::available() {
                for n_threads in [1, 2, 3] {
                    let mut pool = Pool::new(n_threads);
                    let mut out = before.clone();
                    let start = Start::Output;
                    product(&mut pool, isa, [m, n, k], left, right, start, &mut out, &mut space);
                    let same = first.get_or_insert_with(|| out.clone());
                    assert_eq!(*same, out, "{} {n_threads}", isa.name());
                }
            }
            let out = first.unwrap();
            for i in 0..m {
                for j in (0..n).step_by(1 + n / 40) {
                    let sum: f64 = (0..k).map(|s| at_a(i, s) * at_b(s, j)).sum();
                    near(out[i * n + j], sum + f64::from(before[i * n + j]), 1e-5);
                }
            }
            let mut pool = Pool::new(2);
            let mut from_zero = before;
            let isa = Isa::detect();
            let size = [m, n, k];
            product(&mut pool, isa, size, left, right, Start::Zero, &mut from_zero, &mut space);
            let sum: f64 = (0..k).map(|s| at_a(m - 1, s) * at_b(s, n - 1)).sum();
            near(from_zero[m * n - 1], sum, 1e-5);
        }
    }
}

fn norm(x: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let r = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + eps).sqrt().recip();
    x.iter().zip(weight).map(|(x, w)| x * r * w).collect()
}

#[test]
fn norms_and_their_gradients() {
    let (rows, dim, eps) = (70, 20, 1e-3f32);
    let (x, weight, by_out) = (numbers(rows * dim, 1), numbers(dim, 2), numbers(rows * dim, 3));
    let eps64 = f64::from(eps);
    let all = |x: &[f64], weight: &[f64]| -> Vec<f64> {
        x.chunks(dim).flat_map(|x| norm(x, weight, eps64)).collect()
    };
    for isa in Isa::available() {
        let mut pool = Pool::new(2);
        let mut out = vec![0.0; rows * dim];
        rms_norm_forward(&mut pool, isa, &x, &weight, eps, &mut out);
        let expected = all(&wide(&x), &wide(&weight));
        out.iter().zip(expected).for_each(|(&got, expected)| near(got, expected, 1e-5));
        let mut by_x = vec![1.0; rows * dim];
        let mut by_weight = vec![1.0; dim];
        rms_norm_backward(
            &mut pool,
            isa,
            &x,
            &weight,
            eps,
            &by_out,
            &mut by_x,
            &mut by_weight,
            &mut Vec::new(),
        );
        // What stood there stays.
        by_x.iter_mut().chain(&mut by_weight).for_each(|x| *x -= 1.0);
        is_gradient(&by_weight, &weight, &|w| dot(&all(&wide(&x), w), &by_out));
        is_gradient(&by_x[..3 * dim], &x[..3 * dim], &|x| {
            dot(&all(x, &wide(&weight)), &by_out[..3 * dim])
        });
    }
}

#[test]
fn norms_of_heads_leave_the_rest_of_a_row() {
    let (rows, stride, first, n_heads, dim, eps) = (5, 40, 6, 3, 10, 1e-3f32);
    let (x, weight, by_out) =
        (numbers(rows * stride, 1), numbers(dim, 2), numbers(rows * stride, 3));
    let heads = first..first + n_heads * dim;
    let all = |x: &[f64], weight: &[f64]| -> Vec<f64> {
        let mut out = x.to_vec();
        for row in 0..rows {
            for head in 0..n_heads {
                let at = row * stride + first + head * dim;
                let y = norm(&x[at..at + dim], weight, f64::from(eps));
                out[at..at + dim].copy_from_slice(&y);
            }
        }
        out
    };
    for isa in Isa::available() {
        let mut pool = Pool::new(2);
        let mut out = x.clone();
        let place = (stride, first, n_heads);
        head_norm_forward(&mut pool, isa, &x, place, &weight, eps, &mut out);
        let expected = all(&wide(&x), &wide(&weight));
        out.iter().zip(expected).for_each(|(&got, expected)| near(got, expected, 1e-5));
        let (mut slopes, mut by_weight) = (by_out.clone(), vec![0.0; dim]);
        let spaces = [&mut Vec::new(), &mut Vec::new()];
        head_norm_backward(
            &mut pool,
            isa,
            &x,
            place,
            &weight,
            eps,
            &mut slopes,
            &mut by_weight,
            spaces,
        );
        for row in 0..rows {
            for column in (0..stride).filter(|column| !heads.contains(column)) {
                assert_eq!(slopes[row * stride + column], by_out[row * stride + column]);
            }
        }
        is_gradient(&slopes, &x, &|x| dot(&all(x, &wide(&weight)), &by_out));
        is_gradient(&by_weight, &weight, &|w| dot(&all(&wide(&x), w), &by_out));
    }
}

#[test]
fn activations_and_their_gradients() {
    let (rows, width) = (3, 32);
    let both: Vec<f32> = numbers(rows * 2 * width, 1).iter().map(|x| 4.0 * x).collect();
    let by_out = numbers(rows * width, 2);
    let swiglu = |both: &[f64]| -> Vec<f64> {
        let gated = |both: &[f64]| -> Vec<f64> {
            (0..width).map(|i| both[i] / (1.0 + (-both[i]).exp()) * both[width + i]).collect()
        };
        both.chunks(2 * width).flat_map(gated).collect()
    };
    let relu = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| x.max(0.0).powi(2)).collect() };
    for isa in Isa::available() {
        let mut pool = Pool::new(2);
        let mut out = vec![0.0; rows * width];
        swiglu_forward(&mut pool, isa, &both, width, &mut out);
        for (&got, expected) in out.iter().zip(swiglu(&wide(&both))) {
            near(got, expected, 1e-5);
        }
        let mut by_both = vec![9.0; rows * 2 * width];
        swiglu_backward(&mut pool, isa, &both, width, &by_out, &mut by_both);
        is_gradient(&by_both, &both, &|both| dot(&swiglu(both), &by_out));

        let x = &both[..rows * width];
        relu_squared_forward(&mut pool, isa, x, &mut out);
        for (&got, expected) in out.iter().zip(relu(&wide(x))) {
            near(got, expected, 1e-6);
        }
        let mut by_x = vec![9.0; rows * width];
        relu_squared_backward(&mut pool, isa, x, &by_out, &mut by_x);
        is_gradient(&by_x, x, &|x| dot(&relu(x), &by_out));
    }
}

#[test]
fn a_turn_back_undoes_a_turn() {
    let (stride, n_heads, dim, positions) = (30, 2, 12, [0, 3, 1, 7]);
    let x = numbers(positions.len() * stride, 1);
    let angle = |i: usize| (i / 6) as f64 * 0.7f64.powi((i % 6) as i32);
    let cos: Vec<f32> = (0..8 * 6).map(|i| angle(i).cos() as f32).collect();
    let sin: Vec<f32> = (0..8 * 6).map(|i| angle(i).sin() as f32).collect();
    for isa in Isa::available() {
        let mut pool = Pool::new(2);
        let mut turned = x.clone();
        let shape = (stride, n_heads, dim);
        let angles = (&cos[..], &sin[..]);
        rotate(&mut pool, isa, &mut turned, shape, &positions, angles, Turn::Forward);
        for (row, position) in positions.into_iter().enumerate() {
            let at = row * stride + dim;
            let (a, b) = (f64::from(x[at + 2]), f64::from(x[at + 8]));
            let turn = angle(position as usize * 6 + 2);
            near(turned[at + 2], a * turn.cos() - b * turn.sin(), 1e-6);
            near(turned[at + 8], b * turn.cos() + a * turn.sin(), 1e-6);
            assert_eq!(
                turned[row * stride + 24..(row + 1) * stride],
                x[row * stride + 24..(row + 1) * stride]
            );
        }
        rotate(&mut pool, isa, &mut turned, shape, &positions, angles, Turn::Backward);
        turned.iter().zip(&x).for_each(|(&got, &expected)| near(got, f64::from(expected), 1e-6));
    }
}

/// Attention as the formula says it, over `[q, k, v]` rows.
fn attend(
    qkv: &[f64],
    (heads, kv, d): (usize, usize, usize),
    length: usize,
    starts: &[u32],
) -> Vec<f64> {
    let stride = (heads + 2 * kv) * d;
    let mut out = Vec::new();
    for row in 0..starts.len() {
        let first = row / length * length + starts[row] as usize;
        for head in 0..heads {
            let group = head / (heads / kv);
            let q = &qkv[row * stride + head * d..][..d];
            let at = |key: usize, what: usize| {
                &qkv[key * stride + (heads + what * kv + group) * d..][..d]
            };
            let score = |key: usize| -> f64 {
                q.iter().zip(at(key, 0)).map(|(a, b)| a * b).sum::<f64>() / (d as f64).sqrt()
            };
            let weights: Vec<f64> = (first..=row).map(|key| score(key).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for i in 0..d {
                let values = weights.iter().zip(first..).map(|(w, key)| w / sum * at(key, 1)[i]);
                out.push(values.sum());
            }
        }
    }
    out
}

#[test]
fn attention_and_its_gradient() {
    // More queries than a block has, documents that begin within sequences, heads that share keys.
    for (heads, kv, d, length, n) in [(2, 1, 6, 7, 2), (1, 1, 4, 55, 1), (3, 3, 2, 50, 1)] {
        let rows = length * n;
        let starts: Vec<u32> = (0..rows)
            .map(|row| [0, 3, 49].into_iter().rfind(|&s| s <= row % length).unwrap() as u32)
            .collect();
        let stride = (heads + 2 * kv) * d;
        let qkv: Vec<f32> = numbers(rows * stride, 5).iter().map(|x| 2.0 * x).collect();
        let by_out = numbers(rows * heads * d, 6);
        let shape = Shape { length, n_heads: heads, n_kv_heads: kv, head_dim: d, starts: &starts };
        let first = [0, heads * d, (heads + kv) * d];
        let read = first.map(|first| Heads { numbers: &qkv, stride, first });
        let mut same = None;
        for isa in Isa::available() {
            for n_threads in [1, 2] {
                let mut pool = Pool::new(n_threads);
                let space = AttentionSpace::new(2);
                let mut out = vec![0.0; rows * heads * d];
                let mut log_sums = vec![0.0; rows * heads];
                attention_forward(&mut pool, isa, shape, read, &mut out, &mut log_sums, &space);
                let mut slopes = vec![9.0; rows * stride];
                let given = AttentionGradient { out: &out, log_sums: &log_sums, by_out: &by_out };
                let into = HeadsMut { numbers: &mut slopes, stride, first };
                attention_backward(&mut pool, isa, shape, read, given, into, &space);
                let all = same.get_or_insert_with(|| (out.clone(), slopes.clone()));
                assert_eq!(*all, (out, slopes), "{} {n_threads}", isa.name());
            }
        }
        let (out, slopes) = same.unwrap();
        let all = |qkv: &[f64]| attend(qkv, (heads, kv, d), length, &starts);
        for (&got, expected) in out.iter().zip(all(&wide(&qkv))) {
            near(got, expected, 1e-5);
        }
        is_gradient(&slopes, &qkv, &|qkv| dot(&all(qkv), &by_out));
    }
}

#[test]
fn losses_and_their_gradients() {
    let (rows, n_vocab, scale, z) = (5, 37, 0.3f32, 0.01f32);
    let logits: Vec<f32> = numbers(rows * n_vocab, 1).iter().map(|x| 6.0 * x).collect();
    let targets = [0, 36, 5, 20, 5];
    let log_sum = |row: &[f64]| row.iter().map(|l| l.exp()).sum::<f64>().ln();
    let loss = |logits: &[f64]| -> f64 {
        let rows = logits.chunks(n_vocab).zip(targets);
        let each = rows.map(|(row, target)| {
            log_sum(row) - row[target as usize] + f64::from(z) * log_sum(row).powi(2)
        });
        each.sum::<f64>() * f64::from(scale)
    };
    for isa in Isa::available() {
        let mut pool = Pool::new(2);
        let (mut slopes, mut losses) = (logits.clone(), vec![0.0; rows]);
        let options = LossOptions { scale, z_loss: z };
        cross_entropy(&mut pool, isa, &mut slopes, &targets, options, &mut losses);
        for (i, row) in wide(&logits).chunks(n_vocab).enumerate() {
            near(losses[i], log_sum(row) - row[targets[i] as usize], 1e-6);
        }
        is_gradient(&slopes, &logits, &loss);
    }
}

#[test]
fn a_step_of_adamw_is_that_of_the_paper() {
    let n = 1000;
    let (gradient, start) = (numbers(n, 1), numbers(n, 2));
    let (b1, b2, rate, eps, decay, scale) = (0.9, 0.95, 0.01, 1e-8, 0.1, 0.5);
    for isa in Isa::available() {
        let mut pool = Pool::new(2);
        let [mut w, mut m, mut v] = [start.clone(), vec![0.0; n], vec![0.0; n]];
        let (mut w64, mut m64, mut v64) = (wide(&start), vec![0.0; n], vec![0.0; n]);
        for step in 1..=3 {
            let options = AdamW {
                learning_rate: rate as f32,
                betas: [b1 as f32, b2 as f32],
                eps: eps as f32,
                weight_decay: decay as f32,
                scale: scale as f32,
                step,
            };
            adamw(&mut pool, isa, options, &mut w, &gradient, &mut m, &mut v);
            for i in 0..n {
                let g = f64::from(gradient[i]) * scale;
                m64[i] = b1 * m64[i] + (1.0 - b1) * g;
                v64[i] = b2 * v64[i] + (1.0 - b2) * g * g;
                let mean = m64[i] / (1.0 - f64::powi(b1, step as i32));
                let square: f64 = v64[i] / (1.0 - f64::powi(b2, step as i32));
                w64[i] -= rate * (mean / (square.sqrt() + eps) + decay * w64[i]);
            }
        }
        w.iter().zip(w64).for_each(|(&got, expected)| near(got, expected, 1e-6));
    }
}

#[test]
fn sums_of_vectors() {
    for n in [0, 1, 17, 40_000] {
        let (x, to) = (numbers(n, 1), numbers(n, 2));
        for isa in Isa::available() {
            let mut pool = Pool::new(2);
            let mut sum = to.clone();
            add_scaled(&mut pool, isa, &mut sum, 0.5, 3.0, &x);
            for i in 0..n {
                near(sum[i], 0.5 * f64::from(to[i]) + 3.0 * f64::from(x[i]), 1e-6);
            }
            let squares = sum_of_squares(&mut pool, isa, &x, &mut Vec::new());
            let expected: f64 = wide(&x).iter().map(|x| x * x).sum();
            assert!((squares - expected).abs() <= 1e-4 * expected, "{squares} {expected}");
        }
    }
}
