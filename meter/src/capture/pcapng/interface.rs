//! Interfaces of a section: link type, clock, dropped packets.

use super::layout::{description, statistics};
use super::options::Options;
use super::time::Clock;
use crate::capture::bytes::ByteOrder;
use crate::capture::limits::{MAXIMUM_SNAPLEN, maximum_captured};

/// One interface of a section.
pub(super) struct Interface {
    pub link_type: u16,
    /// Snapshot length; 0: no limit.
    pub snap_len: u32,
    pub clock: Clock,
    pub maximum_captured: u32,
    /// From the latest statistics.
    isb_ifdrop: u64,
    isb_osdrop: u64,
}

impl Interface {
    /// Parses an interface description block without its trailing length.
    pub fn new(order: ByteOrder, block: &[u8]) -> Result<Self, String> {
        let link_type = order.u16(block, description::LINK_TYPE);
        let (mut if_tsresol, mut if_tsoffset) = (6, 0);
        for option in (Options { order, rest: &block[description::OPTIONS..] }) {
            match option
                .map_err(|code| format!("option {code} of an interface description exceeds its block"))?
            {
                (description::IF_TSRESOL, [value]) => if_tsresol = *value,
                (description::IF_TSOFFSET, value) if value.len() == 8 => {
                    if_tsoffset = i64::from_ne_bytes(order.u64(value, 0).to_ne_bytes());
                }
                // Ignoring it would make every time wrong.
                (code @ (description::IF_TSRESOL | description::IF_TSOFFSET), value) => {
                    return Err(format!(
                        "option {code} of an interface description has {} bytes",
                        value.len()
                    ));
                }
                _ => {}
            }
        }
        Ok(Self {
            link_type,
            snap_len: order.u32(block, description::SNAP_LEN),
            clock: Clock::new(if_tsresol, if_tsoffset),
            maximum_captured: maximum_captured(link_type),
            isb_ifdrop: 0,
            isb_osdrop: 0,
        })
    }

    /// Returns whether its packets may be longer than network packets.
    pub fn carries_messages(&self) -> bool {
        self.maximum_captured > MAXIMUM_SNAPLEN
    }

    /// Parses an interface statistics block without its trailing length. Its counts are totals since the start of the
    /// capture, so they replace earlier ones.
    pub fn update_statistics(&mut self, order: ByteOrder, block: &[u8]) -> Result<(), String> {
        for option in (Options { order, rest: &block[statistics::OPTIONS..] }) {
            match option.map_err(|code| format!("option {code} of interface statistics exceeds its block"))? {
                (statistics::ISB_IFDROP, value) if value.len() == 8 => {
                    self.isb_ifdrop = order.u64(value, 0);
                }
                (statistics::ISB_OSDROP, value) if value.len() == 8 => {
                    self.isb_osdrop = order.u64(value, 0);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the packets dropped before capture.
    pub fn dropped(&self) -> u64 {
        self.isb_ifdrop.saturating_add(self.isb_osdrop)
    }
}
