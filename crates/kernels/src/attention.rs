//! Attention over pages of keys and values.
//!
//! For one query and one head: a score for each position, each one chain of fused multiply-adds
//! over the dimensions; the largest; the exponentials and their sum, lane i summing the positions
//! i, i + 16, …; the values, weighted and added position after position; the quotient. Nothing
//! depends on which other queries are computed beside it. Queries of neighbouring tokens, or heads
//! that share keys, are computed side by side, so that keys and values are read once for all.
//! Source: Vaswani et al. 2017, "Attention Is All You Need"; Shazeer 2019 for shared keys.

use std::ops::Range;

use crate::arch::{LANES, Simd, entry};
use crate::cache::{Cache, CacheFormat, LayerCache, PAGE, SCALED};
use crate::isa::Isa;
use crate::math;
use crate::pool::Pool;
use crate::rows::soft_capped;
use crate::shared::SharedMut;

/// How many queries are computed side by side at most.
const SIDE_BY_SIDE: usize = 8;

/// What one token attends to.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The pages of its sequence. Neighbouring rows with the very same slice are computed
    /// together.
    pub pages: &'a [u32],
    /// The first position it attends to.
    pub from: usize,
    /// One past the last position it attends to.
    pub to: usize,
}

/// What all tokens have in common.
#[derive(Clone, Copy, Debug)]
pub struct AttentionOptions {
    /// How many query heads; a multiple of the number of key heads.
    pub n_heads: usize,
    /// What a dot product is multiplied by.
    pub scale: f32,
    /// What scores are then squeezed into, if anything (Gemma 2).
    pub soft_cap: Option<f32>,
}

/// Memory that attention keeps from one call to the next.
#[derive(Default)]
pub struct AttentionScratch {
    scores: Vec<f32>,
    tiles: Vec<Tile>,
}

/// Neighbouring rows with the same pages.
#[derive(Clone, Copy)]
struct Tile {
    first_piece: usize,
    first_row: usize,
    n_rows: usize,
    /// How many heads a piece of work computes.
    heads: usize,
}

/// Computes attention for each row.
///
/// `q`, `out`: `[n_rows, n_heads, head_dim]`; `contexts`: `[n_rows]`.
///
/// # Panics
/// If a length differs, a context is empty or reaches past its pages or the cache.
pub fn attention(
    pool: &mut Pool,
    isa: Isa,
    options: AttentionOptions,
    layer: LayerCache<'_>,
    contexts: &[Context],
    q: &[f32],
    scratch: &mut AttentionScratch,
    out: &mut [f32],
) {
    let cache = layer.cache;
    let group = options.n_heads / cache.n_kv_heads;
    assert_eq!(group * cache.n_kv_heads, options.n_heads, "query heads share key heads evenly");
    assert_eq!(q.len(), contexts.len() * options.n_heads * cache.head_dim, "length of the queries");
    assert_eq!(out.len(), q.len(), "length of the outputs");
    for context in contexts {
        assert!(context.from < context.to, "a context has a position");
        assert!(context.to <= context.pages.len() * PAGE, "a context is within its pages");
        let pages = &context.pages[context.from / PAGE..context.to.div_ceil(PAGE)];
        assert!(pages.iter().all(|&page| (page as usize) < cache.n_pages()), "pages exist");
    }
    let AttentionScratch { scores, tiles } = scratch;
    let n_pieces = cut(tiles, contexts, group, cache.n_kv_heads, pool.n_threads());
    let longest = contexts.iter().map(|c| c.to).max().unwrap_or(0).next_multiple_of(PAGE);
    let of_thread = SIDE_BY_SIDE * longest;
    if scores.len() < pool.n_threads() * of_thread {
        scores.resize(pool.n_threads() * of_thread, 0.0);
    }
    let (scores, out) = (SharedMut::new(scores), SharedMut::new(out));
    let tiles = &*tiles;
    pool.run(n_pieces, &|piece, thread| {
        let tile = &tiles[tiles.partition_point(|tile| tile.first_piece <= piece) - 1];
        let first_head = (piece - tile.first_piece) * tile.heads;
        #[expect(unsafe_code, reason = "a thread has scores of its own")]
        // SAFETY: no two pieces run at once with the same `thread`.
        let scores = unsafe { scores.slice(thread * of_thread, of_thread) };
        let part = Part { options, cache, layer, contexts, q, out: &out, group };
        part_of_rows(isa, &part, tile, first_head, scores, longest);
    });
}

/// Cuts the rows into tiles and the tiles into pieces; returns how many pieces.
fn cut(
    tiles: &mut Vec<Tile>,
    contexts: &[Context],
    group: usize,
    n_kv_heads: usize,
    n_threads: usize,
) -> usize {
    tiles.clear();
    let mut n_pieces = 0;
    let mut first_row = 0;
    while first_row < contexts.len() {
        let same = |c: &&Context| std::ptr::eq(c.pages, contexts[first_row].pages);
        let n_rows = contexts[first_row..].iter().take(SIDE_BY_SIDE).take_while(same).count();
        // A single row is computed for the heads that share keys together, unless that leaves
        // threads without work.
        let enough = contexts.len() * n_kv_heads >= 2 * n_threads || n_threads == 1;
        let heads = if n_rows == 1 && enough { group.min(SIDE_BY_SIDE) } else { 1 };
        let heads = (1..=heads).rev().find(|n| group.is_multiple_of(*n)).unwrap_or(1);
        tiles.push(Tile { first_piece: n_pieces, first_row, n_rows, heads });
        n_pieces += n_kv_heads * group / heads;
        first_row += n_rows;
    }
    n_pieces
}

/// What the pieces share.
struct Part<'a> {
    options: AttentionOptions,
    cache: &'a Cache,
    layer: LayerCache<'a>,
    contexts: &'a [Context<'a>],
    q: &'a [f32],
    out: &'a SharedMut<'a, f32>,
    group: usize,
}

/// One query: a row and a head of it.
#[derive(Clone, Copy)]
struct Query<'a> {
    q: &'a [f32],
    /// Where its output begins.
    out: usize,
    context: Context<'a>,
}

entry! {
    fn part_of_rows(
        isa; part: &Part<'_>, tile: &Tile, first_head: usize, scores: &mut [f32], stride: usize,
    ) = part_of_rows_on;
}

#[inline(always)]
fn part_of_rows_on<S: Simd>(
    s: S,
    part: &Part,
    tile: &Tile,
    first_head: usize,
    scores: &mut [f32],
    stride: usize,
) {
    let dim = part.cache.head_dim;
    let query = |i: usize| {
        let (row, head) = (tile.first_row + i / tile.heads, first_head + i % tile.heads);
        let at = (row * part.options.n_heads + head) * dim;
        Query { q: &part.q[at..][..dim], out: at, context: part.contexts[row] }
    };
    let n = tile.n_rows * tile.heads;
    let mut queries = [query(0); SIDE_BY_SIDE];
    for (i, to) in queries.iter_mut().enumerate().take(n) {
        *to = query(i);
    }
    let queries = &queries[..n];
    let kv_head = first_head / part.group;
    match part.cache.format {
        CacheFormat::F32 => attend::<S, Floats>(s, part, kv_head, queries, scores, stride),
        CacheFormat::F16 => attend::<S, Halfs>(s, part, kv_head, queries, scores, stride),
        CacheFormat::Q8_0 => attend::<S, Rounded>(s, part, kv_head, queries, scores, stride),
    }
}

/// How cached numbers are read.
trait Cached {
    /// Dimension `d` of the sixteen positions of a page.
    fn keys<S: Simd>(s: S, keys: &[u8], padded_dim: usize, d: usize) -> S::F;
    /// Dimensions `d..d + 16` of position `slot` of a page.
    fn values<S: Simd>(s: S, values: &[u8], padded_dim: usize, slot: usize, d: usize) -> S::F;
}

struct Floats;
struct Halfs;
struct Rounded;

#[inline(always)]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    match bytes[at..].first_chunk() {
        Some(chunk) => chunk,
        None => unreachable!("a page has whole vectors"),
    }
}

#[inline(always)]
fn load_halfs<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F {
    let (pairs, _) = chunk::<32>(bytes, 2 * at).as_chunks::<2>();
    s.load_f16(&std::array::from_fn(|i| u16::from_le_bytes(pairs[i])))
}

#[inline(always)]
fn load_floats<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F {
    let (words, _) = chunk::<64>(bytes, 4 * at).as_chunks::<4>();
    s.load(&std::array::from_fn(|i| f32::from_le_bytes(words[i])))
}

impl Cached for Floats {
    #[inline(always)]
    fn keys<S: Simd>(s: S, keys: &[u8], _: usize, d: usize) -> S::F {
        load_floats(s, keys, d * PAGE)
    }
    #[inline(always)]
    fn values<S: Simd>(s: S, values: &[u8], padded_dim: usize, slot: usize, d: usize) -> S::F {
        load_floats(s, values, slot * padded_dim + d)
    }
}

impl Cached for Halfs {
    #[inline(always)]
    fn keys<S: Simd>(s: S, keys: &[u8], _: usize, d: usize) -> S::F {
        load_halfs(s, keys, d * PAGE)
    }
    #[inline(always)]
    fn values<S: Simd>(s: S, values: &[u8], padded_dim: usize, slot: usize, d: usize) -> S::F {
        load_halfs(s, values, slot * padded_dim + d)
    }
}

#[inline(always)]
fn load_int8<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F {
    s.load_i8(&chunk::<LANES>(bytes, at).map(|b| b as i8))
}

impl Cached for Rounded {
    #[inline(always)]
    fn keys<S: Simd>(s: S, keys: &[u8], padded_dim: usize, d: usize) -> S::F {
        let scales = padded_dim * PAGE + d / SCALED * PAGE * 4;
        let scales = load_floats(s, &keys[scales..], 0);
        s.mul(load_int8(s, keys, d * PAGE), scales)
    }
    #[inline(always)]
    fn values<S: Simd>(s: S, values: &[u8], padded_dim: usize, slot: usize, d: usize) -> S::F {
        let first = slot * padded_dim + d;
        let scale = f32::from_le_bytes(*chunk(values, padded_dim * PAGE + first / SCALED * 4));
        s.mul(load_int8(s, values, first), s.splat(scale))
    }
}

/// Computes some queries of one key head. `scores`: `[queries, stride]`.
#[inline(always)]
fn attend<S: Simd, C: Cached>(
    s: S,
    part: &Part,
    kv_head: usize,
    queries: &[Query],
    scores: &mut [f32],
    stride: usize,
) {
    let mut first = 0;
    while first < queries.len() {
        let (queries, scores) = (&queries[first..], &mut scores[first * stride..]);
        first += match queries.len() {
            8.. if S::TILE_ROWS >= 8 => {
                score::<S, C, 8, 1>(s, part, kv_head, queries, scores, stride)
            }
            3.. if S::TILE_ROWS >= 8 && queries.len() == 3 => {
                score::<S, C, 3, 2>(s, part, kv_head, queries, scores, stride)
            }
            4.. if S::TILE_ROWS >= 4 => {
                score::<S, C, 4, 1>(s, part, kv_head, queries, scores, stride)
            }
            _ => score::<S, C, 1, 4>(s, part, kv_head, queries, scores, stride),
        };
    }
    let mut sums = [0.0; SIDE_BY_SIDE];
    for ((query, scores), sum) in queries.iter().zip(scores.chunks_exact_mut(stride)).zip(&mut sums)
    {
        *sum = soften(s, part.options, query.context, scores);
    }
    let mut first = 0;
    while first < queries.len() {
        let (queries, scores) = (&queries[first..], &scores[first * stride..]);
        let sums = &sums[first..];
        first += match queries.len() {
            4.. if S::TILE_ROWS >= 4 => {
                weigh::<S, C, 4>(s, part, kv_head, queries, scores, stride, sums)
            }
            _ => weigh::<S, C, 1>(s, part, kv_head, queries, scores, stride, sums),
        };
    }
}

/// The positions that any of some queries attends to.
#[inline(always)]
fn union(queries: &[Query]) -> Range<usize> {
    let from = queries.iter().map(|query| query.context.from).min().unwrap_or(0);
    let to = queries.iter().map(|query| query.context.to).max().unwrap_or(0);
    from..to
}

/// Scores of `Q` queries, `P` pages at a time; returns `Q`.
#[inline(always)]
fn score<S: Simd, C: Cached, const Q: usize, const P: usize>(
    s: S,
    part: &Part,
    kv_head: usize,
    queries: &[Query],
    scores: &mut [f32],
    stride: usize,
) -> usize {
    let q: [&[f32]; Q] = std::array::from_fn(|i| queries[i].q);
    let pages = queries[0].context.pages;
    let positions = union(&queries[..Q]);
    let (mut page, end) = (positions.start / PAGE, positions.end.div_ceil(PAGE));
    while page < end {
        if end - page >= P {
            score_pages::<S, C, Q, P>(s, part, kv_head, q, pages, page, scores, stride);
            page += P;
        } else {
            score_pages::<S, C, Q, 1>(s, part, kv_head, q, pages, page, scores, stride);
            page += 1;
        }
    }
    Q
}

#[inline(always)]
fn score_pages<S: Simd, C: Cached, const Q: usize, const P: usize>(
    s: S,
    part: &Part,
    kv_head: usize,
    q: [&[f32]; Q],
    pages: &[u32],
    first: usize,
    scores: &mut [f32],
    stride: usize,
) {
    let keys: [&[u8]; P] = std::array::from_fn(|p| part.layer.keys(pages[first + p], kv_head));
    let dim = part.cache.head_dim;
    let q: [&[f32]; Q] = q.map(|q| &q[..dim]);
    let mut sums = [[s.splat(0.0); P]; Q];
    for d in 0..dim {
        let mut k = [s.splat(0.0); P];
        for (k, keys) in k.iter_mut().zip(keys) {
            *k = C::keys(s, keys, part.cache.padded_dim, d);
        }
        for (sums, q) in sums.iter_mut().zip(q) {
            let q = s.splat(q[d]);
            for (sum, k) in sums.iter_mut().zip(k) {
                *sum = s.fma(q, k, *sum);
            }
        }
    }
    for (i, sums) in sums.into_iter().enumerate() {
        let scores = &mut scores[i * stride + first * PAGE..][..P * PAGE];
        for (sum, scores) in sums.into_iter().zip(scores.as_chunks_mut().0) {
            s.store(sum, scores);
        }
    }
}

/// Turns the scores of a query into weights that have yet to be divided by their sum, and returns
/// the sum. Weights of positions outside the context, on its border pages, are zero.
#[inline(always)]
fn soften<S: Simd>(s: S, options: AttentionOptions, context: Context, scores: &mut [f32]) -> f32 {
    let (first, end) = (context.from / PAGE, context.to.div_ceil(PAGE));
    let skip = context.from - first * PAGE;
    let keep = context.to - (end - 1) * PAGE;
    let pages = &mut scores.as_chunks_mut::<PAGE>().0[first..end];
    let last = pages.len() - 1;
    let minus_infinity = s.splat(f32::NEG_INFINITY);
    let scale = s.splat(options.scale);
    let mut largest = minus_infinity;
    for (i, page) in pages.iter_mut().enumerate() {
        let mut v = s.mul(s.load(page), scale);
        if let Some(cap) = options.soft_cap {
            v = soft_capped(s, s.splat(cap), v);
        }
        if i == 0 {
            v = s.first(skip, minus_infinity, v);
        }
        if i == last {
            v = s.first(keep, v, minus_infinity);
        }
        s.store(v, page);
        largest = s.max(v, largest);
    }
    let largest = s.splat(s.greatest(largest));
    let zero = s.splat(0.0);
    let mut sum = zero;
    for (i, page) in pages.iter_mut().enumerate() {
        let mut v = math::exp(s, s.sub(s.load(page), largest));
        if i == 0 {
            v = s.first(skip, zero, v);
        }
        if i == last {
            v = s.first(keep, v, zero);
        }
        s.store(v, page);
        sum = s.add(sum, v);
    }
    s.sum(sum)
}

/// Weighted sums of the values for `Q` queries, divided and written; returns `Q`.
#[inline(always)]
fn weigh<S: Simd, C: Cached, const Q: usize>(
    s: S,
    part: &Part,
    kv_head: usize,
    queries: &[Query],
    scores: &[f32],
    stride: usize,
    sums: &[f32],
) -> usize {
    let mut d = 0;
    while d < part.cache.head_dim {
        d += LANES
            * match part.cache.head_dim.div_ceil(LANES) - d / LANES {
                8.. if Q == 1 => {
                    weigh_dims::<S, C, Q, 8>(s, part, kv_head, queries, scores, stride, sums, d)
                }
                4.. => weigh_dims::<S, C, Q, 4>(s, part, kv_head, queries, scores, stride, sums, d),
                _ => weigh_dims::<S, C, Q, 1>(s, part, kv_head, queries, scores, stride, sums, d),
            };
    }
    Q
}

/// As [`weigh`], for `V` vectors of dimensions from `d`; returns `V`.
#[inline(always)]
fn weigh_dims<S: Simd, C: Cached, const Q: usize, const V: usize>(
    s: S,
    part: &Part,
    kv_head: usize,
    queries: &[Query],
    scores: &[f32],
    stride: usize,
    sums: &[f32],
    d: usize,
) -> usize {
    let queries = &queries[..Q];
    let all = union(queries);
    // Positions that every query attends to; before and after them some do not.
    let from = queries.iter().map(|query| query.context.from).max().unwrap_or(0);
    let to = queries.iter().map(|query| query.context.to).min().unwrap_or(0).max(from);
    let mut totals = [[s.splat(0.0); V]; Q];
    let pages = queries[0].context.pages;
    for page in all.start / PAGE..all.end.div_ceil(PAGE) {
        let values = part.layer.values(pages[page], kv_head);
        for slot in 0..PAGE {
            let position = page * PAGE + slot;
            if !all.contains(&position) {
                continue;
            }
            let mut v = [s.splat(0.0); V];
            for (i, v) in v.iter_mut().enumerate() {
                *v = C::values(s, values, part.cache.padded_dim, slot, d + i * LANES);
            }
            let by_all = (from..to).contains(&position);
            for (i, totals) in totals.iter_mut().enumerate() {
                let context = &queries[i].context;
                if by_all || (context.from..context.to).contains(&position) {
                    let weight = s.splat(scores[i * stride + position]);
                    for (total, v) in totals.iter_mut().zip(v) {
                        *total = s.fma(weight, v, *total);
                    }
                }
            }
        }
    }
    for (i, totals) in totals.into_iter().enumerate() {
        let sum = s.splat(sums[i]);
        for (j, total) in totals.into_iter().enumerate() {
            let at = d + j * LANES;
            let n = LANES.min(part.cache.head_dim - at);
            let mut lanes = [0.0; LANES];
            s.store(s.div(total, sum), &mut lanes);
            #[expect(unsafe_code, reason = "pieces write different heads or rows")]
            // SAFETY: each query is computed by one piece.
            let out = unsafe { part.out.slice(queries[i].out + at, n) };
            out.copy_from_slice(&lanes[..n]);
        }
    }
    V
}
