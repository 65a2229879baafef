//! Results don't depend on the number of threads, and no thread is left behind.

use std::io::{self, Cursor, Read};
use std::num::NonZero;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use proptest::prelude::*;

use super::handover::{Handover, Next, Turn};
use super::{Cores, Sharing, Step};
use crate::capture::{Capture, CaptureError, CaptureErrorKind};
use crate::flow::tests::packets::{IDLE, Sent, options, signatures, tcp, udp};
use crate::flow::tests::stories::{ANY, captures, running_back};
use crate::flow::{Counts, Meter, Options, PARTS, Totals, stitch};
use crate::table::rows_of;

/// A pcap file of raw IP with nanoseconds.
fn file(packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let header: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 0x4_0000, 101];
    let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (time_ns, data) in packets {
        let length = data.len() as u32;
        let (seconds, fraction) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
        let record = [seconds as u32, fraction as u32, length, length];
        bytes.extend(record.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(data);
    }
    bytes
}

fn open(bytes: &[u8]) -> Capture {
    Capture::open(Box::new(Cursor::new(bytes.to_vec()))).expect("a pcap header")
}

/// Everything returned for a capture.
#[derive(Debug, PartialEq)]
struct Outcome {
    batches: Vec<RecordBatch>,
    totals: (u64, u64, Option<(i64, i64)>),
    counts: Counts,
    end: Result<(), CaptureError>,
}

fn summed(totals: &Totals) -> (u64, u64, Option<(i64, i64)>) {
    (totals.packets, totals.wire_bytes, totals.span_ns)
}

fn directly(mut capture: Capture, options: Options, batch_rows: usize) -> Outcome {
    let mut meter = Meter::by_part(options, signatures(), batch_rows);
    let end = loop {
        match capture.next_frames() {
            Ok(Some(frames)) => meter.frames(frames),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let batches = std::iter::from_fn(|| meter.next_batch(true)).collect();
    Outcome { batches, totals: summed(meter.totals()), counts: meter.counts(), end }
}

fn start(capture: Capture, options: Options, sharing: Sharing) -> Cores {
    Cores::start(capture, options, signatures(), sharing).expect("threads")
}

fn on_threads(capture: Capture, options: Options, sharing: Sharing) -> Outcome {
    let cores = start(capture, options, sharing);
    let mut batches = Vec::new();
    loop {
        match cores.next() {
            Step::Batch(batch) => batches.push(batch),
            Step::Waiting => {}
            Step::End(end) => {
                return Outcome {
                    batches,
                    totals: summed(&cores.progress().totals),
                    counts: cores.counts(),
                    end,
                };
            }
        }
    }
}

fn sharing(threads: usize, block_bytes: usize, batch_rows: usize) -> Sharing {
    Sharing { threads: NonZero::new(threads).expect("some"), block_bytes, batch_rows }
}

/// Returns an IPv4 datagram of 40 bytes in two fragments, the second first.
fn fragments(id: u16) -> [Vec<u8>; 2] {
    let fragment = |offset: u16, body: &[u8]| {
        let total = 20 + body.len() as u16;
        let [id_high, id_low] = id.to_be_bytes();
        let [high, low] = total.to_be_bytes();
        let [flags, offset] = offset.to_be_bytes();
        [
            &[
                0x45, 0, high, low, id_high, id_low, flags, offset, 64, 17, 0, 0, 10, 0, 0, b'a', 10, 0, 0,
                b'b',
            ],
            body,
        ]
        .concat()
    };
    [fragment(3, &[0; 16]), fragment(0x2000, &[[4, 0, 0, 80, 0, 40, 0, 0], [0; 8], [0; 8]].concat())]
}

/// Returns an ICMP error about a packet.
fn unreachable(packet: &Sent) -> Vec<u8> {
    let quoted = packet.ip();
    let quoted = &quoted[..quoted.len().min(28)];
    let total = 28 + quoted.len() as u8;
    let ip = [0x45, 0, 0, total, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, b'z', 10, 0, 0, b'a'];
    [&ip[..], &[3, 3, 0, 0, 0, 0, 0, 0], quoted].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_number_of_threads_makes_no_difference(
        packets in captures(ANY, running_back()),
        (large, cut) in (0_u16..60_000, 0_usize..40),
        most_flows in prop_oneof![Just(1_usize), Just(2 * PARTS), Just(1 << 20)],
        batch_rows in prop_oneof![Just(1_usize), Just(20), Just(1 << 15)],
        dedup: bool,
    ) {
        let first_ns = packets.iter().map(|packet| packet.time_ns).min().unwrap_or(0);
        let mut frames: Vec<(u64, Vec<u8>)> = Vec::new();
        for (place, packet) in packets.iter().enumerate() {
            let time_ns = packet.time_ns.abs_diff(first_ns);
            frames.push((time_ns, packet.ip()));
            // Input that depends on the order of the capture, and frames larger than the room in front of a block.
            match place % 16 {
                2 => frames.push((time_ns, unreachable(packet))),
                5 => frames.push((time_ns, fragments(place as u16 / 32)[place / 16 % 2].clone())),
                9 if place < 64 => frames.push((time_ns, tcp(0, "a1024>b", "PA", 1, 1, large).ip())),
                12 => frames.push((time_ns, vec![0x75; usize::from(large) % 100])),
                13 => frames.push((time_ns, udp(0, &format!("a{}>b", 1 + place % 300)).ip())),
                _ => {}
            }
        }
        let mut bytes = file(&frames);
        bytes.truncate(bytes.len().saturating_sub(cut).max(24));
        let options = Options { most_flows, dedup, ..options(IDLE) };
        let expected = directly(open(&bytes), options, batch_rows);
        for (threads, block_bytes) in [(1, 4096), (2, 4096), (3, 256 * 1024), (7, 4096), (40, 500)] {
            let found = on_threads(open(&bytes), options, sharing(threads, block_bytes, batch_rows));
            prop_assert_eq!(&found, &expected, "{} threads, blocks of {} bytes", threads, block_bytes);
        }
    }
}

/// An endless stream of packets; reports when it is no longer read.
struct Endless {
    file: Cursor<Vec<u8>>,
    over: Sender<()>,
}

impl Endless {
    fn capture(over: Sender<()>) -> Capture {
        let packets: Vec<(u64, Vec<u8>)> =
            (1..3000).map(|port| (1, udp(1, &format!("a{port}>b")).ip())).collect();
        Capture::open(Box::new(Self { file: Cursor::new(file(&packets)), over })).expect("a pcap header")
    }
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.file.read(into)? {
            0 => {
                self.file.set_position(24);
                self.file.read(into)
            }
            bytes => Ok(bytes),
        }
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.over.send(());
    }
}

const SOON: Duration = Duration::from_secs(60);

#[test]
fn threads_end_when_nobody_wants_their_results() {
    // With a small cap there are always results, and the threads wait for the consumer.
    for most_flows in [1, 1 << 20] {
        for taken in [0, 1, 8] {
            let (over, ended) = channel();
            let options = Options { most_flows, ..options(IDLE) };
            let cores = start(Endless::capture(over), options, sharing(3, 4096, 16));
            (0..taken).for_each(|_| assert!(!matches!(cores.next(), Step::End(_))));
            drop(cores);
            ended.recv_timeout(SOON).expect("the source is let go");
        }
    }
}

#[test]
fn a_slow_consumer_is_waited_for() {
    let (over, ended) = channel();
    let cores =
        start(Endless::capture(over), Options { most_flows: 1, ..options(IDLE) }, sharing(2, 4096, 16));
    // On a busy machine it takes a while until the threads have read all they may.
    let patience = Instant::now() + SOON;
    let mut before = 0;
    loop {
        thread::sleep(Duration::from_millis(500));
        let read = cores.progress().totals.packets;
        if read > 0 && read == before {
            break;
        }
        assert!(Instant::now() < patience, "memory is bounded");
        before = read;
    }
    assert!(ended.try_recv().is_err());
}

#[test]
fn packets_read_until_a_stop_are_metered() {
    let (over, _ended) = channel();
    let cores = start(Endless::capture(over), options(IDLE), sharing(3, 4096, 100));
    while cores.progress().totals.packets < 10_000 {
        let _ = cores.next();
    }
    cores.stop();
    let mut rows = Vec::new();
    loop {
        match cores.next() {
            Step::Batch(batch) => rows.extend(rows_of(&batch).expect("its own columns")),
            Step::Waiting => {}
            Step::End(end) => break assert_eq!(end, Ok(())),
        }
    }
    let packets: u64 = rows.iter().map(|row| row.packets_ab + row.packets_ba).sum();
    assert_eq!(packets, cores.progress().totals.packets);
}

/// Fails, by an error or a panic, once the file has been read.
struct Failing {
    file: Cursor<Vec<u8>>,
    panics: bool,
}

impl Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.file.read(into)? {
            0 if self.panics => panic!("a reader that panics"),
            0 => Err(io::Error::other("the disk has gone")),
            bytes => Ok(bytes),
        }
    }
}

fn failing(panics: bool) -> Capture {
    let packets: Vec<(u64, Vec<u8>)> =
        (1..3000).map(|port| (1, udp(1, &format!("a{port}>b")).ip())).collect();
    Capture::open(Box::new(Failing { file: Cursor::new(file(&packets)), panics })).expect("a pcap header")
}

#[test]
fn packets_read_before_a_failure_are_metered() {
    let found = on_threads(failing(false), options(IDLE), sharing(3, 4096, 100));
    assert_eq!(found, directly(failing(false), options(IDLE), 100));
    let error = found.end.expect_err("the disk has gone");
    assert!(error.kind == CaptureErrorKind::Io && error.message.contains("the disk has gone"), "{error:?}");
    assert_eq!(found.batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2999);
}

#[test]
fn a_thread_that_panics_is_an_error_and_no_deadlock() {
    let found = on_threads(failing(true), options(IDLE), sharing(3, 4096, 100));
    let error = found.end.expect_err("a thread has failed");
    assert!(error.kind == CaptureErrorKind::Io && error.message.contains("has failed"), "{error:?}");
}

/// Yields to other threads first, for a time derived from a seed.
struct Delays(u64);

impl Delays {
    fn wait(&mut self) {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        match self.0 >> 60 {
            0..=7 => {}
            8..=14 => thread::yield_now(),
            _ => thread::sleep(Duration::from_micros(self.0 >> 40 & 0x3f)),
        }
    }
}

/// Runs a worker without packets: it hands over block numbers.
fn hand_over(handover: &Handover<u64, (u64, usize)>, worker: usize, blocks: u64, mut delays: Delays) {
    loop {
        delays.wait();
        match handover.turn(worker) {
            Turn::Meter(block) => {
                let number = *block;
                delays.wait();
                handover.metered(worker, block, [(worker as u32, (number, worker))]);
            }
            Turn::Read => {
                delays.wait();
                let number = handover.read(false);
                if number + 1 >= blocks {
                    handover.stop();
                }
                delays.wait();
                handover.decoded(number, number, |_| delays.wait());
            }
            Turn::Finish => break,
            Turn::Quit => return,
        }
    }
    for _ in 0..5 {
        delays.wait();
        assert!(handover.last(worker, (u64::MAX, worker)));
    }
    handover.part_ended(worker);
    handover.worker_ended();
}

#[test]
fn results_come_in_one_order_whatever_the_delays() {
    const WORKERS: usize = 3;
    let runs = std::env::var("DELAYED_RUNS").map_or(200, |runs| runs.parse().expect("a number"));
    for seed in 0..runs {
        let handover = Handover::new(WORKERS, WORKERS, 4);
        let mut delays = Delays(seed);
        let results = thread::scope(|scope| {
            for worker in 0..WORKERS {
                let delays = Delays(seed << 8 | worker as u64);
                let handover = &handover;
                scope.spawn(move || hand_over(handover, worker, 20, delays));
            }
            let mut results = Vec::new();
            loop {
                delays.wait();
                match handover.next(SOON) {
                    Next::Result(result) => results.push(result),
                    Next::End => break results,
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
        });
        let blocks = results.iter().filter(|(block, _)| *block < u64::MAX).count() / WORKERS;
        let expected = (0..blocks as u64).flat_map(|block| (0..WORKERS).map(move |worker| (block, worker)));
        let last = (0..WORKERS).flat_map(|worker| [(u64::MAX, worker); 5]);
        assert!(blocks >= 20 && results.into_iter().eq(expected.chain(last)), "seed {seed}");
    }
}

#[test]
fn parts_are_about_equal_and_all_used() {
    let packets: Vec<Sent> = (0..16_000).map(|number| udp(0, &format!("a{}>b{}", 1 + number, 80))).collect();
    let mut sizes = [0; PARTS];
    for packet in &packets {
        sizes[packet.part()] += 1;
    }
    assert!(sizes.iter().all(|size| (700..1300).contains(size)), "{sizes:?}");
}

#[test]
fn filling_one_part_ends_flows_early_and_loses_nothing() {
    // A thousand flows of one part, under a cap that leaves room for a hundred of them.
    let in_part = |port: &u16| udp(0, &format!("a{port}>b")).part() == 3;
    let ports: Vec<u16> = (1..40_000).filter(in_part).take(1000).collect();
    let frame = |time_ns: u64, port: &u16| (time_ns, udp(0, &format!("a{port}>b")).ip());
    let frames: Vec<(u64, Vec<u8>)> =
        (1..4).flat_map(|time_ns| ports.iter().map(move |port| frame(time_ns, port))).collect();
    let options = Options { most_flows: 1600, ..options(IDLE) };
    let found = on_threads(open(&file(&frames)), options, sharing(2, 4096, 64));
    assert!(found.counts.evicted > 1000, "{}", found.counts.evicted);
    let rows: Vec<_> =
        found.batches.iter().flat_map(|batch| rows_of(batch).expect("its own columns")).collect();
    let joined = stitch(rows, &IDLE, true).0;
    assert_eq!(joined.len(), 1000);
    assert!(joined.iter().all(|row| row.packets_ab == 3));
}
