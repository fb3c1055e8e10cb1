//! The limits of this machine, measured: what it can read from memory and multiply at best.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mynah_kernels::{Buffer, Isa, Pool, limits};
use serde::Serialize;

use crate::machine;

/// How much is read: more than the caches of one processor hold.
const READ_BYTES: u64 = 256 << 20;

/// How often each is measured. Whatever disturbs a measurement makes it worse, so the best counts.
const N_MEASUREMENTS: usize = 7;

/// How long one measurement of arithmetic takes, about.
const TIME: Duration = Duration::from_millis(20);

/// The limits for each number of threads, in 10^9 bytes and operations a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Limits {
    /// Reading memory.
    pub(crate) read_gbps: BTreeMap<usize, f64>,
    /// Multiplying and adding int8: two operations for each product.
    pub(crate) int8_gops: BTreeMap<usize, f64>,
    /// Multiplying and adding f32: two operations for each product.
    pub(crate) f32_gflops: BTreeMap<usize, f64>,
}

impl Limits {
    /// Measures with 1, 2, 4, … threads, up to `n_threads`.
    pub(crate) fn measure(n_threads: usize, isa: Isa) -> Self {
        let mut found = Self::default();
        for n in thread_counts(n_threads) {
            let mut pool = Pool::new(n);
            found.read_gbps.insert(n, read_gbps(&mut pool, isa));
            let int8 = |pool: &mut Pool, n| limits::multiply_int8(pool, isa, n);
            found.int8_gops.insert(n, operations_per_ns(&mut pool, int8));
            let f32 = |pool: &mut Pool, n| limits::multiply_f32(pool, isa, n);
            found.f32_gflops.insert(n, operations_per_ns(&mut pool, f32));
        }
        found
    }
}

/// What the machine multiplies and adds in f32 at best, in operations a second.
pub(crate) fn f32_flops(n_threads: usize, isa: Isa) -> f64 {
    let mut pool = Pool::new(n_threads);
    1e9 * operations_per_ns(&mut pool, |pool, n| limits::multiply_f32(pool, isa, n))
}

/// 1, 2, 4, … and `most` itself.
fn thread_counts(most: usize) -> Vec<usize> {
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|n| *n < most).collect();
    counts.push(most);
    counts
}

/// Measures how fast the threads of a pool read memory, in 10^9 bytes a second.
pub(crate) fn read_gbps(pool: &mut Pool, isa: Isa) -> f64 {
    // Never more than a quarter of what is left.
    let most = machine::available_memory().map_or(READ_BYTES, |bytes| bytes / 4);
    let mut buffer = Buffer::zeroed(READ_BYTES.min(most) as usize);
    buffer.bytes_mut().fill(1);
    let time = fastest(|| {
        limits::read(pool, isa, buffer.bytes());
    });
    rounded(buffer.bytes().len() as f64 / time.as_nanos() as f64)
}

/// Measures operations a nanosecond: 10^9 a second. `multiply` takes the threads and how often to
/// do it, and returns how many operations that was.
fn operations_per_ns(pool: &mut Pool, multiply: impl Fn(&mut Pool, usize) -> u64) -> f64 {
    let mut n_rounds = 16;
    // As often as takes long enough to be timed.
    while n_rounds < 1 << 30 && timed(|| multiply(pool, n_rounds)).1 < TIME {
        n_rounds *= 2;
    }
    let mut operations = 0;
    let time = fastest(|| operations = multiply(pool, n_rounds));
    rounded(operations as f64 / time.as_nanos() as f64)
}

fn fastest(mut work: impl FnMut()) -> Duration {
    let times = (0..N_MEASUREMENTS).map(|_| timed(&mut work).1);
    // A clock that stands still would make everything infinitely fast.
    times.min().unwrap_or_default().max(Duration::from_nanos(1))
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn rounded(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_and_all_threads() {
        assert_eq!(thread_counts(1), [1]);
        assert_eq!(thread_counts(2), [1, 2]);
        assert_eq!(thread_counts(6), [1, 2, 4, 6]);
        assert_eq!(thread_counts(8), [1, 2, 4, 8]);
    }
}
