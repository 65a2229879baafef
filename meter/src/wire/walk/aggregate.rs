//! A-MSDUs: several packets in one 802.11 frame. IEEE 802.11 §9.3.2.2.

use super::Walk;
use crate::wire::{NextHeader, NotAFlowPacket, Packet, Path, Unmetered, ieee80211};

/// Iterator over the packets of the remaining subframes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // the flags of the walk
pub struct Aggregate<'a> {
    rest: &'a [u8],
    wire_bytes: u32,
    vlan: Option<u16>,
    tunnel: Path,
    network_id: u32,
    inside_ip: bool,
    decapsulate: bool,
    verify: bool,
    /// No subframe was read so far.
    first: bool,
}

impl<'a> Aggregate<'a> {
    /// Starts at the first subframe, where `walk` stopped.
    pub(super) fn new(walk: &Walk<'a>) -> Self {
        let Walk { rest, wire_bytes, vlan, tunnel, network_id, inside_ip, decapsulate, verify, .. } = *walk;
        Self { rest, wire_bytes, vlan, tunnel, network_id, inside_ip, decapsulate, verify, first: true }
    }

    fn walk(&self, rest: &'a [u8], wire_bytes: u32) -> Walk<'a> {
        let Self { vlan, tunnel, network_id, inside_ip, decapsulate, verify, .. } = *self;
        Walk { vlan, tunnel, network_id, inside_ip, verify, ..Walk::new(rest, wire_bytes, decapsulate) }
    }
}

impl<'a> Iterator for Aggregate<'a> {
    type Item = Result<Packet<'a>, NotAFlowPacket<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = std::mem::take(&mut self.first);
        let (length, body, rest) = match ieee80211::first_subframe(self.rest) {
            Ok(subframe) => subframe,
            // A frame check sequence may follow the last subframe.
            Err(error) if first => {
                let reason =
                    self.walk(self.rest, self.wire_bytes).failure_reason(error, Unmetered::DamagedLink);
                return Some(Err(reason.into()));
            }
            Err(_) => return None,
        };
        self.wire_bytes = self.wire_bytes.saturating_sub((self.rest.len() - rest.len()) as u32);
        self.rest = rest;
        Some(self.walk(body, length).run(NextHeader::Llc))
    }
}
