//! The pcapng format: sections of blocks. draft-ietf-opsawg-pcapng.

mod interface;
mod layout;
mod options;
mod section;
mod time;

use self::layout::{block, description, enhanced, section_header, simple, statistics};
use self::section::{Packet, Section};
use super::Frame;
use super::bytes::ByteOrder;
use super::error::{CaptureError, CaptureErrorKind};
use super::input::Input;

/// A pcapng file after its first section header.
pub(super) struct Pcapng {
    section: Section,
    /// Packets dropped in the sections before this one.
    dropped_earlier: u64,
    /// Time of the last packet, for simple packets, which have none.
    last_time_ns: i64,
    /// Packets delivered so far, for error messages.
    packets: u64,
}

impl Pcapng {
    /// Bytes that `magic` needs.
    pub const MAGIC_BYTES: usize = section_header::BYTE_ORDER_MAGIC + 4;

    /// Returns the byte order, if these bytes start a section.
    pub fn magic(start: &[u8]) -> Option<ByteOrder> {
        let start = start.first_chunk::<{ Self::MAGIC_BYTES }>()?;
        [ByteOrder::Little, ByteOrder::Big].into_iter().find(|order| {
            order.u32(start, block::TYPE) == section_header::BLOCK_TYPE
                && order.u32(start, section_header::BYTE_ORDER_MAGIC) == section_header::MAGIC
        })
    }

    /// Reads the first section header.
    pub fn open(input: &mut Input) -> Result<Self, CaptureError> {
        let mut pcapng = Self {
            section: Section::new(ByteOrder::Little),
            dropped_earlier: 0,
            last_time_ns: 0,
            packets: 0,
        };
        pcapng.begin_section(input)?;
        Ok(pcapng)
    }

    /// Returns the packets reported as dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped_earlier.saturating_add(self.section.dropped())
    }

    /// Processes the blocks before the next packet, and buffers its block; returns false at the end of the file.
    pub fn fetch(&mut self, input: &mut Input) -> Result<bool, CaptureError> {
        loop {
            let header = input.fill(block::HEADER_BYTES);
            if header.len() < block::HEADER_BYTES {
                return self.end(input);
            }
            let block_type = self.section.order.u32(header, block::TYPE);
            let total = self.section.order.u32(header, block::TOTAL_LENGTH);
            let Some(minimum) = minimum_of_packet(block_type) else {
                self.other_block(input, block_type, total)?;
                continue;
            };
            let block = self.block(input, block_type, total, minimum)?;
            if let Err(what) = self.packet(block_type, block) {
                let what = format!("packet {} {what}", self.packets + 1);
                return Err(CaptureError::damaged(input.offset(), what));
            }
            return Ok(true);
        }
    }

    /// Returns the frame in the block at the start of these bytes and the block's length, if it is a complete and valid
    /// packet block.
    #[inline]
    pub fn frame<'i>(&mut self, bytes: &'i [u8]) -> Option<(Frame<'i>, usize)> {
        let header = bytes.get(..block::HEADER_BYTES)?;
        let block_type = self.section.order.u32(header, block::TYPE);
        let total = self.section.order.u32(header, block::TOTAL_LENGTH);
        let possible = minimum_of_packet(block_type)?..=self.section.maximum_block;
        let bytes_in_file = bytes_in_file(total) as usize;
        let block = bytes.get(..bytes_in_file).filter(|_| possible.contains(&total))?;
        let (block, trailing) = block.split_at(bytes_in_file - block::TRAILER_BYTES);
        if self.section.order.u32(trailing, 0) != total {
            return None;
        }
        let Packet { interface, link_type, time_ns, wire_bytes, data } =
            self.packet(block_type, block).ok()?;
        self.last_time_ns = time_ns;
        self.packets += 1;
        Some((Frame { interface, link_type, time_ns, wire_bytes, data: &block[data] }, bytes_in_file))
    }

    #[inline]
    fn packet(&self, block_type: u32, block: &[u8]) -> Result<Packet, String> {
        match block_type {
            enhanced::BLOCK_TYPE => self.section.enhanced_packet(block),
            enhanced::OBSOLETE_BLOCK_TYPE => self.section.obsolete_packet(block),
            _ => self.section.simple_packet(block, self.last_time_ns),
        }
    }

    #[cold]
    fn other_block(&mut self, input: &mut Input, block_type: u32, total: u32) -> Result<(), CaptureError> {
        let result = match block_type {
            section_header::BLOCK_TYPE => return self.begin_section(input),
            description::BLOCK_TYPE => {
                let block = self.block(input, block_type, total, description::MINIMUM_BYTES)?;
                self.section.add_interface(block)
            }
            statistics::BLOCK_TYPE => {
                let block = self.block(input, block_type, total, statistics::MINIMUM_BYTES)?;
                self.section.update_statistics(block)
            }
            _ => return self.skip_block(input, block_type, total),
        };
        result.map_err(|what| CaptureError::damaged(input.offset(), what))?;
        input.next_bytes(bytes_in_file(total) as usize);
        Ok(())
    }

    /// Starts a section, with its own byte order and interfaces.
    fn begin_section(&mut self, input: &mut Input) -> Result<(), CaptureError> {
        const MINIMUM_BYTES: u32 = section_header::MINIMUM_BYTES;
        let at = input.offset();
        let header = input.fill(MINIMUM_BYTES as usize);
        if header.len() < MINIMUM_BYTES as usize {
            return Err(input.shortfall(at, MINIMUM_BYTES.into(), "a section header"));
        }
        let Some(order) = Self::magic(header) else {
            let what = "a section header without its byte-order magic";
            return Err(CaptureError::damaged(at, what));
        };
        let total = order.u32(header, block::TOTAL_LENGTH);
        if total < MINIMUM_BYTES {
            return Err(impossible_length(at, section_header::BLOCK_TYPE, total));
        }
        let major = order.u16(header, section_header::MAJOR_VERSION);
        let minor = order.u16(header, section_header::MINOR_VERSION);
        if major != 1 {
            let message = format!(
                "pcapng version {major}.{minor} (supported: 1.x); \
                 convert with: editcap -F pcapng IN OUT"
            );
            let kind = CaptureErrorKind::Unsupported;
            return Err(CaptureError::new(kind, at, message));
        }
        self.dropped_earlier = self.dropped();
        self.section = Section::new(order);
        // Its options can be of any length, and do not affect packets.
        self.skip_block(input, section_header::BLOCK_TYPE, total)
    }

    /// Returns the next block without its trailing length, which is checked.
    #[inline]
    fn block<'i>(
        &self,
        input: &'i mut Input,
        block_type: u32,
        total: u32,
        minimum: u32,
    ) -> Result<&'i [u8], CaptureError> {
        let at = input.offset();
        if total < minimum || total > self.section.maximum_block {
            return Err(impossible_length(at, block_type, total));
        }
        let bytes = bytes_in_file(total) as usize;
        if input.fill(bytes).len() < bytes {
            return Err(self.cut(input, at, block_type, total));
        }
        let (block, trailing) = input.fill(bytes).split_at(bytes - block::TRAILER_BYTES);
        let trailing = self.section.order.u32(trailing, 0);
        if trailing == total { Ok(block) } else { Err(lengths_disagree(at, block_type, total, trailing)) }
    }

    fn skip_block(&self, input: &mut Input, block_type: u32, total: u32) -> Result<(), CaptureError> {
        let at = input.offset();
        if total < block::MINIMUM_BYTES {
            return Err(impossible_length(at, block_type, total));
        }
        let skipped = input.skip(bytes_in_file(total) - block::TRAILER_BYTES as u64);
        let trailing = input.fill(block::TRAILER_BYTES);
        if !skipped || trailing.len() < block::TRAILER_BYTES {
            return Err(self.cut(input, at, block_type, total));
        }
        let trailing = self.section.order.u32(trailing, 0);
        if trailing != total {
            return Err(lengths_disagree(at, block_type, total, trailing));
        }
        input.next_bytes(block::TRAILER_BYTES);
        Ok(())
    }

    #[cold]
    fn end(&self, input: &mut Input) -> Result<bool, CaptureError> {
        let place = format!("a block after packet {}", self.packets);
        if !input.fill(1).is_empty() {
            return Err(input.shortfall(input.offset(), block::MINIMUM_BYTES.into(), place));
        }
        input.clean_end(place)?;
        Ok(false)
    }

    #[cold]
    fn cut(&self, input: &mut Input, at: u64, block_type: u32, total: u32) -> CaptureError {
        let place = match minimum_of_packet(block_type) {
            Some(_) => format!("packet {}", self.packets + 1),
            None => format!("a block of type {block_type:#x} after packet {}", self.packets),
        };
        input.shortfall(at, bytes_in_file(total), place)
    }
}

/// Returns the minimum length of a packet block; `None` for other types.
#[inline]
fn minimum_of_packet(block_type: u32) -> Option<u32> {
    match block_type {
        enhanced::BLOCK_TYPE | enhanced::OBSOLETE_BLOCK_TYPE => Some(enhanced::MINIMUM_BYTES),
        simple::BLOCK_TYPE => Some(simple::MINIMUM_BYTES),
        _ => None,
    }
}

/// Returns the length rounded up to a multiple of 4. Some writers exclude the padding; Wireshark accepts that.
#[inline]
fn bytes_in_file(total: u32) -> u64 {
    u64::from(total).next_multiple_of(4)
}

#[cold]
fn impossible_length(at: u64, block_type: u32, total: u32) -> CaptureError {
    let what = format!("a block of type {block_type:#x} claims {total} bytes, an invalid length");
    CaptureError::damaged(at, what)
}

#[cold]
fn lengths_disagree(at: u64, block_type: u32, total: u32, trailing: u32) -> CaptureError {
    let what =
        format!("a block of type {block_type:#x} begins with the length {total} and ends with {trailing}");
    CaptureError::damaged(at, what)
}
