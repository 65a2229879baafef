//! Model check of the hand-over between threads, `meter/src/flow/cores/handover.rs`: every interleaving of its locks
//! and wake-ups, up to a number of preemptions.
//!
//! `cargo test --release` in this folder.
#![cfg(test)]

#[path = "../../src/flow/cores/handover.rs"]
mod handover;

/// Replaces `meter/src/flow/cores/sync.rs`.
mod sync {
    use std::time::Duration;

    pub use loom::sync::{Condvar, Mutex, MutexGuard};
    pub use std::sync::Arc;

    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no thread panics")
    }

    pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).expect("no thread panics")
    }

    /// Waits without a timeout, so that a missing wake-up is found.
    pub fn wait_for<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        (wait(condvar, guard), false)
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use handover::{Handover, Next, Turn};
use loom::thread::{self, JoinHandle};

const WORKERS: usize = 2;
const PARTS: usize = 2;
const BLOCKS: u64 = 3;

type Shared = Arc<Model>;

struct Model {
    handover: Handover<u64, (u64, usize)>,
    /// Blocks read, and published. Asserted to change only under the protection of the hand-over.
    read: AtomicU64,
    published: AtomicU64,
}

/// How reading ends.
#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    Ends,
    Fails(u64),
}

fn work(worker: usize, model: &Model, scenario: Scenario) {
    let handover = &model.handover;
    loop {
        match handover.turn(worker) {
            Turn::Meter(block) => {
                let number = *block;
                handover.metered(worker, block, [(worker as u32, (number, worker))]);
            }
            Turn::Read => {
                let before = model.read.load(Ordering::Relaxed);
                thread::yield_now();
                assert_eq!(model.read.swap(before + 1, Ordering::Relaxed), before, "one reads at a time");
                if scenario == Scenario::Fails(before) {
                    return handover.fail();
                }
                let number = handover.read(before + 1 == BLOCKS);
                assert_eq!(number, before);
                handover.decoded(number, number, |block| {
                    assert_eq!(model.published.swap(*block + 1, Ordering::Relaxed), *block, "in order");
                });
            }
            Turn::Finish => break,
            Turn::Quit => return,
        }
    }
    for part in (worker..PARTS).step_by(WORKERS) {
        if !handover.last(part, (BLOCKS, part)) {
            return;
        }
        handover.part_ended(part);
    }
    handover.worker_ended();
}

fn start(scenario: Scenario) -> (Shared, Vec<JoinHandle<()>>) {
    let handover = Handover::new(WORKERS, PARTS, 2);
    let model = Arc::new(Model { handover, read: AtomicU64::new(0), published: AtomicU64::new(0) });
    let threads = (0..WORKERS)
        .map(|worker| {
            let model = Arc::clone(&model);
            thread::spawn(move || work(worker, &model, scenario))
        })
        .collect();
    (model, threads)
}

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(run);
}

/// Returns the results until the end or a failure, and whether a worker has failed.
fn results(model: &Model, most: usize) -> (Vec<(u64, usize)>, bool) {
    let mut results = Vec::new();
    while results.len() < most {
        match model.handover.next(Duration::ZERO) {
            Next::Result(result) => results.push(result),
            Next::Waiting => {}
            Next::End => return (results, false),
            Next::Failed => return (results, true),
        }
    }
    (results, false)
}

fn join(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
}

#[test]
fn results_have_one_order() {
    check(|| {
        let (model, threads) = start(Scenario::Ends);
        let expected: Vec<_> =
            (0..=BLOCKS).flat_map(|block| (0..WORKERS).map(move |each| (block, each))).collect();
        assert_eq!(results(&model, usize::MAX), (expected, false));
        join(threads);
    });
}

#[test]
fn threads_end_with_the_consumer() {
    check(|| {
        let (model, threads) = start(Scenario::Ends);
        let _ = results(&model, 1);
        model.handover.quit();
        join(threads);
    });
}

#[test]
fn blocks_read_before_a_stop_are_returned() {
    check(|| {
        let (model, threads) = start(Scenario::Ends);
        model.handover.stop();
        let (results, failed) = results(&model, usize::MAX);
        assert!(!failed);
        let read = model.read.load(Ordering::Relaxed);
        assert_eq!(results.len() as u64, (read + 1) * WORKERS as u64);
        join(threads);
    });
}

#[test]
fn failed_worker_ends_all_waits() {
    for fails_at in 0..2 {
        check(move || {
            let (model, threads) = start(Scenario::Fails(fails_at));
            assert!(results(&model, usize::MAX).1);
            join(threads);
        });
    }
}
