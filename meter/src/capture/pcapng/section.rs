//! What a section knows, its byte order and interfaces, and with it the packets in its blocks.
//!
//! Blocks come whole, but without their trailing length, and at least as long as `layout` says.

use std::ops::Range;

use super::interface::Interface;
use super::layout::{block, description, enhanced, simple, statistics};
use crate::capture::bytes::{ByteOrder, high_low};
use crate::capture::limits::{MAXIMUM_MESSAGE, on_wire};

/// Where in its block a packet is, and what is known of it.
pub(super) struct Packet {
    pub interface: u8,
    pub link_type: u16,
    pub time_ns: i64,
    pub wire_bytes: u32,
    pub data: Range<usize>,
}

/// A section, as far as it was read.
pub(super) struct Section {
    pub order: ByteOrder,
    /// No block that is held in memory can be longer.
    pub maximum_block: u32,
    interfaces: Vec<Interface>,
}

impl Section {
    pub fn new(order: ByteOrder) -> Self {
        Self { order, maximum_block: block::MAXIMUM_BYTES, interfaces: Vec::new() }
    }

    /// Packets lost at all interfaces.
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
            // It can have no packets either. Wireshark reads on, too.
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

    /// Says neither interface nor time nor captured length.
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
        interface.ok_or_else(|| format!("names interface {id}, which no block describes"))
    }
}

/// Where `captured` bytes of data lie in a block.
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
             (its block has room for {room}, and at most {most} are possible)"
        ));
    }
    Ok(data..data + captured as usize)
}
