//! A thread pool for many small parallel regions.
//!
//! A decode step of a small model is two hundred regions of ten microseconds each, so entering one
//! must cost less than a microsecond when the threads are awake. Work is handed out in pieces that
//! an idle thread takes. The caller works too, and never depends on another thread having woken:
//! if the operating system gives the other core to another program, the caller does all pieces
//! alone. Nobody spins for longer than a few microseconds: a waiting thread then sleeps, so that
//! its core is free to run the thread it waits for.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};

/// How often a worker looks for the next region before it sleeps. A pause is 10 to 45 ns
/// on today's processors; regions of one step follow each other within that time.
const SPINS_BEFORE_SLEEP: u32 = 4000;

/// How often the caller looks whether the last pieces are done before it sleeps: a few times the
/// length of a piece. Longer means that the operating system has taken the other core away.
const SPINS_BEFORE_YIELD: u32 = 5000;

/// After a wait for a thread that the operating system had put to sleep, this many regions run on
/// the caller alone: two layers of a model, so that a passing disturbance costs little. Twice as
/// many after each further wait, up to the most: half a second of a small model's steps.
const FEWEST_ALONE: u32 = 16;
const MOST_ALONE: u32 = 16 * 1024;

/// A thread that is woken in vain, again and again, shares the caller's core with it: each time it
/// runs, and spins, the caller does not. What such a region adds to a sum, from which any other
/// takes one; and the sum at which the caller goes on alone.
const WOKEN_IN_VAIN: u32 = 16;
const TOO_OFTEN_IN_VAIN: u32 = 4 * WOKEN_IN_VAIN;

/// After so many regions without trouble, a dozen steps of a small model, half as many run alone
/// after the next.
const CALM: u32 = 4096;

/// A job takes the number of a piece and the number of the thread that runs it.
type Job = dyn Fn(usize, usize) + Sync;

/// What the threads share. `job`, `total` and `next` are set only while `open` is false and no
/// worker is inside.
struct Shared {
    /// Counts regions; a worker sleeps until it changes.
    epoch: AtomicUsize,
    /// Whether there may be pieces to take.
    open: AtomicBool,
    /// How many workers may be looking at `job`.
    active: AtomicUsize,
    /// The next piece to take.
    next: AtomicUsize,
    total: AtomicUsize,
    job: UnsafeCell<Option<*const Job>>,
    /// The sleeping caller, if `caller_sleeps`.
    caller: Mutex<Option<Thread>>,
    caller_sleeps: AtomicBool,
    panicked: AtomicBool,
    stop: AtomicBool,
}

#[expect(unsafe_code, reason = "the protocol below gives each cell one writer at a time")]
// SAFETY: `job` is written by the caller only while `open` is false and every worker that saw it
// true has lowered `active` again; workers read it only between raising `active` and then seeing
// `open`, and lowering `active`.
unsafe impl Sync for Shared {}
#[expect(unsafe_code, reason = "the job is Sync and outlives the region")]
// SAFETY: the raw job pointer refers to a `Sync` closure that `run` keeps alive for the region.
unsafe impl Send for Shared {}

/// Threads that run the pieces of one region at a time together with the caller.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    /// How many regions the caller still runs alone, and how many it will after the next wait.
    alone: u32,
    next_alone: u32,
    /// How often of late a worker was woken in vain.
    in_vain: u32,
    /// How many regions went without trouble.
    calm: u32,
    /// Whether it does without the others when they cost more than they bring.
    goes_alone: bool,
}

struct Worker {
    sleeps: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Pool {
    /// A pool in which `n_threads` threads work, the caller among them; at least one.
    pub fn new(n_threads: usize) -> Self {
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            open: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            caller: Mutex::new(None),
            caller_sleeps: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        // A thread that cannot be had (no threads on this platform, limit reached) is one fewer
        // to help: results do not depend on how many there are.
        let workers = (1..n_threads)
            .filter_map(|i| {
                let sleeps = Arc::new(AtomicBool::new(false));
                let (its_shared, its_sleeps) = (Arc::clone(&shared), Arc::clone(&sleeps));
                std::thread::Builder::new()
                    .name(format!("mynah-{i}"))
                    .spawn(move || work(&its_shared, &its_sleeps, i))
                    .ok()
                    .map(|handle| Worker { sleeps, handle: Some(handle) })
            })
            .collect();
        Self {
            shared,
            workers,
            alone: 0,
            next_alone: FEWEST_ALONE,
            in_vain: 0,
            calm: 0,
            goes_alone: true,
        }
    }

    /// A pool for regions of a millisecond and more, as training has: beside their length, waking a
    /// thread and waiting for its last piece cost nothing, so that it always asks for help.
    pub fn for_long_regions(n_threads: usize) -> Self {
        let mut pool = Self::new(n_threads);
        pool.goes_alone = false;
        pool
    }

    /// How many threads work, the caller among them.
    pub fn n_threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `piece(i, thread)` once for each `i < n_pieces`, on any thread and in any order, and
    /// returns when all are done. `thread` is below [`Pool::n_threads`], and no two calls run at
    /// once with the same.
    ///
    /// # Panics
    /// If a piece panics.
    #[expect(unsafe_code, reason = "lends the closure to the workers for the time of the call")]
    pub fn run(&mut self, n_pieces: usize, piece: &(dyn Fn(usize, usize) + Sync)) {
        if self.alone > 0 || n_pieces <= 1 || self.workers.is_empty() {
            self.alone = self.alone.saturating_sub(1);
            (0..n_pieces).for_each(|i| piece(i, 0));
            return;
        }
        let shared = &*self.shared;
        #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast cannot lengthen the lifetime")]
        // SAFETY: only the lifetime changes; `close` below returns only when no worker can use
        // the pointer any more, and it runs even if a piece panics here.
        let job = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize, usize) + Sync), *const Job>(piece)
        };
        // SAFETY: `open` is false and `active` was zero when the last region closed; a worker
        // that has raised `active` since sees `open` false and leaves without reading.
        unsafe { *shared.job.get() = Some(job) };
        shared.total.store(n_pieces, Ordering::Relaxed);
        shared.next.store(0, Ordering::Relaxed);
        shared.open.store(true, Ordering::SeqCst);
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        let mut woke = false;
        for worker in &self.workers {
            if worker.sleeps.swap(false, Ordering::SeqCst)
                && let Some(handle) = &worker.handle
            {
                handle.thread().unpark();
                woke = true;
            }
        }
        let result = catch_unwind(AssertUnwindSafe(|| take_pieces(shared, piece, 0)));
        let had_to_sleep = close(shared);
        let own = result.unwrap_or_else(|panic| resume_unwind(panic));
        assert!(
            !shared.panicked.swap(false, Ordering::SeqCst),
            "a piece of parallel work panicked"
        );
        self.learn(own * 4 >= n_pieces * 3, had_to_sleep, woke);
    }
}

impl Pool {
    /// Decides for how long to do without the others, from what a region has shown.
    ///
    /// `did_most`: the caller did most of the pieces. If it then waited for another thread's piece,
    /// another program has that thread's core; if it had woken the thread, that was in vain.
    /// Asking for help then costs more than it brings, for a while.
    fn learn(&mut self, did_most: bool, had_to_sleep: bool, woke: bool) {
        if !self.goes_alone {
            return;
        }
        if did_most && woke {
            self.in_vain += WOKEN_IN_VAIN;
        } else {
            self.in_vain = self.in_vain.saturating_sub(1);
        }
        if (did_most && had_to_sleep) || self.in_vain >= TOO_OFTEN_IN_VAIN {
            (self.in_vain, self.calm) = (0, 0);
            self.alone = self.next_alone;
            self.next_alone = (2 * self.next_alone).min(MOST_ALONE);
            return;
        }
        self.calm += 1;
        if self.calm == CALM {
            self.calm = 0;
            self.next_alone = (self.next_alone / 2).max(FEWEST_ALONE);
        }
    }
}

/// Takes pieces until none is left; returns how many it took.
fn take_pieces(shared: &Shared, piece: &(dyn Fn(usize, usize) + Sync), thread: usize) -> usize {
    let total = shared.total.load(Ordering::Relaxed);
    let mut taken = 0;
    loop {
        let i = shared.next.fetch_add(1, Ordering::Relaxed);
        if i >= total {
            return taken;
        }
        piece(i, thread);
        taken += 1;
    }
}

/// Lets no further worker in and waits until those inside have left. Returns whether it slept.
fn close(shared: &Shared) -> bool {
    // If a piece panicked here, the others need not be done.
    shared.next.fetch_add(usize::MAX / 2, Ordering::Relaxed);
    shared.open.store(false, Ordering::SeqCst);
    for _ in 0..SPINS_BEFORE_YIELD {
        if shared.active.load(Ordering::SeqCst) == 0 {
            return false;
        }
        std::hint::spin_loop();
    }
    // A worker holds a piece and the operating system may have put it to sleep, perhaps in
    // favour of this thread: sleep, so that it can run.
    *shared.caller.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
    shared.caller_sleeps.store(true, Ordering::SeqCst);
    while shared.active.load(Ordering::SeqCst) != 0 {
        std::thread::park();
    }
    shared.caller_sleeps.store(false, Ordering::SeqCst);
    true
}

/// A worker's life: waits for a region, helps with it, waits for the next.
#[expect(unsafe_code, reason = "reads the job that the caller lends")]
fn work(shared: &Shared, sleeps: &AtomicBool, thread: usize) {
    let mut seen = 0;
    loop {
        seen = wait_for_next(shared, sleeps, seen);
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        shared.active.fetch_add(1, Ordering::SeqCst);
        if shared.open.load(Ordering::SeqCst) {
            // SAFETY: `active` was raised before `open` was seen true, so the caller does not
            // touch `job` or let the closure go until `active` is lowered.
            let job = unsafe { (*shared.job.get()).map(|job| &*job) };
            if let Some(job) = job
                && catch_unwind(AssertUnwindSafe(|| take_pieces(shared, job, thread))).is_err()
            {
                shared.panicked.store(true, Ordering::SeqCst);
            }
        }
        let last = shared.active.fetch_sub(1, Ordering::SeqCst) == 1;
        // Either the caller sees `active` at zero or this thread sees that the caller sleeps.
        if last && shared.caller_sleeps.load(Ordering::SeqCst) {
            let caller = shared.caller.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(caller) = &*caller {
                caller.unpark();
            }
        }
    }
}

/// Spins a little, then sleeps, until the epoch differs from `seen`; returns it.
fn wait_for_next(shared: &Shared, sleeps: &AtomicBool, seen: usize) -> usize {
    for _ in 0..SPINS_BEFORE_SLEEP {
        let epoch = shared.epoch.load(Ordering::SeqCst);
        if epoch != seen {
            return epoch;
        }
        std::hint::spin_loop();
    }
    loop {
        sleeps.store(true, Ordering::SeqCst);
        let epoch = shared.epoch.load(Ordering::SeqCst);
        if epoch != seen {
            sleeps.store(false, Ordering::SeqCst);
            return epoch;
        }
        std::thread::park();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for worker in &mut self.workers {
            if let Some(handle) = worker.handle.take() {
                handle.thread().unpark();
                // A worker catches the panics of its pieces, so it ends in order.
                drop(handle.join());
            }
        }
    }
}
