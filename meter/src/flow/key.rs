//! The flow key.

use std::hash::{Hash, Hasher};

use crate::wire::Ends;

/// The key of a bidirectional flow. Endpoint `a` is the one with the smaller (address, port), so that both directions
/// have one key. VLAN and overlay ids may differ by direction: stitching decides on them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Address of endpoint `a`; IPv4 as `::ffff:a.b.c.d`.
    pub addr_a: [u8; 16],
    /// Address of endpoint `b`; IPv4 as `::ffff:a.b.c.d`.
    pub addr_b: [u8; 16],
    /// Port of endpoint `a`.
    pub port_a: u16,
    /// Port of endpoint `b`.
    pub port_b: u16,
    /// IP protocol number of the transport.
    pub proto: u8,
    /// 4 or 6: a mapped IPv4 address is also a possible, if unusual, IPv6 address.
    pub ip_version: u8,
}

impl Key {
    /// Returns the key of a packet's flow, and whether the packet was sent by `a`.
    #[inline]
    #[must_use]
    pub fn of(ends: &Ends) -> (Self, bool) {
        let source = (ends.source, ends.source_port);
        let destination = (ends.destination, ends.destination_port);
        let from_a = source <= destination;
        let (a, b) = if from_a { (source, destination) } else { (destination, source) };
        let key = Self {
            addr_a: a.0.to_be_bytes(),
            addr_b: b.0.to_be_bytes(),
            port_a: a.1,
            port_b: b.1,
            proto: ends.proto,
            ip_version: ends.ip_version,
        };
        (key, from_a)
    }

    /// Returns whether the flow runs between one port and the same port of a group: not an ephemeral port.
    #[must_use]
    pub fn is_announcement(&self) -> bool {
        let is_group = |address: &[u8; 16]| match self.ip_version {
            4 => address[12] >> 4 == 0xe || address[12..] == [255; 4],
            _ => address[0] == 0xff,
        };
        self.port_a == self.port_b && (is_group(&self.addr_a) || is_group(&self.addr_b))
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.addr_a));
        state.write_u128(u128::from_ne_bytes(self.addr_b));
        let ports = u32::from(self.port_a) << 16 | u32::from(self.port_b);
        state.write_u64(u64::from(ports) << 32 | u64::from(self.ip_version) << 8 | u64::from(self.proto));
    }
}
