//! Arbitrary bytes as a capture file.

use std::io::{self, Cursor, Read};

use meter::capture::{Capture, CaptureError};

/// Magic number of zstd frames. RFC 8878 §3.1.1.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Result of reading a source: frames, and the error at the end.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    frames: u64,
    captured_bytes: u64,
    digest: u64,
    dropped: u64,
    error: Option<CaptureError>,
}

/// A stream that returns a few bytes at a time.
struct ShortReads<R>(R, usize);

impl<R: Read> Read for ShortReads<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(self.1);
        self.0.read(&mut into[..count])
    }
}

pub fn check(input: &[u8]) {
    let whole = read(Cursor::new(input.to_vec()), false, input.len());
    // The same bytes must give the same frames however they arrive; except that more of a damaged zstd block is
    // decoded where it arrives in parts.
    if whole.error.is_some() && input.windows(ZSTD.len()).any(|bytes| bytes == ZSTD) {
        return;
    }
    // Not for every input, to save time.
    match input.last().copied().unwrap_or(0) % 16 {
        at_once @ 1..=3 => {
            let short_reads = ShortReads(Cursor::new(input.to_vec()), at_once.into());
            assert_eq!(read(short_reads, false, input.len()), whole);
        }
        4 => assert_eq!(read(Cursor::new(input.to_vec()), true, input.len()), whole),
        _ => {}
    }
}

fn read(source: impl Read + Send + 'static, in_blocks: bool, bytes: usize) -> Outcome {
    let mut outcome = Outcome { frames: 0, captured_bytes: 0, digest: 0, dropped: 0, error: None };
    let opened = Capture::open(Box::new(source));
    let mut capture = match opened.map(|capture| if in_blocks { capture.read_blocks(4096) } else { capture })
    {
        Ok(capture) => capture,
        Err(error) => {
            assert!(!error.message.is_empty());
            outcome.error = Some(error);
            return outcome;
        }
    };
    loop {
        match capture.next_frame() {
            Ok(Some(frame)) => {
                outcome.frames += 1;
                outcome.captured_bytes += frame.data.len() as u64;
                let mut hash = |number: u64| {
                    outcome.digest = (outcome.digest ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
                };
                hash(frame.link_type.into());
                hash(u64::from_ne_bytes(frame.time_ns.to_ne_bytes()));
                hash(frame.wire_bytes.into());
                frame.data.iter().for_each(|byte| hash(u64::from(*byte)));
            }
            Ok(None) => break,
            Err(error) => {
                outcome.error = Some(error);
                break;
            }
        }
    }
    assert_eq!(capture.next_frame(), Ok(None), "no frame after the end");
    assert!(capture.bytes_read() <= bytes as u64);
    if capture.compression().is_none() {
        assert!(outcome.captured_bytes <= bytes as u64, "more bytes captured than in the file");
    }
    outcome.dropped = capture.dropped();
    outcome
}
