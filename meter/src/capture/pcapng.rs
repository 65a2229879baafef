//! The pcapng format: sections of blocks. draft-ietf-opsawg-pcapng.

mod interface;
mod layout;
mod options;
mod section;
mod time;

use self::layout::{block, description, enhanced, section_header, simple, statistics};
use self::section::Section;
use super::Frame;
use super::bytes::ByteOrder;
use super::error::{CaptureError, CaptureErrorKind};
use super::input::Input;

/// A pcapng file behind its first section header.
pub(super) struct Pcapng {
    section: Section,
    /// Lost in the sections before this one.
    dropped_earlier: u64,
    /// A simple packet has no time of its own.
    last_time_ns: i64,
    /// Packets delivered, for messages.
    packets: u64,
}

impl Pcapng {
    /// How much of a file `magic` needs to see.
    pub const MAGIC_BYTES: usize = section_header::BYTE_ORDER_MAGIC + 4;

    /// The byte order, if these bytes begin a section.
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

    /// Packets that the capturing system says it lost, as far as it was read.
    pub fn dropped(&self) -> u64 {
        self.dropped_earlier.saturating_add(self.section.dropped())
    }

    #[inline]
    pub fn next_frame<'i>(&mut self, input: &'i mut Input) -> Result<Option<Frame<'i>>, CaptureError> {
        loop {
            let header = input.fill(block::HEADER_BYTES);
            if header.len() < block::HEADER_BYTES {
                return self.end(input);
            }
            let block_type = self.section.order.u32(header, block::TYPE);
            let total = self.section.order.u32(header, block::TOTAL_LENGTH);
            let packet = match block_type {
                enhanced::BLOCK_TYPE => {
                    let block = self.block(input, block_type, total, enhanced::MINIMUM_BYTES)?;
                    self.section.enhanced_packet(block)
                }
                enhanced::OBSOLETE_BLOCK_TYPE => {
                    let block = self.block(input, block_type, total, enhanced::MINIMUM_BYTES)?;
                    self.section.obsolete_packet(block)
                }
                simple::BLOCK_TYPE => {
                    let block = self.block(input, block_type, total, simple::MINIMUM_BYTES)?;
                    self.section.simple_packet(block, self.last_time_ns)
                }
                _ => {
                    self.other_block(input, block_type, total)?;
                    continue;
                }
            };
            let packet = packet.map_err(|what| {
                let what = format!("packet {} {what}", self.packets + 1);
                CaptureError::damaged(input.offset(), what)
            })?;
            self.last_time_ns = packet.time_ns;
            self.packets += 1;
            return Ok(Some(Frame {
                link_type: packet.link_type,
                time_ns: packet.time_ns,
                wire_bytes: packet.wire_bytes,
                data: &input.take(bytes_in_file(total) as usize)[packet.data],
            }));
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
        input.take(bytes_in_file(total) as usize);
        Ok(())
    }

    /// A section has a byte order and interfaces of its own.
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
                "pcapng version {major}.{minor} (versions 1.x are read); \
                 convert with: editcap -F pcapng IN OUT"
            );
            let kind = CaptureErrorKind::Unsupported;
            return Err(CaptureError::new(kind, at, message));
        }
        self.dropped_earlier = self.dropped();
        self.section = Section::new(order);
        // Its options can be of any length, and say nothing about packets.
        self.skip_block(input, section_header::BLOCK_TYPE, total)
    }

    /// All of the block that comes next but its trailing length, which is checked.
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
        input.take(block::TRAILER_BYTES);
        Ok(())
    }

    #[cold]
    fn end<'i>(&self, input: &mut Input) -> Result<Option<Frame<'i>>, CaptureError> {
        let place = format!("a block behind packet {}", self.packets);
        if !input.fill(1).is_empty() {
            return Err(input.shortfall(input.offset(), block::MINIMUM_BYTES.into(), place));
        }
        input.clean_end(place)?;
        Ok(None)
    }

    #[cold]
    fn cut(&self, input: &mut Input, at: u64, block_type: u32, total: u32) -> CaptureError {
        let place = match block_type {
            enhanced::BLOCK_TYPE | enhanced::OBSOLETE_BLOCK_TYPE | simple::BLOCK_TYPE => {
                format!("packet {}", self.packets + 1)
            }
            _ => format!("a block of type {block_type:#x} behind packet {}", self.packets),
        };
        input.shortfall(at, bytes_in_file(total), place)
    }
}

/// Lengths are multiples of 4. Some writers count without the padding that they write; Wireshark allows it.
#[inline]
fn bytes_in_file(total: u32) -> u64 {
    u64::from(total).next_multiple_of(4)
}

#[cold]
fn impossible_length(at: u64, block_type: u32, total: u32) -> CaptureError {
    let what = format!("a block of type {block_type:#x} claims {total} bytes, which it cannot have");
    CaptureError::damaged(at, what)
}

#[cold]
fn lengths_disagree(at: u64, block_type: u32, total: u32, trailing: u32) -> CaptureError {
    let what =
        format!("a block of type {block_type:#x} begins with the length {total} and ends with {trailing}");
    CaptureError::damaged(at, what)
}
