//! The thread pool: every piece once, on any number of threads, whatever happens to them.
#![allow(missing_docs, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use mynah_kernels::Pool;

#[test]
fn every_piece_runs_once() {
    for n_threads in [1, 2, 3, 8] {
        let mut pool = Pool::new(n_threads);
        assert_eq!(pool.n_threads(), n_threads);
        for n_pieces in (0..40).chain([1000]) {
            let counts: Vec<AtomicUsize> = (0..n_pieces).map(|_| AtomicUsize::new(0)).collect();
            pool.run(n_pieces, &|piece, thread| {
                assert!(thread < n_threads);
                counts[piece].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }
}

#[test]
fn many_short_regions_follow_each_other() {
    let mut pool = Pool::new(4);
    let sum = AtomicUsize::new(0);
    for _ in 0..20_000 {
        pool.run(5, &|piece, _| {
            sum.fetch_add(piece, Ordering::Relaxed);
        });
    }
    assert_eq!(sum.into_inner(), 20_000 * 10);
}

#[test]
fn a_panic_of_a_piece_reaches_the_caller_and_the_pool_lives_on() {
    let mut pool = Pool::new(2);
    for bad in 0..8 {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(8, &|piece, _| assert_ne!(piece, bad, "as asked"));
        }));
        assert!(result.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(8, &|piece, _| {
            sum.fetch_add(piece, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 28);
    }
}
