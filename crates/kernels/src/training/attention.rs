//! Causal attention within documents, forward and backward.
//!
//! The scores of a block of queries are computed, used and forgotten; of each row and head only the
//! logarithm of the sum of exponentials is kept, and the backward pass computes the scores again.
//! Source: Dao et al. 2022, "FlashAttention"; Vaswani et al. 2017 for attention itself.
//!
//! A piece of work is one sequence and the query heads that share a key head, on one thread: sums
//! over queries and heads have one order.

use super::gemm::{Start, View};
use super::logarithm::ln;
use super::small::{SmallSpace, room, small_product};
use crate::arch::{LANES, Simd, entry};
use crate::isa::Isa;
use crate::math;
use crate::pool::Pool;
use crate::rows::{load_chunk, store_chunk};
use crate::shared::SharedMut;

/// How many queries are computed together.
const BLOCK: usize = 48;

/// What there is to attend to.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// How many rows a sequence has; the rows of sequences follow each other.
    pub length: usize,
    /// Query heads; a multiple of `n_kv_heads`.
    pub n_heads: usize,
    /// Heads of keys and values.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// For each row the first row of its document within the sequence: it sees the rows from there
    /// to itself. `[rows]`.
    pub starts: &'a [u32],
}

impl Shape<'_> {
    fn n_sequences(&self) -> usize {
        self.starts.len() / self.length.max(1)
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Heads side by side in the rows of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// The matrix.
    pub numbers: &'a [f32],
    /// How many numbers apart rows begin.
    pub stride: usize,
    /// Where in a row the first head begins.
    pub first: usize,
}

/// The same, to be written.
pub struct HeadsMut<'a> {
    /// The matrix.
    pub numbers: &'a mut [f32],
    /// How many numbers apart rows begin.
    pub stride: usize,
    /// Where in a row the first query, key and value head begin.
    pub first: [usize; 3],
}

/// Memory of one thread.
#[derive(Default)]
struct OwnSpace {
    panels: SmallSpace,
    scores: Vec<f32>,
    slopes: Vec<f32>,
    block: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Memory that attention keeps from one call to the next.
pub struct AttentionSpace(Vec<std::sync::Mutex<OwnSpace>>);

impl AttentionSpace {
    /// Memory for this many threads.
    pub fn new(n_threads: usize) -> Self {
        Self((0..n_threads).map(|_| std::sync::Mutex::default()).collect())
    }

    /// No two pieces that run at once have the same thread, so this never waits.
    fn of(&self, thread: usize) -> std::sync::MutexGuard<'_, OwnSpace> {
        self.0[thread].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Which rows a block of queries, and the keys that any of them sees, are.
struct Span {
    /// The first row of the sequence among all rows.
    base: usize,
    /// The first query, within the sequence, and how many.
    query: usize,
    n: usize,
    /// The first key that any query sees; the last is the last query's own.
    key: usize,
    n_keys: usize,
}

fn spans<'s>(shape: &'s Shape<'s>, sequence: usize) -> impl Iterator<Item = Span> + 's {
    let base = sequence * shape.length;
    (0..shape.length).step_by(BLOCK).map(move |query| {
        let n = BLOCK.min(shape.length - query);
        let starts = &shape.starts[base + query..][..n];
        let key = starts.iter().min().map_or(0, |&start| start as usize).min(query);
        Span { base, query, n, key, n_keys: query + n - key }
    })
}

impl Span {
    /// Which of the block's keys query `i` sees.
    fn sees(&self, shape: &Shape, i: usize) -> std::ops::Range<usize> {
        let start = shape.starts[self.base + self.query + i] as usize;
        let end = self.query + i + 1 - self.key;
        start.saturating_sub(self.key).min(end - 1)..end
    }
}

impl<'a> Heads<'a> {
    /// Head `h` of the rows from `row`.
    fn view(&self, row: usize, h: usize, head_dim: usize) -> View<'a> {
        View::rows(&self.numbers[row * self.stride + self.first + h * head_dim..], self.stride)
    }

    fn check(&self, rows: usize, n_heads: usize, head_dim: usize) {
        assert!(self.first + n_heads * head_dim <= self.stride, "heads of a row");
        assert!(rows * self.stride <= self.numbers.len(), "rows of heads");
    }
}

/// Computes attention: `out`, `[rows, n_heads, head_dim]`, and `log_sums`, `[rows, n_heads]`.
///
/// # Panics
/// If a length differs.
#[expect(unsafe_code, reason = "threads write different heads")]
pub fn attention_forward(
    pool: &mut Pool,
    isa: Isa,
    shape: Shape,
    [q, k, v]: [Heads; 3],
    out: &mut [f32],
    log_sums: &mut [f32],
    space: &AttentionSpace,
) {
    let (rows, d) = (shape.starts.len(), shape.head_dim);
    check(&shape, [q, k, v], pool);
    assert_eq!(out.len(), rows * shape.n_heads * d, "length of the output");
    assert_eq!(log_sums.len(), rows * shape.n_heads, "length of the sums");
    let width = shape.n_heads * d;
    let (out, log_sums) = (SharedMut::new(out), SharedMut::new(log_sums));
    let group = shape.n_heads / shape.n_kv_heads;
    pool.run(shape.n_sequences() * shape.n_heads, &|piece, thread| {
        let (sequence, head) = (piece / shape.n_heads, piece % shape.n_heads);
        let own = &mut *space.of(thread);
        for span in spans(&shape, sequence) {
            let row = span.base + span.query;
            let keys = span.base + span.key;
            let scores = room(&mut own.scores, span.n * span.n_keys);
            let (queries, turned) = (q.view(row, head, d), k.view(keys, head / group, d).turned());
            let size = [span.n, span.n_keys, d];
            small_product(
                isa,
                size,
                queries,
                turned,
                Start::Zero,
                scores,
                span.n_keys,
                &mut own.panels,
            );
            for (i, scores) in scores.chunks_exact_mut(span.n_keys).enumerate() {
                let sees = span.sees(&shape, i);
                let log_sum = softmax(isa, scores, sees.start, sees.end, shape.scale());
                // SAFETY: each piece has a head of its own.
                let to = unsafe { log_sums.slice((row + i) * shape.n_heads + head, 1) };
                to[0] = log_sum;
            }
            let block = room(&mut own.block, span.n * d);
            let size = [span.n, d, span.n_keys];
            let weights = View::rows(scores, span.n_keys);
            let values = v.view(keys, head / group, d);
            small_product(isa, size, weights, values, Start::Zero, block, d, &mut own.panels);
            for (i, block) in block.chunks_exact(d).enumerate() {
                // SAFETY: each piece has a head of its own.
                let to = unsafe { out.slice((row + i) * width + head * d, d) };
                to.copy_from_slice(block);
            }
        }
    });
}

fn check(shape: &Shape, [q, k, v]: [Heads; 3], pool: &Pool) {
    let (rows, d) = (shape.starts.len(), shape.head_dim);
    assert!(shape.n_heads.is_multiple_of(shape.n_kv_heads), "query heads share key heads");
    assert!(rows.is_multiple_of(shape.length.max(1)), "whole sequences");
    q.check(rows, shape.n_heads, d);
    k.check(rows, shape.n_kv_heads, d);
    v.check(rows, shape.n_kv_heads, d);
    assert!(pool.n_threads() >= 1);
}

/// What the backward pass of attention is given.
#[derive(Clone, Copy, Debug)]
pub struct AttentionGradient<'a> {
    /// What the forward pass gave, `[rows, n_heads, head_dim]`.
    pub out: &'a [f32],
    /// And `[rows, n_heads]`.
    pub log_sums: &'a [f32],
    /// The gradient by `out`.
    pub by_out: &'a [f32],
}

/// Writes the gradients by queries, keys and values into the rows of `into`.
///
/// With weights `p` and the gradient `dp = dout vᵀ`, the gradient by a score is
/// `p (dp - sum(p dp))`, and the sum is `dout · out`.
///
/// # Panics
/// If a length differs.
#[expect(unsafe_code, reason = "threads write different heads")]
pub fn attention_backward(
    pool: &mut Pool,
    isa: Isa,
    shape: Shape,
    read: [Heads; 3],
    given: AttentionGradient,
    into: HeadsMut,
    space: &AttentionSpace,
) {
    check(&shape, read, pool);
    let (rows, width) = (shape.starts.len(), shape.n_heads * shape.head_dim);
    assert!(given.out.len() == rows * width && given.by_out.len() == rows * width, "gradients");
    assert_eq!(given.log_sums.len(), rows * shape.n_heads, "length of the sums");
    let HeadsMut { numbers, stride, first } = into;
    assert!(rows * stride <= numbers.len(), "rows of gradients");
    let numbers = SharedMut::new(numbers);
    let d = shape.head_dim;
    let put = |from: &[f32], row: usize, what: usize, head: usize| {
        for (i, from) in from.chunks_exact(d).enumerate() {
            // SAFETY: each piece has heads of its own.
            let to = unsafe { numbers.slice((row + i) * stride + first[what] + head * d, d) };
            to.copy_from_slice(from);
        }
    };
    pool.run(shape.n_sequences() * shape.n_kv_heads, &|piece, thread| {
        let (sequence, head) = (piece / shape.n_kv_heads, piece % shape.n_kv_heads);
        let own = &mut *space.of(thread);
        backward_of_head(isa, &shape, read, given, (sequence, head), own, &put);
        let base = sequence * shape.length;
        put(&own.keys[..shape.length * d], base, 1, head);
        put(&own.values[..shape.length * d], base, 2, head);
    });
}

/// Writes rows of one head: the numbers, the first row, whether of queries, keys or values, the head.
type Put<'p> = dyn Fn(&[f32], usize, usize, usize) + 'p;

/// The gradients of one key head and its query heads; those by keys and values stay in `own`.
fn backward_of_head(
    isa: Isa,
    shape: &Shape,
    [q, k, v]: [Heads; 3],
    given: AttentionGradient,
    (sequence, kv): (usize, usize),
    own: &mut OwnSpace,
    put: &Put,
) {
    let (d, group) = (shape.head_dim, shape.n_heads / shape.n_kv_heads);
    let width = shape.n_heads * d;
    let OwnSpace { panels, scores, slopes, block, keys, values } = own;
    let by_keys = room(keys, shape.length * d);
    let by_values = room(values, shape.length * d);
    by_keys.fill(0.0);
    by_values.fill(0.0);
    for head in kv * group..(kv + 1) * group {
        for span in spans(shape, sequence) {
            let (row, key) = (span.base + span.query, span.base + span.key);
            let (n, n_keys) = (span.n, span.n_keys);
            let queries = q.view(row, head, d);
            let key_rows = k.view(key, kv, d);
            let by_out = View::rows(&given.by_out[row * width + head * d..], width);
            let weights = room(scores, n * n_keys);
            let slopes = room(slopes, n * n_keys);
            let size = [n, n_keys, d];
            let turned = key_rows.turned();
            small_product(isa, size, queries, turned, Start::Zero, weights, n_keys, panels);
            let turned = v.view(key, kv, d).turned();
            small_product(isa, size, by_out, turned, Start::Zero, slopes, n_keys, panels);
            let rows = weights.chunks_exact_mut(n_keys).zip(slopes.chunks_exact_mut(n_keys));
            for (i, (weights, slopes)) in rows.enumerate() {
                let at = (row + i) * width + head * d;
                let sees = span.sees(shape, i);
                let known = Known {
                    from: sees.start,
                    to: sees.end,
                    log_sum: given.log_sums[(row + i) * shape.n_heads + head],
                    scale: shape.scale(),
                };
                let (out, by_out) = (&given.out[at..at + d], &given.by_out[at..at + d]);
                slopes_of_row(isa, weights, slopes, out, by_out, known);
            }
            let (weights, slopes) = (View::rows(weights, n_keys), View::rows(slopes, n_keys));
            let at = span.key * d..(span.key + n_keys) * d;
            let size = [n_keys, d, n];
            let to = &mut by_values[at.clone()];
            small_product(isa, size, weights.turned(), by_out, Start::Output, to, d, panels);
            let to = &mut by_keys[at];
            small_product(isa, size, slopes.turned(), queries, Start::Output, to, d, panels);
            let to = room(block, n * d);
            small_product(isa, [n, d, n_keys], slopes, key_rows, Start::Zero, to, d, panels);
            put(to, row, 0, head);
        }
    }
}

entry! {
    /// Scores become weights, zero outside of `from..to`; returns the logarithm of the sum of the
    /// exponentials of the scaled scores.
    fn softmax(isa; scores: &mut [f32], from: usize, to: usize, scale: f32) -> f32 = softmax_on;
}

#[inline(always)]
fn softmax_on<S: Simd>(s: S, scores: &mut [f32], from: usize, to: usize, scale: f32) -> f32 {
    scores[..from].fill(0.0);
    scores[to..].fill(0.0);
    let scores = &mut scores[from..to];
    let mut greatest = s.splat(f32::NEG_INFINITY);
    for at in (0..scores.len()).step_by(LANES) {
        greatest = s.max(greatest, load_chunk(s, scores, at, f32::NEG_INFINITY));
    }
    let most = s.greatest(greatest) * scale;
    let (factor, base) = (s.splat(scale), s.splat(-most));
    let mut sum = s.splat(0.0);
    for at in (0..scores.len()).step_by(LANES) {
        let x = math::exp(s, s.fma(load_chunk(s, scores, at, f32::NEG_INFINITY), factor, base));
        let x = s.first((scores.len() - at).min(LANES), x, s.splat(0.0));
        sum = s.add(sum, x);
        store_chunk(s, x, scores, at);
    }
    let sum = s.sum(sum);
    let share = s.splat(1.0 / sum);
    for at in (0..scores.len()).step_by(LANES) {
        store_chunk(s, s.mul(load_chunk(s, scores, at, 0.0), share), scores, at);
    }
    (f64::from(most) + ln(f64::from(sum))) as f32
}

/// What is known of a row in the backward pass.
#[derive(Clone, Copy)]
struct Known {
    from: usize,
    to: usize,
    log_sum: f32,
    scale: f32,
}

entry! {
    /// Scores become weights again, and the gradient by weights, `slopes`, that by the products of
    /// queries and keys.
    fn slopes_of_row(
        isa; scores: &mut [f32], slopes: &mut [f32], out: &[f32], by_out: &[f32], known: Known,
    ) = slopes_of_row_on;
}

#[inline(always)]
fn slopes_of_row_on<S: Simd>(
    s: S,
    scores: &mut [f32],
    slopes: &mut [f32],
    out: &[f32],
    by_out: &[f32],
    known: Known,
) {
    let Known { from, to, log_sum, scale } = known;
    let mut dot = s.splat(0.0);
    for at in (0..out.len()).step_by(LANES) {
        dot = s.fma(load_chunk(s, out, at, 0.0), load_chunk(s, by_out, at, 0.0), dot);
    }
    let dot = s.splat(s.sum(dot));
    for part in [&mut *scores, &mut *slopes] {
        part[..from].fill(0.0);
        part[to..].fill(0.0);
    }
    let (scores, slopes) = (&mut scores[from..to], &mut slopes[from..to]);
    let (factor, base) = (s.splat(scale), s.splat(-log_sum));
    for at in (0..scores.len()).step_by(LANES) {
        let p = math::exp(s, s.fma(load_chunk(s, scores, at, 0.0), factor, base));
        let slope = s.mul(s.mul(p, s.sub(load_chunk(s, slopes, at, 0.0), dot)), factor);
        store_chunk(s, p, scores, at);
        store_chunk(s, slope, slopes, at);
    }
}
