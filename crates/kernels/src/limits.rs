//! What the processor can do at best: the numbers that kernels are measured against.
//!
//! Three loops with nothing in them but reading, multiplying int8, or multiplying f32, on the
//! instruction set and threads that the kernels use. They read no clock: whoever calls them times
//! a call and divides. The best of several calls is the limit, as anything that disturbs a call
//! only makes it slower.

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::arch::{Simd, entry};
use crate::isa::Isa;
use crate::pool::Pool;

/// How many bytes a thread reads before it takes the next piece.
const PIECE: usize = 1 << 18;

/// How many pieces each thread should find, so that one that is late can be helped.
const PIECES_PER_THREAD: usize = 16;

/// How many vectors of int8 weights the innermost cache holds for a round.
const LINES: usize = 64;

/// How many operations one vector of int8 products is: sixteen sums of four products.
const INT8_OPERATIONS: usize = 2 * 64;

/// How many operations one vector of f32 products is.
const F32_OPERATIONS: usize = 2 * 16;

/// Reads all bytes once, and returns the bits that are set in any of them.
///
/// Of memory that nobody wrote, the operating system shows one page again and again: write it
/// first. A buffer that fits a cache measures the cache.
pub fn read(pool: &mut Pool, isa: Isa, bytes: &[u8]) -> u8 {
    let all = AtomicU8::new(0);
    pool.run(bytes.len().div_ceil(PIECE), &|piece, _| {
        let part = &bytes[piece * PIECE..bytes.len().min((piece + 1) * PIECE)];
        all.fetch_or(read_part(isa, part), Ordering::Relaxed);
    });
    all.into_inner()
}

/// Multiplies and adds int8 on every thread, weights from the innermost cache and all else in
/// registers, as the matrix product does. Returns how many operations that were: two for each
/// product. A round is some hundred thousand on each thread.
pub fn multiply_int8(pool: &mut Pool, isa: Isa, n_rounds: usize) -> u64 {
    let n_pieces = pool.n_threads() * PIECES_PER_THREAD;
    let rounds = n_rounds.div_ceil(PIECES_PER_THREAD);
    let weights = [[1; 64]; LINES];
    pool.run(n_pieces, &|_, _| {
        black_box(int8_part(isa, black_box(&weights), rounds));
    });
    (n_pieces * rounds * LINES * chains(isa) * INT8_OPERATIONS) as u64
}

/// Multiplies and adds f32 in the registers of every thread. Returns how many operations that
/// were: two for each product. A round is some ten thousand on each thread.
pub fn multiply_f32(pool: &mut Pool, isa: Isa, n_rounds: usize) -> u64 {
    let n_pieces = pool.n_threads() * PIECES_PER_THREAD;
    let rounds = n_rounds.div_ceil(PIECES_PER_THREAD);
    pool.run(n_pieces, &|_, _| {
        black_box(f32_part(isa, black_box(0.5), rounds));
    });
    (n_pieces * rounds * LINES * chains(isa) * F32_OPERATIONS) as u64
}

/// How many sums run side by side: enough to hide the latency of an instruction, few enough to
/// stay in registers. [`Simd::TILE_ROWS`] says which registers there are.
const fn chains_for(tile_rows: usize) -> usize {
    if tile_rows >= 8 { 12 } else { 5 }
}

entry! {
    fn chains(isa;) -> usize = chains_on;
}

#[inline(always)]
fn chains_on<S: Simd>(_: S) -> usize {
    chains_for(S::TILE_ROWS)
}

entry! {
    fn read_part(isa; bytes: &[u8]) -> u8 = read_part_on;
}

#[inline(always)]
fn read_part_on<S: Simd>(s: S, bytes: &[u8]) -> u8 {
    let (lines, rest) = bytes.as_chunks::<64>();
    let (groups, singles) = lines.as_chunks::<4>();
    let mut seen = [s.load_bytes(&[0; 64]); 4];
    for group in groups {
        for (seen, line) in seen.iter_mut().zip(group) {
            *seen = s.or(*seen, s.load_bytes(line));
        }
    }
    for line in singles {
        seen[0] = s.or(seen[0], s.load_bytes(line));
    }
    let mut bits = [0; 64];
    s.store_bytes(s.or(s.or(seen[0], seen[1]), s.or(seen[2], seen[3])), &mut bits);
    bits.iter().chain(rest).fold(0, |all, byte| all | byte)
}

entry! {
    fn int8_part(isa; weights: &[[u8; 64]; LINES], n_rounds: usize) -> f32 = int8_part_on;
}

#[inline(always)]
fn int8_part_on<S: Simd>(s: S, weights: &[[u8; 64]; LINES], n_rounds: usize) -> f32 {
    if chains_for(S::TILE_ROWS) == 12 {
        int8_chains::<S, 12>(s, weights, n_rounds)
    } else {
        int8_chains::<S, 5>(s, weights, n_rounds)
    }
}

/// The sum over all lanes of `N` chains of products.
#[inline(always)]
fn int8_chains<S: Simd, const N: usize>(s: S, weights: &[[u8; 64]; LINES], n_rounds: usize) -> f32 {
    let x: [[i32; 1]; N] = black_box([[i32::from_le_bytes([1; 4])]; N]);
    let mut sums = [s.splat_i(0); N];
    for _ in 0..n_rounds {
        for line in weights {
            let w = s.load_bytes(line);
            sums = s.dots::<127, 1, N>(sums, &[w], x.each_ref());
        }
    }
    sums.into_iter().map(|sum| s.sum(s.to_f(sum))).sum()
}

entry! {
    fn f32_part(isa; x: f32, n_rounds: usize) -> f32 = f32_part_on;
}

#[inline(always)]
fn f32_part_on<S: Simd>(s: S, x: f32, n_rounds: usize) -> f32 {
    if chains_for(S::TILE_ROWS) == 12 {
        f32_chains::<S, 12>(s, x, n_rounds)
    } else {
        f32_chains::<S, 5>(s, x, n_rounds)
    }
}

/// The sum over all lanes of `N` chains of `sum * x + 1`.
#[inline(always)]
fn f32_chains<S: Simd, const N: usize>(s: S, x: f32, n_rounds: usize) -> f32 {
    let (x, one) = (s.splat(x), s.splat(1.0));
    let mut sums = [s.splat(0.0); N];
    for _ in 0..n_rounds * LINES {
        for sum in &mut sums {
            *sum = s.fma(*sum, x, one);
        }
    }
    sums.into_iter().map(|sum| s.sum(sum)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read() {
        for isa in Isa::available() {
            for n in [0, 1, 63, 64, 65, 1000, PIECE, 2 * PIECE + 77] {
                let mut bytes = vec![0; n];
                let mut pool = Pool::new(2);
                assert_eq!(read(&mut pool, isa, &bytes), 0);
                for at in [0, n / 2, n.saturating_sub(1)] {
                    let Some(byte) = bytes.get_mut(at) else { continue };
                    *byte = 4;
                    assert_eq!(read(&mut pool, isa, &bytes), 4, "{} byte {at}", isa.name());
                    bytes[at] = 0;
                }
            }
        }
    }

    #[test]
    fn as_much_is_multiplied_as_is_said() {
        let weights = [[3; 64]; LINES];
        for isa in Isa::available() {
            // Four products of 3 and 1 in each of sixteen lanes.
            let products = 7 * LINES * chains(isa) * 16 * 4;
            assert_eq!(int8_part(isa, &weights, 7), 3.0 * products as f32, "{}", isa.name());
            // 1 + 1/2 + 1/4 + ... in each of sixteen lanes.
            assert_eq!(f32_part(isa, 0.5, 7), (2 * 16 * chains(isa)) as f32, "{}", isa.name());
            assert_eq!(f32_part(isa, 1.0, 7), (7 * LINES * 16 * chains(isa)) as f32);
            let mut pool = Pool::new(2);
            assert_eq!(
                multiply_int8(&mut pool, isa, 16),
                (2 * 16 * LINES * chains(isa) * INT8_OPERATIONS) as u64
            );
        }
    }
}
