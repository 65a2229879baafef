//! The pcap format: a file header, then records. draft-ietf-opsawg-pcap, with libpcap's `sf-pcap.c` for the
//! variants that the draft leaves out.

use super::Frame;
use super::bytes::ByteOrder;
use super::error::{CaptureError, CaptureErrorKind};
use super::input::Input;
use super::limits::{maximum_captured, on_wire};

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Magic number of Alexey Kuznetzov's variant in old Linux distributions: longer record headers.
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;

/// File header, §4.
mod file {
    pub const MAJOR_VERSION: usize = 4;
    pub const MINOR_VERSION: usize = 6;
    pub const LINK_TYPE: usize = 20;
    pub const BYTES: usize = 24;
}

/// Packet record, §5.
mod record {
    pub const TIMESTAMP_SECONDS: usize = 0;
    pub const TIMESTAMP_FRACTION: usize = 4;
    pub const CAPTURED_LENGTH: usize = 8;
    pub const ORIGINAL_LENGTH: usize = 12;
    pub const BYTES: usize = 16;
    /// Record header bytes with interface, protocol and packet type after the lengths.
    pub const KUZNETZOV_BYTES: usize = 24;
}

/// Order of the two lengths, which may be swapped before version 2.4.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    /// The captured length is the smaller one.
    Either,
}

/// A pcap file after its header.
pub(super) struct Pcap {
    order: ByteOrder,
    nanoseconds_per_fraction: i64,
    record_bytes: usize,
    lengths: Lengths,
    link_type: u16,
    maximum_captured: u32,
    /// Packets delivered so far, for error messages.
    packets: u64,
}

impl Pcap {
    /// Returns byte order and magic number, if these bytes start a pcap file.
    pub fn magic(start: &[u8]) -> Option<(ByteOrder, u32)> {
        let start = start.first_chunk::<4>()?;
        [ByteOrder::Little, ByteOrder::Big]
            .map(|order| (order, order.u32(start, 0)))
            .into_iter()
            .find(|(_, magic)| matches!(*magic, MAGIC_MICROSECONDS | MAGIC_NANOSECONDS | MAGIC_KUZNETZOV))
    }

    /// Reads the file header, which `magic` has recognised.
    pub fn open(input: &mut Input, order: ByteOrder, magic: u32) -> Result<Self, CaptureError> {
        let header = input.fill(file::BYTES);
        if header.len() < file::BYTES {
            return Err(input.shortfall(0, file::BYTES as u64, "the pcap header"));
        }
        let major = order.u16(header, file::MAJOR_VERSION);
        let minor = order.u16(header, file::MINOR_VERSION);
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, _) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            (2, _) => Lengths::CapturedFirst,
            _ => {
                let message = format!(
                    "pcap version {major}.{minor} (supported: 2.x); \
                     convert with: editcap -F pcapng IN OUT"
                );
                return Err(CaptureError::new(CaptureErrorKind::Unsupported, 4, message));
            }
        };
        // The upper half of the field is the length of the frame check sequence.
        let link_type = order.u32(header, file::LINK_TYPE) as u16;
        input.next_bytes(file::BYTES);
        Ok(Self {
            order,
            nanoseconds_per_fraction: if magic == MAGIC_NANOSECONDS { 1 } else { 1000 },
            record_bytes: if magic == MAGIC_KUZNETZOV { record::KUZNETZOV_BYTES } else { record::BYTES },
            lengths,
            link_type,
            maximum_captured: maximum_captured(link_type),
            packets: 0,
        })
    }

    /// Buffers the next record; returns false at the end of the file.
    pub fn fetch(&mut self, input: &mut Input) -> Result<bool, CaptureError> {
        let header = input.fill(self.record_bytes);
        if header.len() < self.record_bytes {
            return self.end(input);
        }
        let (captured, _) = self.lengths(header);
        if captured > self.maximum_captured {
            return Err(self.too_long(input, captured));
        }
        let total = self.record_bytes + captured as usize;
        if input.fill(total).len() < total {
            return Err(self.cut(input, total));
        }
        Ok(true)
    }

    /// Returns the frame at the start of these bytes and the length of its record, if the record is complete.
    #[inline]
    pub fn frame<'i>(&mut self, bytes: &'i [u8]) -> Option<(Frame<'i>, usize)> {
        let (header, rest) = bytes.split_at_checked(self.record_bytes)?;
        let (captured, original) = self.lengths(header);
        let data = rest.get(..captured as usize).filter(|_| captured <= self.maximum_captured)?;
        let seconds = self.order.u32(header, record::TIMESTAMP_SECONDS) as i64;
        let fraction = self.order.u32(header, record::TIMESTAMP_FRACTION) as i64;
        self.packets += 1;
        let frame = Frame {
            interface: 0,
            link_type: self.link_type,
            // Both are below 2^32, so neither product nor sum can overflow.
            time_ns: seconds * 1_000_000_000 + fraction * self.nanoseconds_per_fraction,
            wire_bytes: on_wire(original, captured, self.maximum_captured),
            data,
        };
        Some((frame, self.record_bytes + data.len()))
    }

    /// Returns captured and original length.
    #[inline]
    fn lengths(&self, header: &[u8]) -> (u32, u32) {
        let captured = self.order.u32(header, record::CAPTURED_LENGTH);
        let original = self.order.u32(header, record::ORIGINAL_LENGTH);
        match self.lengths {
            Lengths::CapturedFirst => (captured, original),
            Lengths::OriginalFirst => (original, captured),
            Lengths::Either => (captured.min(original), captured.max(original)),
        }
    }

    #[cold]
    fn end(&self, input: &mut Input) -> Result<bool, CaptureError> {
        if !input.fill(1).is_empty() {
            return Err(self.cut(input, self.record_bytes));
        }
        input.clean_end(format_args!("packet {}", self.packets + 1))?;
        Ok(false)
    }

    #[cold]
    fn cut(&self, input: &mut Input, needs: usize) -> CaptureError {
        input.shortfall(input.offset(), needs as u64, format_args!("packet {}", self.packets + 1))
    }

    #[cold]
    fn too_long(&self, input: &Input, captured: u32) -> CaptureError {
        let what = format!(
            "packet {} claims {captured} captured bytes (maximum {})",
            self.packets + 1,
            self.maximum_captured
        );
        CaptureError::damaged(input.offset(), what)
    }
}
