//! Scheduling: blocks are read one after the other, decoded by any thread, published in order, and metered by all;
//! results come out in one order, whatever the number of threads.
//!
//! It knows nothing about packets. Each worker asks for its [`Turn`] and reports its progress:
//!
//! ```text
//! Turn::Read ──► read() ──► decoded() ──► [published, in order] ──► Turn::Meter ──► metered() ──► next()
//! ```
//!
//! A worker meters before it reads, so that few blocks are in flight. There is no cycle of waiting threads: a reader
//! waits for nobody; results of blocks are limited by pausing reading; results of a part's end are limited by a queue
//! that the consumer empties first where it needs them first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::sync::{Arc, Condvar, Mutex, MutexGuard, lock, wait, wait_for};

/// Results waiting for the consumer beyond which no further block is read.
const MAX_WAITING: usize = 8;
/// Maximum results of a part's end waiting for the consumer.
const MAX_LAST: usize = 2;

/// A worker's next task.
#[derive(Debug)]
pub enum Turn<B> {
    /// Meter this block.
    Meter(Arc<B>),
    /// Read the next block; no other worker does so until [`Handover::read`].
    Read,
    /// End the parts: all blocks have been metered.
    Finish,
    /// Quit: the results are no longer wanted.
    Quit,
}

/// What the consumer receives.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<R> {
    /// The next result.
    Result(R),
    /// None yet.
    Waiting,
    /// No more results.
    End,
    /// A worker has failed.
    Failed,
}

/// Position of a result among those of blocks: the block, the frame within it, and the number within the frame.
type Place = (u64, u32, u32);

/// Reason why all workers quit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GivenUp {
    /// The consumer no longer wants results.
    Unwanted,
    /// A worker has failed.
    Failed,
}

struct State<B, R> {
    workers: usize,
    /// Whether a worker is reading.
    reading: bool,
    /// Whether there are no more blocks to read.
    ended: bool,
    given_up: Option<GivenUp>,
    /// Blocks read.
    read: u64,
    /// Decoded blocks waiting for earlier ones.
    decoded: BTreeMap<u64, B>,
    /// Whether a worker is publishing.
    publishing: bool,
    /// Blocks that some worker has yet to meter.
    published: VecDeque<Arc<B>>,
    /// Number of the first of them: all workers have metered every earlier block.
    first: u64,
    /// Number of blocks that each worker has metered.
    metered: Vec<u64>,
    results: BTreeMap<Place, R>,
    /// Results of each part's end, and whether they are complete.
    last: Vec<(VecDeque<R>, bool)>,
    /// The part whose last results come next.
    part: usize,
    /// Number of waiting workers.
    sleeping: usize,
}

/// The hand-over of blocks `B` and results `R` between workers and a consumer.
pub struct Handover<B, R> {
    state: Mutex<State<B, R>>,
    /// Maximum blocks in flight.
    most_blocks: u64,
    turns: Condvar,
    results: Condvar,
}

impl<B, R> Handover<B, R> {
    /// Creates the handover for a number of workers, and of parts whose ends have results of their own.
    pub fn new(workers: usize, parts: usize, most_blocks: u64) -> Self {
        let state = State {
            workers,
            reading: false,
            ended: false,
            given_up: None,
            read: 0,
            decoded: BTreeMap::new(),
            publishing: false,
            published: VecDeque::new(),
            first: 0,
            metered: vec![0; workers],
            results: BTreeMap::new(),
            last: (0..parts).map(|_| (VecDeque::new(), false)).collect(),
            part: 0,
            sleeping: 0,
        };
        Self { state: Mutex::new(state), most_blocks, turns: Condvar::new(), results: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<B, R>> {
        lock(&self.state)
    }

    fn wake(&self, state: &State<B, R>) {
        if state.sleeping > 0 {
            self.turns.notify_all();
        }
    }

    fn sleep<'s>(&self, mut state: MutexGuard<'s, State<B, R>>) -> MutexGuard<'s, State<B, R>> {
        state.sleeping += 1;
        let mut state = wait(&self.turns, state);
        state.sleeping -= 1;
        state
    }

    /// Returns a worker's next task; waits until there is one.
    pub fn turn(&self, worker: usize) -> Turn<B> {
        let mut state = self.state();
        loop {
            if state.given_up.is_some() {
                return Turn::Quit;
            }
            let next = state.metered[worker];
            if let Some(block) = state.published.get((next - state.first) as usize) {
                return Turn::Meter(Arc::clone(block));
            }
            if !state.ended
                && !state.reading
                && state.read < state.first + self.most_blocks
                && state.results.len() < MAX_WAITING
            {
                state.reading = true;
                return Turn::Read;
            }
            if state.ended && !state.reading && state.read == next {
                return Turn::Finish;
            }
            state = self.sleep(state);
        }
    }

    /// Records that a block was read, and whether it is the last; returns its number.
    pub fn read(&self, is_last: bool) -> u64 {
        let mut state = self.state();
        state.reading = false;
        state.ended |= is_last;
        state.read += 1;
        self.wake(&state);
        state.read - 1
    }

    /// Records that a block was decoded. The worker that completes the lowest one publishes it and its successors,
    /// each after `in_order`, which is called for one block at a time, in order.
    pub fn decoded(&self, number: u64, block: B, mut in_order: impl FnMut(&mut B)) {
        let mut state = self.state();
        state.decoded.insert(number, block);
        if state.publishing {
            return;
        }
        state.publishing = true;
        loop {
            let next = state.first + state.published.len() as u64;
            let Some(mut block) = state.decoded.remove(&next) else { break };
            drop(state);
            in_order(&mut block);
            state = self.state();
            state.published.push_back(Arc::new(block));
            self.wake(&state);
        }
        state.publishing = false;
    }

    /// Records that a worker has metered its next block, with the results: the frame of each, in order.
    ///
    /// Returns the block if all have metered it.
    pub fn metered(
        &self,
        worker: usize,
        block: Arc<B>,
        results: impl IntoIterator<Item = (u32, R)>,
    ) -> Option<B> {
        drop(block);
        let mut state = self.state();
        let number = state.metered[worker];
        for (index, (frame, result)) in results.into_iter().enumerate() {
            state.results.insert((number, frame, index as u32), result);
        }
        state.metered[worker] += 1;
        if state.metered.iter().any(|&metered| metered <= number) {
            return None;
        }
        state.first += 1;
        let block = state.published.pop_front();
        self.wake(&state);
        let is_ready = state.results.first_key_value().is_some_and(|(place, _)| place.0 < state.first);
        if is_ready || state.ended && state.first == state.read {
            self.results.notify_one(); // not for each block: the consumer waits for a limited time only
        }
        drop(state);
        block.and_then(Arc::into_inner)
    }

    /// Hands over a result of a part's end; waits while the part's queue is full. Returns whether it is still wanted.
    pub fn last(&self, part: usize, result: R) -> bool {
        let mut state = self.state();
        while state.last[part].0.len() >= MAX_LAST && state.given_up.is_none() {
            state = self.sleep(state);
        }
        state.last[part].0.push_back(result);
        self.results.notify_one();
        state.given_up.is_none()
    }

    /// Records that a part has ended.
    pub fn part_ended(&self, part: usize) {
        self.state().last[part].1 = true;
        self.results.notify_one();
    }

    /// Records that a worker has ended.
    pub fn worker_ended(&self) {
        self.state().workers -= 1;
        self.results.notify_one();
    }

    /// Records that a worker has failed: all others quit.
    pub fn fail(&self) {
        self.give_up(GivenUp::Failed);
    }

    /// Stops reading; blocks already read are metered.
    pub fn stop(&self) {
        let mut state = self.state();
        state.ended = true;
        self.wake(&state);
    }

    /// Ends all workers: the results are no longer wanted.
    pub fn quit(&self) {
        self.give_up(GivenUp::Unwanted);
    }

    fn give_up(&self, why: GivenUp) {
        self.state().given_up = Some(why);
        self.turns.notify_all();
        self.results.notify_one();
    }

    /// Returns the next result; waits at most `most` for it.
    pub fn next(&self, most: Duration) -> Next<R> {
        let mut state = self.state();
        let mut waited = false;
        loop {
            let next = self.take(&mut state);
            if waited || !matches!(next, Next::Waiting) {
                return next;
            }
            (state, waited) = wait_for(&self.results, state, most);
        }
    }

    fn take(&self, state: &mut State<B, R>) -> Next<R> {
        if state.given_up == Some(GivenUp::Failed) {
            return Next::Failed;
        }
        if let Some(result) = state.results.first_entry() {
            // Until all workers have metered the block, other parts may have results of an earlier frame.
            if result.key().0 >= state.first {
                return Next::Waiting;
            }
            let result = result.remove();
            self.wake(state);
            return Next::Result(result);
        }
        if !state.ended || state.reading || state.first < state.read {
            return Next::Waiting;
        }
        while let Some((results, is_over)) = state.last.get_mut(state.part) {
            if let Some(result) = results.pop_front() {
                self.wake(state);
                return Next::Result(result);
            }
            if !*is_over {
                return Next::Waiting;
            }
            state.part += 1;
        }
        if state.workers == 0 { Next::End } else { Next::Waiting }
    }
}
