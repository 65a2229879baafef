//! The reasons why a packet is in no flow.

use std::fmt;

/// Why a packet is in no flow. The order is that of the accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Unmetered {
    /// A link type that this program doesn't read.
    LinkType,
    /// ARP, LLDP, spanning tree …: no IP in the frame.
    NotIp,
    /// ICMP and ICMPv6.
    Icmp,
    /// IP carrying a protocol without ports (OSPF, IGMP …).
    NoPorts,
    /// ESP, encrypted Wi-Fi or MACsec frames.
    Encrypted,
    /// Several packets in one 802.11 frame.
    Aggregate,
    /// A fragment whose first one was not captured.
    LaterFragment,
    /// A copy of another packet, and copies are to be left out.
    Duplicate,
    /// More headers inside one another than are followed.
    TooDeep,
    /// The snap length cut the headers.
    CutShort,
    /// A link or tunnel header contradicts itself or its length.
    DamagedLink,
    /// The IP header contradicts itself or its length.
    DamagedIp,
    /// The transport header contradicts itself or its length.
    DamagedTransport,
}

impl Unmetered {
    /// Every reason, in the order of the accounting.
    pub const ALL: [Self; 13] = [
        Self::LinkType,
        Self::NotIp,
        Self::Icmp,
        Self::NoPorts,
        Self::Encrypted,
        Self::Aggregate,
        Self::LaterFragment,
        Self::Duplicate,
        Self::TooDeep,
        Self::CutShort,
        Self::DamagedLink,
        Self::DamagedIp,
        Self::DamagedTransport,
    ];

    /// The key of this reason in the accounting.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LinkType => "link_type",
            Self::NotIp => "not_ip",
            Self::Icmp => "icmp",
            Self::NoPorts => "no_ports",
            Self::Encrypted => "encrypted",
            Self::Aggregate => "aggregate",
            Self::LaterFragment => "later_fragment",
            Self::Duplicate => "duplicate",
            Self::TooDeep => "too_deep",
            Self::CutShort => "cut_short",
            Self::DamagedLink => "damaged_link",
            Self::DamagedIp => "damaged_ip",
            Self::DamagedTransport => "damaged_transport",
        }
    }
}

impl fmt::Display for Unmetered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
