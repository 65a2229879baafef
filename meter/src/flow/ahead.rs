//! Decodes ahead in a thread of its own: finding out what is in a frame takes about as long as its flow does.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::Meter;
use super::pending::{Decoder, Pending, Totals};
use crate::capture::{Buffer, Capture, CaptureError, CaptureErrorKind, Frame, Frames};

/// Batches under way at a time.
const BATCHES: usize = 2;

/// Some bytes of a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    start: u32,
    length: u32,
}

impl Place {
    /// Of a part of `whole`, which begins at `start`.
    #[inline]
    fn of(part: &[u8], (whole, start): (&[u8], usize)) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let offset = part.as_ptr().addr() - whole.as_ptr().addr();
        Self { start: (start + offset) as u32, length: part.len() as u32 }
    }

    #[inline]
    fn within(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..][..self.length as usize]
    }
}

/// A frame of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decoded {
    /// A packet of a flow.
    Packet(Pending<Place>),
    /// Something else. There are few of them; the meter looks itself.
    Aside { link_type: u16, time_ns: i64, wire_bytes: u32, interface: u8, data: Place },
}

/// Decoded frames that lie in the same buffer.
#[derive(Debug, Default)]
pub struct Batch {
    buffer: Buffer,
    frames: Vec<Decoded>,
    totals: Totals,
}

impl Batch {
    fn take(&mut self, frames: Frames<'_>, decoder: &Decoder) {
        let bytes = frames.bytes();
        for frame in frames {
            self.totals.add(&frame);
            self.frames.push(match decoder.decode(&frame) {
                Ok(packet) => Decoded::Packet(packet.with(Place::of(packet.payload, bytes))),
                Err(_) => Decoded::Aside {
                    link_type: frame.link_type,
                    time_ns: frame.time_ns,
                    wire_bytes: frame.wire_bytes,
                    interface: frame.interface,
                    data: Place::of(frame.data, bytes),
                },
            });
        }
    }

    /// What the frames come to.
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The frames: packets, and what isn't one.
    #[inline]
    pub(super) fn frames(&self) -> impl Iterator<Item = Result<Pending<&[u8]>, Frame<'_>>> {
        self.frames.iter().map(|decoded| match *decoded {
            Decoded::Packet(packet) => Ok(packet.with(packet.payload.within(&self.buffer))),
            Decoded::Aside { link_type, time_ns, wire_bytes, interface, data } => {
                Err(Frame { link_type, time_ns, wire_bytes, interface, data: data.within(&self.buffer) })
            }
        })
    }
}

/// A batch, and how far the capture was read for it.
pub struct Step {
    /// What was decoded.
    pub batch: Batch,
    /// [`Capture::bytes_read`].
    pub bytes_read: u64,
    /// [`Capture::dropped`].
    pub dropped: u64,
    /// The capture ends here, as it should or not.
    pub end: Option<Result<(), CaptureError>>,
}

/// A capture that is decoded ahead. When it is dropped, the thread ends with its next batch.
pub struct Ahead {
    steps: Receiver<Step>,
    /// Used lists of frames, for the sake of their memory.
    spent: SyncSender<Vec<Decoded>>,
}

impl Ahead {
    /// Starts to decode what a meter will take. For captures that are [read ahead](Capture::read_ahead).
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(mut capture: Capture, meter: &Meter) -> io::Result<Self> {
        let (send, steps) = sync_channel(BATCHES);
        let (spent, lists) = sync_channel::<Vec<Decoded>>(BATCHES);
        let decoder = meter.decoder().clone();
        capture.keep_buffers();
        thread::Builder::new().name("decode-ahead".to_owned()).spawn(move || {
            let mut batch = Batch::default();
            let end = loop {
                let (bytes_read, dropped) = (capture.bytes_read(), capture.dropped());
                match capture.next_frames() {
                    Ok(Some(mut frames)) => {
                        if let Some(buffer) = frames.left.take() {
                            let frames = lists.try_recv().unwrap_or_default();
                            let full = std::mem::replace(&mut batch, Batch { frames, ..Batch::default() });
                            let step =
                                Step { batch: Batch { buffer, ..full }, bytes_read, dropped, end: None };
                            if send.send(step).is_err() {
                                return; // nobody wants more
                            }
                        }
                        batch.take(frames, &decoder);
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            let (bytes_read, dropped) = (capture.bytes_read(), capture.dropped());
            batch.buffer = capture.into_buffer();
            let _ = send.send(Step { batch, bytes_read, dropped, end: Some(end) });
        })?;
        Ok(Self { steps, spent })
    }

    /// The next batch; none comes after the end.
    #[must_use]
    pub fn next(&self) -> Step {
        self.steps.recv().unwrap_or_else(|_| Step {
            batch: Batch::default(),
            bytes_read: 0,
            dropped: 0,
            end: Some(Err(CaptureError::new(
                CaptureErrorKind::Io,
                0,
                "the decoding thread has ended".to_owned(),
            ))),
        })
    }

    /// Takes back a batch that was metered.
    pub fn give_back(&self, batch: Batch) {
        let mut frames = batch.frames;
        frames.clear();
        let _ = self.spent.try_send(frames); // there are enough, or the thread has ended
    }
}
