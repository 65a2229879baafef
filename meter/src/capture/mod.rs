//! From bytes to frames: opens a capture file or stream of any supported format and returns its packets one by one,
//! in place in the read buffer.
//!
//! Lengths in a file are never trusted, memory is bounded whatever the file contains, and an error is returned only
//! after everything before it was delivered.

mod blocks;
mod bytes;
mod compression;
mod error;
mod foreign;
mod input;
mod limits;
mod pcap;
mod pcapng;
#[cfg(test)]
mod tests;

use std::io::Read;

pub use self::blocks::Buffer;
pub use self::error::{CaptureError, CaptureErrorKind, Remedy};
use self::input::Input;
use self::pcap::Pcap;
use self::pcapng::Pcapng;

/// One captured frame, borrowed from the read buffer until the next call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Link type of the data: a `LINKTYPE_` number of the tcpdump registry.
    pub link_type: u16,
    /// Capture time, in nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// Length on the wire; `data` may be shorter.
    pub wire_bytes: u32,
    /// Number of the capturing interface, from 1; 0 if the file has only one.
    pub interface: u8,
    /// The captured bytes.
    pub data: &'a [u8],
}

/// An open capture file or stream.
pub struct Capture {
    input: Input,
    format: Format,
    finished: bool,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// Iterator over adjacent frames in the read buffer.
pub struct Frames<'a> {
    /// The buffer of the frames before these, if it is another one and the capture is
    /// [read in blocks](Capture::read_blocks).
    pub left: Option<Buffer>,
    format: &'a mut Format,
    bytes: &'a [u8],
    consumed: &'a mut usize,
}

impl<'a> Frames<'a> {
    /// Returns the bytes of the frames and their offset in the read buffer.
    #[must_use]
    pub fn bytes(&self) -> (&'a [u8], usize) {
        (self.bytes, *self.consumed)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        let (frame, length) = match &mut *self.format {
            Format::Pcap(pcap) => pcap.frame(self.bytes),
            Format::Pcapng(pcapng) => pcapng.frame(self.bytes),
        }?;
        self.bytes = &self.bytes[length..];
        *self.consumed += length;
        Some(frame)
    }
}

impl Capture {
    /// Opens a capture and reads its header. Compression (gzip, zstd, lz4) and format (pcap, pcapng) are recognised by
    /// content.
    ///
    /// # Errors
    /// The source is empty, not a capture, or unsupported; see [`CaptureErrorKind`].
    pub fn open(source: Box<dyn Read + Send>) -> Result<Self, CaptureError> {
        let mut input = compression::decompress(Input::new(source))?;
        let format = Format::recognise(&mut input)?;
        Ok(Self { input, format, finished: false })
    }

    /// Reads in blocks of `block_bytes`, and returns each previous read buffer in [`Frames::left`].
    #[must_use]
    pub fn read_blocks(mut self, block_bytes: usize) -> Self {
        self.input.read_blocks(block_bytes);
        self
    }

    /// Returns the buffer of the last frames, at the end of the capture.
    pub fn take_last_buffer(&mut self) -> Buffer {
        self.input.take_last()
    }

    /// Returns the next packet; `None` at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read further. Everything before was delivered, and every later call returns `None`.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        Ok(self.next_frames()?.and_then(|mut frames| frames.next()))
    }

    /// Returns the next packet and those already buffered after it; `None` at the end of the file. Packets not consumed
    /// from the iterator are returned again.
    ///
    /// # Errors
    /// The same as for [`next_frame`](Self::next_frame).
    pub fn next_frames(&mut self) -> Result<Option<Frames<'_>>, CaptureError> {
        if self.finished {
            return Ok(None);
        }
        let fetched = match &mut self.format {
            Format::Pcap(pcap) => pcap.fetch(&mut self.input),
            Format::Pcapng(pcapng) => pcapng.fetch(&mut self.input),
        };
        self.finished = !matches!(fetched, Ok(true));
        Ok(fetched?.then(|| {
            let left = self.input.take_left();
            let (bytes, consumed) = self.input.buffered();
            Frames { left, format: &mut self.format, bytes, consumed }
        }))
    }

    /// Returns `pcap` or `pcapng`.
    #[must_use]
    pub fn format(&self) -> &'static str {
        match self.format {
            Format::Pcap(_) => "pcap",
            Format::Pcapng(_) => "pcapng",
        }
    }

    /// Returns `gzip`, `zstd` or `lz4`, if the source is compressed.
    #[must_use]
    pub fn compression(&self) -> Option<&'static str> {
        self.input.compression()
    }

    /// Returns the (compressed) bytes read from the source, to compare with the file size for a progress bar.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.input.source_bytes()
    }

    /// Returns the packets reported as dropped by the capturing system: `isb_ifdrop` + `isb_osdrop` of each pcapng
    /// interface's latest statistics, summed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(pcapng) => pcapng.dropped(),
        }
    }
}

impl Format {
    fn recognise(input: &mut Input) -> Result<Self, CaptureError> {
        if let Some((order, magic)) = Pcap::magic(input.fill(4)) {
            return Pcap::open(input, order, magic).map(Self::Pcap);
        }
        if Pcapng::magic(input.fill(Pcapng::MAGIC_BYTES)).is_some() {
            return Pcapng::open(input).map(Self::Pcapng);
        }
        let start = input.fill(foreign::START_BYTES);
        if start.is_empty() {
            input.clean_end("its first byte")?;
            let message = match input.compression() {
                None => "the file is empty (0 bytes); has the capture been written yet?".to_owned(),
                Some(compression) => format!("the {compression} data are empty"),
            };
            return Err(CaptureError::new(CaptureErrorKind::Empty, 0, message));
        }
        if is_cut_magic(start) {
            return Err(input.shortfall(0, 24, "the file header"));
        }
        let foreign = foreign::not_a_capture(start);
        // After a read failure the format may be unrecognisable, so the failure takes precedence.
        input.clean_end("the file header").and(Err(foreign))
    }
}

/// Returns whether these bytes are the start of a capture's magic number.
fn is_cut_magic(start: &[u8]) -> bool {
    const STARTS: [&[u8]; 5] = [
        &[0xa1, 0xb2],
        &[0xd4, 0xc3, 0xb2, 0xa1],
        &[0x4d, 0x3c, 0xb2, 0xa1],
        &[0x34, 0xcd, 0xb2, 0xa1],
        &[0x0a, 0x0d, 0x0d, 0x0a],
    ];
    start.len() < Pcapng::MAGIC_BYTES
        && STARTS.iter().any(|magic| magic.starts_with(start) || start.starts_with(magic))
}
