//! Any bytes as a capture file.

use std::io::{self, Cursor, Read};

use meter::capture::{Capture, CaptureError};

/// RFC 8878 §3.1.1.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// All that a source gives: frames, and what ended them.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    frames: u64,
    captured_bytes: u64,
    digest: u64,
    dropped: u64,
    error: Option<CaptureError>,
}

/// A stream that hands out a few bytes at a time.
struct Dribble<R>(R, usize);

impl<R: Read> Read for Dribble<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(self.1);
        self.0.read(&mut into[..count])
    }
}

pub fn check(input: &[u8]) {
    let whole = read(Cursor::new(input.to_vec()), false, input.len());
    // The same bytes must give the same frames however they arrive. Of a damaged zstd block more can be had
    // where it comes in parts.
    if whole.error.is_some() && input.windows(ZSTD.len()).any(|bytes| bytes == ZSTD) {
        return;
    }
    // Not every time: it costs.
    match input.last().copied().unwrap_or(0) % 16 {
        at_a_time @ 1..=3 => {
            let dribbling = Dribble(Cursor::new(input.to_vec()), at_a_time.into());
            assert_eq!(read(dribbling, false, input.len()), whole);
        }
        4 => assert_eq!(read(Cursor::new(input.to_vec()), true, input.len()), whole),
        _ => {}
    }
}

fn read(source: impl Read + Send + 'static, in_blocks: bool, bytes: usize) -> Told {
    let mut told = Told { frames: 0, captured_bytes: 0, digest: 0, dropped: 0, error: None };
    let opened = Capture::open(Box::new(source));
    let mut capture = match opened.map(|capture| if in_blocks { capture.read_blocks(4096) } else { capture })
    {
        Ok(capture) => capture,
        Err(error) => {
            assert!(!error.message.is_empty());
            told.error = Some(error);
            return told;
        }
    };
    loop {
        match capture.next_frame() {
            Ok(Some(frame)) => {
                told.frames += 1;
                told.captured_bytes += frame.data.len() as u64;
                let mut note = |number: u64| {
                    told.digest = (told.digest ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
                };
                note(frame.link_type.into());
                note(u64::from_ne_bytes(frame.time_ns.to_ne_bytes()));
                note(frame.wire_bytes.into());
                frame.data.iter().for_each(|byte| note(u64::from(*byte)));
            }
            Ok(None) => break,
            Err(error) => {
                told.error = Some(error);
                break;
            }
        }
    }
    assert_eq!(capture.next_frame(), Ok(None), "an end is an end");
    assert!(capture.bytes_read() <= bytes as u64);
    if capture.compression().is_none() {
        assert!(told.captured_bytes <= bytes as u64, "more captured than there is");
    }
    told.dropped = capture.dropped();
    told
}
