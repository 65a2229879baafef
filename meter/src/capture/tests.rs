//! Captures built byte for byte, and the frames read from them.

mod compression;
mod errors;
mod make;
mod pcap;
mod pcapng;
mod properties;

use std::io::{self, Cursor, ErrorKind, Read};

use super::bytes::ByteOrder;
use super::{Capture, CaptureError, Frame};

/// An owned frame.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Packet {
    link_type: u16,
    time_ns: i64,
    wire_bytes: u32,
    data: Vec<u8>,
}

/// Result of reading a capture to its end.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    packets: Vec<Packet>,
    dropped: u64,
    error: Option<CaptureError>,
}

impl Outcome {
    fn clean(self) -> Vec<Packet> {
        assert_eq!(self.error, None);
        self.packets
    }
}

fn open(bytes: &[u8]) -> Result<Capture, CaptureError> {
    Capture::open(Box::new(Cursor::new(bytes.to_vec())))
}

/// Reads directly and in blocks, and asserts equal results.
fn read(bytes: &[u8]) -> Outcome {
    let outcome = read_from(Cursor::new(bytes.to_vec()));
    for block_bytes in [256 * 1024, 4096] {
        let in_blocks = open(bytes).map(|capture| capture.read_blocks(block_bytes));
        assert_eq!(read_all(in_blocks), outcome);
    }
    outcome
}

fn read_from(source: impl Read + Send + 'static) -> Outcome {
    read_all(Capture::open(Box::new(source)))
}

fn read_all(capture: Result<Capture, CaptureError>) -> Outcome {
    let mut packets = Vec::new();
    let mut capture = match capture {
        Ok(capture) => capture,
        Err(error) => {
            return Outcome { packets, dropped: 0, error: Some(error) };
        }
    };
    let packet = |frame: Frame<'_>| Packet {
        link_type: frame.link_type,
        time_ns: frame.time_ns,
        wire_bytes: frame.wire_bytes,
        data: frame.data.to_vec(),
    };
    let error = loop {
        match capture.next_frames() {
            // Frames not consumed are returned again.
            Ok(Some(frames)) => packets.extend(frames.take(3).map(packet)),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(capture.next_frame(), Ok(None), "no frame after the end or an error");
    Outcome { packets, dropped: capture.dropped(), error }
}

/// Returns few bytes at a time, is interrupted in between, and may fail at the end.
struct Trickle {
    bytes: Cursor<Vec<u8>>,
    at_once: usize,
    interrupted: bool,
    failure: Option<ErrorKind>,
}

impl Trickle {
    fn new(bytes: &[u8], at_once: usize) -> Self {
        Self { bytes: Cursor::new(bytes.to_vec()), at_once, interrupted: false, failure: None }
    }

    fn failing(bytes: &[u8]) -> Self {
        Self { failure: Some(ErrorKind::PermissionDenied), ..Self::new(bytes, 1000) }
    }
}

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(ErrorKind::Interrupted.into());
        }
        let room = into.len().min(self.at_once);
        match self.bytes.read(&mut into[..room])? {
            0 => self.failure.map_or(Ok(0), |kind| Err(kind.into())),
            count => Ok(count),
        }
    }
}

#[test]
fn packets_across_blocks_and_larger_than_the_headroom() {
    let data: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let mut file = make::Pcap::micro(ByteOrder::Little);
    for length in (0..60).map(|i| [60, 1500, 9000, 40_000, 200_000][i % 5]) {
        file = file.packet(length as u32, 0, length as u32, &data[..length]);
    }
    let packets = read(&file.bytes).clean();
    assert_eq!(packets.len(), 60);
    assert!(packets.iter().all(|packet| packet.data == data[..packet.data.len()]));
}

#[test]
fn many_large_packets() {
    let data = vec![7; 65_000];
    let mut file = make::Pcap::micro(ByteOrder::Little);
    for _ in 0..200 {
        file = file.packet(65_000, 0, 65_000, &data);
    }
    assert_eq!(read(&file.bytes).clean().len(), 200);
}
