//! From bytes to frames: opens a capture file or stream of any readable format and hands out its packets
//! one by one, as they lie in the read buffer.
//!
//! Lengths in a file are never trusted, memory is bounded whatever the file says, and an error comes only
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
    /// What the data begin with: a `LINKTYPE_` number of the tcpdump registry.
    pub link_type: u16,
    /// When it was captured, in nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// Length on the wire; `data` can be shorter.
    pub wire_bytes: u32,
    /// Number of the interface that captured it, from 1; 0 where the file has only one.
    pub interface: u8,
    /// What was captured of it.
    pub data: &'a [u8],
}

/// A capture file or stream that is being read.
pub struct Capture {
    input: Input,
    format: Format,
    finished: bool,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// Frames that lie side by side in the read buffer.
pub struct Frames<'a> {
    /// The buffer of the frames before them, if they are in another one and the capture is
    /// [read in blocks](Capture::read_blocks).
    pub left: Option<Buffer>,
    format: &'a mut Format,
    bytes: &'a [u8],
    taken: &'a mut usize,
}

impl<'a> Frames<'a> {
    /// The bytes that the frames are in, and where in the read buffer these begin.
    #[must_use]
    pub fn bytes(&self) -> (&'a [u8], usize) {
        (self.bytes, *self.taken)
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
        *self.taken += length;
        Some(frame)
    }
}

impl Capture {
    /// Reads the file header. Recognises compression (gzip, zstd, lz4) and format (pcap, pcapng) by content.
    ///
    /// # Errors
    /// Where the source is empty, no capture, or none that can be read; see [`CaptureErrorKind`].
    pub fn open(source: Box<dyn Read + Send>) -> Result<Self, CaptureError> {
        let mut input = compression::unpack(Input::new(source))?;
        let format = Format::recognise(&mut input)?;
        Ok(Self { input, format, finished: false })
    }

    /// From now on it is read in blocks of so many bytes, and [`Frames::left`] has the read buffer that was left for
    /// them.
    #[must_use]
    pub fn read_blocks(mut self, block_bytes: usize) -> Self {
        self.input.read_blocks(block_bytes);
        self
    }

    /// The buffer in which the last frames were: the capture is over.
    pub fn take_last_buffer(&mut self) -> Buffer {
        self.input.take_last()
    }

    /// The next packet; `None` at the end of the file.
    ///
    /// # Errors
    /// Where the file cannot be read on. Everything before was delivered, and every later call gives `None`.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        Ok(self.next_frames()?.and_then(|mut frames| frames.next()))
    }

    /// The next packet and those behind it that are at hand, without waiting for more; `None` at the end of the
    /// file. Packets that aren't taken from the iterator come again.
    ///
    /// # Errors
    /// As those of [`next_frame`](Self::next_frame).
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
            let (bytes, taken) = self.input.at_hand();
            Frames { left, format: &mut self.format, bytes, taken }
        }))
    }

    /// `pcap` or `pcapng`.
    #[must_use]
    pub fn format(&self) -> &'static str {
        match self.format {
            Format::Pcap(_) => "pcap",
            Format::Pcapng(_) => "pcapng",
        }
    }

    /// `gzip`, `zstd` or `lz4`, if the source is packed.
    #[must_use]
    pub fn compression(&self) -> Option<&'static str> {
        self.input.compression()
    }

    /// Bytes read of the source, packed as they are: compare with the file's size for a progress bar.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.input.source_bytes()
    }

    /// Packets that the capturing system says it lost: of each pcapng interface the last statistics read so
    /// far, `isb_ifdrop` + `isb_osdrop`, summed.
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
                None => "the file is empty (0 bytes); is the capture still to be written?".to_owned(),
                Some(packed) => format!("there is nothing inside the {packed} data"),
            };
            return Err(CaptureError::new(CaptureErrorKind::Empty, 0, message));
        }
        if is_cut_magic(start) {
            return Err(input.shortfall(0, 24, "the file header"));
        }
        let foreign = foreign::not_a_capture(start);
        // What could be read may be too little to recognise: then the failure is the better answer.
        input.clean_end("the file header").and(Err(foreign))
    }
}

/// Too short to be recognised, but so far like a capture?
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
