//! State of a section (byte order, interfaces), by which the packets in its blocks are parsed.
//!
//! Callers pass whole blocks without their trailing length, of at least the minimum length of `layout`.

use std::ops::Range;

use super::interface::Interface;
use super::layout::{block, description, enhanced, simple, statistics};
use crate::capture::bytes::{ByteOrder, high_low};
use crate::capture::limits::{MAXIMUM_MESSAGE, on_wire};

/// A packet: its metadata, and its range in the block.
pub(super) struct Packet {
    pub interface: u8,
    pub link_type: u16,
    pub time_ns: i64,
    pub wire_bytes: u32,
    pub data: Range<usize>,
}

/// State of a section so far.
pub(super) struct Section {
    pub order: ByteOrder,
    /// Maximum bytes of a block that is held in memory.
    pub maximum_block: u32,
    interfaces: Vec<Interface>,
}

impl Section {
    pub fn new(order: ByteOrder) -> Self {
        Self { order, maximum_block: block::MAXIMUM_BYTES, interfaces: Vec::new() }
    }

    /// Returns the packets dropped at all interfaces.
    pub fn dropped(&self) -> u64 {
        let dropped = self.interfaces.iter().map(Interface::dropped);
        dropped.fold(0, u64::saturating_add)
    }

    pub fn add_interface(&mut self, block: &[u8]) -> Result<(), String> {
        if self.interfaces.len() == description::MAXIMUM_COUNT {
            let most = description::MAXIMUM_COUNT;
            return Err(format!("more than {most} interfaces in a section"));
        }
        let interface = Interface::new(self.order, block)?;
        if interface.carries_messages() {
            self.maximum_block = block::MAXIMUM_BYTES + MAXIMUM_MESSAGE;
        }
        self.interfaces.push(interface);
        Ok(())
    }

    pub fn update_statistics(&mut self, block: &[u8]) -> Result<(), String> {
        let id = self.order.u32(block, statistics::INTERFACE_ID) as usize;
        match self.interfaces.get_mut(id) {
            Some(interface) => interface.update_statistics(self.order, block),
            // An undescribed interface, without packets. Wireshark ignores this, too.
            None => Ok(()),
        }
    }

    #[inline]
    pub fn enhanced_packet(&self, block: &[u8]) -> Result<Packet, String> {
        self.packet_of(self.order.u32(block, enhanced::INTERFACE_ID), block)
    }

    pub fn obsolete_packet(&self, block: &[u8]) -> Result<Packet, String> {
        self.packet_of(self.order.u16(block, enhanced::INTERFACE_ID).into(), block)
    }

    #[inline]
    fn packet_of(&self, interface_id: u32, block: &[u8]) -> Result<Packet, String> {
        let interface = self.interface(interface_id)?;
        let high = self.order.u32(block, enhanced::TIMESTAMP_HIGH);
        let low = self.order.u32(block, enhanced::TIMESTAMP_LOW);
        let captured = self.order.u32(block, enhanced::CAPTURED_LENGTH);
        let original = self.order.u32(block, enhanced::ORIGINAL_LENGTH);
        Ok(Packet {
            interface: if self.interfaces.len() > 1 { (interface_id % 255) as u8 + 1 } else { 0 },
            link_type: interface.link_type,
            time_ns: interface.clock.time_ns(high_low(high, low)),
            wire_bytes: on_wire(original, captured, interface.maximum_captured),
            data: data_range(block, enhanced::DATA, captured, interface)?,
        })
    }

    /// Parses a simple packet, which has no interface, time or captured length.
    pub fn simple_packet(&self, block: &[u8], time_ns: i64) -> Result<Packet, String> {
        let interface = self.interface(0)?;
        let original = self.order.u32(block, simple::ORIGINAL_LENGTH);
        let captured = match interface.snap_len {
            0 => original,
            snap_len => original.min(snap_len),
        };
        Ok(Packet {
            interface: 0,
            link_type: interface.link_type,
            time_ns,
            wire_bytes: on_wire(original, captured, interface.maximum_captured),
            data: data_range(block, simple::DATA, captured, interface)?,
        })
    }

    #[inline]
    fn interface(&self, id: u32) -> Result<&Interface, String> {
        let interface = self.interfaces.get(id as usize);
        interface.ok_or_else(|| format!("refers to interface {id}, which no block describes"))
    }
}

/// Returns the range of the captured bytes in a block.
#[inline]
fn data_range(
    block: &[u8],
    data: usize,
    captured: u32,
    interface: &Interface,
) -> Result<Range<usize>, String> {
    let room = block.len() - data;
    let most = interface.maximum_captured;
    if captured > most || captured as usize > room {
        return Err(format!(
            "claims {captured} captured bytes \
             (its block has room for {room}; maximum {most})"
        ));
    }
    Ok(data..data + captured as usize)
}
