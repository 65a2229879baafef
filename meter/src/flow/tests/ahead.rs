//! Decoding ahead makes no difference to what a meter says.

use std::io::{Cursor, Read};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use proptest::prelude::*;

use super::packets::{IDLE, finished, options, signatures, tcp, udp};
use super::stories::{ANY, captures, running_back};
use crate::capture::{Capture, CaptureError};
use crate::flow::{Ahead, Meter, Step};

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

fn meter() -> Meter {
    Meter::new(options(IDLE), signatures())
}

/// What is told of a capture: rows, counts and the end.
fn told(mut meter: Meter, end: Result<(), CaptureError>) -> impl PartialEq + std::fmt::Debug {
    let rows = finished(&mut meter);
    let unmetered: Vec<_> = meter.unmetered().collect();
    (rows, meter.packets(), meter.wire_bytes(), meter.span_ns(), meter.duplicates(), unmetered, end)
}

fn directly(bytes: &[u8]) -> impl PartialEq + std::fmt::Debug + use<> {
    let (mut capture, mut meter) = (open(bytes), meter());
    let end = loop {
        match capture.next_frames() {
            Ok(Some(frames)) => meter.frames(frames),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    told(meter, end)
}

fn ahead(bytes: &[u8]) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut meter = meter();
    let capture = open(bytes).read_ahead().expect("a thread");
    let ahead = Ahead::start(capture, &meter).expect("a thread");
    loop {
        let Step { batch, end, .. } = ahead.next();
        meter.batch(&batch);
        ahead.give_back(batch);
        if let Some(end) = end {
            return told(meter, end);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn it_makes_no_difference(packets in captures(ANY, running_back()), large in 0_u16..60_000, cut in 0_usize..40) {
        let first_ns = packets.iter().map(|packet| packet.time_ns).min().unwrap_or(0);
        let mut frames: Vec<(u64, Vec<u8>)> =
            packets.iter().map(|packet| (packet.time_ns.abs_diff(first_ns), packet.ip())).collect();
        // Some that are larger than the room in front of a block, some that are no packet; more than one block.
        for place in 0..frames.len().min(8) {
            let time_ns = frames[2 * place].0;
            frames.insert(2 * place, (time_ns, tcp(0, "a1024>b", "PA", 1, 1, large).ip()));
            frames.insert(2 * place, (time_ns, vec![0x75; usize::from(large) % 100]));
        }
        let mut bytes = file(&frames);
        bytes.truncate(bytes.len().saturating_sub(cut).max(24));
        prop_assert_eq!(format!("{:?}", ahead(&bytes)), format!("{:?}", directly(&bytes)));
    }
}

/// Endless packets; tells when nobody reads them any more.
struct Endless {
    record: Cursor<Vec<u8>>,
    over: Sender<()>,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.record.read(into)? {
            0 => {
                self.record.set_position(24);
                self.record.read(into)
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

#[test]
fn threads_end_with_their_reader() {
    let (over, ended) = channel();
    let record = Cursor::new(file(&[(1, udp(1, "a1024>b").ip())]));
    let capture = Capture::open(Box::new(Endless { record, over })).expect("a pcap header");
    let mut meter = meter();
    let ahead = Ahead::start(capture.read_ahead().expect("a thread"), &meter).expect("a thread");
    for _ in 0..20 {
        let step = ahead.next();
        assert!(step.end.is_none());
        meter.batch(&step.batch);
        ahead.give_back(step.batch);
    }
    assert_eq!(finished(&mut meter).len(), 1);
    drop(ahead);
    ended.recv_timeout(Duration::from_secs(60)).expect("the source is let go");
}
